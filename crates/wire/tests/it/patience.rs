//! How long bodies are waited for, on both sides. Method: in process, on a clock that goes on when nothing else does.

use std::convert::Infallible;
use std::time::Duration;

use bus::{Bus, Headers, Message, Subscription};
use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty, StreamBody};
use rt::Late;
use tokio::time::{Instant, sleep};
use wire::http::{Accepting, Exchange, Handler, IncomingError, OutgoingError, RespondError, Side};
use wire::{
    ByteStream, Call, Decode, FlowError, Following, Function, Origin, Pending, Streaming, Wire, WriteError, encode,
};

use crate::rig::{Rig, address, run_in_no_time};

/// How much time a call has.
const TIME: Duration = secs(2);

/// After so long of silence a body is given up then.
const SILENT_MAX: Duration = secs(7);

/// The most that anybody is waited for.
const STILL_MAX: Duration = secs(60);

const PIECE: usize = 16 << 10;

/// Of a function that takes a stream and gives one.
const TURN: &[&[u32]] = &[&[0]];

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// So many pieces, each after a pause.
fn pieces(count: usize, pause: Duration) -> impl Body<Data = Bytes, Error = Infallible> + Send + Unpin + 'static {
    let piece = move |number: usize| async move {
        sleep(pause).await;
        Ok::<_, Infallible>(Frame::data(Bytes::from(vec![number as u8; PIECE])))
    };
    StreamBody::new(Box::pin(stream::iter(0..count).then(piece)))
}

/// One piece, and then nothing more, ever.
fn one_piece() -> impl Body<Data = Bytes, Error = Infallible> + Send + Unpin + 'static {
    let piece = Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"half of")));
    StreamBody::new(stream::iter([piece]).chain(stream::pending()))
}

/// Who asks, and who answers.
async fn two(rig: &Rig) -> (Wire, Accepting) {
    let (here, there) = (rig.wire().await, rig.wire().await);
    (here, there.accept_http(&address()).await.expect("it accepts"))
}

async fn ask<B>(wire: &Wire, body: B) -> wire::http::Incoming
where
    B: Body<Data = Bytes, Error = Infallible> + Send + Unpin + 'static,
{
    let handler = Handler::new(&address(), Side::Incoming).expect("a subject");
    let call = Call::new(Origin::default(), TIME);
    let response = wire.send_http(&handler, &mut Request::new(Some(body)), call).await;
    response.expect("a response").into_body()
}

/// Says a request without the end of its body as one of ours does that has so much time, and nothing more.
async fn begin_to_ask(bus: &Bus) -> Subscription {
    // GET / without a scheme, an authority and headers.
    let head = Bytes::from_static(&[0, 0, 0, 1, 1, b'/', 0, 0, 0]);
    begin_to_call(bus, ("wrpc:http/incoming-handler@0.1.0.handle", head)).await
}

/// The same of any function.
async fn begin_to_call(bus: &Bus, (function, head): (&str, Bytes)) -> Subscription {
    let heard = bus.subscribe("rc.>".parse().expect("a pattern"), None).await.expect("it listens");
    let call = format!("default.echo.wrpc.0.0.1.{function}");
    let headers = Headers::of([("wattle-window", "1000"), ("wattle-remaining-ms", "2000")]).expect("headers");
    let reply = Some("rc.x".parse().expect("a subject"));
    let message = Message { reply, headers, ..Message::new(call.parse().expect("a subject"), head) };
    bus.publish(message).await.expect("it is taken");
    heard
}

fn given_up(outcome: Result<(), RespondError>) -> OutgoingError {
    match outcome.expect_err("it is given up") {
        RespondError::Body(error) => error,
        error => panic!("{error:?}"),
    }
}

#[test]
fn an_answer_of_which_nothing_comes_any_more_ends_soon_after_the_time_of_its_call() {
    run_in_no_time(async {
        let (here, mut accepting) = two(&Rig::in_process()).await;
        let serve = async {
            let exchange = accepting.next().await.expect("a request");
            let error = given_up(exchange.respond.with(Response::new(one_piece())).await);
            assert!(matches!(error, OutgoingError::Unwanted), "{error:?}");
        };
        let read = async {
            let mut body = ask(&here, Empty::new()).await;
            body.frame().await.expect("a frame").expect("it is whole");
            let begun = Instant::now();
            let error = body.frame().await.expect("it does not end well").expect_err("nothing comes");
            assert_eq!((error, begun.elapsed().as_secs()), (IncomingError::Idle(Late(SILENT_MAX)), 7));
        };
        tokio::join!(serve, read);
        assert_eq!(here.waiting(), 0);
    });
}

/// Each pause is shorter than what a call has for silence, and all of them together are longer than anybody is waited for.
#[test]
fn a_body_that_moves_goes_on_in_both_directions() {
    run_in_no_time(async {
        let (here, mut accepting) = two(&Rig::in_process()).await;
        let begun = Instant::now();
        let serve = async {
            let exchange = accepting.next().await.expect("a request");
            // The body of the request is that of the response.
            exchange.respond.with(Response::new(exchange.request.into_body())).await.expect("it is taken");
        };
        let read = async {
            let body = ask(&here, pieces(20, secs(6))).await;
            assert_eq!(body.collect().await.expect("it is whole").to_bytes().len(), 20 * PIECE);
        };
        tokio::join!(serve, read);
        assert!(begun.elapsed() > STILL_MAX, "{:?}", begun.elapsed());
    });
}

/// A slow client of the other host is no reason to cut its answer.
#[test]
fn who_takes_nothing_is_waited_for_as_long_as_he_is_there() {
    run_in_no_time(async {
        let (here, mut accepting) = two(&Rig::in_process()).await;
        let begun = Instant::now();
        let serve = async {
            let exchange = accepting.next().await.expect("a request");
            exchange.respond.with(Response::new(pieces(64, Duration::ZERO))).await.expect("it is taken");
            let exchange = accepting.next().await.expect("a request");
            let begun = Instant::now();
            let error = given_up(exchange.respond.with(Response::new(pieces(64, Duration::ZERO))).await);
            assert!(matches!(error, OutgoingError::Stuck(late) if late == Late(STILL_MAX)), "{error:?}");
            assert_eq!(begun.elapsed().as_secs(), 60);
        };
        let read = async {
            let body = ask(&here, Empty::new()).await;
            sleep(secs(50)).await;
            assert_eq!(body.collect().await.expect("it is whole").to_bytes().len(), 64 * PIECE);
            let body = ask(&here, Empty::new()).await;
            sleep(secs(70)).await;
            assert_eq!(body.collect().await.expect_err("it is cut"), IncomingError::Cut);
        };
        tokio::join!(serve, read);
        assert!(begun.elapsed() >= secs(120), "{:?}", begun.elapsed());
        assert_eq!(here.waiting(), 0);
    });
}

#[test]
fn who_is_silent_is_neither_written_to_nor_read_from_for_longer_than_his_time() {
    run_in_no_time(async {
        let rig = Rig::in_process();
        let (_, mut accepting) = two(&rig).await;
        let stranger = rig.bus().await;

        let heard = begin_to_ask(&stranger).await;
        let Exchange { respond, .. } = accepting.next().await.expect("a request");
        let begun = Instant::now();
        let error = given_up(respond.with(Response::new(pieces(64, Duration::ZERO))).await);
        assert!(matches!(error, OutgoingError::Silent(late) if late == Late(SILENT_MAX)), "{error:?}");
        assert_eq!(begun.elapsed().as_secs(), 7);
        drop(heard);

        let heard = begin_to_ask(&stranger).await;
        let Exchange { request, respond, .. } = accepting.next().await.expect("a request");
        let begun = Instant::now();
        let error = request.into_body().collect().await.expect_err("nothing comes");
        assert_eq!((error, begun.elapsed().as_secs()), (IncomingError::Idle(Late(SILENT_MAX)), 7));
        drop((heard, respond));

        // Who is gone is not waited for at all, once he is asked.
        drop(begin_to_ask(&stranger).await);
        let Exchange { respond, .. } = accepting.next().await.expect("a request");
        let begun = Instant::now();
        let error = given_up(respond.with(Response::new(pieces(64, Duration::ZERO))).await);
        assert!(matches!(error, OutgoingError::Unwanted), "{error:?}");
        assert!(begun.elapsed() < TIME, "{:?}", begun.elapsed());
    });
}

/// Who asks once more after that waits once more.
#[test]
fn a_stream_beside_values_is_waited_for_as_a_body_is() {
    run_in_no_time(async {
        let rig = Rig::in_process();
        let (there, stranger) = (rig.wire().await, rig.bus().await);
        let functions = vec![(Function::of("test:echo/flow@0.2.0", "turn"), TURN)];
        let served = there.serve_streams(&address(), functions, |_, reader| ByteStream::read(reader)).await;
        let mut served = served.expect("it serves");
        let _heard = begin_to_call(&stranger, ("test:echo/flow@0.2.0.turn", Bytes::from_static(&[0]))).await;
        let Streaming { params: mut stream, mut coming, answering, .. } = served.next().await.expect("a call");
        for _ in 0..2 {
            let begun = Instant::now();
            assert_eq!(coming.bytes(&mut stream).await, Err(FlowError::Idle(Late(SILENT_MAX))));
            assert_eq!(begun.elapsed().as_secs(), 7);
        }
        let following = Following { stream: Some(&[0]), later: None };
        let mut answered = answering.begin(encode(&Pending), following).await.expect("it is said");
        let begun = Instant::now();
        let error = answered.say(Bytes::from(vec![7; PIECE])).await.expect_err("nobody takes it");
        assert!(matches!(error, WriteError::Silent(late) if late == Late(SILENT_MAX)), "{error:?}");
        assert_eq!(begun.elapsed().as_secs(), 7);
    });
}
