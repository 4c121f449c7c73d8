//! Nearby versions of an interface: a call is answered once, by what stands in for the version that it names; what does not stand
//! in for it says so, or hears nothing of it.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_nats_of_reference as nats;
use futures::StreamExt;
use rt::Task;
use wasmtime::component::Val;
use wire::{Again, Call, Function, InvokeError, Origin, Reason, Remote, Roster, Wire};
use wrpc_transport::{InvokeExt, ServeExt};
use wrpc_transport_nats::Client;

use crate::rig::{PATIENCE, Rig, address, results, run, signature, text};

const NO_PATHS: [[Option<usize>; 0]; 0] = [];

/// One who serves, until it is dropped.
struct Serving {
    calls: Arc<AtomicUsize>,
    _task: Task,
}

fn instance(version: &str) -> String {
    format!("test:echo/echo@{version}")
}

fn echo(version: &str) -> Function {
    Function::of(&instance(version), "echo")
}

/// Serves a function of these versions. It answers with the one that was called.
async fn serve(rig: &Rig, versions: &'static [&'static str]) -> Serving {
    let wire = rig.wire().await;
    let functions = versions.iter().map(|version| (echo(version), signature())).collect();
    let mut served = wire.serve(&address(), functions).await.expect("it serves");
    let calls = Arc::<AtomicUsize>::default();
    let counted = calls.clone();
    let task = Task::spawn(async move {
        while let Some(invocation) = served.next().await {
            counted.fetch_add(1, Ordering::Relaxed);
            let said = results(&text(versions[invocation.function]));
            invocation.reply.answer(said).await.expect("it is taken");
        }
    });
    Serving { calls, _task: task }
}

/// The roster, once so many are on it.
async fn roster(wire: &Wire, count: usize) -> Roster {
    let roster = wire.roster(&address()).expect("an address");
    while roster.len() != count {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    roster
}

/// Calls it as who imports this version, any who serve it or one of a roster.
async fn ask(wire: &Wire, version: &str, roster: Option<&Roster>) -> Result<String, InvokeError> {
    let remote = Remote::new(&address(), &echo(version), signature()).expect("a subject");
    let call = Call::new(Origin::default(), PATIENCE);
    let call = match roster {
        Some(roster) => call.among(roster, Again::Never),
        None => call,
    };
    let answer = wire.invoke(&remote, &text("x"), call).await?;
    let [Val::String(said)] = answer.as_slice() else { panic!("{answer:?}") };
    Ok(said.clone())
}

/// Sees that a call was refused because only another version is there.
fn is_other_version(error: &InvokeError) -> bool {
    let is_refused = matches!(error, InvokeError::Refused { refusal, .. } if refusal.reason == Reason::OtherVersion);
    is_refused && error.was_not_heard()
}

/// What answers, however often somebody else says first that it has another version, or hears nothing of this one.
async fn found(wire: &Wire, version: &str, roster: Option<&Roster>) -> String {
    loop {
        match ask(wire, version, roster).await {
            Ok(said) => return said,
            Err(error) => assert!(is_other_version(&error) || matches!(error, InvokeError::Left { .. }), "{error:?}"),
        }
    }
}

#[test]
fn a_version_answers_for_those_of_its_series_and_for_no_others() {
    for rig in Rig::all() {
        run(async {
            let here = rig.wire().await;
            let _there = serve(&rig, &["1.2.0"]).await;
            let roster = roster(&here, 1).await;
            for roster in [None, Some(&roster)] {
                for version in ["1.2.0", "1.0.0", "1.9.3"] {
                    assert_eq!(ask(&here, version, roster).await.ok().as_deref(), Some("1.2.0"), "{version}");
                }
                let error = ask(&here, "1.2.0-rc", roster).await.expect_err("a pre-release is something else");
                assert!(is_other_version(&error), "{error:?}");
                let InvokeError::Refused { refusal, .. } = error else { panic!("it is refused") };
                assert_eq!(
                    refusal.text,
                    "test:echo/echo@1.2.0-rc.echo is wanted, and test:echo/echo@1.2.0.echo is there"
                );
                for version in ["2.0.0", "0.2.0", "1.2.0-rc.1"] {
                    let error = ask(&here, version, roster).await.expect_err("nobody serves it");
                    let is_nobody = matches!(error, InvokeError::NobodyThere { .. } | InvokeError::Left { .. });
                    assert!(is_nobody && error.was_not_heard(), "{version} {error:?}");
                }
            }
            assert_eq!(here.waiting(), 0);
        });
    }
}

#[test]
fn who_has_several_versions_runs_each_call_once() {
    for rig in Rig::all() {
        run(async {
            let here = rig.wire().await;
            let there = serve(&rig, &["1.0.0", "1.2.0", "1.3.0-rc", "0.2.0-draft", "0.2.4"]).await;
            let roster = roster(&here, 1).await;
            let mut count = 0;
            for roster in [None, Some(&roster)] {
                for version in ["1.0.0", "1.2.0", "1.3.0-rc", "0.2.0-draft", "0.2.4"] {
                    assert_eq!(ask(&here, version, roster).await.ok().as_deref(), Some(version));
                    count += 1;
                }
                assert_eq!(ask(&here, "1.7.0", roster).await.ok().as_deref(), Some("1.0.0"));
                count += 1;
            }
            // Whatever came twice would have come by now.
            tokio::time::sleep(Duration::from_millis(50)).await;
            assert_eq!(there.calls.load(Ordering::Relaxed), count);
        });
    }
}

#[test]
fn hosts_of_an_earlier_and_a_later_version_share_all_calls() {
    for rig in Rig::all() {
        run(async {
            let here = rig.wire().await;
            let (earlier, later) = (serve(&rig, &["1.0.0"]).await, serve(&rig, &["1.2.0"]).await);
            let roster = roster(&here, 2).await;
            for (version, roster) in
                [("1.0.0", None), ("1.2.0", None), ("1.0.0", Some(&roster)), ("1.2.0", Some(&roster))]
            {
                let mut said = BTreeSet::new();
                for _ in 0..50 {
                    said.insert(ask(&here, version, roster).await.expect("an answer"));
                }
                assert!(said.contains("1.0.0") && said.contains("1.2.0"), "{version} {said:?}");
            }
            let calls = |serving: &Serving| serving.calls.load(Ordering::Relaxed);
            assert_eq!(calls(&earlier) + calls(&later), 200);
        });
    }
}

#[test]
fn who_has_another_version_says_so_and_who_has_the_one_that_is_wanted_is_found() {
    for rig in Rig::all() {
        run(async {
            let here = rig.wire().await;
            let (release, draft) = (serve(&rig, &["1.2.0"]).await, serve(&rig, &["1.2.0-rc"]).await);
            let roster = roster(&here, 2).await;
            for roster in [None, Some(&roster)] {
                for _ in 0..20 {
                    assert_eq!(found(&here, "1.2.0-rc", roster).await, "1.2.0-rc");
                }
                for _ in 0..20 {
                    assert_eq!(found(&here, "1.0.0", roster).await, "1.2.0");
                }
            }
            assert_eq!(draft.calls.load(Ordering::Relaxed), 40);
            assert_eq!(release.calls.load(Ordering::Relaxed), 40);
        });
    }
}

/// Strangers know the versions that they name, and nothing of others.
#[test]
fn strangers_serve_beside_ours_and_call_ours() {
    let rig = Rig::nats();
    run(async {
        let Rig::Nats(server) = &rig else { panic!("it is over NATS") };
        let nats = nats::connect(server.url()).await.expect("it lets us in");
        let theirs = Client::new(nats, "default.echo", Some(Arc::from("default.echo"))).await.expect("it listens");
        let (earlier, later) = (instance("1.0.0"), instance("1.7.0"));
        let served = theirs.serve_values::<(String,), (String,)>(&earlier, "echo", Arc::from([])).await;
        let served = served.expect("it serves");
        let _ours = serve(&rig, &["1.2.0"]).await;
        let serving = async {
            let mut served = pin!(served);
            loop {
                let (_, (_said,), _, answer) = served.next().await.expect("a call").expect("whole");
                answer(("theirs".to_owned(),)).await.expect("it is taken");
            }
        };
        let calling = async {
            let here = rig.wire().await;
            let mut said = BTreeSet::new();
            while said.len() < 2 {
                said.insert(ask(&here, "1.0.0", None).await.expect("an answer"));
            }
            assert!(said.contains("1.2.0") && said.contains("theirs"), "{said:?}");
            for _ in 0..20 {
                assert_eq!(ask(&here, "1.1.0", None).await.ok().as_deref(), Some("1.2.0"));
            }
            let call = theirs.invoke_values_blocking::<_, (&str,), (String,)>(None, &later, "echo", ("x",), NO_PATHS);
            assert_eq!(call.await.expect("an answer").0, "1.2.0");
        };
        tokio::select! {
            () = serving => panic!("it serves on"),
            () = calling => {}
        }
    });
}
