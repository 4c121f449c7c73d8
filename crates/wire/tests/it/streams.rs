//! Functions with streams beside their values, between two of ours, and called by the reference implementation.

use std::pin::Pin;

use async_nats_of_reference as nats;
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use wire::{
    Answered, Beside, ByteStream, Call, Decode, FlowError, Following, Function, InvokeError, ItemStream, Later, Origin,
    Peers, Pending, Reason, Refusal, Streamed, Streaming, Underway, Wire, WriteError, encode,
};
use wrpc_transport::InvokeExt;
use wrpc_transport_nats::Client;

use crate::rig::{PATIENCE, Rig, address, run, wire};

const INSTANCE: &str = "test:echo/flow@0.2.0";

const PIECE: usize = 64 << 10;

/// Of a function that takes a name and a stream, and gives a stream and a number that comes later.
const TURN: &[&[u32]] = &[&[1]];

/// Of one that takes no stream.
const GIVE: &[&[u32]] = &[];

const TURNED: Following = Following { stream: Some(&[0, 0]), later: Some(&[0, 1]) };
const BESIDE: Beside = Beside { stream: Some(1), answer: &[&[0, 0], &[0, 1]] };

/// The number of the path of what comes later.
const SUM: usize = 1;

type Params = (String, ByteStream);

type Answer<S> = Result<(S, Later<Result<u64, String>>), String>;

/// Serves such a function, and one that takes no stream.
async fn serve(wire: &Wire) -> Streamed<Params> {
    let functions = vec![(Function::of(INSTANCE, "turn"), TURN), (Function::of(INSTANCE, "give"), GIVE)];
    wire.serve_streams(&address(), functions, |_, reader| Decode::read(reader)).await.expect("it serves")
}

async fn call(wire: &Wire, name: &str) -> Result<Underway, InvokeError> {
    let peer = Peers::new(wire.clone(), "default").peer("echo", "default", PATIENCE);
    let subject = peer.function(INSTANCE, name).expect("a subject");
    let beside = Beside { stream: BESIDE.stream.filter(|_| name == "turn"), ..BESIDE };
    wire.begin((&subject, beside), &("x", Pending), Call::new(Origin::default(), PATIENCE)).await
}

/// Answers with values beside which a stream and a number follow.
async fn begun<T>(call: Streaming<T>) -> Answered {
    let values = encode(&Ok::<_, String>((Pending, Pending)));
    call.answering.begin(values, TURNED).await.expect("it is said")
}

/// Gives back what comes, and then how much that was.
async fn turn(call: Streaming<Params>) {
    let Streaming { params: (name, mut stream), mut coming, answering, .. } = call;
    assert_eq!(name, "x");
    let values = encode(&Ok::<_, String>((Pending, Pending)));
    let mut answered = answering.begin(values, TURNED).await.expect("it is said");
    let mut count = 0_u64;
    while let Some(bytes) = coming.bytes(&mut stream).await.expect("it comes") {
        count += bytes.len() as u64;
        answered.say(bytes).await.expect("it is read");
    }
    answered.end().await.expect("it is read");
    answered.later(encode(&Ok::<_, String>(count)).expect("a number")).await.expect("it is read");
}

/// As much of a stream as one piece has.
async fn next_piece(underway: &mut Underway, stream: &mut ByteStream) -> Vec<u8> {
    let mut piece = Vec::new();
    while piece.len() < PIECE {
        let bytes = underway.bytes(stream).await.expect("it comes").expect("more");
        piece.extend_from_slice(&bytes);
    }
    piece
}

#[test]
fn streams_flow_both_ways_beside_values() {
    for rig in Rig::all() {
        run(async {
            let (here, there) = (rig.wire().await, rig.wire().await);
            let mut served = serve(&there).await;
            let serve = async { turn(served.next().await.expect("a call")).await };
            let ask = async {
                let mut underway = call(&here, "turn").await.expect("it is heard");
                let answer = underway.answer::<Answer<ByteStream>>().await.expect("an answer");
                let (mut stream, mut sum) = answer.expect("it begins");
                let pieces = 64;
                for number in 0..pieces {
                    let piece = Bytes::from(vec![number as u8; PIECE]);
                    underway.say(piece.clone()).await.expect("it is read");
                    assert!(next_piece(&mut underway, &mut stream).await == piece, "piece {number} differs");
                }
                underway.end().await.expect("it is read");
                assert_eq!(underway.bytes(&mut stream).await, Ok(None));
                let sum = underway.later(SUM, &mut sum).await;
                assert_eq!(sum, Ok(Ok((pieces * PIECE) as u64)));
            };
            tokio::join!(serve, ask);
            assert_eq!((here.waiting(), there.waiting(), served.running()), (0, 0, 0));
            assert_eq!((here.room(), there.room()), (wire::Limits::default().waiting_max, here.room()));
        });
    }
}

/// What is served is not far ahead of who reads it, however much it is, and goes on when he does.
#[test]
fn who_does_not_read_stops_who_answers() {
    for rig in Rig::all() {
        run(async {
            let (here, there) = (rig.wire().await, rig.wire().await);
            let mut served = serve(&there).await;
            let said = std::sync::atomic::AtomicUsize::new(0);
            let pieces = 512;
            let serve = async {
                let mut answered = begun(served.next().await.expect("a call")).await;
                for number in 0..pieces {
                    answered.say(Bytes::from(vec![number as u8; PIECE])).await.expect("it is read");
                    said.fetch_add(PIECE, std::sync::atomic::Ordering::Relaxed);
                }
                answered.end().await.expect("it is read");
                answered.later(encode(&Ok::<_, String>(1_u64)).expect("a number")).await.expect("it is read");
            };
            let ask = async {
                let mut underway = call(&here, "give").await.expect("it is heard");
                let answer = underway.answer::<Answer<ByteStream>>().await.expect("an answer");
                let (mut stream, mut sum) = answer.expect("it begins");
                let mut read = 0;
                while let Some(bytes) = underway.bytes(&mut stream).await.expect("it comes") {
                    read += bytes.len();
                    let ahead = said.load(std::sync::atomic::Ordering::Relaxed).saturating_sub(read);
                    assert!(ahead <= 1 << 20, "it is {ahead} bytes ahead of its reader");
                }
                assert_eq!(read, pieces * PIECE);
                assert_eq!(underway.later(SUM, &mut sum).await, Ok(Ok(1)));
            };
            tokio::join!(serve, ask);
        });
    }
}

#[test]
fn a_stream_of_texts_comes_in_chunks_of_any_size() {
    for rig in Rig::all() {
        run(async {
            let (here, there) = (rig.wire().await, rig.wire().await);
            let mut served = serve(&there).await;
            let texts: Vec<String> = (0..3_000).map(|number| format!("{number}{}", "é".repeat(100))).collect();
            let serve = async {
                let mut answered = begun(served.next().await.expect("a call")).await;
                for chunk in texts.chunks(1_000) {
                    answered.say_items(encode(&chunk).expect("texts")).await.expect("it is read");
                }
                answered.end().await.expect("it is read");
                answered.later(encode(&Err::<u64, _>("no".to_owned())).expect("a text")).await.expect("it is read");
            };
            let ask = async {
                let mut underway = call(&here, "give").await.expect("it is heard");
                let answer = underway.answer::<Answer<ItemStream<String>>>().await.expect("an answer");
                let (mut stream, mut sum) = answer.expect("it begins");
                let mut got = Vec::new();
                while let Some(more) = underway.items(&mut stream).await.expect("it comes") {
                    got.extend(more);
                }
                assert!(got == texts);
                assert_eq!(underway.later(SUM, &mut sum).await, Ok(Err("no".to_owned())));
            };
            tokio::join!(serve, ask);
        });
    }
}

/// What is given up in the middle is not taken for a whole one, and nobody waits for the rest of it.
#[test]
fn an_answer_that_is_dropped_is_cut() {
    for rig in Rig::all() {
        run(async {
            let (here, there) = (rig.wire().await, rig.wire().await);
            let mut served = serve(&there).await;
            let serve = async {
                let mut answered = begun(served.next().await.expect("a call")).await;
                answered.say(Bytes::from_static(b"some of it")).await.expect("it is read");
            };
            let ask = async {
                let mut underway = call(&here, "give").await.expect("it is heard");
                let answer = underway.answer::<Answer<ByteStream>>().await.expect("an answer");
                let (mut stream, mut sum) = answer.expect("it begins");
                assert_eq!(underway.bytes(&mut stream).await, Ok(Some(Bytes::from_static(b"some of it"))));
                assert_eq!(underway.bytes(&mut stream).await, Err(FlowError::Cut));
                assert_eq!(underway.later(SUM, &mut sum).await, Err(FlowError::Cut));
            };
            tokio::join!(serve, ask);
            assert_eq!(served.running(), 0);
        });
    }
}

#[test]
fn who_has_gone_stops_who_answers_and_a_stream_that_is_cut_is_no_whole_one() {
    for rig in Rig::all() {
        run(async {
            let (here, there) = (rig.wire().await, rig.wire().await);
            let mut served = serve(&there).await;
            let serve = async {
                let mut answered = begun(served.next().await.expect("a call")).await;
                let mut said = Ok(());
                while said.is_ok() {
                    said = answered.say(Bytes::from(vec![7; PIECE])).await;
                }
                assert!(matches!(said, Err(WriteError::Unwanted)), "{said:?}");
                let Streaming { params: (_, mut stream), mut coming, .. } = served.next().await.expect("a call");
                let mut come = Ok(Some(Bytes::new()));
                while let Ok(Some(_)) = come {
                    come = coming.bytes(&mut stream).await;
                }
                assert_eq!(come, Err(FlowError::Cut));
            };
            let ask = async {
                let mut underway = call(&here, "give").await.expect("it is heard");
                drop(underway.answer::<Answer<ByteStream>>().await.expect("an answer"));
                drop(underway);
                let mut underway = call(&here, "turn").await.expect("it is heard");
                underway.say(Bytes::from(vec![7; PIECE])).await.expect("it is read");
            };
            tokio::join!(serve, ask);
        });
    }
}

/// What is worked for before there is anything to say.
#[test]
fn who_has_gone_before_an_answer_began_ends_the_work_for_it() {
    for rig in Rig::all() {
        run(async {
            let (here, there) = (rig.wire().await, rig.wire().await);
            let mut served = serve(&there).await;
            let serve = async {
                for _ in ["give", "turn"] {
                    let Streaming { coming, answering, .. } = served.next().await.expect("a call");
                    let outcome = answering.while_wanted(std::future::pending::<()>()).await;
                    assert!(matches!(outcome, Err(WriteError::Unwanted)), "{outcome:?}");
                    drop((coming, answering));
                }
            };
            let ask = async {
                for name in ["give", "turn"] {
                    drop(call(&here, name).await.expect("it is heard"));
                }
            };
            tokio::join!(serve, ask);
            assert_eq!(served.running(), 0);
        });
    }
}

#[test]
fn a_call_with_streams_is_refused_with_the_reason() {
    let rig = Rig::in_process();
    run(async {
        let (here, there) = (rig.wire().await, rig.wire().await);
        let mut served = serve(&there).await;
        let serve = async {
            let refusal = Refusal::new(Reason::Failed, "a trap");
            served.next().await.expect("a call").answering.refuse(&refusal).await;
            drop(served.next().await.expect("a call"));
            // Who serves goes on asking: so the other hears that there is nothing to hear.
            served.next().await
        };
        let ask = async {
            for reason in [Reason::Failed, Reason::Silent] {
                let mut underway = call(&here, "turn").await.expect("it is heard");
                let answer = underway.answer::<Answer<ByteStream>>().await;
                let Err(InvokeError::Refused { refusal, .. }) = answer else { panic!("it is refused") };
                assert_eq!(refusal.reason, reason);
            }
        };
        tokio::select! {
            _ = serve => panic!("nobody else calls"),
            () = ask => {}
        }
    });
}

#[test]
fn the_reference_implementation_writes_and_reads_streams() {
    type Data = Pin<Box<dyn Stream<Item = Bytes> + Send>>;
    type Sum = Pin<Box<dyn Future<Output = Result<u64, String>> + Send>>;
    run(async {
        let server = testkit::Nats::start();
        let ours = wire(&server).await;
        let mut served = serve(&ours).await;
        let nats = nats::connect(server.url()).await.expect("it lets us in");
        let theirs = Client::new(nats, "default.echo", None).await.expect("it listens");
        let serve = async { turn(served.next().await.expect("a call")).await };
        let ask = async {
            let pieces: Vec<Bytes> = (0..16).map(|number| Bytes::from(vec![number; PIECE])).collect();
            let data: Data = Box::pin(stream::iter(pieces.clone()));
            let paths: [[Option<usize>; 2]; 2] = [[Some(0), Some(0)], [Some(0), Some(1)]];
            let asked = theirs.invoke_values::<_, (&str, Data), (Result<(Data, Sum), String>,)>(
                None,
                INSTANCE,
                "turn",
                ("x", data),
                paths,
            );
            let ((answer,), io) = asked.await.expect("an answer");
            let (data, sum) = answer.expect("it begins");
            let io = async {
                if let Some(io) = io {
                    io.await.expect("it flows");
                }
            };
            let ((), got, sum) = tokio::join!(io, data.collect::<Vec<Bytes>>(), sum);
            assert!(got.concat() == pieces.concat());
            assert_eq!(sum, Ok((16 * PIECE) as u64));
        };
        tokio::join!(serve, ask);
    });
}
