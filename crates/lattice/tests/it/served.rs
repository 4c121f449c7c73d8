//! Leases on a real server: who is gone is lost, and nobody is while the server is away.

use std::time::Duration;

use bus::{Bus, ConnectOptions};
use model::fact::{Event, Fact};
use testkit::Nats;
use tokio::runtime::Runtime;

use crate::hosts::{Host, known};

/// Short, and long enough for a machine that is busy.
const BEAT: Duration = Duration::from_millis(500);

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

async fn connect(server: &Nats) -> Bus {
    Bus::connect(&server.url(), ConnectOptions::default()).await.expect("a bus")
}

async fn host(server: &Nats, id: &str) -> Host {
    Host::start_with(connect(server).await, id, (Duration::ZERO, BEAT)).await
}

/// Waits until the lattice keeps that of its hosts.
async fn until(people: &Bus, expected: &str) {
    let is_so = async {
        while known(people).await != expected {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(60), is_so).await;
    assert!(waited.is_ok(), "it is not {expected:?}: {}", known(people).await);
}

#[test]
fn a_host_that_dies_is_lost_on_a_real_server_and_one_that_leaves_is_not() {
    let server = Nats::start();
    runtime().block_on(async {
        let people = connect(&server).await;
        let (ada, bob, cay) = (host(&server, "NA").await, host(&server, "NB").await, host(&server, "NC").await);
        until(&people, "NA present NB present NC present").await;
        cay.role.end().await;
        assert_eq!(known(&people).await, "NA present NB present");
        drop(bob);
        until(&people, "NA present NB lost").await;
        let _bob = host(&server, "NB").await;
        until(&people, "NA present NB present").await;
        drop(ada);
    });
}

#[test]
fn nobody_is_lost_while_a_real_server_is_away() {
    let mut server = Nats::start();
    runtime().block_on(async {
        let people = connect(&server).await;
        let mut heard =
            people.subscribe("wasmbus.evt.default.*".parse().expect("a pattern"), None).await.expect("it listens");
        let _hosts = (host(&server, "NA").await, host(&server, "NB").await);
        until(&people, "NA present NB present").await;
        server.kill();
        // Longer than a lease, by the clock: that nothing happens cannot be waited for otherwise.
        tokio::time::sleep(BEAT * 8).await;
        server.restart();
        // In so many beats of two hosts a lease is over more than once.
        let mut beats = 0;
        while beats < 20 {
            let next = tokio::time::timeout(Duration::from_secs(60), heard.next()).await.expect("they beat again");
            let event: Event = serde_json::from_slice(&next.expect("it listens").payload).expect("an event");
            assert!(!matches!(event.fact, Fact::HostLost { .. }), "{event:?}");
            beats += usize::from(matches!(event.fact, Fact::HostHeartbeat(_)));
        }
        until(&people, "NA present NB present").await;
    });
}
