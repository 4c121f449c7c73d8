//! Components of WASI 0.3: the same promises by another interface.

use std::io::{Read, Write};
use std::net::TcpStream;

use testkit::{chunked, eventually, request};

use crate::{begin, guest, noise, occupy, wattle};

#[test]
fn a_component_written_by_hand_answers() {
    let up = wattle().up([guest("hello-p3")]);
    for _ in 0..3 {
        assert_eq!(up.get("/").status, 200);
    }
    assert_eq!(up.stop().code, Some(0));
}

#[test]
fn a_component_with_the_standard_library_answers() {
    let up = wattle().up([guest("hello-p3-std")]);
    for _ in 0..3 {
        assert_eq!(up.get("/").status, 200);
    }
    let ended = up.stop();
    assert_eq!((ended.code, ended.requests("hello-p3-std")["answered"].as_u64()), (Some(0), Some(3)));
}

#[test]
fn a_body_comes_back_as_it_was_sent() {
    let up = wattle().up([guest("echo-p3")]);
    let body = noise(1 << 20);
    let announced = up.ask("POST", "/", &body);
    assert!(announced.body == body, "{} bytes came back", announced.body.len());
    for size in [1000, 65_537] {
        let answer = up.send(&chunked("/", body.chunks(size)));
        assert!(answer.body == body, "chunks of {size}: {} bytes came back", answer.body.len());
    }
    assert_eq!(up.ask("POST", "/", b"").body, b"");
}

/// Of HTTP/1.1 (RFC 9110, 6.5): announced by who sends them, and sent to who has said that he reads them.
#[test]
fn trailers_come_back_to_a_client_that_reads_them() {
    for flags in [&[][..], &["--reuse".to_owned()]] {
        let up = wattle().up([guest("echo-p3")].iter().chain(flags));
        for (reads, end) in [("te: trailers\r\n", "0\r\nsum: 5\r\n\r\n"), ("", "0\r\n\r\n")] {
            let mut stream = TcpStream::connect(up.address()).expect("it listens");
            let head = format!("POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{reads}trailer: sum\r\n");
            let body = "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nsum: 5\r\n\r\n";
            stream.write_all(format!("{head}{body}").as_bytes()).expect("it is taken");
            let mut answer = String::new();
            stream.read_to_string(&mut answer).expect("an answer");
            let (head, rest) = answer.split_once("\r\n\r\n").expect("a head");
            assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("trailer: sum"), "{answer}");
            assert!(rest.contains("hello") && rest.ends_with(&format!("\r\n{end}")), "{answer}");
        }
        assert_eq!(up.stop().code, Some(0));
    }
}

#[test]
fn a_component_that_does_not_answer_in_time_is_stopped() {
    let up = wattle().up([&guest("echo-p3"), "--timeout=0.3"]);
    assert_eq!(up.get("/slow?ms=500000").status, 504);
    assert_eq!(up.get("/trap").status, 500);
    assert_eq!(up.get("/slow?ms=1").text(), "slept\n");
    let requests = up.stop().requests("echo-p3");
    assert_eq!((requests["out_of_time"].as_u64(), requests["failed"].as_u64()), (Some(1), Some(1)));
}

#[test]
fn a_body_that_is_too_large_is_refused() {
    let up = wattle().up([&guest("echo-p3"), "--max-body=64KiB"]);
    let body = vec![b'x'; 300_000];
    assert_eq!(up.ask("POST", "/", &body).status, 413);
    // The answer has begun when the body turns out to be too large: it is cut.
    let begun = up.try_send(&chunked("/", body.chunks(1000)));
    assert!(begun.as_ref().map_or(true, |answer| answer.status == 413), "{begun:?}");
    assert_eq!(up.get("/").status, 200);
    assert_eq!(up.stop().requests("echo-p3")["too_large"], 2);
}

#[test]
fn a_client_that_goes_away_stops_the_component() {
    for reuse in [&[][..], &["--reuse"]] {
        let component = guest("echo-p3");
        let up = wattle().up([&component, "--concurrency=1", "--timeout=600"].iter().chain(reuse));
        drop(occupy(&up, &request("GET", "/slow?ms=500000", &[], b"")));
        eventually("it has stopped", || up.get("/").status == 200);
        assert_eq!(up.stop().requests("echo-p3")["abandoned"], 1, "{reuse:?}");
    }
}

/// The second half of the body is sent when the first has come back: nothing waits for the end.
#[test]
fn a_body_is_echoed_while_it_is_still_being_sent() {
    let up = wattle().up([guest("echo-p3")]);
    let mut connection = up.connect();
    connection.send(&request("POST", "/", &[("transfer-encoding", "chunked")], b"")).expect("sent");
    connection.send(b"5\r\nfirst\r\n").expect("sent");
    assert_eq!(connection.head().expect("a head").status, 200);
    assert_eq!(connection.chunk().expect("a chunk"), b"first");
    connection.send(b"6\r\nsecond\r\n0\r\n\r\n").expect("sent");
    assert_eq!(connection.chunk().expect("a chunk"), b"second");
    assert_eq!(connection.chunk().expect("the end"), b"");
}

/// One thread, so that all requests could share an instance: fresh ones never do.
#[test]
fn a_fresh_instance_answers_one_request() {
    let up = wattle().up([&guest("echo-p3"), "--threads=1"]);
    let _running = begin(&up, "/slow?ms=500000");
    for _ in 0..5 {
        assert_eq!(up.get("/count").text(), "1\n");
    }
}
