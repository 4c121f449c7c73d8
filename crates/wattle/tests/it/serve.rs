//! What a client of `wattle up` sees: answers whole and in order, whatever the component is made with.

use std::time::{Duration, Instant};

use testkit::{chunked, eventually, find_guest, request};

use crate::{begin, guest, noise, occupy, wattle};

#[test]
fn a_component_answers_over_http() {
    let up = wattle().up([guest("hello")]);
    let answer = up.get("/");
    assert_eq!((answer.status, answer.text().as_str()), (200, "Hello, wasm!\n"));
    assert_eq!(answer.header("content-length"), Some("13"));
    assert!(answer.header("date").is_some());
    let ended = up.stop();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
}

#[test]
fn a_component_written_by_hand_answers() {
    let up = wattle().up([guest("hello-p2")]);
    assert_eq!(up.get("/").status, 200);
}

#[test]
fn a_component_in_javascript_answers() {
    if find_guest("hello-js").is_some() {
        let up = wattle().up([guest("hello-js")]);
        assert_eq!(up.get("/").text(), "Hello from JavaScript!\n");
        assert_eq!(up.ask("POST", "/echo", b"there and back").text(), "there and back");
    }
}

#[test]
fn a_component_in_python_answers() {
    if find_guest("hello-python").is_some() {
        let up = wattle().up([guest("hello-python")]);
        assert_eq!(up.get("/").text(), "Hello from Python!\n");
    }
}

#[test]
fn a_body_comes_back_as_it_was_sent() {
    let up = wattle().up([guest("http-kit")]);
    let body = noise(1 << 20);
    let announced = up.ask("POST", "/echo", &body);
    assert_eq!(announced.status, 200);
    assert!(announced.body == body, "{} bytes came back", announced.body.len());
    for size in [1, 1000, 65_537] {
        let answer = up.send(&chunked("/echo", body.chunks(size).take(1 << 12)));
        let sent = &body[..body.len().min(size << 12)];
        assert!(answer.body == sent, "chunks of {size}: {} of {} bytes came back", answer.body.len(), sent.len());
    }
    assert_eq!(up.send(&chunked("/echo", [])).body, b"");
}

#[test]
fn an_answer_that_is_complete_says_its_length() {
    let up = wattle().up([guest("http-kit")]);
    let answer = up.get("/big?n=65536");
    assert_eq!(answer.header("content-length"), Some("65536"));
    assert_eq!(answer.header("transfer-encoding"), None);
    assert_eq!(answer.body.len(), 65536);
    assert_eq!(up.get("/big?n=5000000").body.len(), 5_000_000);
    assert_eq!(up.get("/status?code=204").status, 204);
}

/// The component sleeps after each piece. Whoever kept the pieces back would deliver them together, at the end.
#[test]
fn a_streamed_answer_arrives_piece_by_piece() {
    let up = wattle().up([guest("http-kit")]);
    let mut connection = begin(&up, "/stream?n=3&ms=300");
    let head = connection.head().expect("a head");
    assert_eq!((head.status, head.header("transfer-encoding")), (200, Some("chunked")));
    assert_eq!(connection.chunk().expect("a chunk"), b"chunk 1\n");
    let since_first = Instant::now();
    assert_eq!(connection.chunk().expect("a chunk"), b"chunk 2\n");
    assert_eq!(connection.chunk().expect("a chunk"), b"chunk 3\n");
    assert_eq!(connection.chunk().expect("the last chunk"), b"");
    assert!(since_first.elapsed() > Duration::from_millis(300), "all came after {:?}", since_first.elapsed());
}

#[test]
fn a_head_is_answered_without_a_body() {
    let up = wattle().up([guest("http-kit")]);
    let mut connection = up.connect();
    for _ in 0..2 {
        connection.send(&request("HEAD", "/big?n=5000", &[], b"")).expect("sent");
        let head = connection.head().expect("a head");
        assert_eq!((head.status, head.header("content-length")), (200, Some("5000")));
    }
    connection.send(&request("GET", "/", &[], b"")).expect("sent");
    assert_eq!(connection.answer().expect("an answer").text(), "Hello, wasm!\n");
}

#[test]
fn a_request_has_to_name_a_host() {
    let up = wattle().up([guest("hello")]);
    assert_eq!(up.send(b"GET / HTTP/1.0\r\n\r\n").status, 400);
    assert_eq!(up.send(b"GET / HTTP/1.1\r\n\r\n").status, 400);
    assert_eq!(up.send(b"GET / HTTP/1.0\r\nhost: test\r\n\r\n").status, 200);
    assert_eq!(up.send(b"GET http://test/ HTTP/1.1\r\nhost: other\r\n\r\n").status, 200);
}

#[test]
fn a_component_sees_the_request_as_it_was_sent() {
    let up = wattle().up([guest("http-kit")]);
    let answer =
        up.send(&request("GET", "/headers?a=%20b&c", &[("Host", "shop.test:80"), ("X-Two", "1"), ("x-two", "2")], b""));
    let text = answer.text();
    assert!(text.starts_with(":path: /headers?a=%20b&c\n:authority: shop.test:80\n"), "{text}");
    assert!(text.contains("x-two: 1\n") && text.contains("x-two: 2\n"), "{text}");
}

/// No contract can take a connection over: a client that asks for it is told so by an answer, on a connection that stays one of HTTP.
#[test]
fn a_request_for_another_protocol_is_answered_as_any_other() {
    let up = wattle().up([guest("http-kit")]);
    let mut connection = up.connect();
    for _ in 0..2 {
        let asked = [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")];
        let answer = connection.exchange(&request("GET", "/headers", &asked, b"")).expect("an answer");
        assert_eq!((answer.status, answer.header("upgrade")), (200, None));
        let seen = answer.text();
        assert!(seen.contains("sec-websocket-version: 13") && !seen.contains("pgrade"), "{seen}");
    }
}

#[test]
fn malformed_requests_are_refused_and_the_next_is_answered() {
    let up = wattle().up([guest("http-kit")]);
    let malformed: [&[u8]; 8] = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\nhost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\nno colon\r\n\r\n",
        b"POST /read HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        b"POST /read HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n",
        b"POST /read HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip\r\n\r\n",
        b"POST /read HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    ];
    for bytes in malformed {
        let answer = up.send(bytes);
        assert_eq!(answer.status, 400, "{}", String::from_utf8_lossy(bytes));
        assert_eq!(up.get("/").status, 200);
    }
}

/// A client that sends nonsense instead of a chunk must not have the component believe that the body has ended.
#[test]
fn a_body_that_breaks_off_is_not_taken_for_a_whole_one() {
    let up = wattle().up([guest("http-kit"), "--timeout=2".into()]);
    let broken: [&[u8]; 2] = [
        b"POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n",
        b"POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabcdef\r\n0\r\n\r\n",
    ];
    for bytes in broken {
        let is_whole = up.try_send(bytes).is_ok_and(|answer| answer.status == 200);
        assert!(!is_whole, "{}", String::from_utf8_lossy(bytes));
        assert_eq!(up.get("/").status, 200);
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let up = wattle().up([guest("http-kit")]);
    let targets = (0..20).map(|number| format!("/status?code={}", 200 + number % 5 * 100));
    let bytes: Vec<u8> = targets.flat_map(|target| request("GET", &target, &[], b"")).collect();
    let mut connection = up.connect();
    connection.send(&bytes).expect("sent");
    for number in 0..20 {
        assert_eq!(connection.answer().expect("an answer").status, 200 + number % 5 * 100);
    }
}

#[test]
fn a_connection_stays_open_until_the_client_says_otherwise() {
    let up = wattle().up([guest("hello")]);
    let mut connection = up.connect();
    for _ in 0..50 {
        connection.send(&request("GET", "/", &[], b"")).expect("it is open");
        assert_eq!(connection.answer().expect("an answer").status, 200);
    }
    connection.send(&request("GET", "/", &[("connection", "close")], b"")).expect("it is open");
    assert_eq!(connection.answer().expect("an answer").status, 200);
    assert!(connection.is_closed());
}

/// The rest of a body that the component did not read must not be taken for the next request.
#[test]
fn a_body_that_was_not_read_is_never_taken_for_a_request() {
    let up = wattle().up([guest("http-kit")]);
    let smuggled = request("GET", "/status?code=418", &[], b"").repeat(30_000);
    for size in [100, 10_000, smuggled.len()] {
        let mut connection = up.connect();
        let early = connection.exchange(&request("POST", "/early", &[], &smuggled[..size])).expect("an answer");
        assert_eq!((early.status, early.text().as_str()), (200, "did not read the body\n"));
        let next = connection.send(&request("GET", "/", &[], b"")).and_then(|()| connection.answer());
        // A closed connection is as good: the client knows where it stands.
        assert!(next.as_ref().map_or(true, |next| next.text() == "Hello, wasm!\n"), "{next:?}");
    }
}

#[test]
fn a_component_that_works_on_after_its_answer_frees_its_place_later() {
    let up = wattle().up([guest("http-kit"), "--concurrency=1".into()]);
    assert_eq!(up.get("/after?ms=2000").text(), "answered, and still busy\n");
    assert_eq!(up.get("/").status, 503, "it is still busy");
    eventually("its place is free", || up.get("/").status == 200);
    assert_eq!(up.stop().requests("http-kit")["failed"], 0);
}

#[test]
fn a_client_that_goes_away_stops_the_component() {
    let requests = [
        request("GET", "/slow?ms=500000", &[], b""),
        request("GET", "/spin", &[], b""),
        request("GET", "/fill?mib=32", &[], b""),
    ];
    for bytes in requests {
        let up = wattle().up([&guest("http-kit"), "--concurrency=1", "--timeout=600"]);
        drop(occupy(&up, &bytes));
        let line = String::from_utf8_lossy(&bytes);
        eventually(&format!("it has stopped: {line}"), || up.get("/").status == 200);
        assert_eq!(up.stop().requests("http-kit")["abandoned"], 1, "{line}");
    }
}

/// The component is told that the body is not whole. What it does then is its own affair.
#[test]
fn a_client_that_goes_away_in_the_middle_of_its_body_wakes_the_component() {
    let up = wattle().up([&guest("http-kit"), "--concurrency=1", "--timeout=600"]);
    drop(occupy(&up, &request("POST", "/read", &[("content-length", "5")], b"")));
    eventually("its place is free", || up.get("/").status == 200);
    let ended = up.stop();
    assert!(ended.stderr.contains("the body ended early, after 0 bytes"), "{}", ended.stderr);
}

/// A client that reads no further, and then goes away, must not hold the component for ever.
#[test]
fn a_client_that_goes_away_in_the_middle_of_an_answer_stops_the_component() {
    let up = wattle().up([&guest("http-kit"), "--concurrency=1", "--timeout=600"]);
    for target in ["/stream?n=1000&ms=500", "/big?n=1000000000"] {
        let mut connection = begin(&up, target);
        assert_eq!(connection.head().expect("a head").status, 200);
        assert_eq!(up.get("/").status, 503);
        drop(connection);
        eventually(&format!("{target} has stopped"), || up.get("/").status == 200);
    }
    assert_eq!(up.stop().requests("http-kit")["abandoned"], 2);
}

#[test]
fn a_component_that_does_not_answer_is_a_server_error() {
    let up = wattle().up([guest("http-kit")]);
    assert_eq!(up.get("/never").status, 500);
    assert_eq!(up.get("/trap").status, 500);
    assert_eq!(up.get("/trap?kind=unreachable").status, 500);
    let ended = up.stop();
    assert_eq!(ended.requests("http-kit")["failed"], 3);
    assert!(ended.stderr.contains("unreachable"), "{}", ended.stderr);
}

#[test]
fn a_component_sees_nothing_of_the_host() {
    let up = wattle().up([guest("http-kit"), "--env=GREETING=hi".into()]);
    assert_eq!(up.get("/env").text(), "GREETING=hi\n");
    assert!(up.get("/files").text().starts_with("error: "));
}
