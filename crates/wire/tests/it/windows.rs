//! Bodies between two of ours: as fast as they are read and no faster, and no longer than anybody wants them.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_nats_of_reference as nats;
use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty, StreamBody};
use wire::http::{Handler, OutgoingError, RespondError, SendError, Side, Unwanted};
use wire::{Call, InvokeError, Limits, Origin};

use crate::rig::{PATIENCE, Rig, address, run, wire};

const PIECE: usize = 16 << 10;

/// So many pieces, and how many of them were taken.
fn counted(pieces: usize) -> (impl Body<Data = Bytes, Error = Infallible> + Send + Unpin + 'static, Arc<AtomicUsize>) {
    let taken = Arc::new(AtomicUsize::new(0));
    let count = taken.clone();
    let piece = move |number: usize| {
        count.fetch_add(1, Ordering::Relaxed);
        Ok(Frame::data(Bytes::from(vec![number as u8; PIECE])))
    };
    (StreamBody::new(stream::iter((0..pieces).map(piece))), taken)
}

fn handler() -> Handler {
    Handler::new(&address(), Side::Incoming).expect("a subject")
}

fn call() -> Call {
    Call::new(Origin::default(), PATIENCE)
}

/// 64 MiB each way at once, through less than one: who reads slowly slows down who writes.
#[test]
fn bodies_larger_than_memory_flow_both_ways() {
    let pieces = (64 << 20) / PIECE;
    for rig in Rig::all() {
        run(async {
            let limits = Limits { size_max: stdx::ByteSize::kib(512), ..Limits::default() };
            let (here, there) = (rig.wire_with(limits).await, rig.wire_with(limits).await);
            let mut accepting = there.accept_http(&address()).await.expect("it accepts");
            let serve = async {
                let exchange = accepting.next().await.expect("a request");
                exchange.respond.with(Response::new(exchange.request.into_body())).await.expect("it is taken");
            };
            let ask = async {
                let (body, written) = counted(pieces);
                let response = here.send_http(&handler(), &mut Request::new(Some(body)), call()).await;
                let mut body = response.expect("a response").into_body();
                let mut read = 0;
                while let Some(frame) = body.frame().await {
                    read += frame.expect("whole").into_data().expect("data").len();
                    assert!(
                        written.load(Ordering::Relaxed) * PIECE <= read + (1 << 20),
                        "it is far ahead of its reader"
                    );
                }
                assert_eq!(read, pieces * PIECE);
            };
            tokio::join!(serve, ask);
            assert_eq!((here.waiting(), there.waiting()), (0, 0));
        });
    }
}

/// What is written to somebody who does not read stops, and goes on when he does.
#[test]
fn who_does_not_read_stops_who_writes() {
    let rig = Rig::nats();
    run(async {
        let (here, there) = (rig.wire().await, rig.wire().await);
        let mut accepting = there.accept_http(&address()).await.expect("it accepts");
        let (body, written) = counted(1_000);
        let serve = async {
            let exchange = accepting.next().await.expect("a request");
            exchange.respond.with(Response::new(body)).await.expect("it is taken");
        };
        let ask = async {
            let request = &mut Request::new(Some(Empty::<Bytes>::new()));
            let response = here.send_http(&handler(), request, call()).await.expect("a response");
            let held = || (Limits::default().waiting_max.as_u64() - here.room().as_u64()) as usize;
            // Waits until as much is there as may be; then nothing more is written.
            let mut before = 0;
            loop {
                let request = &mut Request::new(Some(Empty::<Bytes>::new()));
                here.send_http(&nobody(), request, call()).await.expect_err("nobody");
                if held() > 0 && std::mem::replace(&mut before, held()) == held() {
                    break;
                }
            }
            assert!(held() <= 256 << 10, "{}", held());
            assert!(written.load(Ordering::Relaxed) < 100, "{written:?}");
            assert_eq!(response.into_body().collect().await.expect("a body").to_bytes().len(), 1_000 * PIECE);
        };
        tokio::join!(serve, ask);
    });
}

fn nobody() -> Handler {
    let address = wire::Address { lattice: "default".into(), id: "nobody".into() };
    Handler::new(&address, Side::Incoming).expect("a subject")
}

/// Who does not wait any more is not worked for any more: before the answer, and in its middle.
#[test]
fn who_goes_away_is_not_answered_any_more() {
    for rig in Rig::all() {
        run(async {
            let (here, there) = (rig.wire().await, rig.wire().await);
            let mut accepting = there.accept_http(&address()).await.expect("it accepts");
            let request = || Request::new(Some(Empty::<Bytes>::new()));
            let serve = async {
                let exchange = accepting.next().await.expect("a request");
                let work = exchange.respond.while_wanted(std::future::pending::<()>()).await;
                assert_eq!(work, Err(Unwanted));
                drop(exchange);
                let exchange = accepting.next().await.expect("a request");
                let (body, _) = counted(10_000);
                let error = exchange.respond.with(Response::new(body)).await.expect_err("nobody wants it");
                assert!(matches!(error, RespondError::Body(OutgoingError::Unwanted)), "{error:?}");
            };
            let ask = async {
                let short = Call::new(Origin::default(), Duration::from_millis(300));
                let error = here.send_http(&handler(), &mut request(), short).await.expect_err("it lasts");
                assert!(matches!(error, SendError::Invoke(InvokeError::Late { .. })), "{error:?}");
                let response = here.send_http(&handler(), &mut request(), call()).await.expect("a response");
                let mut body = response.into_body();
                body.frame().await.expect("a frame").expect("whole");
            };
            tokio::join!(serve, ask);
            assert_eq!((here.waiting(), there.waiting()), (0, 0));
        });
    }
}

/// Who asks of a host that is gone knows it after a moment, and does not wait until his time is over.
#[test]
fn a_host_that_is_gone_is_not_waited_for() {
    let server = testkit::Nats::start();
    run(async {
        let here = wire(&server).await;
        let host = nats::connect(server.url()).await.expect("it lets us in");
        let subject = "default.echo.wrpc.0.0.1.wrpc:http/incoming-handler@0.1.0.handle";
        let mut calls = host.subscribe(subject).await.expect("it listens");
        // Who hears himself is heard by the server in the order in which he spoke.
        let mut own = host.subscribe("own").await.expect("it listens");
        host.publish("own", Bytes::new()).await.expect("it is said");
        own.next().await.expect("it is there");
        let serve = async move {
            let caller = calls.next().await.expect("a call").reply.expect("a caller");
            let inbox = host.new_inbox();
            let params = host.subscribe(format!("{inbox}.>")).await.expect("it listens");
            let mut heard = nats::HeaderMap::new();
            heard.insert("wattle-window", "1000");
            let said = host.publish_with_reply_and_headers(caller, inbox, heard, Bytes::new()).await;
            said.expect("it is said");
            host.flush().await.expect("it is heard");
            drop((calls, params, host));
        };
        let mut request = Request::new(Some(Empty::<Bytes>::new()));
        let (asker, call) = (handler(), call());
        let ((), answer) = tokio::join!(serve, here.send_http(&asker, &mut request, call));
        let error = answer.expect_err("it is gone");
        assert!(matches!(error, SendError::Invoke(InvokeError::Lost { .. })), "{error:?}");
    });
}
