//! Tests of both ends of a body, polled by hand: nothing else decides when they run.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use http_body_util::BodyExt;

use super::*;

fn headers(length: Option<&'static str>) -> HeaderMap {
    length.map(|length| (CONTENT_LENGTH, http::HeaderValue::from_static(length))).into_iter().collect()
}

/// A body of an answer with this `content-length`, and its reader.
fn answer(length: Option<&'static str>) -> (OutgoingBody, wasmtime_wasi_http::p2::body::HyperOutgoingBody) {
    let mut body = None;
    let outgoing = begin(&headers(length), &mut body, ErrorCode::HttpResponseBodySize).expect("a body");
    (outgoing, body.expect("its reader"))
}

fn now<T>(future: impl Future<Output = T>) -> Poll<T> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// What is read until nothing more comes: the bytes, then how it ended.
fn read(body: &mut wasmtime_wasi_http::p2::body::HyperOutgoingBody) -> (Vec<u8>, &'static str) {
    let mut bytes = Vec::new();
    loop {
        match now(body.frame()) {
            Poll::Pending => return (bytes, "more may come"),
            Poll::Ready(None) => return (bytes, "whole"),
            Poll::Ready(Some(Err(_))) => return (bytes, "cut"),
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => bytes.extend(data),
                Err(frame) => assert!(frame.is_trailers()),
            },
        }
    }
}

fn write(outgoing: &OutgoingBody, bytes: &'static [u8]) -> StreamResult<()> {
    Writer::new(&outgoing.pipe).write(Bytes::from_static(bytes))
}

#[test]
fn what_is_written_is_read_in_its_order_and_ends_when_it_is_finished() {
    let (outgoing, mut body) = answer(None);
    write(&outgoing, b"one ").expect("room");
    write(&outgoing, b"two ").expect("room");
    assert_eq!(read(&mut body), (b"one two ".to_vec(), "more may come"));
    write(&outgoing, b"three").expect("room");
    assert!(outgoing.pipe.finish(Some(headers(Some("1")))).expect("no stream is left").is_ok());
    assert_eq!(read(&mut body), (b"three".to_vec(), "whole"));
}

#[test]
fn a_body_that_is_dropped_unfinished_is_cut() {
    let (outgoing, mut body) = answer(None);
    write(&outgoing, b"half").expect("room");
    drop(outgoing);
    assert_eq!(read(&mut body), (b"half".to_vec(), "cut"));
}

#[test]
fn a_body_of_another_length_than_announced_is_cut() {
    let (outgoing, mut body) = answer(Some("5"));
    write(&outgoing, b"four").expect("room");
    let refused = outgoing.pipe.finish(None).expect("no stream is left");
    assert!(matches!(refused, Err(ErrorCode::HttpResponseBodySize(Some(4)))), "{refused:?}");
    assert_eq!(read(&mut body), (b"four".to_vec(), "cut"));

    let (outgoing, mut body) = answer(Some("5"));
    assert!(matches!(write(&outgoing, b"sixsix"), Err(StreamError::LastOperationFailed(_))));
    assert!(outgoing.pipe.finish(None).expect("no stream is left").is_err());
    assert_eq!(read(&mut body), (Vec::new(), "cut"));

    assert!(begin(&headers(Some("many")), &mut None, ErrorCode::HttpResponseBodySize).is_none());
}

#[test]
fn a_body_holds_no_more_than_its_room() {
    const PIECE: usize = 40 << 10;
    let (outgoing, mut body) = answer(None);
    let mut writer = Writer::new(&outgoing.pipe);
    let all = Bytes::from(vec![7; 5 * ROOM]);
    let length = all.len();
    let mut read_total = 0;
    {
        let mut writing = pin!(writer.blocking_write_and_flush(all));
        let mut cx = Context::from_waker(Waker::noop());
        while writing.as_mut().poll(&mut cx).is_pending() {
            assert_eq!(outgoing.pipe.buffer().length, ROOM);
            let Poll::Ready(Some(Ok(frame))) = now(body.frame()) else { panic!("there is a piece") };
            read_total += frame.into_data().expect("data").len();
        }
    }
    assert_eq!(read_total + read(&mut body).0.len(), length);

    let too_much = Bytes::from(vec![7; ROOM + 1]);
    assert!(matches!(writer.write(too_much), Err(StreamError::Trap(_))), "a write that `check-write` did not allow");
    assert_eq!(writer.check_write().expect("open"), ROOM);
    writer.write(Bytes::from(vec![7; PIECE])).expect("room");
    assert_eq!(writer.check_write().expect("open"), ROOM - PIECE);
}

#[test]
fn a_writer_whose_reader_is_gone_is_told_so() {
    let (outgoing, body) = answer(None);
    let mut writer = Writer::new(&outgoing.pipe);
    writer.write(Bytes::from(vec![7; ROOM])).expect("room");
    assert!(now(writer.ready()).is_pending());
    drop(body);
    assert!(now(writer.ready()).is_ready());
    assert!(matches!(writer.check_write(), Err(StreamError::Closed)));
    assert!(matches!(
        now(writer.blocking_write_and_flush(Bytes::from_static(b"x"))),
        Poll::Ready(Err(StreamError::Closed))
    ));
}

/// `wasi:http` says that `finish` traps then.
#[test]
fn a_body_is_not_finished_while_its_stream_is_there() {
    let (outgoing, mut body) = answer(None);
    let mut writer = Writer::new(&outgoing.pipe);
    writer.write(Bytes::from_static(b"half")).expect("room");
    assert!(outgoing.pipe.finish(None).is_err());
    drop(writer);
    assert_eq!(read(&mut body), (b"half".to_vec(), "cut"));
}
