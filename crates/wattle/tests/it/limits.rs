//! What a component or a client that takes too much gets, and that nobody else notices.

use std::time::{Duration, Instant};

use testkit::{Connection, Up, chunked, eventually, request};

use crate::{begin, guest, occupy, route, wattle};

/// All of one component's answers and refusals by the report at the end.
fn counts(up: Up, component: &str) -> Vec<(String, u64)> {
    let requests = up.stop().requests(component);
    let counts = requests.as_object().expect("names and numbers").iter();
    counts.filter_map(|(what, count)| Some((what.clone(), count.as_u64().filter(|count| *count > 0)?))).collect()
}

fn is(what: &str, count: u64) -> (String, u64) {
    (what.to_owned(), count)
}

#[test]
fn an_endless_loop_ends_with_504() {
    let up = wattle().up([&guest("http-kit"), "--timeout=0.3"]);
    let answer = up.get("/spin");
    assert_eq!((answer.status, answer.text().as_str()), (504, "the component did not answer in time\n"));
    assert_eq!(up.get("/slow?ms=500000").status, 504, "a component that waits is stopped as well");
    assert_eq!(up.send(&request("POST", "/read", &[("content-length", "5")], b"")).status, 504, "so is one that reads");
    assert_eq!(up.get("/slow?ms=1").status, 200);
    up.says("out of time");
    assert_eq!(counts(up, "http-kit"), [is("answered", 1), is("out_of_time", 3)]);
}

/// An answer that has begun cannot become a 504: it has to be cut, so that nobody takes it for whole.
#[test]
fn a_streamed_answer_that_is_out_of_time_is_cut_off() {
    let up = wattle().up([&guest("http-kit"), "--timeout=0.3"]);
    let mut connection = begin(&up, "/stream?n=1000&ms=50");
    assert_eq!(connection.answer().expect_err("it is cut").kind(), std::io::ErrorKind::UnexpectedEof);
    assert_eq!(up.get("/").status, 200);
    assert_eq!(counts(up, "http-kit"), [is("answered", 1), is("out_of_time", 1)]);
}

/// One thread, so that both share it: the neighbour's requests are answered although the loop never ends by itself.
#[test]
fn a_busy_component_leaves_its_neighbour_alone() {
    for busy in ["/kit/spin", "/kit/fill?mib=64", "/kit/alloc?mib=100"] {
        let up = wattle().up([&route("/kit", "http-kit"), &route("/hello", "hello"), "--threads=1"]);
        let mut connection = begin(&up, busy);
        for _ in 0..50 {
            assert_eq!(up.get("/hello").status, 200);
        }
        let is_still_busy = !connection.has_answer().expect("it is open");
        assert!(is_still_busy || busy.contains("alloc"), "{busy} has ended");
    }
}

#[test]
fn more_requests_than_may_run_at_once_are_told_to_come_again() {
    let up = wattle().up([&guest("http-kit"), "--concurrency=1"]);
    let running = occupy(&up, &request("GET", "/slow?ms=500000", &[], b""));
    let answer = up.get("/");
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
    drop(running);
    eventually("its place is free", || up.get("/").status == 200);
    // This one, and those by which it was found out that there is no place.
    let full = up.stop().requests("http-kit")["full"].as_u64();
    assert!(full >= Some(3), "{full:?}");
}

/// Requests of one component never take the places of another.
#[test]
fn a_full_component_leaves_its_neighbour_alone() {
    let up = wattle().up([&route("/", "http-kit"), &route("/hello", "hello"), "--concurrency=1"]);
    let _running = occupy(&up, &request("GET", "/slow?ms=500000", &[], b""));
    for _ in 0..20 {
        assert_eq!(up.get("/hello").status, 200);
    }
}

#[test]
fn a_body_that_is_too_large_is_refused() {
    let up = wattle().up([&guest("http-kit"), "--max-body=64KiB"]);
    let (fits, too_large) = (vec![b'x'; 64 << 10], vec![b'x'; (64 << 10) + 1]);
    assert_eq!(up.ask("POST", "/read", &fits).text(), "65536 bytes\n");
    assert_eq!(up.ask("POST", "/read", &too_large).status, 413);
    assert_eq!(up.send(&chunked("/read", fits.chunks(1000))).text(), "65536 bytes\n");
    assert_eq!(up.send(&chunked("/read", too_large.chunks(1000))).status, 413);
    // A component that has begun to answer cannot be overruled: its answer is cut.
    let begun = up.try_send(&chunked("/echo", too_large.repeat(4).chunks(1000)));
    assert!(begun.as_ref().map_or(true, |answer| answer.status == 413), "{begun:?}");
    assert_eq!(up.get("/").status, 200);
    assert_eq!(counts(up, "http-kit"), [is("answered", 3), is("too_large", 3)]);
}

#[test]
fn a_head_that_is_too_large_is_refused() {
    let up = wattle().up([guest("hello")]);
    let large = "x".repeat(70_000);
    assert_eq!(up.send(&request("GET", "/", &[("x-large", &large)], b"")).status, 431);
    let many: Vec<_> = (0..200).map(|_| ("x-many", "1")).collect();
    assert_eq!(up.send(&request("GET", "/", &many, b"")).status, 431);
    let fits = "x".repeat(30_000);
    assert_eq!(up.send(&request("GET", "/", &[("x-fits", &fits)], b"")).status, 200);
    let values = up.stop().values();
    let plane = values.iter().find_map(|value| value["stopped"].get("connections")).expect("a last line");
    assert_eq!(plane["head_too_large"], 2);
}

#[test]
fn more_memory_than_is_allowed_fails_the_request_alone() {
    let up = wattle().up([&guest("http-kit"), "--memory=16MiB"]);
    let answer = up.get("/alloc?mib=64");
    assert_eq!((answer.status, answer.text().as_str()), (500, "the component needed more memory than it may have\n"));
    assert_eq!(up.get("/alloc?mib=8").status, 200);
    up.says("out of memory");
    assert_eq!(counts(up, "http-kit"), [is("answered", 1), is("out_of_memory", 1)]);
}

/// What the host would hold on the component's behalf is bounded as well: random bytes, handles, sets of headers.
#[test]
fn what_the_host_holds_for_a_component_is_bounded() {
    let up = wattle().up([guest("http-kit")]);
    assert_eq!(up.get("/random?n=1000").status, 200);
    for target in
        ["/random?n=1000000", "/random?n=18446744073709551615", "/handles?n=100000", "/handles?n=100000&kind=fields"]
    {
        assert_eq!(up.get(target).status, 500, "{target}");
        assert_eq!(up.get("/").status, 200, "after {target}");
    }
    assert_eq!(up.get("/handles?n=1000").status, 200);
    assert_eq!(counts(up, "http-kit"), [is("answered", 6), is("failed", 4)]);
}

/// What a request may take, a call may take as well: tables, what the host copies for one call, and sets of headers.
#[test]
fn what_one_instance_may_take_is_bounded_to_the_byte() {
    let greedy = guest("greedy");
    let called = |calls: &[&str]| wattle().run(["call", &greedy].iter().chain(calls));
    let grown = called(&["grow(65000)", "grow(536)", "grow(1)"]);
    assert_eq!((grown.code, grown.stdout.as_str()), (Some(0), "0\n65000\n-1\n"), "{}", grown.stderr);
    for (fits, is_too_much, why) in [
        ("ask(16777216)", "ask(16777217)", "fuel allocated for hostcalls has been exhausted"),
        ("headers(1000, 60)", "headers(1000, 70)", "total size of fields exceeds limit"),
    ] {
        let ended = called(&[fits, is_too_much]);
        assert_eq!((ended.code, ended.stdout.lines().count()), (Some(134), 1), "{fits}: {}", ended.stderr);
        assert!(ended.stderr.contains(why), "{is_too_much}: {}", ended.stderr);
    }
}

/// A table that is too large from the start is named for what it is; a program that somebody runs by hand may have it.
#[test]
fn a_table_that_is_too_large_keeps_an_instance_from_starting() {
    let wattle = wattle();
    let text = r#"(module (table 65537 funcref) (func (export "_start")) (func (export "f")))"#;
    let file = wattle.write("table.wat", text).display().to_string();
    let called = wattle.run(["call", &file, "f()"]);
    assert_eq!(called.code, Some(134), "{}", called.stderr);
    assert!(called.stderr.contains("E0208") && called.stderr.contains("tables of 65537 elements"), "{}", called.stderr);
    let ran = wattle.run(["run", &file]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
}

#[test]
fn a_storm_of_traps_disturbs_nobody_and_is_not_written_out() {
    let up = wattle().up([&route("/kit", "http-kit"), &route("/hello", "hello")]);
    let storm = |target: &str| {
        let mut connection = up.connect();
        for _ in 0..250 {
            connection.send(&request("GET", target, &[], b"")).expect("it stays open");
            assert_eq!(connection.answer().expect("an answer").status, 500);
        }
    };
    std::thread::scope(|threads| {
        threads.spawn(|| storm("/kit/trap"));
        threads.spawn(|| storm("/kit/trap?kind=unreachable"));
        for _ in 0..100 {
            assert_eq!(up.get("/hello").status, 200);
        }
    });
    let ended = up.stop();
    let warnings = ended.stderr.lines().filter(|line| line.contains(" WARN ")).count();
    assert!((1..100).contains(&warnings), "{warnings} warnings for 500 traps");
    assert_eq!(ended.requests("http-kit")["failed"], 500);
    assert_eq!(ended.requests("hello")["answered"], 100);
}

/// A head may be as large as `--max-head` says, not as large as the buffer that it is read into.
#[test]
fn the_largest_head_is_what_the_flag_says() {
    let up = wattle().up([&guest("hello"), "--max-head=1KiB"]);
    assert_eq!(up.send(&request("GET", "/", &[("x-fits", &"x".repeat(900))], b"")).status, 200);
    assert_eq!(up.send(&request("GET", "/", &[("x-large", &"x".repeat(1000))], b"")).status, 431);
    assert_eq!(up.get(&format!("/{}", "x".repeat(1000))).status, 431);
}

/// What a component prints is its own affair until it prints so much that nobody else can be read.
#[test]
fn a_component_that_prints_without_an_end_is_not_written_out() {
    let up = wattle().up([guest("http-kit")]);
    let mut connection = up.connect();
    let started = Instant::now();
    for _ in 0..2000 {
        connection.send(&request("GET", "/log", &[], b"")).expect("it stays open");
        assert_eq!(connection.answer().expect("an answer").status, 200);
    }
    // A thousand in each second that it took, of which the first and the last are not whole ones; and what the host says.
    let room = 1_000 * (started.elapsed().as_secs() as usize + 2) + 100;
    let lines = up.stop().stderr.lines().count();
    assert!((2..room).contains(&lines), "{lines} lines of 4000 in {:?}", started.elapsed());
}

/// A head has ten seconds, whether it trickles or stops. The only test that waits so long.
#[test]
fn a_client_that_sends_its_head_slowly_is_disconnected() {
    let up = wattle().up([guest("hello")]);
    let started = Instant::now();
    let mut silent = up.connect();
    silent.send(b"GET / HTTP/1.1\r\nhost: te").expect("sent");
    let mut with_a_preface = up.connect();
    with_a_preface.send(b"PRI * HTTP/2.0\r\n").expect("sent");
    let mut trickling = up.connect();
    let mut was_cut = false;
    eventually("the trickling one is cut", || {
        was_cut = was_cut || trickling.send(b"x").is_err() || trickling.has_answer().is_ok_and(|has| has);
        was_cut && silent.is_closed() && with_a_preface.is_closed()
    });
    let took = started.elapsed();
    assert!((Duration::from_secs(9)..Duration::from_secs(20)).contains(&took), "{took:?}");
    assert_eq!(up.get("/").status, 200);
}

#[test]
fn idle_connections_disturb_nobody() {
    let up = wattle().up([guest("hello")]);
    let mut idle: Vec<Connection> = (0..300).map(|_| up.connect()).collect();
    for _ in 0..50 {
        assert_eq!(up.get("/").status, 200);
    }
    for connection in &mut idle {
        connection.send(&request("GET", "/", &[], b"")).expect("it is open");
        assert_eq!(connection.answer().expect("an answer").status, 200);
    }
    assert_eq!(up.stop().code, Some(0));
}

/// Two instances for all: two requests run, the others are told to come again, and nothing is lost for later ones.
#[test]
fn more_instances_than_there_may_be_are_refused() {
    let up = wattle().up([&guest("http-kit"), "--instances=2", "--threads=1"]);
    let mut connections: Vec<_> = (0..6).map(|_| begin(&up, "/slow?ms=500")).collect();
    let mut statuses: Vec<_> =
        connections.iter_mut().map(|connection| connection.answer().expect("an answer").status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 503, 503, 503, 503]);
    let mut refused = 4;
    for _ in 0..20 {
        eventually("an instance is free", || {
            let is_free = up.get("/").status == 200;
            refused += u64::from(!is_free);
            is_free
        });
    }
    assert_eq!(counts(up, "http-kit"), [is("answered", 22), is("full", refused)]);
}

/// Spares are made to be quick, so they must not take the instances that other threads and components need.
#[test]
fn spare_instances_never_refuse_a_request() {
    for limit in ["--instances=2", "--instances-total=2"] {
        let up = wattle().up([&route("/kit", "http-kit"), &route("/hello", "hello"), limit, "--threads=2"]);
        let (mut first, mut second) = (up.connect(), up.connect());
        for round in 0..40 {
            let connection = if round % 2 == 0 { &mut first } else { &mut second };
            let target = if round / 2 % 2 == 0 { "/kit/" } else { "/hello" };
            connection.send(&request("GET", target, &[], b"")).expect("it is open");
            assert_eq!(connection.answer().expect("an answer").status, 200, "{limit}, request {round}, to {target}");
        }
    }
}
