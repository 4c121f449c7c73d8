//! HTTP on the wire, in both directions: bodies that flow, trailers, and what is cut.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use wire::http::{ErrorCode, Handler, IncomingError, SendError, Side};
use wire::{Call, Limits, Origin};

use crate::rig::{PATIENCE, Rig, address, run};

fn pieces(
    pieces: Vec<Result<Frame<Bytes>, std::io::Error>>,
) -> impl http_body::Body<Data = Bytes, Error = std::io::Error> + Send + Unpin {
    StreamBody::new(stream::iter(pieces))
}

fn data(text: &'static str) -> Result<Frame<Bytes>, std::io::Error> {
    Ok(Frame::data(Bytes::from_static(text.as_bytes())))
}

fn trailers() -> HeaderMap {
    HeaderMap::from_iter([(http::HeaderName::from_static("x-sum"), HeaderValue::from_static("7"))])
}

#[test]
fn a_request_and_its_response_flow_with_trailers() {
    for rig in Rig::all() {
        run(async {
            let (here, there) = (rig.wire().await, rig.wire().await);
            let mut accepting = there.accept_http(&address()).await.expect("it accepts");
            let handler = Handler::new(&address(), Side::Incoming).expect("a subject");
            let serve = async {
                let exchange = accepting.next().await.expect("a request");
                let (head, body) = exchange.request.into_parts();
                assert_eq!((head.method, head.uri.to_string()), (http::Method::PUT, "http://shop/a?b=c".to_owned()));
                assert_eq!(head.headers.get_all("x").iter().collect::<Vec<_>>(), ["1", "2"]);
                assert_eq!(exchange.origin.source.as_deref(), Some("http"));
                let body = body.collect().await.expect("a body");
                assert_eq!(body.trailers(), Some(&trailers()));
                assert_eq!(body.to_bytes(), "abcde");
                let answer = pieces(vec![data("Hello "), data("world"), Ok(Frame::trailers(trailers()))]);
                let response = Response::builder().status(201).header("content-type", "text/plain").body(answer);
                exchange.respond.with(response.expect("a response")).await.expect("it is taken");
            };
            let call = async {
                let request = Request::put("http://shop/a?b=c").header("x", "1").header("x", "2");
                let body = pieces(vec![data("abc"), data("de"), Ok(Frame::trailers(trailers()))]);
                let origin = Origin { source: Some("http".into()), ..Origin::default() };
                let response = here
                    .send_http(&handler, &mut request.body(Some(body)).expect("a request"), Call::new(origin, PATIENCE))
                    .await;
                let response = response.expect("a response");
                assert_eq!(
                    (response.status().as_u16(), &response.headers()["content-type"]),
                    (201, &HeaderValue::from_static("text/plain"))
                );
                let body = response.into_body().collect().await.expect("a body");
                assert_eq!(body.trailers(), Some(&trailers()));
                assert_eq!(body.to_bytes(), "Hello world");
            };
            tokio::join!(serve, call);
            assert_eq!((here.waiting(), there.waiting(), accepting.running()), (0, 0, 0));
            assert_eq!((here.room(), there.room()), (Limits::default().waiting_max, Limits::default().waiting_max));
        });
    }
}

#[test]
fn a_response_is_read_while_its_request_is_still_written() {
    let rig = Rig::nats();
    run(async {
        let (here, there) = (rig.wire().await, rig.wire().await);
        let mut accepting = there.accept_http(&address()).await.expect("it accepts");
        let handler = Handler::new(&address(), Side::Incoming).expect("a subject");
        let (says, said) = futures::channel::mpsc::channel::<Result<Frame<Bytes>, Infallible>>(1);
        let serve = async {
            let exchange = accepting.next().await.expect("a request");
            // The body of the request is that of the response.
            exchange.respond.with(Response::new(exchange.request.into_body())).await.expect("it is taken");
        };
        let call = async {
            let mut says = says;
            let mut request = Request::new(Some(StreamBody::new(said)));
            let call = Call::new(Origin::default(), PATIENCE);
            let response = here.send_http(&handler, &mut request, call).await.expect("a response");
            let mut body = response.into_body();
            for number in 0..20u8 {
                says.try_send(Ok(Frame::data(Bytes::from(vec![number; 1_000])))).expect("there is room");
                let frame = body.frame().await.expect("a frame").expect("it is whole");
                assert_eq!(frame.into_data().expect("data"), vec![number; 1_000]);
            }
            drop(says);
            assert!(body.frame().await.is_none());
        };
        tokio::join!(serve, call);
        assert_eq!((here.waiting(), there.waiting()), (0, 0));
    });
}

#[test]
fn a_body_that_is_cut_does_not_look_whole() {
    let rig = Rig::nats();
    run(async {
        let (here, there) = (rig.wire().await, rig.wire().await);
        let mut accepting = there.accept_http(&address()).await.expect("it accepts");
        let handler = Handler::new(&address(), Side::Incoming).expect("a subject");
        let cut = || pieces(vec![data("half of "), Err(std::io::Error::other("it broke"))]);
        let serve = async {
            let exchange = accepting.next().await.expect("a request");
            let error = exchange.request.into_body().collect().await.expect_err("it is cut");
            assert_eq!(error, IncomingError::Cut);
            exchange.respond.with(Response::new(cut())).await.expect_err("it is cut");
        };
        let call = async {
            let response =
                here.send_http(&handler, &mut Request::new(Some(cut())), Call::new(Origin::default(), PATIENCE)).await;
            let error = response.expect("a head").into_body().collect().await.expect_err("it is cut");
            assert_eq!(error, IncomingError::Cut);
        };
        tokio::join!(serve, call);
    });
}

#[test]
fn a_body_that_nobody_writes_is_given_up() {
    let rig = Rig::nats();
    run(async {
        let limits = Limits { idle_max: Duration::from_millis(100), ..Limits::default() };
        let (here, there) = (rig.wire().await, rig.wire_with(limits).await);
        let mut accepting = there.accept_http(&address()).await.expect("it accepts");
        let handler = Handler::new(&address(), Side::Incoming).expect("a subject");
        let serve = async {
            let exchange = accepting.next().await.expect("a request");
            let error = exchange.request.into_body().collect().await.expect_err("nothing comes");
            assert!(matches!(error, IncomingError::Idle(_)), "{error:?}");
            exchange.respond.with_error(&ErrorCode::internal("no body")).await.expect("it is taken");
        };
        let never = StreamBody::new(stream::pending::<Result<Frame<Bytes>, Infallible>>());
        let mut request = Request::new(Some(never));
        let call = here.send_http(&handler, &mut request, Call::new(Origin::default(), PATIENCE));
        let ((), answer) = tokio::join!(serve, call);
        let error = answer.expect_err("a code");
        let SendError::Answered { code, .. } = error else { panic!("{error:?}") };
        assert_eq!(code, ErrorCode::internal("no body"));
    });
}

#[test]
fn a_body_that_nobody_reads_waits_within_the_limits_and_then_fails() {
    // In process, what was said is there when it was said.
    let rig = Rig::in_process();
    run(async {
        let limits = Limits { size_max: stdx::ByteSize::kib(64), ..Limits::default() };
        let there = rig.wire_with(limits).await;
        let mut accepting = there.accept_http(&address()).await.expect("it accepts");
        // A stranger: he does not know how much is taken.
        let stranger = rig.bus().await;
        let mut heard = stranger.subscribe("rc.>".parse().expect("a pattern"), None).await.expect("it listens");
        let say = |subject: String, reply: Option<&str>, payload: Vec<u8>| {
            let reply = reply.map(|reply| reply.parse().expect("a subject"));
            let message = bus::Message::new(subject.parse().expect("a subject"), payload.into());
            stranger.publish(bus::Message { reply, ..message })
        };
        let call = "default.echo.wrpc.0.0.1.wrpc:http/incoming-handler@0.1.0.handle".to_owned();
        // GET / without a scheme, an authority and headers.
        say(call, Some("rc.x"), vec![0, 0, 0, 1, 1, b'/', 0, 0, 0]).await.expect("it is taken");
        let exchange = accepting.next().await.expect("a request");
        let place = heard.next().await.expect("it is heard").reply.expect("a place for the rest");
        for _ in 0..100 {
            let chunk = [&[0x80, 0x20][..], &[7; 4_096]].concat();
            say(format!("{place}.params.0.0"), None, chunk).await.expect("it is taken");
        }
        let held = limits.waiting_max.as_u64() - there.room().as_u64();
        assert!(held > 32 << 10 && held <= 64 << 10, "{held}");
        let mut body = exchange.request.into_body().into_data_stream();
        let error = loop {
            match body.next().await.expect("it does not end well") {
                Ok(data) => assert!(data.iter().all(|byte| *byte == 7)),
                Err(error) => break error,
            }
        };
        assert_eq!(error, IncomingError::TooFast);
        drop(body);
        assert_eq!(there.room(), limits.waiting_max);
    });
}

#[test]
fn nobody_there_is_known_at_once() {
    let rig = Rig::nats();
    run(async {
        let wire = rig.wire().await;
        for side in [Side::Incoming, Side::Outgoing] {
            let handler = Handler::new(&address(), side).expect("a subject");
            let mut request = Request::new(Some(Full::new(Bytes::from_static(b"x"))));
            let call = Call::new(Origin::default(), PATIENCE);
            let error = wire.send_http(&handler, &mut request, call).await.expect_err("nobody");
            assert!(matches!(error, SendError::Invoke(error) if error.was_not_heard()));
            assert!(request.body().is_some(), "it can be sent to somebody else");
        }
    });
}
