//! HTTP beside `wrpc-interface-http`, which providers of wasmCloud speak it with: theirs asks ours, and ours theirs.

use std::convert::Infallible;
use std::sync::Arc;

use async_nats_of_reference as nats;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, StreamBody};
use wire::http::{ErrorCode, Handler, Incoming, SendError, Side};
use wire::{Call, InvokeError, Origin, Reason, Wire};
use wrpc_interface_http::bindings::exports::wrpc::http::incoming_handler::serve_interface;
use wrpc_interface_http::bindings::wrpc::http::types::ErrorCode as TheirCode;
use wrpc_interface_http::{HttpBody, InvokeIncomingHandler, ServeHttp, ServeIncomingHandlerHttp};
use wrpc_transport_nats::Client;

use crate::rig::{PATIENCE, address, run, wire};

/// More than a message of the server has, and more than a window.
const LARGE: usize = 3 << 20;

async fn theirs(server: &testkit::Nats) -> Client {
    let nats = nats::connect(server.url()).await.expect("it lets us in");
    Client::new(nats, "default.echo", Some(Arc::from("default.echo"))).await.expect("it listens")
}

/// A body of many frames, with a trailer.
fn body(frames: Vec<Bytes>) -> impl Body<Data = Bytes, Error = Infallible> + Send + Unpin + 'static {
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", "7".parse().expect("a value"));
    let frames = frames.into_iter().map(Frame::data).chain([Frame::trailers(trailers)]);
    StreamBody::new(stream::iter(frames.map(Ok)))
}

fn large() -> Vec<Bytes> {
    (0..LARGE / 4_096).map(|number| Bytes::from(vec![number as u8; 4_096])).collect()
}

/// Sees that a body is that of [`body`]. What comes after its trailers is not asked for: theirs panics then.
async fn check<B: Body<Data = Bytes, Error: std::fmt::Debug>>(came: B, frames: &[Bytes]) {
    let mut came = std::pin::pin!(came);
    let (mut bytes, mut trailers) = (Vec::new(), None);
    while trailers.is_none() {
        let frame = came.as_mut().frame().await.expect("trailers come last").expect("a body");
        match frame.into_data() {
            Ok(data) => bytes.extend_from_slice(&data),
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
    }
    assert_eq!(trailers.and_then(|trailers| trailers.get("x-sum").cloned()).expect("a trailer"), "7");
    assert!(bytes == frames.concat());
}

/// Answers what is asked for: a body with its trailers, or an error.
#[derive(Clone)]
struct Stock;

impl ServeIncomingHandlerHttp<Option<nats::HeaderMap>> for Stock {
    async fn handle(
        &self,
        headers: Option<nats::HeaderMap>,
        request: Request<HttpBody>,
    ) -> anyhow::Result<Result<Response<impl Body<Data = Bytes, Error = Infallible> + Send + 'static>, TheirCode>> {
        let headers = headers.expect("headers");
        assert_eq!(headers.get("source-id").map(nats::HeaderValue::as_str), Some("shop"));
        assert_eq!(headers.get("link-name").map(nats::HeaderValue::as_str), Some("default"));
        if request.uri().path() == "/broken" {
            return Ok(Err(TheirCode::InternalError(Some("boom".into()))));
        }
        assert_eq!((request.method().as_str(), request.uri().to_string()), ("PUT", "http://shop/a?b=c".to_owned()));
        assert_eq!(request.headers().get_all("x").iter().collect::<Vec<_>>(), ["1", "2"]);
        check(request.into_body(), &large()).await;
        Ok(Ok(Response::builder().status(201).header("y", "3").body(body(large())).expect("a response")))
    }
}

/// Asks theirs, as soon as they listen.
async fn ask_theirs(ours: &Wire, uri: &str, frames: Vec<Bytes>) -> Result<Response<Incoming>, SendError> {
    let handler = Handler::new(&address(), Side::Incoming).expect("a subject");
    let mut request = Request::put(uri).header("x", "1").header("x", "2").body(Some(body(frames))).expect("a request");
    let origin = Origin { source: Some("shop".into()), link_name: Some("default".into()), ..Origin::default() };
    loop {
        match ours.send_http(&handler, &mut request, Call::new(origin.clone(), PATIENCE)).await {
            Err(SendError::Invoke(InvokeError::NobodyThere { .. })) => tokio::task::yield_now().await,
            answer => return answer,
        }
    }
}

#[test]
fn ours_asks_theirs() {
    run(async {
        let server = testkit::Nats::start();
        let theirs = theirs(&server).await;
        let [(_, _, calls)] = serve_interface(&theirs, ServeHttp(Stock)).await.expect("it serves");
        let serving = calls.try_for_each_concurrent(None, |call| call);
        let ours = wire(&server).await;
        let asking = async {
            let response = ask_theirs(&ours, "http://shop/a?b=c", large()).await.expect("a response");
            assert_eq!((response.status().as_u16(), response.headers()["y"].as_bytes()), (201, &b"3"[..]));
            check(response.into_body(), &large()).await;
            let error = ask_theirs(&ours, "http://shop/broken", Vec::new()).await.expect_err("an error");
            let SendError::Answered { code, .. } = error else { panic!("{error:?}") };
            assert_eq!(code, ErrorCode::internal("boom"));
        };
        tokio::select! {
            served = serving => panic!("{served:?}"),
            () = asking => {}
        }
        assert_eq!(ours.waiting(), 0);
    });
}

#[test]
fn theirs_asks_ours() {
    run(async {
        let server = testkit::Nats::start();
        let ours = wire(&server).await;
        let mut accepting = ours.accept_http(&address()).await.expect("it accepts");
        let theirs = theirs(&server).await;
        let serving = async {
            let exchange = accepting.next().await.expect("a request");
            let (head, came) = exchange.request.into_parts();
            assert_eq!((head.method.as_str(), head.uri.to_string()), ("POST", "http://shop/a?b=c".to_owned()));
            assert_eq!((head.headers["x"].as_bytes(), exchange.origin.source.as_deref()), (&b"1"[..], Some("shop")));
            check(came, &large()).await;
            let response = Response::builder().status(202).header("y", "3").body(body(large())).expect("a response");
            exchange.respond.with(response).await.expect("it is taken");
            let exchange = accepting.next().await.expect("a request");
            let code = ErrorCode::named("connection-refused").expect("a code");
            exchange.respond.with_error(&code).await.expect("it is taken");
        };
        let asking = async {
            let ask = |uri: &str, frames| {
                let mut headers = nats::HeaderMap::new();
                headers.insert("source-id", "shop");
                let request = Request::post(uri).header("x", "1").body(body(frames)).expect("a request");
                theirs.invoke_handle_http(Some(headers), request)
            };
            let (response, errors, sending) = ask("http://shop/a?b=c", large()).await.expect("an answer");
            let response = response.expect("a response");
            assert_eq!((response.status().as_u16(), response.headers()["y"].as_bytes()), (202, &b"3"[..]));
            let sending = async {
                if let Some(sending) = sending {
                    sending.await.expect("it is sent");
                }
            };
            let errors = errors.for_each(async |error| panic!("{error:?}"));
            let expected = large();
            tokio::join!(check(response.into_body(), &expected), sending, errors);
            let (answer, ..) = ask("http://shop/broken", Vec::new()).await.expect("an answer");
            assert!(matches!(answer, Err(TheirCode::ConnectionRefused)));
        };
        tokio::join!(serving, asking);
        assert_eq!(ours.waiting(), 0);
    });
}

/// A handler of theirs that fails ends its answer before it began: that is an error at once, not a wait.
#[test]
fn a_request_that_theirs_drops_is_silent() {
    run(async {
        let server = testkit::Nats::start();
        let theirs = theirs(&server).await;
        let [(_, _, mut calls)] = serve_interface(&theirs, ServeHttp(Stock)).await.expect("it serves");
        let ours = wire(&server).await;
        let serving = async { drop(calls.next().await.expect("a call")) };
        let ((), answer) = tokio::join!(serving, ask_theirs(&ours, "http://shop/a", Vec::new()));
        let Err(SendError::Invoke(InvokeError::Refused { refusal, .. })) = answer else { panic!("{answer:?}") };
        assert_eq!(refusal.reason, Reason::Silent);
    });
}
