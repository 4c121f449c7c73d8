//! HTTP from host to host: who listens is one host, who answers another, and which that is may change.

use std::io::{BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::StreamExt;
use rustix::process::Signal;
use serde_json::json;
use testkit::{Connection, Nats, Up, Wattle, chunked, eventually, request};

use crate::lattice::{Stranger, host, refusal, tell};
use crate::{begin, guest, is_cut, noise, occupy, wattle};

const HANDLER: &str = "wasi:http/incoming-handler";

/// How long a body that was said in time may be on its way.
const WAY: Duration = Duration::from_secs(5);

/// What a machine that is busy may add to it.
const SLACK: Duration = Duration::from_secs(3);

/// Starts a component as soon as there is the host.
fn start(wattle: &Wattle, bus: &str, (file, id, name): (&str, &str, &str)) {
    let start = ["start", "component", &guest(file), id, "--host", name, "--nats", bus];
    eventually("it starts", || wattle.run(start).code == Some(0));
}

/// Leads requests to a component, as settings of that name say.
fn lead(wattle: &Wattle, bus: &str, (id, settings): (&str, Option<&str>)) {
    let mut words = vec!["link", "put", "http", id, "--name", id, "--contract", HANDLER];
    words.extend(settings.iter().flat_map(|name| ["--config", name]));
    tell(wattle, bus, &words);
}

/// A host that listens, and one that runs a component.
fn two_hosts(flags: [&[&str]; 2], bus: &str, (file, id): (&str, &str)) -> [(Wattle, Up); 2] {
    let mut hosts = ["ada", "bob"].into_iter().zip(flags).map(|(name, flags)| {
        let wattle = wattle();
        let named = ["--nats", bus, "--name", name];
        let up = host(&wattle, &[&named[..], flags].concat());
        (wattle, up)
    });
    let hosts = std::array::from_fn(|_| hosts.next().expect("two"));
    let [(wattle, _), _] = &hosts;
    start(wattle, bus, (file, id, "bob"));
    hosts
}

#[test]
fn a_component_is_asked_on_whichever_host_runs_it() {
    let server = Nats::start();
    let bus = server.url();
    let [(ada, up), (_bob, other)] = two_hosts([&[], &[]], &bus, ("http-kit", "kit"));
    assert_eq!(up.get("/").status, 404, "it is led nowhere yet");
    lead(&ada, &bus, ("kit", None));
    eventually("it is asked", || up.get("/").status == 200);
    assert_eq!(up.get("/").text(), "Hello, wasm!\n");
    assert_eq!(up.get("/status?code=418").status, 418);
    assert_eq!(up.get("/trap").status, 500);
    let body = noise(300_000);
    assert!(up.ask("POST", "/echo", &body).body == body);
    assert!(up.send(&chunked("/echo", body.chunks(1_000))).body == body);
    assert_eq!(up.ask("POST", "/read", &body).text(), "300000 bytes\n");
    let headers = up.send(&request("GET", "/headers", &[("x-own", "1"), ("connection", "x-hop"), ("x-hop", "1")], b""));
    assert!(headers.text().contains("x-own") && !headers.text().contains("x-hop"), "{}", headers.text());
    // It is the same from the host that runs it.
    eventually("it is led there, too", || other.get("/").status == 200);
    assert_eq!(other.get("/").text(), "Hello, wasm!\n");

    tell(&ada, &bus, &["stop", "component", "kit", "--host", "bob"]);
    eventually("it runs nowhere", || up.get("/").text() == "the component at this path runs on no host\n");
    assert_eq!(up.get("/").status, 503);
    tell(&ada, &bus, &["start", "component", &guest("http-kit"), "kit", "--host", "ada"]);
    eventually("it is asked here", || up.get("/").status == 200);
    tell(&ada, &bus, &["link", "del", "http", "--name", "kit", "--contract", "wasi:http"]);
    eventually("it is led nowhere", || up.get("/").status == 404);
    assert_eq!((up.stop().code, other.stop().code), (Some(0), Some(0)));
}

#[test]
fn settings_say_where_requests_come_in_and_may_change() {
    let server = Nats::start();
    let bus = server.url();
    let [(ada, up), (_bob, other)] = two_hosts([&[], &[]], &bus, ("http-kit", "kit"));
    start(&ada, &bus, ("echo-p3", "echo", "bob"));
    tell(&ada, &bus, &["config", "put", "web", "path=/kit"]);
    lead(&ada, &bus, ("kit", Some("web")));
    tell(&ada, &bus, &["config", "put", "there", "path=/echo", "host=example.com"]);
    lead(&ada, &bus, ("echo", Some("there")));
    let ask_echo = || up.send(&request("POST", "/echo/x", &[("host", "example.com")], b"tea"));
    eventually("both are asked", || up.get("/kit/").status == 200 && ask_echo().status == 200);
    assert_eq!((ask_echo().text(), up.get("/echo").status), ("tea".to_owned(), 404));

    tell(&ada, &bus, &["config", "put", "web", "path=/shop"]);
    eventually("it is asked elsewhere", || {
        [&up, &other].iter().all(|up| up.get("/shop/").status == 200 && up.get("/kit/").status == 404)
    });
    tell(&ada, &bus, &["config", "put", "taken", "path=/shop"]);
    let put = ["link", "put", "http", "echo", "--name", "echo", "--contract", HANDLER, "--config"];
    let taken = refusal(&ada, &bus, &[&put[..], &["taken"]].concat());
    assert!(taken.contains("/shop is taken: kit is routed there"), "{taken}");
    tell(&ada, &bus, &["config", "put", "odd", "cors=*"]);
    let odd = refusal(&ada, &bus, &[&put[..], &["odd"]].concat());
    assert!(odd.contains("a route has no setting") && odd.contains("cors"), "{odd}");
    assert_eq!(ask_echo().status, 200, "what was refused changes nothing");

    // Where nobody listens, somebody does from now on.
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
    tell(&ada, &bus, &["config", "put", "door", &format!("address={free}")]);
    lead(&ada, &bus, ("kit", Some("door")));
    let at_door = || Connection::open(free).and_then(|mut door| door.exchange(&request("GET", "/", &[], b"")));
    eventually("it listens there", || at_door().is_ok_and(|answer| answer.status == 200));
    assert_eq!(up.get("/shop/").status, 404);
    tell(&ada, &bus, &["link", "del", "http", "--name", "kit", "--contract", "wasi:http"]);
    eventually("nobody listens there", || TcpStream::connect(free).is_err());
    assert_eq!((up.stop().code, other.stop().code), (Some(0), Some(0)));
}

/// Reads a body that comes in chunks, and calls `read` with how much there is of it now and then.
fn read_chunked(stream: TcpStream, mut read: impl FnMut(usize)) -> Vec<u8> {
    let mut reader = BufReader::new(stream);
    let line = |reader: &mut BufReader<TcpStream>| {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            let mut byte = [0];
            reader.read_exact(&mut byte).expect("it is whole");
            line.push(byte[0]);
        }
        String::from_utf8(line).expect("text").trim().to_owned()
    };
    assert!(line(&mut reader).contains(" 200 "));
    while !line(&mut reader).is_empty() {}
    let mut body = Vec::new();
    loop {
        let size = usize::from_str_radix(&line(&mut reader), 16).expect("a size");
        let start = body.len();
        body.resize(start + size, 0);
        reader.read_exact(&mut body[start..]).expect("it is whole");
        assert_eq!(line(&mut reader), "");
        if size == 0 {
            return body;
        }
        read(body.len());
    }
}

/// 64 MiB go up and come down at the same time, and neither host ever has more than a few of them: also not while nobody reads.
#[test]
fn a_large_body_crosses_in_both_directions_within_little_memory() {
    const SIZE: usize = 64 << 20;
    let flags = ["--max-body", "100MiB", "--timeout", "120"];
    let server = Nats::start();
    let bus = server.url();
    let [(ada, up), (_bob, other)] = two_hosts([&flags, &flags], &bus, ("http-kit", "kit"));
    lead(&ada, &bus, ("kit", None));
    eventually("it is asked", || up.get("/").status == 200);
    let before = [up.peak(), other.peak()];
    let body = noise(SIZE);
    let mut stream = TcpStream::connect(up.address()).expect("it listens");
    let reading = stream.try_clone().expect("a socket");
    let written = AtomicUsize::new(0);
    let head = format!("POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: {SIZE}\r\n\r\n");
    let came = std::thread::scope(|scope| {
        scope.spawn(|| {
            stream.write_all(head.as_bytes()).expect("it is read");
            for piece in body.chunks(64 << 10) {
                stream.write_all(piece).expect("it is read");
                written.fetch_add(piece.len(), Ordering::Relaxed);
            }
        });
        let mut has_paused = false;
        read_chunked(reading, |read| {
            if read > SIZE / 4 && !std::mem::replace(&mut has_paused, true) {
                wait_until_still(&up, &written);
                let ahead = written.load(Ordering::Relaxed) - read;
                assert!(ahead < 32 << 20, "{ahead} bytes are somewhere on the way");
            }
        })
    });
    assert!(came == body);
    for (before, after) in before.into_iter().zip([up.peak(), other.peak()]) {
        assert!(after < before + (48 << 10), "{before} KiB before, {after} after");
    }
    assert_eq!((up.stop().code, other.stop().code), (Some(0), Some(0)));
}

/// Waits until nothing more is written, as seen over some requests that are answered meanwhile.
fn wait_until_still(up: &Up, written: &AtomicUsize) {
    let mut still = 0;
    let mut last = written.load(Ordering::Relaxed);
    eventually("nothing more is written", || {
        assert_eq!(up.get("/slow?ms=20").status, 200);
        let now = written.load(Ordering::Relaxed);
        still = if now == last { still + 1 } else { 0 };
        last = now;
        still >= 5
    });
}

/// Who is killed is not asked again, and what he had begun is asked of another where twice is once.
#[test]
fn a_host_that_is_killed_loses_no_request_that_may_be_sent_twice() {
    let server = Nats::start();
    let bus = server.url();
    let [(ada, up), (_bob, other)] = two_hosts([&[], &[]], &bus, ("http-kit", "kit"));
    let eve = wattle();
    let third = host(&eve, &["--nats", &bus, "--name", "eve"]);
    start(&ada, &bus, ("http-kit", "kit", "eve"));
    lead(&ada, &bus, ("kit", None));
    eventually("it is asked", || up.get("/").status == 200);
    let begun = |method: &str| -> Vec<Connection> {
        let ask = |_| {
            let mut connection = up.connect();
            connection.send(&request(method, "/slow?ms=4000", &[], b"")).expect("it is read");
            connection
        };
        (0..12).map(ask).collect()
    };
    let (gets, posts) = (begun("GET"), begun("POST"));
    // A request that is answered after them shows that they were taken.
    assert_eq!(up.get("/slow?ms=500").status, 200);
    other.kill();
    let killed = Instant::now();
    while killed.elapsed() < Duration::from_secs(3) {
        let is_late = killed.elapsed() > Duration::from_secs(1);
        let answer = up.get("/");
        assert!(!is_late || answer.status == 200, "{} {}", answer.status, answer.text());
    }
    for mut get in gets {
        let answer = get.answer().expect("an answer");
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let posts = posts.into_iter().map(|mut post| post.answer().expect("an answer"));
    let (done, lost): (Vec<_>, Vec<_>) = posts.partition(|answer| answer.status == 200);
    assert!(!done.is_empty() && !lost.is_empty(), "both hosts had some");
    for answer in lost {
        assert_eq!((answer.status, &*answer.text()), (502, "the host that the component was asked on is gone\n"));
    }
    assert_eq!((up.stop().code, third.stop().code), (Some(0), Some(0)));
}

/// Time, and who goes away, end the work on the other host; that it has no room is said at once.
#[test]
fn what_nobody_waits_for_is_not_worked_on_elsewhere() {
    let server = Nats::start();
    let bus = server.url();
    let flags: [&[&str]; 2] = [&["--timeout", "5"], &["--concurrency", "1"]];
    let [(ada, up), (_bob, other)] = two_hosts(flags, &bus, ("http-kit", "kit"));
    lead(&ada, &bus, ("kit", None));
    eventually("it is asked", || up.get("/").status == 200);
    let late = up.get("/slow?ms=20000");
    assert_eq!((late.status, &*late.text()), (504, "the component did not answer in time\n"));
    eventually("there is room again", || up.get("/").status == 200);

    let begun = Instant::now();
    let connection = occupy(&up, &request("GET", "/slow?ms=20000", &[], b""));
    assert_eq!(up.get("/").header("retry-after"), Some("1"));
    drop(connection);
    eventually("there is room as soon as nobody waits", || up.get("/").status == 200);
    assert!(begun.elapsed() < Duration::from_secs(5), "its time was over");
    assert_eq!((up.stop().code, other.stop().code), (Some(0), Some(0)));
}

/// What waits and computes nothing is ended by the clock of its own host, whenever that ticks: who asks has more time.
#[test]
fn a_component_elsewhere_that_waits_has_no_more_time_than_it_has() {
    let server = Nats::start();
    let bus = server.url();
    let flags: [&[&str]; 2] = [&[], &["--timeout", "1"]];
    let [(ada, up), (_bob, other)] = two_hosts(flags, &bus, ("http-kit", "kit"));
    lead(&ada, &bus, ("kit", None));
    eventually("it is asked", || up.get("/").status == 200);
    for _ in 0..8 {
        let begun = Instant::now();
        let late = up.get("/slow?ms=20000");
        assert_eq!((late.status, &*late.text()), (504, "the component did not answer in time\n"));
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    }
    assert_eq!((up.stop().code, other.stop().code), (Some(0), Some(0)));
}

/// Who reads what a host answers that stands still waits no longer than a request has time, and a moment for the way.
#[test]
fn an_answer_of_a_host_that_stands_still_ends_soon_after_its_time() {
    let server = Nats::start();
    let bus = server.url();
    let flags: [&[&str]; 2] = [&["--timeout", "2"], &["--concurrency", "1"]];
    let [(ada, up), (_bob, other)] = two_hosts(flags, &bus, ("http-kit", "kit"));
    lead(&ada, &bus, ("kit", None));
    eventually("it is asked", || up.get("/").status == 200);
    let mut reading = begin(&up, "/stream?n=1000&ms=50");
    assert_eq!(reading.head().expect("it begins").status, 200);
    other.signal(Signal::STOP);
    let begun = Instant::now();
    assert!(is_cut(&mut reading));
    assert!(begun.elapsed() < Duration::from_secs(2) + WAY + SLACK, "{:?}", begun.elapsed());
    up.says("the body does not come");
    other.signal(Signal::CONT);
    eventually("it has ended there, and is asked again", || up.get("/").status == 200);
    assert_eq!((up.stop().code, other.stop().code), (Some(0), Some(0)));
}

/// What is done for a host that stands still ends, though it waits for that host to take what there is: there is room for others.
#[test]
fn an_answer_for_a_host_that_stands_still_is_given_up_soon_after_its_time() {
    let server = Nats::start();
    let bus = server.url();
    let flags: [&[&str]; 2] = [&["--timeout", "2"], &["--concurrency", "1"]];
    let [(ada, up), (_bob, other)] = two_hosts(flags, &bus, ("http-kit", "kit"));
    lead(&ada, &bus, ("kit", None));
    eventually("both ask it", || up.get("/").status == 200 && other.get("/").status == 200);
    let mut reading = begin(&up, "/big?n=1000000000");
    assert_eq!(reading.head().expect("it begins").status, 200);
    up.signal(Signal::STOP);
    let begun = Instant::now();
    assert_eq!(other.get("/").status, 503, "the only place is taken");
    eventually("there is room for others", || other.get("/").status == 200);
    assert!(begun.elapsed() < Duration::from_secs(2) + WAY + SLACK, "{:?}", begun.elapsed());
    up.signal(Signal::CONT);
    assert!(is_cut(&mut reading));
    eventually("it is asked again", || up.get("/").status == 200);
    assert_eq!((up.stop().code, other.stop().code), (Some(0), Some(0)));
}

/// A body that moves is cut by the time of its request alone, on another host as on this one.
#[test]
fn an_answer_that_comes_slowly_has_the_time_of_its_request_here_and_elsewhere() {
    const TIME: Duration = Duration::from_secs(10);
    let server = Nats::start();
    let bus = server.url();
    let flags: [&[&str]; 2] = [&["--timeout", "10"]; 2];
    let [(ada, up), (_bob, other)] = two_hosts(flags, &bus, ("http-kit", "kit"));
    lead(&ada, &bus, ("kit", None));
    eventually("both ask it", || up.get("/").status == 200 && other.get("/").status == 200);
    let begun = Instant::now();
    let hosts = [&other, &up];
    let slow = hosts.map(|host| begin(host, "/stream?n=7&ms=1000"));
    let endless = hosts.map(|host| begin(host, "/stream?n=1000&ms=1000"));
    for mut reading in slow {
        let answer = reading.answer().expect("it is whole");
        assert_eq!((answer.status, answer.text().lines().count()), (200, 7));
    }
    assert!(begun.elapsed() > WAY, "{:?}", begun.elapsed());
    for mut reading in endless {
        assert_eq!(reading.head().expect("it begins").status, 200);
        assert!(is_cut(&mut reading));
        assert!(begun.elapsed() >= TIME && begun.elapsed() < TIME + SLACK, "{:?}", begun.elapsed());
    }
    assert_eq!((up.stop().code, other.stop().code), (Some(0), Some(0)));
}

/// A provider of wasmCloud that listens for HTTP asks a component of a host that is alone. Method: the bytes are those that
/// `wrpc-transport-nats` sends.
#[test]
fn a_stranger_asks_a_component_by_the_wire() {
    let ada = wattle();
    let up = ada.up([guest("http-kit"), "--bus-token=none".into()]);
    let stranger = Stranger::new(&up.bus());
    let client = stranger.client.clone();
    let body = stranger.runtime.block_on(async {
        let say = |subject: String, payload: &'static [u8]| client.publish(subject, payload.into());
        let mut heard = client.subscribe("rc.>").await.expect("it listens");
        client.flush().await.expect("it is there");
        // POST /echo at localhost:8080 by HTTP.
        let call = b"\x00\x00\x02\x01\x05/echo\x01\x00\x01\x0elocalhost:8080\x00";
        let subject = "default.http-kit.wrpc.0.0.1.wrpc:http/incoming-handler@0.1.0.handle";
        let place = loop {
            client.publish_with_reply(subject, "rc.x", call[..].into()).await.expect("it is said");
            let said = heard.next().await.expect("it is there");
            if let Some(place) = said.reply {
                break place;
            }
        };
        for (path, payload) in [
            ("params", &b""[..]),
            ("params.0.0", b"\x03abc"),
            ("params.0.0", b"\x02de\x00"),
            ("params.0.1", b"\x00"),
            ("params.0.0", b""),
            ("params.0.1", b""),
            ("params.0", b""),
        ] {
            say(format!("{place}.{path}"), payload).await.expect("it is said");
        }
        let (mut head, mut body) = (Vec::<u8>::new(), Vec::<u8>::new());
        loop {
            let said = heard.next().await.expect("it is there");
            match said.subject.as_str() {
                "rc.x.results" => head.extend(said.payload.iter()),
                "rc.x.results.0.0" if said.payload.is_empty() => break,
                "rc.x.results.0.0" => body.extend(said.payload.iter()),
                _ => {}
            }
        }
        assert_eq!(&head[..5], b"\x00\x00\x00\xc8\x01", "a response of 200");
        body
    });
    assert_eq!(unchunked(&body), b"abcde");
    let ended = up.stop();
    assert_eq!((ended.code, ended.requests("http-kit")["answered"].clone()), (Some(0), json!(1)));
}

/// The bytes of a stream whose pieces have one byte for their length.
fn unchunked(mut stream: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some((count, rest)) = stream.split_first().filter(|(count, _)| **count > 0) {
        let (piece, rest) = rest.split_at(usize::from(*count));
        bytes.extend(piece);
        stream = rest;
    }
    bytes
}
