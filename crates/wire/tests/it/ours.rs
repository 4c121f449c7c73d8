//! Ours calls ours: what is promised to both sides, over a server and in process.

use std::time::Duration;

use bus::Bus;
use futures::FutureExt;
use wire::Decode;
use wire::{
    Address, AnswerError, Call, Function, Invocation, InvokeError, Limits, Origin, Reason, Refusal, Remote, Shape,
    Shapes, Signature, Wire,
};

use crate::rig::{PATIENCE, Rig, address, function, remote, results, run, signature, text};

const SOON: Duration = Duration::from_millis(200);

#[test]
fn a_call_is_answered_and_leaves_nothing_behind() {
    for rig in Rig::all() {
        run(async {
            let (here, there) = (rig.wire().await, rig.wire().await);
            let mut served = there.serve(&address(), vec![(function(), signature())]).await.expect("it serves");
            let origin = Origin {
                source: Some("shop".into()),
                link_name: Some("default".into()),
                trace: stdx::Trace::read("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", ["rojo=1"]),
                ..Origin::default()
            };
            let remote = remote();
            for said in ["hello".to_owned(), String::new(), "lorem ipsum ".repeat(500_000)] {
                let values = text(said);
                let serve = async {
                    let invocation = served.next().await.expect("a call");
                    let remaining = invocation.origin.remaining;
                    assert_eq!(invocation.origin, Origin { remaining, ..origin.clone() });
                    assert_eq!(remaining, Some(PATIENCE));
                    assert_eq!(served.running(), 1);
                    invocation.reply.answer(results(&invocation.params)).await.expect("it is taken");
                };
                let call = here.invoke(&remote, &values, Call::new(origin.clone(), PATIENCE));
                let ((), answer) = tokio::join!(serve, call);
                assert!(answer.expect("an answer") == values);
            }
            assert_eq!((here.waiting(), there.waiting(), served.running()), (0, 0, 0));
        });
    }
}

#[test]
fn nobody_there_is_known_at_once() {
    for rig in Rig::all() {
        run(async {
            let wire = rig.wire().await;
            let error = wire
                .invoke(&remote(), &text("x"), Call::new(Origin::default(), PATIENCE))
                .await
                .expect_err("nobody serves");
            assert!(matches!(error, InvokeError::NobodyThere { .. }) && error.was_not_heard(), "{error:?}");
            assert_eq!(wire.waiting(), 0);
        });
    }
}

#[test]
fn a_refusal_says_why_and_whether_it_ran() {
    let rig = Rig::nats();
    run(async {
        let (here, there) = (rig.wire().await, rig.wire().await);
        let mut served = there.serve(&address(), vec![(function(), signature())]).await.expect("it serves");
        let (remote, values) = (remote(), text("x"));
        for (reason, was_not_heard) in [(Reason::Denied, true), (Reason::Failed, false)] {
            let serve = async {
                let invocation = served.next().await.expect("a call");
                invocation.reply.refuse(&Refusal::new(reason, "so it is")).await;
            };
            let ((), answer) =
                tokio::join!(serve, here.invoke(&remote, &values, Call::new(Origin::default(), PATIENCE)));
            let error = answer.expect_err("it is refused");
            assert_eq!(error.was_not_heard(), was_not_heard);
            let InvokeError::Refused { refusal, .. } = error else { panic!("{error:?}") };
            assert_eq!(refusal, Refusal::new(reason, "so it is"));
        }
        // What is dropped is said by whoever goes on serving.
        let serve = async {
            drop(served.next().await.expect("a call"));
            served.next().await
        };
        let call = here.invoke(&remote, &values, Call::new(Origin::default(), PATIENCE));
        let answer = tokio::select! { answer = call => answer, _ = serve => panic!("there is no other call") };
        let Err(InvokeError::Refused { refusal, .. }) = answer else { panic!("{answer:?}") };
        assert_eq!(refusal.reason, Reason::Silent);
    });
}

#[test]
fn one_call_too_many_is_told_so() {
    let rig = Rig::nats();
    run(async {
        let limits = Limits { at_once_max: 1, ..Limits::default() };
        let (here, there) = (rig.wire().await, rig.wire_with(limits).await);
        let mut served = there.serve(&address(), vec![(function(), signature())]).await.expect("it serves");
        let (remote, values) = (remote(), text("x"));
        let call = || here.invoke(&remote, &values, Call::new(Origin::default(), PATIENCE));
        let mut first = std::pin::pin!(call());
        let taken = tokio::select! { _ = &mut first => panic!("nobody has answered"), taken = served.next() => taken };
        let Invocation { reply, params, .. } = taken.expect("a call");
        let answer =
            tokio::select! { answer = call() => answer, _ = served.next() => panic!("there is no room for it") };
        let error = answer.expect_err("it is refused");
        assert!(error.was_not_heard(), "{error:?}");
        let InvokeError::Refused { refusal, .. } = error else { panic!("{error:?}") };
        assert_eq!(refusal.reason, Reason::Busy);
        reply.answer(results(&params)).await.expect("it is taken");
        assert_eq!(first.await.expect("an answer"), values);
    });
}

#[test]
fn a_call_that_is_not_answered_is_late_and_was_maybe_run() {
    let rig = Rig::nats();
    run(async {
        let (here, there) = (rig.wire().await, rig.wire().await);
        let mut served = there.serve(&address(), vec![(function(), signature())]).await.expect("it serves");
        let (remote, values) = (remote(), text("x"));
        let mut held = Vec::new();
        let serve = async {
            loop {
                held.push(served.next().await);
            }
        };
        let call = here.invoke(&remote, &values, Call::new(Origin::default(), SOON));
        let answer = tokio::select! { answer = call => answer, () = serve => panic!("it serves on") };
        let error = answer.expect_err("nobody answers");
        assert!(matches!(error, InvokeError::Late { .. }) && !error.was_not_heard(), "{error:?}");
        assert_eq!(here.waiting(), 0);
    });
}

#[test]
fn draining_answers_what_runs_and_takes_nothing_new() {
    let rig = Rig::nats();
    run(async {
        let (here, there) = (rig.wire().await, rig.wire().await);
        let mut served = there.serve(&address(), vec![(function(), signature())]).await.expect("it serves");
        let (remote, values) = (remote(), text("x"));
        let mut first = std::pin::pin!(here.invoke(&remote, &values, Call::new(Origin::default(), PATIENCE)));
        let taken = tokio::select! { _ = &mut first => panic!("nobody has answered"), taken = served.next() => taken };
        let Invocation { reply, params, .. } = taken.expect("a call");
        let mut drained = std::pin::pin!(served.drain());
        assert_eq!(drained.as_mut().now_or_never(), None);
        reply.answer(results(&params)).await.expect("it is taken");
        drained.await;
        assert_eq!(first.await.expect("an answer"), values);
        let after = here.invoke(&remote, &values, Call::new(Origin::default(), PATIENCE)).await;
        assert!(after.is_err_and(|error| error.was_not_heard()));
    });
}

#[test]
fn what_is_too_large_is_refused_before_it_is_sent_and_when_it_comes() {
    // Messages of this server are smaller than what may be sent in many of them.
    let rig = Rig::nats_with("max_payload: 16384");
    run(async {
        let limits = Limits { size_max: stdx::ByteSize::kib(64), ..Limits::default() };
        let (large, small) = (rig.wire().await, rig.wire_with(limits).await);
        let (remote, values) = (remote(), text("x".repeat(100 << 10)));
        let error =
            small.invoke(&remote, &values, Call::new(Origin::default(), PATIENCE)).await.expect_err("it is too large");
        assert!(matches!(error, InvokeError::TooLarge { .. }) && error.was_not_heard(), "{error:?}");

        let mut served = small.serve(&address(), vec![(function(), signature())]).await.expect("it serves");
        let call = large.invoke(&remote, &values, Call::new(Origin::default(), PATIENCE));
        let answer = tokio::select! { answer = call => answer, _ = served.next() => panic!("it is too large") };
        let error = answer.expect_err("it is too large");
        assert!(error.was_not_heard() && error.to_string().ends_with("gives no answer"), "{error:?}");

        // Who answers sends nothing that is more than it takes itself.
        let serve = async {
            let invocation = served.next().await.expect("a call");
            let refused = invocation.reply.answer(results(&values)).await;
            assert!(matches!(refused, Err(AnswerError::TooLarge { .. })), "{refused:?}");
        };
        let ask = text("x");
        let ((), answer) = tokio::join!(serve, large.invoke(&remote, &ask, Call::new(Origin::default(), PATIENCE)));
        let Err(InvokeError::Refused { refusal, .. }) = answer else { panic!("{answer:?}") };
        assert_eq!(refusal, Refusal::new(Reason::Failed, "the answer has 100 KiB, and 64 KiB is the most"));

        let other = Address { id: "other".into(), ..address() };
        let mut served = large.serve(&other, vec![(function(), signature())]).await.expect("it serves");
        let serve = async {
            let invocation = served.next().await.expect("a call");
            invocation.reply.answer(results(&values)).await.expect("it is taken");
        };
        let remote = Remote::new(&other, &function(), signature()).expect("a subject");
        let ((), answer) = tokio::join!(serve, small.invoke(&remote, &ask, Call::new(Origin::default(), PATIENCE)));
        assert!(matches!(answer, Err(InvokeError::AnswerTooLarge { .. })), "{answer:?}");
        assert_eq!((large.waiting(), small.waiting(), small.room()), (0, 0, Limits::default().waiting_max));
    });
}

#[test]
fn an_answer_of_another_type_is_garbled() {
    let rig = Rig::in_process();
    run(async {
        let wire = rig.wire().await;
        let number = Shapes::new(vec![Shape::U64]).expect("it can travel");
        let theirs = Signature { results: number, ..signature() };
        let mut served = wire.serve(&address(), vec![(function(), theirs)]).await.expect("it serves");
        let (remote, values) = (remote(), text("x"));
        let serve = async {
            let invocation = served.next().await.expect("a call");
            invocation.reply.answer(wire::encode(&300_u64)).await.expect("it is of its type");
        };
        let ((), answer) = tokio::join!(serve, wire.invoke(&remote, &values, Call::new(Origin::default(), PATIENCE)));
        assert!(matches!(answer, Err(InvokeError::Garbled { source: Some(_), .. })), "{answer:?}");
    });
}

#[test]
fn a_function_without_results_is_answered_by_its_end() {
    let rig = Rig::nats();
    run(async {
        let wire = rig.wire().await;
        let none = || Shapes::new(Vec::new()).expect("nothing can travel");
        let signature = Signature { params: none(), results: none() };
        let run = Function::of_world("run");
        let mut served = wire.serve(&address(), vec![(run.clone(), signature.clone())]).await.expect("it serves");
        let remote = Remote::new(&address(), &run, signature).expect("a subject");
        let serve = async {
            let invocation = served.next().await.expect("a call");
            invocation.reply.answer(wire::encode(&())).await.expect("it is of its type");
        };
        let ((), answer) = tokio::join!(serve, wire.invoke(&remote, &[], Call::new(Origin::default(), PATIENCE)));
        assert_eq!(answer.expect("an answer"), []);
    });
}

#[test]
fn ten_thousand_calls_leave_nothing_behind() {
    let rig = Rig::in_process();
    run(async {
        let Rig::InProcess(broker) = &rig else { panic!("it is in process") };
        let wire = Wire::open(Bus::in_process(broker.clone()), Limits::default()).await.expect("it listens");
        let mut served = wire.serve(&address(), vec![(function(), signature())]).await.expect("it serves");
        let (remote, values) = (remote(), text("x"));
        for number in 0..10_000 {
            let call = wire.invoke(&remote, &values, Call::new(Origin::default(), PATIENCE));
            if number % 3 == 0 {
                // The caller goes away as soon as it has asked.
                assert!(call.now_or_never().is_none());
                let invocation = served.next().await.expect("a call");
                invocation.reply.answer(results(&values)).await.expect("nobody minds");
                continue;
            }
            let serve = async {
                let invocation = served.next().await.expect("a call");
                invocation.reply.answer(results(&invocation.params)).await.expect("it is taken");
            };
            let ((), answer) = tokio::join!(serve, call);
            assert_eq!(answer.expect("an answer"), values);
        }
        assert_eq!((wire.waiting(), served.running(), wire.room()), (0, 0, Limits::default().waiting_max));
    });
}

/// A function of known types beside one of the same shapes: each side may know as much as it likes.
#[test]
fn values_of_known_types_and_values_of_known_shapes_understand_each_other() {
    let rig = Rig::nats();
    run(async {
        let wire = rig.wire().await;
        let mut dynamic = wire.serve(&address(), vec![(function(), signature())]).await.expect("it serves");
        let subject = address().subject(&function()).expect("a subject");
        let ask = wire.ask::<String>(&subject, &("hello",), Call::new(Origin::default(), PATIENCE));
        let serve = async {
            let invocation = dynamic.next().await.expect("a call");
            assert_eq!(invocation.params, text("hello"));
            invocation.reply.answer(results(&text("hello!"))).await.expect("it is taken");
        };
        let ((), answer) = tokio::join!(serve, ask);
        assert_eq!(answer.expect("an answer"), "hello!");
        drop(dynamic);

        let read = |_, reader: &mut wire::Reader<'_>| <(String,)>::read(reader);
        let mut typed = wire.serve_with(&address(), vec![function()], read).await.expect("it serves");
        let (remote, values) = (remote(), text("hello"));
        let invoke = wire.invoke(&remote, &values, Call::new(Origin::default(), PATIENCE));
        let serve = async {
            let invocation = typed.next().await.expect("a call");
            assert_eq!(invocation.params.0, "hello");
            invocation.reply.answer(wire::encode(&"hello!")).await.expect("it is taken");
        };
        let ((), answer) = tokio::join!(serve, invoke);
        assert_eq!(answer.expect("an answer"), text("hello!"));
    });
}
