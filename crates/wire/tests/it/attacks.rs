//! Strangers who do not keep to the protocol, on either side. Method: they speak by the bus itself.

use std::time::Duration;

use bus::{Bus, Message, Subject, Subscription};
use bytes::Bytes;
use wire::{Call, InvokeError, Limits, Origin, Served, Wire};

use crate::rig::{PATIENCE, Rig, address, function, remote, results, run, signature, text};

const SOON: Duration = Duration::from_millis(100);
const CALL: &str = "default.echo.wrpc.0.0.1.test:echo/echo@0.1.0.echo";

fn message(subject: &str, reply: Option<&str>, payload: impl Into<Bytes>) -> Message {
    let reply = reply.map(|reply| reply.parse().expect("a subject"));
    Message { reply, ..Message::new(subject.parse().expect("a subject"), payload.into()) }
}

/// A server of ours that is patient for a moment only, and a stranger.
async fn served(rig: &Rig) -> (Wire, Served, Bus) {
    let limits = Limits {
        params_max: SOON,
        accept_max: SOON,
        size_max: stdx::ByteSize::kib(256),
        at_once_max: 2,
        ..Limits::default()
    };
    let wire = rig.wire_with(limits).await;
    let served = wire.serve(&address(), vec![(function(), signature())]).await.expect("it serves");
    (wire, served, rig.bus().await)
}

async fn listen(bus: &Bus, pattern: &str) -> Subscription {
    let subscription = bus.subscribe(pattern.parse().expect("a pattern"), None).await.expect("it listens");
    bus.flush().await.expect("the bus is there");
    subscription
}

/// What comes to a stranger, while ours serves and has nothing to hand out.
async fn hear(subscription: &mut Subscription, served: &mut Served) -> Message {
    tokio::select! {
        heard = subscription.next() => heard.expect("the bus is there"),
        call = served.next() => panic!("it was handed out: {call:?}"),
    }
}

/// Whether everything that the attack has taken was given back: a good call is answered as before.
async fn is_well(rig: &Rig, wire: &Wire, mut served: Served) {
    let caller = rig.wire().await;
    let (remote, values) = (remote(), text("well?"));
    let serve = async {
        let invocation = served.next().await.expect("a call");
        invocation.reply.answer(results(&invocation.params)).await.expect("it is taken");
    };
    let ((), answer) = tokio::join!(serve, caller.invoke(&remote, &values, Call::new(Origin::default(), PATIENCE)));
    assert_eq!(answer.expect("an answer"), values);
    assert_eq!((served.running(), wire.waiting(), wire.room()), (0, 0, Limits::default().waiting_max));
}

fn refusal(message: &Message) -> &str {
    message.headers.get("wattle-refused").expect("it is refused")
}

#[test]
fn parameters_that_are_none_are_refused_at_once_and_where_a_stranger_waits() {
    for rig in Rig::all() {
        run(async {
            let (wire, mut served, stranger) = served(&rig).await;
            let mut heard = listen(&stranger, "rc.>").await;
            for (number, payload) in
                [&b"\x02\xc3\x28"[..], b"\x01ab", b"\xff\xff\xff\xff\xff\x00"].into_iter().enumerate()
            {
                let here = format!("rc.{number}");
                stranger.publish(message(CALL, Some(&here), payload)).await.expect("it is taken");
                let answer = hear(&mut heard, &mut served).await;
                // It has no place to send more to, which a stranger knows for an error.
                assert_eq!((answer.subject.as_str(), &answer.reply), (here.as_str(), &None));
                assert!(refusal(&answer).starts_with("garbled"), "{}", refusal(&answer));
            }
            is_well(&rig, &wire, served).await;
        });
    }
}

#[test]
fn parameters_that_do_not_end_are_given_up() {
    for rig in Rig::all() {
        run(async {
            let (wire, mut served, stranger) = served(&rig).await;
            let mut heard = listen(&stranger, "rc.>").await;
            // One that says nothing more, one that says too much, one that ends too early.
            for (payload, end) in [(0, false), (300 << 10, false), (3, true)] {
                stranger.publish(message(CALL, Some("rc.x"), &b"\xff\xff\x3f"[..])).await.expect("it is taken");
                let accepted = hear(&mut heard, &mut served).await;
                let there = format!("{}.params", accepted.reply.expect("a place for the rest"));
                for piece in vec![b'x'; payload].chunks(32 << 10) {
                    stranger.publish(message(&there, None, piece.to_vec())).await.expect("it is taken");
                }
                if end {
                    stranger.publish(message(&there, None, "")).await.expect("it is taken");
                }
                let answer = hear(&mut heard, &mut served).await;
                assert_eq!((answer.subject.as_str(), answer.payload.len()), ("rc.x.results", 0));
                assert!(refusal(&answer).starts_with("garbled"), "{}", refusal(&answer));
            }
            is_well(&rig, &wire, served).await;
        });
    }
}

/// What others have filled is not the fault of a call: it has not run, and may be made of somebody else.
#[test]
fn where_others_take_all_room_a_call_is_told_that_it_is_full_here() {
    for rig in Rig::all() {
        run(async {
            let limits = Limits { waiting_max: stdx::ByteSize::kib(100), ..Limits::default() };
            let wire = rig.wire_with(limits).await;
            let mut served = wire.serve(&address(), vec![(function(), signature())]).await.expect("it serves");
            let stranger = rig.bus().await;
            let mut heard = listen(&stranger, "rc.>").await;
            let mut begun = Vec::new();
            for here in ["rc.first", "rc.second"] {
                stranger.publish(message(CALL, Some(here), &b"\xff\xff\x3f"[..])).await.expect("it is taken");
                let accepted = hear(&mut heard, &mut served).await;
                begun.push(format!("{}.params", accepted.reply.expect("a place for the rest")));
            }
            for there in begun {
                stranger.publish(message(&there, None, vec![b'x'; 60 << 10])).await.expect("it is taken");
            }
            let answer = hear(&mut heard, &mut served).await;
            assert_eq!(answer.subject.as_str(), "rc.second.results");
            assert_eq!(refusal(&answer), "busy 100 KiB of other calls wait here already, which is the most");
        });
    }
}

#[test]
fn who_waits_nowhere_is_not_answered_and_harms_nobody() {
    for rig in Rig::all() {
        run(async {
            let (wire, mut served, stranger) = served(&rig).await;
            stranger.publish(message(CALL, None, &b"\x01a"[..])).await.expect("it is taken");
            // There is no subject below this one.
            let long = format!("rc.{}", "x".repeat(1_020));
            stranger.publish(message(CALL, Some(&long), &b"\x01a"[..])).await.expect("it is taken");
            let invocation = served.next().await.expect("a call");
            assert_eq!(invocation.params, text("a"));
            invocation.reply.answer(results(&invocation.params)).await.expect("there is nobody to tell");
            is_well(&rig, &wire, served).await;
        });
    }
}

#[test]
fn what_comes_to_an_inbox_from_anybody_changes_nothing() {
    let rig = Rig::nats();
    run(async {
        let (wire, served, stranger) = served(&rig).await;
        let mut tap = listen(&stranger, "_INBOX.>").await;
        let callers = rig.wire().await;
        let (remote, values) = (remote(), text("x"));
        let mut served = served;
        let serve = async {
            let invocation = served.next().await.expect("a call");
            let accepted = tap.next().await.expect("the bus is there");
            let caller: Subject = accepted.subject;
            let guess = caller.as_str().replace(".0-", ".1-");
            for (subject, payload) in [
                (guess, "forged"),
                (format!("{caller}.results.0"), "nobody asked"),
                (format!("{caller}.results.0.4294967296"), ""),
                (format!("{caller}.params"), ""),
                (format!("{caller}.other"), "?"),
                (caller.to_string(), "again"),
            ] {
                stranger.publish(message(&subject, Some("elsewhere"), payload)).await.expect("it is taken");
            }
            stranger.flush().await.expect("the bus is there");
            invocation.reply.answer(results(&invocation.params)).await.expect("it is taken");
        };
        let ((), answer) =
            tokio::join!(serve, callers.invoke(&remote, &values, Call::new(Origin::default(), PATIENCE)));
        assert_eq!(answer.expect("an answer"), values);
        drop(tap);
        is_well(&rig, &wire, served).await;
    });
}

/// Calls, while a stranger serves.
async fn called(rig: &Rig, stranger: impl AsyncFnOnce(&Bus, Message)) -> InvokeError {
    let limits = Limits { accept_max: SOON, size_max: stdx::ByteSize::kib(256), ..Limits::default() };
    let (wire, bus) = (rig.wire_with(limits).await, rig.bus().await);
    let mut calls = listen(&bus, CALL).await;
    let (remote, values) = (remote(), text("x"));
    let serve = async {
        let call = calls.next().await.expect("the bus is there");
        stranger(&bus, call).await;
    };
    let ((), answer) = tokio::join!(serve, wire.invoke(&remote, &values, Call::new(Origin::default(), PATIENCE)));
    assert_eq!((wire.waiting(), wire.room()), (0, limits.waiting_max));
    answer.expect_err("it is no answer")
}

#[test]
fn a_black_hole_is_known_before_the_call_is_late() {
    for rig in Rig::all() {
        let error = run(called(&rig, async |_, _| {}));
        assert!(matches!(error, InvokeError::Unheard { .. }) && !error.was_not_heard(), "{error:?}");
    }
}

#[test]
fn who_accepts_without_a_place_for_the_rest_is_no_server() {
    for rig in Rig::all() {
        let error = run(called(&rig, async |bus, call| {
            let here = call.reply.expect("somebody waits");
            bus.publish(Message::new(here, Bytes::new())).await.expect("it is taken");
        }));
        assert!(matches!(error, InvokeError::Garbled { source: None, .. }), "{error:?}");
    }
}

#[test]
fn an_answer_that_others_leave_no_room_for_is_not_called_too_large() {
    let rig = Rig::in_process();
    run(async {
        let limits = Limits { waiting_max: stdx::ByteSize::kib(100), ..Limits::default() };
        let (wire, bus) = (rig.wire_with(limits).await, rig.bus().await);
        let mut calls = listen(&bus, CALL).await;
        let (remote, values) = (remote(), text("x"));
        let call = || wire.invoke(&remote, &values, Call::new(Origin::default(), PATIENCE));
        let serve = async {
            let mut waiting = Vec::new();
            while waiting.len() < 2 {
                waiting.push(calls.next().await.expect("the bus is there").reply.expect("somebody waits"));
            }
            for here in waiting {
                bus.publish(message(here.as_str(), Some("rs"), "")).await.expect("it is taken");
                bus.publish(message(&format!("{here}.results"), None, vec![0; 60 << 10])).await.expect("it is taken");
            }
        };
        let (first, second) = (call(), call());
        let answered = async {
            tokio::select! { first = first => first, second = second => second }
        };
        let ((), answer) = tokio::join!(serve, answered);
        let error = answer.expect_err("there is no room for it");
        assert!(matches!(error, InvokeError::NoRoom { .. }) && !error.was_not_heard(), "{error:?}");
    });
}

#[test]
fn an_answer_without_an_end_is_too_large() {
    for rig in Rig::all() {
        let error = run(called(&rig, async |bus, call| {
            let here = call.reply.expect("somebody waits").to_string();
            bus.publish(message(&here, Some("rs"), "")).await.expect("it is taken");
            // Many small ones count for more than they are.
            for _ in 0..5_000 {
                bus.publish(message(&format!("{here}.results"), None, "x")).await.expect("it is taken");
            }
        }));
        assert!(matches!(error, InvokeError::AnswerTooLarge { .. }), "{error:?}");
    }
}

#[test]
fn an_answer_with_more_behind_it_is_garbled() {
    for rig in Rig::all() {
        let error = run(called(&rig, async |bus, call| {
            let here = call.reply.expect("somebody waits").to_string();
            // A second server that accepts as well is not heard.
            for place in ["rs", "elsewhere"] {
                bus.publish(message(&here, Some(place), "")).await.expect("it is taken");
            }
            for piece in ["\u{1}y", "\u{1}z", ""] {
                bus.publish(message(&format!("{here}.results"), None, piece)).await.expect("it is taken");
            }
        }));
        assert!(matches!(error, InvokeError::Garbled { source: Some(_), .. }), "{error:?}");
    }
}
