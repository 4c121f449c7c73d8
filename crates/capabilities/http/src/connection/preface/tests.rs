//! What is told from which bytes, and what a client costs that sends them one by one, or not all of them.

use std::cell::Cell;
use std::net::Ipv4Addr;
use std::pin::pin;
use std::time::Duration;

use capability::conformance::run;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};

use super::*;
use crate::connection::link::Phase;

/// How long anything may take before a test fails of it.
const PATIENCE: Duration = Duration::from_secs(30);

/// A client, and its connection as a core has it.
async fn connected() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port is free");
    let address = listener.local_addr().expect("it has an address");
    let client = TcpStream::connect(address).await.expect("it listens");
    client.set_nodelay(true).expect("a socket");
    let (stream, _) = listener.accept().await.expect("somebody connects");
    let stream = stream.into_std().and_then(TcpStream::from_std).expect("a socket");
    (client, stream)
}

/// What is told on a connection, and how often whoever waited for that was woken.
async fn told(stream: &TcpStream, link: &Link) -> (io::Result<Spoken>, usize) {
    let wakes = Cell::new(0);
    let mut telling = pin!(spoken_on(stream, link));
    let telling = std::future::poll_fn(|cx| {
        wakes.set(wakes.get() + 1);
        telling.as_mut().poll(cx)
    });
    let told = timeout(PATIENCE, telling).await.expect("it is told");
    (told, wakes.get())
}

#[test]
fn the_preface_is_waited_for_as_long_as_it_may_come() {
    for length in 1..PREFACE.len() {
        assert_eq!(spoken(&PREFACE[..length]), None, "{length}");
    }
    assert_eq!(spoken(PREFACE), Some(Spoken::Http2));
}

#[test]
fn one_other_byte_makes_it_http_1() {
    for at in 0..PREFACE.len() {
        let mut first = *PREFACE;
        first[at] ^= 0x20;
        for end in at + 1..=PREFACE.len() {
            assert_eq!(spoken(&first[..end]), Some(Spoken::Http1), "{}", first[..end].escape_ascii());
        }
    }
}

#[test]
fn what_is_no_preface_is_http_1_at_once() {
    let others: [&[u8]; 10] = [
        b"",
        b"G",
        b"GET / HTTP/1.1\r\n",
        b"POST /a HTTP/1.1\r\n",
        b"PUT",
        b"PROPFIND / HTTP/1.1\r\n",
        // A method may be called so.
        b"PRI / HTTP/1.1\r\nhost: a",
        b"PRI * HTTP/1.1\r\nhost: a",
        // Keys are to be agreed on, or it is noise.
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x00\x00\x00\x04\x00\x00\x00\x00\x00",
    ];
    for first in others {
        assert_eq!(spoken(first), Some(Spoken::Http1), "{}", first.escape_ascii());
    }
}

#[test]
fn what_was_told_by_is_read_afterwards() {
    run(async {
        let request = &b"GET / HTTP/1.1\r\nhost: abc\r\n\r\n"[..];
        for (first, expected) in [(&PREFACE[..], Spoken::Http2), (request, Spoken::Http1)] {
            let (mut client, mut stream) = connected().await;
            let link = Link::new(None);
            client.write_all(first).await.expect("it is open");
            assert_eq!(told(&stream, &link).await.0.expect("it is open"), expected);
            assert_eq!(link.phase.get(), Phase::Open, "that begins with whoever reads");
            let mut read = vec![0; first.len()];
            stream.read_exact(&mut read).await.expect("all of it is there");
            assert_eq!(read, first);
        }
    });
}

/// Each byte wakes whoever waits, nothing else does, and the time for a head runs from the first of them.
#[test]
fn a_client_that_drips_is_not_looked_at_without_an_end() {
    run(async {
        let (mut client, mut stream) = connected().await;
        let link = Link::new(None);
        let dripping = async {
            for byte in PREFACE {
                client.write_all(&[*byte]).await.expect("it is open");
                sleep(Duration::from_millis(5)).await;
            }
            client
        };
        // Both are woken when one is.
        let ((told, wakes), _client) = tokio::join!(told(&stream, &link), dripping);
        assert_eq!(told.expect("it is open"), Spoken::Http2);
        assert!(wakes < 4 * PREFACE.len(), "{wakes}");
        assert_eq!(link.phase.get(), Phase::Head);
        let mut read = [0; PREFACE.len()];
        stream.read_exact(&mut read).await.expect("all of it is there");
        assert_eq!(&read, PREFACE);
    });
}

#[test]
fn a_client_that_has_begun_and_says_nothing_more_is_waited_for_without_work() {
    run(async {
        let (mut client, stream) = connected().await;
        let link = Link::new(None);
        client.write_all(b"PRI * HTTP").await.expect("it is open");
        let wakes = Cell::new(0);
        let mut telling = pin!(spoken_on(&stream, &link));
        let telling = std::future::poll_fn(|cx| {
            wakes.set(wakes.get() + 1);
            telling.as_mut().poll(cx)
        });
        assert!(timeout(Duration::from_millis(200), telling).await.is_err(), "it may still be either");
        assert_eq!(link.phase.get(), Phase::Head);
        // The first time, the bytes, the end of the time, and once where the bytes were there before they were said to be.
        assert!(wakes.get() <= 4, "{wakes:?}");
    });
}

/// What has ended stays ready for ever: it must not be asked again and again, nor be waited for.
#[test]
fn a_client_that_ends_within_the_preface_is_told_from_one_that_waits() {
    run(async {
        let lengths = [0, 1, 10, PREFACE.len() - 1].into_iter();
        for (length, pause) in lengths.flat_map(|length| [(length, 0), (length, 20)]) {
            let (mut client, stream) = connected().await;
            let link = Link::new(None);
            let ending = async {
                client.write_all(&PREFACE[..length]).await.expect("it is open");
                sleep(Duration::from_millis(pause)).await;
                client.shutdown().await.expect("it is open");
            };
            let ((told, wakes), ()) = tokio::join!(told(&stream, &link), ending);
            assert_eq!(told.expect("it is open"), Spoken::Http1, "{length}");
            assert!(wakes < 10, "{length}: {wakes}");
        }
    });
}
