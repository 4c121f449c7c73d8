//! Answers as bytes, and what is read of them.

use std::io::ErrorKind;

use super::{Answer, chunked, request};

fn read(bytes: &str) -> std::io::Result<(Answer, String)> {
    let mut rest = bytes.as_bytes();
    let answer = Answer::read(&mut rest)?;
    Ok((answer, String::from_utf8_lossy(rest).into_owned()))
}

#[test]
fn a_body_is_as_long_as_it_says() {
    let (answer, rest) = read("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1").expect("an answer");
    assert_eq!((answer.status, answer.text().as_str()), (200, "abc"));
    assert_eq!(answer.header("content-length"), Some("3"));
    assert_eq!(rest, "HTTP/1.1", "the next answer is left alone");
}

#[test]
fn chunks_are_put_together() {
    let text =
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\na: b\r\n\r\nrest";
    let (answer, rest) = read(text).expect("an answer");
    assert_eq!(answer.text(), "abc0123456789");
    assert_eq!(rest, "rest");
}

#[test]
fn a_body_without_a_length_lasts_until_the_end() {
    let (answer, _) = read("HTTP/1.0 404 Not Found\r\n\r\nall of this").expect("an answer");
    assert_eq!((answer.status, answer.text().as_str()), (404, "all of this"));
}

#[test]
fn an_answer_that_is_cut_off_is_an_error() {
    let whole = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    for end in 0..whole.len() {
        let error = read(&whole[..end]).expect_err("it is cut off");
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "cut at {end}");
    }
    read("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nabc").expect_err("a byte is missing");
}

#[test]
fn what_is_not_http_is_an_error() {
    for text in ["SSH-2.0\r\n\r\n", "HTTP/1.1 abc\r\n\r\n", "HTTP/1.1 200 OK\r\nno colon\r\n\r\n"] {
        assert_eq!(read(text).expect_err("not HTTP").kind(), ErrorKind::InvalidData, "{text:?}");
    }
}

#[test]
fn a_request_announces_its_body() {
    let plain = request("GET", "/", &[], b"");
    assert_eq!(plain, b"GET / HTTP/1.1\r\nhost: test\r\n\r\n");
    let with_body = request("POST", "/a", &[("Host", "h")], b"xyz");
    assert_eq!(with_body, b"POST /a HTTP/1.1\r\nHost: h\r\ncontent-length: 3\r\n\r\nxyz");
    let pieces = chunked("/a", [&b"xyz"[..], b"0123456789"]);
    assert!(pieces.ends_with(b"\r\n\r\n3\r\nxyz\r\na\r\n0123456789\r\n0\r\n\r\n"));
}
