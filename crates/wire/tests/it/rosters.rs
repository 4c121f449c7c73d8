//! Those who serve an address: who is called of them, and what becomes of the calls of one that is silent, gone or full.

use std::time::{Duration, Instant};

use rt::Task;
use tokio::sync::{mpsc, oneshot};
use wire::{Again, Call, InvokeError, Limits, Origin, Roster, Wire};

use crate::rig::{PATIENCE, Rig, address, function, remote, results, run, signature, text};

/// What somebody who serves does with calls.
enum Manner {
    /// Answers with this.
    Says(&'static str),
    /// Takes them, and never answers.
    Takes,
}

/// How it ends.
#[derive(Debug)]
enum End {
    /// It takes nothing any more, and nobody is told.
    Deaf,
    /// It answers what it has, and leaves.
    Left,
}

/// One who serves, until it is told otherwise or dropped.
struct Serving {
    tell: mpsc::Sender<(End, oneshot::Sender<()>)>,
    _task: Task,
}

impl Serving {
    /// Tells it how to end. What is asked after this is not answered by it.
    async fn end(&self, how: End) {
        let (hear, heard) = oneshot::channel();
        self.tell.send((how, hear)).await.expect("it serves");
        heard.await.expect("it serves");
    }
}

async fn serve(rig: &Rig, manner: Manner) -> Serving {
    let wire = rig.wire().await;
    let mut served = wire.serve(&address(), vec![(function(), signature())]).await.expect("it serves");
    let (tell, mut told) = mpsc::channel::<(End, oneshot::Sender<()>)>(1);
    let task = Task::spawn(async move {
        let mut taken = Vec::new();
        let told = loop {
            let invocation = tokio::select! {
                invocation = served.next() => invocation.expect("it serves on"),
                told = told.recv() => break told,
            };
            match manner {
                Manner::Says(said) => invocation.reply.answer(results(&text(said))).await.expect("it is taken"),
                Manner::Takes => taken.push(invocation),
            }
        };
        let Some((end, hear)) = told else { return };
        hear.send(()).expect("it is waited for");
        match end {
            End::Left => served.drain().await,
            // What was subscribed to stays so.
            End::Deaf => std::future::pending().await,
        }
    });
    Serving { tell, _task: task }
}

/// The roster, once so many are on it.
async fn roster(wire: &Wire, count: usize) -> Roster {
    let roster = wire.roster(&address()).expect("an address");
    while roster.len() != count {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    roster
}

async fn ask(wire: &Wire, roster: &Roster, again: Again) -> Result<String, InvokeError> {
    let call = Call::new(Origin::default(), PATIENCE).among(roster, again);
    let answer = wire.invoke(&remote(), &text("x"), call).await?;
    let [wasmtime::component::Val::String(said)] = answer.as_slice() else { panic!("{answer:?}") };
    Ok(said.clone())
}

#[test]
fn those_who_serve_share_the_calls_and_who_has_left_loses_none() {
    for rig in Rig::all() {
        run(async {
            let here = rig.wire().await;
            let (one, _two) = (serve(&rig, Manner::Says("one")).await, serve(&rig, Manner::Says("two")).await);
            let roster = roster(&here, 2).await;
            let mut said = Vec::new();
            for _ in 0..50 {
                said.push(ask(&here, &roster, Again::Never).await.expect("an answer"));
            }
            assert!(said.contains(&"one".to_owned()) && said.contains(&"two".to_owned()), "{said:?}");
            one.end(End::Left).await;
            for _ in 0..50 {
                match ask(&here, &roster, Again::Never).await {
                    Ok(said) => assert_eq!(said, "two"),
                    // Who leaves says so, and who has left is known at once: nothing has run.
                    Err(error) => assert!(error.was_not_heard(), "{error:?}"),
                }
            }
        });
    }
}

#[test]
fn who_is_silent_fails_the_first_calls_alone_and_none_that_may_run_twice() {
    for rig in Rig::all() {
        run(async {
            let here = rig.wire().await;
            let (one, _two) = (serve(&rig, Manner::Says("one")).await, serve(&rig, Manner::Says("two")).await);
            let roster = roster(&here, 2).await;
            one.end(End::Deaf).await;
            let (begun, mut failed) = (Instant::now(), 0);
            for _ in 0..50 {
                match ask(&here, &roster, Again::May).await {
                    Ok(said) => assert_eq!(said, "two"),
                    Err(error) => {
                        assert!(matches!(error, InvokeError::Unheard { .. }), "{error:?}");
                        failed += 1;
                    }
                }
            }
            // It is known sooner than a call that runs once is given up.
            assert!(failed <= 1 && begun.elapsed() < Limits::default().accept_max, "{failed} {:?}", begun.elapsed());
        });
    }
}

#[test]
fn a_call_that_may_run_twice_does_not_wait_for_who_is_gone() {
    for rig in Rig::all() {
        run(async {
            let here = rig.wire().await;
            let one = serve(&rig, Manner::Takes).await;
            let roster = roster(&here, 1).await;
            let dies = async {
                tokio::time::sleep(Duration::from_millis(100)).await;
                one.end(End::Deaf).await;
            };
            let (begun, ((), answer)) = (Instant::now(), tokio::join!(dies, ask(&here, &roster, Again::May)));
            let error = answer.expect_err("nobody answers");
            assert!(matches!(error, InvokeError::Lost { .. }) && !error.was_not_heard(), "{error:?}");
            assert!(begun.elapsed() < PATIENCE / 2);
            assert_eq!(here.waiting(), 0);
        });
    }
}

#[test]
fn a_host_that_comes_back_is_asked_again() {
    let rig = Rig::nats();
    run(async {
        let here = rig.wire().await;
        let one = serve(&rig, Manner::Says("one")).await;
        let roster = roster(&here, 1).await;
        drop(one);
        // Until it is known that it has left.
        while ask(&here, &roster, Again::Never).await.is_ok() {}
        let _again = serve(&rig, Manner::Says("again")).await;
        while ask(&here, &roster, Again::Never).await.ok().as_deref() != Some("again") {}
        while roster.is_empty() {
            assert_eq!(ask(&here, &roster, Again::Never).await.ok().as_deref(), Some("again"));
        }
    });
}
