//! Answers in one message. Method: all that crosses the bus is overheard.

use std::time::Duration;

use bus::{Message, Subscription};
use futures::FutureExt;
use stdx::ByteSize;
use wire::{Call, Limits, Origin, Refusal, Served, Wire};

use crate::rig::{PATIENCE, Rig, address, function, remote, results, run, signature, text};

/// Longer than an answer is waited for in silence.
const LONG: Duration = Duration::from_millis(400);

/// Who calls, who serves, and who overhears them.
async fn trio(rig: &Rig) -> (Wire, Served, Subscription) {
    let (here, there, bus) = (rig.wire().await, rig.wire().await, rig.bus().await);
    let served = there.serve(&address(), vec![(function(), signature())]).await.expect("it serves");
    let overheard = bus.subscribe(">".parse().expect("a pattern"), None).await.expect("it listens");
    bus.flush().await.expect("the bus is there");
    (here, served, overheard)
}

/// What crossed the bus, by what follows the inbox in a subject, until nothing more comes.
async fn overheard(mut all: Subscription) -> Vec<String> {
    tokio::time::sleep(Duration::from_millis(50)).await;
    let mut said = Vec::new();
    while let Some(Some(Message { subject, .. })) = all.next().now_or_never() {
        let words: Vec<_> = subject.as_str().split('.').collect();
        match words[..] {
            // A connection that says something to itself.
            ["_INBOX", _] => {}
            ["_INBOX", _, _, ref what @ ..] => said.push(format!("inbox {}", what.join(".")).trim_end().to_owned()),
            _ => said.push("call".to_owned()),
        }
    }
    said
}

fn call() -> Call {
    Call::new(Origin::default(), PATIENCE)
}

#[test]
fn what_is_answered_soon_is_two_messages() {
    for rig in Rig::all() {
        run(async {
            for said in ["hello", ""] {
                let (here, mut served, all) = trio(&rig).await;
                let (remote, values) = (remote(), text(said));
                let serve = async {
                    let invocation = served.next().await.expect("a call");
                    invocation.reply.answer(results(&invocation.params)).await.expect("it is taken");
                };
                let ((), answer) = tokio::join!(serve, here.invoke(&remote, &values, call()));
                assert_eq!(answer.expect("an answer"), values);
                assert_eq!(overheard(all).await, ["call", "inbox brief"]);
                assert_eq!((here.waiting(), here.room()), (0, Limits::default().waiting_max));
            }
        });
    }
}

#[test]
fn who_has_to_wait_is_told_that_he_was_heard() {
    for rig in Rig::all() {
        run(async {
            let (here, mut served, all) = trio(&rig).await;
            let (remote, values) = (remote(), text("in a while"));
            let serve = async {
                let invocation = served.next().await.expect("a call");
                tokio::select! {
                    () = tokio::time::sleep(LONG) => {}
                    _ = served.next() => panic!("there is one call"),
                }
                invocation.reply.answer(results(&invocation.params)).await.expect("it is taken");
            };
            let ((), answer) = tokio::join!(serve, here.invoke(&remote, &values, call()));
            assert_eq!(answer.expect("an answer"), values);
            let mut said = overheard(all).await;
            // Who was heard says that he had nothing more to say.
            said.retain(|said| said != "inbox params");
            assert_eq!(said, ["call", "inbox", "inbox results", "inbox results"]);
        });
    }
}

#[test]
fn what_does_not_fit_into_one_message_comes_in_several() {
    let rig = Rig::nats_with("max_payload: 4096");
    run(async {
        let (here, mut served, all) = trio(&rig).await;
        let (remote, values) = (remote(), text("x".repeat(5_000)));
        let serve = async {
            let invocation = served.next().await.expect("a call");
            assert!(invocation.params == text("?"));
            invocation.reply.answer(results(&values)).await.expect("it is taken");
        };
        let params = text("?");
        let ((), answer) = tokio::join!(serve, here.invoke(&remote, &params, call()));
        assert_eq!(answer.expect("an answer"), values);
        let mut said = overheard(all).await;
        said.retain(|said| said != "inbox params");
        assert_eq!(said, ["call", "inbox", "inbox results", "inbox results", "inbox results"]);
    });
}

#[test]
fn a_refusal_is_one_message_too() {
    for rig in Rig::all() {
        run(async {
            let (here, mut served, all) = trio(&rig).await;
            let (remote, values) = (remote(), text("x"));
            let serve = async {
                let invocation = served.next().await.expect("a call");
                invocation.reply.refuse(&Refusal::new(wire::Reason::Failed, "a trap")).await;
            };
            let ((), answer) = tokio::join!(serve, here.invoke(&remote, &values, call()));
            answer.expect_err("it is refused");
            assert_eq!(overheard(all).await, ["call", "inbox"]);
        });
    }
}

#[test]
fn an_answer_that_is_too_large_for_its_caller_is_so_in_one_message() {
    let rig = Rig::in_process();
    run(async {
        let (there, values) = (rig.wire().await, text("x".repeat(5_000)));
        let here = rig.wire_with(Limits { size_max: ByteSize::bytes(4_096), ..Limits::default() }).await;
        let mut served = there.serve(&address(), vec![(function(), signature())]).await.expect("it serves");
        let serve = async {
            let invocation = served.next().await.expect("a call");
            invocation.reply.answer(results(&values)).await.expect("it is taken");
        };
        let (remote, params) = (remote(), text("?"));
        let ((), answer) = tokio::join!(serve, here.invoke(&remote, &params, call()));
        let error = answer.expect_err("it is larger");
        assert!(matches!(error, wire::InvokeError::AnswerTooLarge { .. }), "{error:?}");
        assert_eq!((here.waiting(), here.room()), (0, Limits::default().waiting_max));
    });
}
