//! How HTTP/2 is told from HTTP/1.1 where nothing is encrypted: whole, in drops, not at all.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use testkit::{PATIENCE, Up, request};

use super::{Client, block_on};
use crate::{guest, noise, wattle};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Settings, and `GET http://test/` as the first request.
const ASKING: &[u8] =
    b"\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x09\x01\x05\x00\x00\x00\x01\x82\x86\x84\x41\x04test";

/// A frame with the head of an answer, and how that of 200 begins.
const HEADERS: u8 = 1;
const OK: u8 = 0x88;

fn connect(up: &Up) -> TcpStream {
    let stream = TcpStream::connect(up.address()).expect("it listens");
    stream.set_nodelay(true).and_then(|()| stream.set_read_timeout(Some(PATIENCE))).expect("a socket");
    stream
}

/// Says that in so many pieces, each of which the host has seen before the next comes: it has one thread.
fn say(up: &Up, stream: &mut TcpStream, pieces: &[&[u8]]) {
    for piece in pieces {
        stream.write_all(piece).expect("it is open");
        assert_eq!(up.get("/").status, 200);
    }
}

/// The first byte of the head of the answer to the first request.
fn first_of_answer(stream: &mut TcpStream) -> u8 {
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).expect("a frame");
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        stream.read_exact(&mut payload).expect("a whole frame");
        if head[3] == HEADERS {
            return payload[0];
        }
    }
}

#[test]
fn a_preface_in_pieces_is_one() {
    let up = wattle().up([guest("http-kit"), "--threads=1".into()]);
    for size in [1, 14, PREFACE.len()] {
        let mut stream = connect(&up);
        let pieces: Vec<&[u8]> = PREFACE.chunks(size).collect();
        say(&up, &mut stream, &pieces);
        stream.write_all(ASKING).expect("it is open");
        assert_eq!(first_of_answer(&mut stream), OK);
    }
    let mut stream = connect(&up);
    stream.write_all(&[PREFACE, ASKING].concat()).expect("it is open");
    assert_eq!(first_of_answer(&mut stream), OK);
    drop(stream);
    assert_eq!(up.stop().code, Some(0));
}

#[test]
fn what_only_begins_as_a_preface_is_http_1() {
    let up = wattle().up([guest("http-kit"), "--threads=1".into()]);
    // It is a method that nobody has heard of, and a component may be asked by it.
    assert_eq!(up.send(&request("PRI", "/", &[], b"")).text(), "Hello, wasm!\n");
    assert_eq!(up.send(&request("P", "/", &[], b"")).text(), "Hello, wasm!\n");
    for nonsense in
        [&b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"[..], b"PRI * HTTP/2.1\r\n\r\n", b"\x16\x03\x01\x00\x05\r\n\r\n"]
    {
        assert_eq!(up.send(nonsense).status, 400, "{}", nonsense.escape_ascii());
    }
    let mut connection = up.connect();
    let asking = request("POST", "/echo", &[], b"tea");
    for piece in [&asking[..1], &asking[1..2], &asking[2..]] {
        connection.send(piece).expect("it is open");
        assert_eq!(up.get("/").status, 200);
    }
    assert_eq!(connection.answer().expect("an answer").text(), "tea");
    // And the next on the same connection.
    connection.send(&request("PUT", "/echo", &[], b"and biscuits")).expect("it is open");
    assert_eq!(connection.answer().expect("an answer").text(), "and biscuits");
    assert_eq!(up.stop().code, Some(0));
}

/// What has begun and ends is neither waited for nor looked at again and again.
#[test]
fn a_client_that_ends_within_its_preface_is_let_go_at_once() {
    let up = wattle().up([guest("http-kit"), "--threads=1".into()]);
    for length in 0..PREFACE.len() {
        let begun = Instant::now();
        let mut stream = connect(&up);
        say(&up, &mut stream, &[&PREFACE[..length]]);
        stream.shutdown(Shutdown::Write).expect("it is open");
        let mut rest = Vec::new();
        // It may be told what is wrong, or be reset.
        drop(stream.read_to_end(&mut rest));
        assert!(begun.elapsed() < Duration::from_secs(5), "{length}: {:?}", begun.elapsed());
    }
    assert_eq!(up.stop().code, Some(0));
}

#[test]
fn clients_that_have_begun_nothing_but_their_preface_do_not_hold_a_host() {
    let up = wattle().up([guest("http-kit"), "--threads=1".into(), "--drain=600".into()]);
    let mut silent = connect(&up);
    let mut begun = connect(&up);
    say(&up, &mut begun, &[&PREFACE[..10]]);
    block_on(async {
        let stream = tokio::net::TcpStream::connect(up.address()).await.expect("it listens");
        assert_eq!(Client::over(Box::new(stream), "http").await.get("/scheme").await.expect("an answer").0, 200);
    });
    let ended = up.stop();
    assert_eq!(ended.code, Some(0));
    assert_eq!(ended.values().last().expect("a last line")["stopped"]["drained"], true);
    for stream in [&mut silent, &mut begun] {
        assert!(!stream.read(&mut [0]).is_ok_and(|count| count > 0), "it is closed");
    }
}

/// A client that others made, where it is installed: curl.
#[test]
fn curl_is_answered_with_prior_knowledge_and_where_it_would_change_over() {
    let said = Command::new("curl").arg("--version").output();
    if !said.is_ok_and(|said| String::from_utf8_lossy(&said.stdout).contains(" HTTP2 ")) {
        testkit::skip(testkit::Lack::Tool, "there is no curl that speaks HTTP/2 (`tools/setup test` installs it)");
        return;
    }
    let wattle = wattle();
    let up = wattle.up([guest("http-kit")]);
    let sent = noise(300_000);
    let file = format!("@{}", wattle.write("sent", &sent).display());
    let came = wattle.home().join("came");
    for (flag, version) in [("--http2-prior-knowledge", "2"), ("--http2", "1.1"), ("--http1.1", "1.1")] {
        let mut curl = Command::new("curl");
        curl.args(["-q", "-sS", "--noproxy", "*", "--max-time", "60", flag, "-w", "%{http_version} %{http_code}"]);
        curl.args(["-H", "expect:", "--data-binary", &file, "-o"]).arg(&came);
        let said = curl.arg(format!("http://{}/echo", up.address())).output().expect("curl runs");
        let text = String::from_utf8_lossy(&said.stdout);
        assert_eq!(text, format!("{version} 200"), "{flag}: {}", String::from_utf8_lossy(&said.stderr));
        assert!(std::fs::read(&came).expect("it was written") == sent, "{flag}");
    }
    assert_eq!(up.stop().code, Some(0));
}
