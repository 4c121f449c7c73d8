//! Beside `wrpc-transport-nats`: theirs calls ours, and ours theirs.

use std::sync::Arc;

use async_nats_of_reference as nats;
use futures::StreamExt;
use wasmtime::component::Val;
use wire::{Call, InvokeError, Origin, Reason, Refusal, Wire};
use wrpc_transport::{InvokeExt, ServeExt};
use wrpc_transport_nats::Client;

use crate::rig::{PATIENCE, address, function, remote, results, run, signature, text, wire};

const INSTANCE: &str = "test:echo/echo@0.1.0";
const NO_PATHS: [[Option<usize>; 0]; 0] = [];

async fn reference(server: &testkit::Nats) -> Client {
    let nats = nats::connect(server.url()).await.expect("it lets us in");
    Client::new(nats, "default.echo", Some(Arc::from("default.echo"))).await.expect("it listens")
}

/// Calls theirs. What they subscribe to may reach the server after they have said that they serve: then nobody has heard the call,
/// and it is made again.
async fn call_theirs(ours: &Wire, values: &[Val], origin: Origin) -> Result<Vec<Val>, InvokeError> {
    let remote = remote();
    loop {
        match ours.invoke(&remote, values, Call::new(origin.clone(), PATIENCE)).await {
            Err(InvokeError::NobodyThere { .. }) => tokio::task::yield_now().await,
            answer => return answer,
        }
    }
}

/// Larger than many messages of the servers that are told to take small ones.
fn large() -> String {
    "lorem ipsum ".repeat(100_000)
}

#[test]
fn ours_calls_theirs() {
    run(async {
        let server = testkit::Nats::start();
        let theirs = reference(&server).await;
        let served =
            theirs.serve_values::<(String,), (String,)>(INSTANCE, "echo", Arc::from([])).await.expect("it serves");
        let ours = wire(&server).await;
        let serve = async {
            let mut served = std::pin::pin!(served);
            for _ in 0..2 {
                let (headers, (said,), _, answer) = served.next().await.expect("a call").expect("whole");
                let headers = headers.expect("headers");
                assert_eq!(headers.get("source-id").map(nats::HeaderValue::as_str), Some("shop"));
                answer((format!("{said}!"),)).await.expect("it is taken");
            }
        };
        let call = async {
            for said in ["hello", ""] {
                let origin = Origin { source: Some("shop".into()), ..Origin::default() };
                let answer = call_theirs(&ours, &text(said), origin).await;
                assert_eq!(answer.expect("an answer"), text(format!("{said}!")));
            }
        };
        tokio::join!(serve, call);
        assert_eq!(ours.waiting(), 0);
    });
}

#[test]
fn theirs_calls_ours() {
    run(async {
        let server = testkit::Nats::start();
        let ours = wire(&server).await;
        let mut served = ours.serve(&address(), vec![(function(), signature())]).await.expect("it serves");
        let theirs = reference(&server).await;
        let serve = async {
            for _ in 0..2 {
                let invocation = served.next().await.expect("a call");
                assert_eq!(invocation.origin, Origin { source: Some("shop".into()), ..Origin::default() });
                invocation.reply.answer(results(&invocation.params)).await.expect("it is taken");
            }
        };
        let call = async {
            for said in ["hello", ""] {
                let mut headers = nats::HeaderMap::new();
                headers.insert("source-id", "shop");
                let answer = theirs.invoke_values_blocking::<_, (&str,), (String,)>(
                    Some(headers),
                    INSTANCE,
                    "echo",
                    (said,),
                    NO_PATHS,
                );
                assert_eq!(answer.await.expect("an answer"), (said.to_owned(),));
            }
        };
        tokio::join!(serve, call);
        assert_eq!((ours.waiting(), served.running()), (0, 0));
    });
}

#[test]
fn theirs_learns_at_once_that_ours_refuses() {
    run(async {
        let server = testkit::Nats::start();
        let ours = wire(&server).await;
        let mut served = ours.serve(&address(), vec![(function(), signature())]).await.expect("it serves");
        let theirs = reference(&server).await;
        let serve = async {
            let invocation = served.next().await.expect("a call");
            invocation.reply.refuse(&Refusal::new(Reason::Failed, "a trap")).await;
        };
        let call = theirs.invoke_values_blocking::<_, (&str,), (String,)>(None, INSTANCE, "echo", ("x",), NO_PATHS);
        let (_, answer) = tokio::join!(serve, call);
        assert!(answer.is_err());
    });
}

#[test]
fn a_function_that_theirs_drops_is_silent() {
    run(async {
        let server = testkit::Nats::start();
        let theirs = reference(&server).await;
        let served =
            theirs.serve_values::<(String,), (String,)>(INSTANCE, "echo", Arc::from([])).await.expect("it serves");
        let ours = wire(&server).await;
        let serve = async {
            let mut served = std::pin::pin!(served);
            drop(served.next().await.expect("a call"));
        };
        let values = text("x");
        let call = call_theirs(&ours, &values, Origin::default());
        let (_, answer) = tokio::join!(serve, call);
        let Err(InvokeError::Refused { refusal, .. }) = answer else { panic!("{answer:?}") };
        assert_eq!(refusal.reason, Reason::Silent);
    });
}

#[test]
fn what_is_larger_than_a_message_goes_both_ways() {
    run(async {
        let server = testkit::Nats::start_with(["max_payload: 65536"]);
        let said = large();
        let said = said.as_str();
        let theirs = reference(&server).await;
        let ours = wire(&server).await;
        {
            let served =
                theirs.serve_values::<(String,), (String,)>(INSTANCE, "echo", Arc::from([])).await.expect("it serves");
            let serve = async {
                let mut served = std::pin::pin!(served);
                let (_, (said,), _, answer) = served.next().await.expect("a call").expect("whole");
                answer((said,)).await.expect("it is taken");
            };
            let values = text(said);
            let (_, answer) = tokio::join!(serve, call_theirs(&ours, &values, Origin::default()));
            assert!(answer.expect("an answer") == text(said));
        }
        let other = wire::Address { lattice: "default".into(), id: "ours".into() };
        let mut served = ours.serve(&other, vec![(function(), signature())]).await.expect("it serves");
        let serve = async {
            let invocation = served.next().await.expect("a call");
            invocation.reply.answer(results(&invocation.params)).await.expect("it is taken");
        };
        let nats = nats::connect(server.url()).await.expect("it lets us in");
        let theirs = Client::new(nats, "default.ours", None).await.expect("it listens");
        let call = theirs.invoke_values_blocking::<_, (&str,), (String,)>(None, INSTANCE, "echo", (said,), NO_PATHS);
        let (_, answer) = tokio::join!(serve, call);
        assert!(answer.expect("an answer").0 == said);
        assert_eq!(ours.waiting(), 0);
    });
}
