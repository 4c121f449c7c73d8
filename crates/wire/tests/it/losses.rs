//! What travels in many messages while some are lost on their way, come twice or in another order: it is whole, or it is an error.
//! Method: a way to a real server on which one message slips, and many simulated networks in bad weather.

use std::convert::Infallible;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use bus::sim::{Network, Weather};
use bytes::Bytes;
use futures::stream::{self, FuturesUnordered};
use futures::{StreamExt, future};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Collected, Empty, StreamBody};
use wire::http::{Handler, IncomingError, OutgoingError, RespondError, Side};
use wire::{
    Beside, ByteStream, Call, Decode, FlowError, Following, Function, InvokeError, Later, Limits, Origin, Pending,
    Reader, Reason, Streaming, Wire, encode,
};

use crate::rig::{PATIENCE, address, bus_at, function, remote, results, run, run_in_no_time, signature, text, wire};

const PIECE: usize = 16 << 10;

/// More than is on its way at once.
const PIECES: usize = 64;

/// The one message that does not come to the server once.
#[derive(Debug, Clone, Copy)]
struct Slip {
    /// How its subject ends.
    path: &'static str,
    /// How many such were said before it.
    number: usize,
    /// How often it comes to the server.
    copies: usize,
}

/// The address of a way to a server, for one client, on which that happens.
fn way(server: &testkit::Nats, slip: Slip) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let (here, there) = (listener.local_addr().expect("it listens"), server.address());
    thread::spawn(move || {
        let (client, _) = listener.accept().expect("a client");
        let server = TcpStream::connect(there).expect("a server");
        let (mut answers, mut reader) =
            (server.try_clone().expect("it is open"), client.try_clone().expect("it is open"));
        thread::spawn(move || io::copy(&mut answers, &mut reader));
        // An error is that either of them has gone: the end of a test.
        carry(client, &server, slip).ok();
        server.shutdown(Shutdown::Both).ok();
    });
    format!("nats://{here}")
}

/// Carries what a client says, line by line, and behind the lines that announce it what is as long as they say.
fn carry(client: TcpStream, mut server: &TcpStream, slip: Slip) -> io::Result<()> {
    let (mut client, mut said, mut count) = (BufReader::new(client), Vec::new(), 0);
    while client.read_until(b'\n', &mut said)? > 0 {
        let line = String::from_utf8_lossy(&said).into_owned();
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let mut copies = 1;
        if let ["PUB" | "HPUB", subject, .., size] = words[..] {
            let size: usize = size.parse().expect("a size comes last");
            let before = said.len();
            said.resize(before + size + b"\r\n".len(), 0);
            client.read_exact(&mut said[before..])?;
            if subject.ends_with(slip.path) {
                copies = if count == slip.number { slip.copies } else { 1 };
                count += 1;
            }
        }
        for _ in 0..copies {
            server.write_all(&said)?;
        }
        said.clear();
    }
    Ok(())
}

/// A wire over such a way.
async fn slippery(server: &testkit::Nats, slip: Slip) -> Wire {
    Wire::open(bus_at(&way(server, slip)).await, Limits::default()).await.expect("it listens")
}

fn call() -> Call {
    Call::new(Origin::default(), PATIENCE)
}

fn trailers() -> HeaderMap {
    HeaderMap::from_iter([(HeaderName::from_static("x-sum"), HeaderValue::from_static("7"))])
}

fn body() -> impl Body<Data = Bytes, Error = Infallible> + Send + Unpin + 'static {
    let frames = (0..PIECES).map(|number| Frame::data(Bytes::from(vec![number as u8; PIECE])));
    StreamBody::new(stream::iter(frames.chain([Frame::trailers(trailers())]).map(Ok)))
}

/// Has one wire answer a request of the other with such a body: what becomes of it where it is said and where it is read.
async fn respond(here: &Wire, there: &Wire) -> (Result<(), RespondError>, Result<Collected<Bytes>, IncomingError>) {
    let mut accepting = there.accept_http(&address()).await.expect("it accepts");
    let handler = Handler::new(&address(), Side::Incoming).expect("a subject");
    let serve = async {
        let exchange = accepting.next().await.expect("a request");
        exchange.respond.with(Response::new(body())).await
    };
    let ask = async {
        let response = here.send_http(&handler, &mut Request::new(Some(Empty::<Bytes>::new())), call()).await;
        response.expect("a head").into_body().collect().await
    };
    tokio::join!(serve, ask)
}

#[test]
fn a_body_of_which_a_message_is_lost_or_comes_twice_is_an_error_and_never_another_body() {
    let server = testkit::Nats::start();
    // What follows the last piece: the mark of the end.
    let pieces = [0, 17, PIECES - 1, PIECES].map(|number| (".results.0.0", number));
    for (path, number) in pieces.into_iter().chain([(".results.0.1", 0)]) {
        for copies in [0, 2] {
            let slip = Slip { path, number, copies };
            let (_, read) = run(async { respond(&wire(&server).await, &slippery(&server, slip).await).await });
            match read {
                Err(error) => assert_eq!(error, IncomingError::PieceLost, "{slip:?}"),
                Ok(body) => panic!("{slip:?}: {} bytes", body.to_bytes().len()),
            }
        }
    }
    // Behind the mark of the end nothing is missed: the same way, and a body that is what was said.
    let slip = Slip { path: ".results.0.0", number: PIECES + 1, copies: 0 };
    let (said, read) = run(async { respond(&wire(&server).await, &slippery(&server, slip).await).await });
    said.expect("it is taken");
    let read = read.expect("it is whole");
    assert_eq!(read.trailers(), Some(&trailers()));
    let whole: Vec<u8> = (0..PIECES).flat_map(|number| vec![number as u8; PIECE]).collect();
    assert!(read.to_bytes() == whole);
}

#[test]
fn who_writes_a_body_of_which_a_piece_is_lost_is_told_that_it_is_not_wanted() {
    let server = testkit::Nats::start();
    run(async {
        let slip = Slip { path: ".results.0.0", number: 3, copies: 0 };
        let (said, _) = respond(&wire(&server).await, &slippery(&server, slip).await).await;
        assert!(matches!(said, Err(RespondError::Body(OutgoingError::Unwanted))), "{said:?}");
    });
}

#[test]
fn the_body_of_a_request_of_which_a_piece_is_lost_is_an_error() {
    let server = testkit::Nats::start();
    run(async {
        let slip = Slip { path: ".params.0.0", number: 3, copies: 0 };
        let (here, there) = (slippery(&server, slip).await, wire(&server).await);
        let mut accepting = there.accept_http(&address()).await.expect("it accepts");
        let handler = Handler::new(&address(), Side::Incoming).expect("a subject");
        let serve = async {
            let exchange = accepting.next().await.expect("a request");
            let error = exchange.request.into_body().collect().await.expect_err("a piece is missing");
            assert_eq!(error.to_string(), "a piece of the body was lost between two hosts");
            exchange.respond.with(Response::new(Empty::<Bytes>::new())).await.expect("it is taken");
        };
        let mut request = Request::new(Some(body()));
        let ((), response) = tokio::join!(serve, here.send_http(&handler, &mut request, call()));
        response.expect("a response");
    });
}

#[test]
fn values_of_which_a_message_is_lost_are_none() {
    let server = testkit::Nats::start_with(["max_payload: 4096"]);
    let (remote, large, small) = (remote(), text("x".repeat(20_000)), text("?"));
    run(async {
        let slip = Slip { path: ".results", number: 1, copies: 0 };
        let (here, there) = (wire(&server).await, slippery(&server, slip).await);
        let mut served = there.serve(&address(), vec![(function(), signature())]).await.expect("it serves");
        let serve = async {
            let invocation = served.next().await.expect("a call");
            invocation.reply.answer(results(&large)).await.expect("it is taken");
        };
        let ((), answer) = tokio::join!(serve, here.invoke(&remote, &small, call()));
        let error = answer.expect_err("a piece is missing");
        assert!(matches!(error, InvokeError::PieceLost { .. }) && !error.was_not_heard(), "{error:?}");
    });
    run(async {
        let slip = Slip { path: ".params", number: 1, copies: 0 };
        let (here, there) = (slippery(&server, slip).await, wire(&server).await);
        let mut served = there.serve(&address(), vec![(function(), signature())]).await.expect("it serves");
        let answer = tokio::select! {
            answer = here.invoke(&remote, &large, call()) => answer,
            _ = served.next() => panic!("its parameters are not whole"),
        };
        let Err(InvokeError::Refused { refusal, .. }) = answer else { panic!("{answer:?}") };
        assert_eq!(refusal.text, "a piece of the parameters was lost between two hosts");
        assert_eq!((refusal.reason, refusal.reason.was_not_run()), (Reason::Garbled, true));
    });
}

/// Of a function that takes a stream, and gives one and a number that comes later.
const TURN: &[&[u32]] = &[&[0]];
const TURNED: Following = Following { stream: Some(&[0]), later: Some(&[1]) };
const BESIDE: Beside = Beside { stream: Some(0), answer: &[&[0], &[1]] };

/// The number of the path of what comes later.
const COUNT: usize = 1;

fn turning() -> Function {
    Function::of("test:echo/flow@0.2.0", "turn")
}

/// Gives back what comes, and then how much that was.
async fn turn(call: Streaming<(ByteStream,)>) -> anyhow::Result<()> {
    let Streaming { params: (mut stream,), mut coming, answering, .. } = call;
    let mut answered = answering.begin(encode(&(Pending, Pending)), TURNED).await?;
    let mut count = 0_u64;
    while let Some(bytes) = coming.bytes(&mut stream).await? {
        count += bytes.len() as u64;
        answered.say(bytes).await?;
    }
    answered.end().await?;
    Ok(answered.later(encode(&count)?).await?)
}

/// Has bytes given back, and sees that they are the same wherever they come to their end.
async fn ask(here: &Wire, said: &[u8]) -> anyhow::Result<()> {
    let subject = address().subject(&turning())?;
    let call = Call::new(Origin::default(), Duration::from_secs(2));
    let mut underway = here.begin((&subject, BESIDE), &(Pending,), call).await?;
    let (mut stream, mut count) = underway.answer::<(ByteStream, Later<u64>)>().await?;
    let (mut came, mut written) = (Vec::new(), 0);
    for piece in said.chunks(PIECE) {
        underway.say(Bytes::copy_from_slice(piece)).await?;
        written += piece.len();
        while came.len() + 8 * PIECE < written {
            let bytes = underway.bytes(&mut stream).await?;
            came.extend_from_slice(&bytes.expect("it ends after what was said"));
        }
    }
    underway.end().await?;
    while let Some(bytes) = underway.bytes(&mut stream).await? {
        came.extend_from_slice(&bytes);
    }
    let count = underway.later(COUNT, &mut count).await?;
    assert!(came == said && count == said.len() as u64, "{} bytes, or so it is said {count}", came.len());
    Ok(())
}

/// What becomes of that on a network of this seed.
async fn turned(seed: u64, said: &[u8]) -> anyhow::Result<()> {
    let network = Network::new(seed);
    let here = Wire::open(network.bus("here"), Limits::default()).await?;
    let there = Wire::open(network.bus("there"), Limits::default()).await?;
    let read = |_, reader: &mut Reader<'_>| <(ByteStream,)>::read(reader);
    let mut served = there.serve_streams(&address(), vec![(turning(), TURN)], read).await?;
    let delay_max = Duration::from_millis(20);
    network.set_weather(Weather { delay_max, lost: 3, doubled: 3, overtaken: 3, ..Weather::CALM });
    let serve = async {
        let mut turning = FuturesUnordered::new();
        loop {
            tokio::select! {
                biased;
                call = served.next() => turning.push(turn(call.expect("it serves on"))),
                // Who asks knows what became of it.
                Some(_) = turning.next() => {}
            }
        }
    };
    match future::select(std::pin::pin!(ask(&here, said)), std::pin::pin!(serve)).await {
        future::Either::Left((asked, _)) => asked,
        future::Either::Right(((), _)) => panic!("it serves on"),
    }
}

#[test]
fn in_any_weather_a_stream_comes_as_it_was_said_or_not_to_its_end() {
    let said: Vec<u8> = (0..PIECES * PIECE).map(|at| (at / 1_000) as u8).collect();
    let outcomes: Vec<_> = (0..60).map(|seed| run_in_no_time(turned(seed, &said))).collect();
    let whole = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    let is_torn = |error: &anyhow::Error| error.downcast_ref::<FlowError>() == Some(&FlowError::PieceLost);
    let torn = outcomes.iter().filter(|outcome| outcome.as_ref().is_err_and(is_torn)).count();
    assert!(whole > 0 && torn > 0, "of {} there are {whole} whole and {torn} torn", outcomes.len());
}
