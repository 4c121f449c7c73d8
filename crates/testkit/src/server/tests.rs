//! Servers start, hold, die and come back, and none is left behind.

use super::*;

/// Says a line to a server and reads the line that it answers; nothing where it does not within half a second.
fn ask(address: SocketAddr, line: &[u8]) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_millis(500))).ok()?;
    stream.write_all(line).ok()?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        answer.extend(byte);
    }
    String::from_utf8(answer).ok()
}

#[test]
fn a_killed_redis_comes_back_with_its_data() {
    let mut redis = Redis::start();
    assert_eq!(ask(redis.address(), b"SET a 1\r\n").as_deref(), Some("+OK\r\n"));
    redis.kill();
    assert_eq!(ask(redis.address(), b"PING\r\n"), None);
    redis.restart();
    assert_eq!(ask(redis.address(), b"STRLEN a\r\n").as_deref(), Some(":1\r\n"));
}

#[test]
fn a_paused_redis_says_nothing_until_it_goes_on() {
    let redis = Redis::start();
    redis.pause();
    assert_eq!(ask(redis.address(), b"PING\r\n"), None);
    redis.resume();
    assert_eq!(ask(redis.address(), b"PING\r\n").as_deref(), Some("+PONG\r\n"));
}

#[test]
fn a_nats_server_has_jetstream_and_comes_back() {
    let mut nats = Nats::start();
    for _ in 0..2 {
        let greeting = ask(nats.address(), b"").expect("it greets");
        assert!(greeting.contains("\"jetstream\":true"), "{greeting}");
        assert!(greeting.contains("\"max_payload\":16777216"), "{greeting}");
        nats.restart();
    }
}

#[test]
fn a_postgres_comes_back_and_stands_still() {
    let mut postgres = Postgres::start();
    for _ in 0..2 {
        postgres.pause();
        assert!(!postgres.is_ready());
        postgres.resume();
        eventually("it goes on", || postgres.is_ready());
        postgres.restart();
    }
}

#[test]
fn a_server_ends_with_its_value() {
    let address = Redis::start().address();
    assert_eq!(ask(address, b"PING\r\n"), None);
}

/// The thread that starts a server ends, as a test's may that shares it with others; the server stays.
#[test]
fn a_server_outlives_the_thread_that_started_it() {
    let redis = std::thread::spawn(Redis::start).join().expect("it starts");
    assert_eq!(ask(redis.address(), b"PING\r\n").as_deref(), Some("+PONG\r\n"));
}

/// The other process: starts a server, says where it is, and waits to be killed.
#[test]
fn a_process_starts_a_server() {
    if std::env::var_os("TESTKIT_TEST_SERVER").is_none() {
        return;
    }
    let redis = Redis::start();
    println!("\n{}", redis.address());
    std::thread::park();
}

/// A test that is killed has no moment to end what it started.
#[test]
fn a_server_ends_with_a_process_that_is_killed() {
    let program = std::env::current_exe().expect("this program has a path");
    let mut command = Command::new(program);
    command.args(["--exact", "server::tests::a_process_starts_a_server", "--nocapture"]);
    command.env("TESTKIT_TEST_SERVER", "yes").stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("this program starts again");
    let output = std::io::BufReader::new(child.stdout.take().expect("it is piped"));
    let mut lines = std::io::BufRead::lines(output).map_while(Result::ok);
    let address: SocketAddr = lines.find_map(|line| line.parse().ok()).expect("it says where its server is");
    assert_eq!(ask(address, b"PING\r\n").as_deref(), Some("+PONG\r\n"));
    child.kill().and_then(|()| child.wait()).expect("it runs");
    eventually("the server is gone", || ask(address, b"PING\r\n").is_none());
}
