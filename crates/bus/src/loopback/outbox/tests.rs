//! What is put in comes out in order, and what is too much ends it between two messages.

use futures::FutureExt;
use proptest::prelude::*;

use super::*;
use crate::headers::Headers;

fn message(payload: usize) -> Message {
    Message::new("a".parse().expect("a subject"), vec![b'x'; payload].into())
}

/// All that can be written now.
fn written(outbox: &Outbox) -> Vec<u8> {
    let (mut all, mut size) = (Vec::new(), 0);
    while let Some(Some(mut piece)) = outbox.next(size).now_or_never() {
        size = piece.remaining();
        all.extend_from_slice(&piece.copy_to_bytes(size));
    }
    all
}

#[test]
fn each_is_written_as_a_server_writes_it() {
    let outbox = Outbox::new(1 << 20);
    let headers = Headers::of([("A", "1")]).expect("headers");
    let reply = Some("r".parse().expect("a subject"));
    let full = Message { headers, reply, ..message(2) };
    assert!(outbox.put_line("PONG").is_ok());
    assert!(outbox.put_message(b"7", &message(1), true).is_ok());
    assert!(outbox.put_message(b"7", &full, true).is_ok());
    assert!(outbox.put_message(b"7", &full, false).is_ok());
    let wanted = "PONG\r\nMSG a 7 1\r\nx\r\nHMSG a 7 r 18 20\r\nNATS/1.0\r\nA: 1\r\n\r\nxx\r\nMSG a 7 r 2\r\nxx\r\n";
    assert_eq!(String::from_utf8_lossy(&written(&outbox)), wanted);
    outbox.close(Some("-ERR 'x'"));
    assert!(outbox.put_line("PONG").is_err());
    assert_eq!(written(&outbox), b"-ERR 'x'\r\n");
    assert!(outbox.next(0).now_or_never().expect("it is over").is_none());
}

#[test]
fn a_large_payload_is_not_copied() {
    let outbox = Outbox::new(1 << 20);
    let large = message(PIECE);
    assert!(outbox.put_message(b"1", &large, false).is_ok());
    let piece = outbox.next(0).now_or_never().flatten().expect("a piece");
    assert_eq!(piece.last_ref().first_ref().as_ptr(), large.payload.as_ptr());
}

#[test]
fn what_is_being_written_counts() {
    let outbox = Outbox::new(1_000);
    assert!(outbox.put_message(b"1", &message(500), false).is_ok());
    let piece = outbox.next(0).now_or_never().flatten().expect("a piece");
    assert!(outbox.put_message(b"1", &message(500), false).is_err(), "the first is not written yet");
    assert!(outbox.slow().now_or_never().is_some());
    assert_eq!(outbox.next(piece.remaining()).now_or_never().flatten().expect("the last").remaining(), SLOW.len() + 2);
}

proptest! {
    #[test]
    fn whole_messages_come_out_in_order(sizes in prop::collection::vec(0usize..40_000, 0..20), reads in any::<u32>()) {
        let outbox = Outbox::new(200_000);
        let (mut put, mut got) = (Vec::new(), Vec::new());
        for (index, size) in sizes.into_iter().enumerate() {
            if reads >> (index % 32) & 1 == 1 {
                got.extend(written(&outbox));
            }
            match outbox.put_message(b"1", &message(size), false) {
                Ok(()) => put.push(format!("MSG a 1 {size}\r\n{}\r\n", "x".repeat(size))),
                Err(Closed) => break,
            }
            prop_assert!(outbox.lock().pending <= 200_000);
        }
        got.extend(written(&outbox));
        let got = String::from_utf8(got).expect("text");
        match got.strip_suffix("-ERR 'Slow Consumer'\r\n") {
            None => prop_assert_eq!(got, put.concat()),
            // What was given up is a number of whole messages at the end.
            Some(rest) => prop_assert!((0..=put.len()).any(|count| put[..count].concat() == rest)),
        }
    }
}
