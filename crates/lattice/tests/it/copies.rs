//! A host that is killed and started again: what it serves from its copy while it has no bus, and how its lattice knows it.

use std::time::Duration;

use bus::Bus;
use bus::sim::{Disk, Network};
use lattice::Keeps;
use model::fact::Event;
use model::lattice::Labels;
use tokio::time::sleep;

use crate::hosts::{BEAT, Beginning, Host, LEASE, Noting, at_first, known, simulate, stamps};

/// So much later what was said and kept is known.
const KNOWN: Duration = Duration::from_secs(12);

/// Begins as a process does, with what is on its disk.
async fn begin(network: &Network, disk: &Disk, id: &str) -> Host {
    Host::begin(Beginning {
        bus: network.bus(id),
        id: id.into(),
        heartbeat: BEAT,
        keeps: Keeps::Elsewhere { copy: Some(disk.folder("copy")), declared: None },
        hands: Noting::new(),
        stamps: stamps(id, Duration::ZERO),
        load: at_first(),
    })
    .await
}

fn settings(value: &str) -> Labels {
    [("k".to_owned(), value.to_owned())].into()
}

async fn put(people: &Bus, value: &str) {
    let subject = "wasmbus.ctl.v1.default.config.put.s".parse().expect("a subject");
    let payload = serde_json::to_vec(&settings(value)).expect("JSON");
    people.request(subject, payload.into(), Duration::from_secs(5)).await.expect("it is answered");
    sleep(KNOWN).await;
}

/// What `till` is told by a host that is killed, and started again without its bus.
async fn told_without_bus(network: &Network, (disk, host): (&Disk, Host)) -> Option<Labels> {
    drop(host);
    network.disconnect("NA");
    begin(network, disk, "NA").await.hands.done().settings.remove("till")
}

/// The buckets are lost, and people put what they want now.
async fn made_again() -> Option<Labels> {
    let network = Network::new(1);
    let (people, disk) = (network.bus("people"), network.disk("NA"));
    let host = begin(&network, &disk, "NA").await;
    sleep(KNOWN).await;
    put(&people, "before").await;
    network.lose_buckets();
    sleep(KNOWN).await;
    put(&people, "after").await;
    told_without_bus(&network, (&disk, host)).await
}

#[test]
fn what_is_put_into_a_bucket_that_was_made_again_is_served_without_it() {
    assert_eq!(simulate(made_again()), Some(settings("after")));
}

/// The buckets are lost, and nobody puts anything.
async fn lost() -> Option<Labels> {
    let network = Network::new(1);
    let (people, disk) = (network.bus("people"), network.disk("NA"));
    let host = begin(&network, &disk, "NA").await;
    sleep(KNOWN).await;
    put(&people, "before").await;
    network.lose_buckets();
    sleep(KNOWN).await;
    told_without_bus(&network, (&disk, host)).await
}

#[test]
fn what_a_bucket_has_lost_is_served_without_it() {
    assert_eq!(simulate(lost()), Some(settings("before")));
}

/// A host is killed and started again before its lease is over, and cut off later for longer than that. How often it said then that
/// it has begun, and how its lattice knows it.
async fn lost_in_its_second_life() -> (usize, String) {
    let network = Network::new(1);
    let people = network.bus("people");
    let (disks, mut hosts) = (["NA", "NB", "NC"].map(|id| (id, network.disk(id))), Vec::new());
    for (id, disk) in &disks {
        hosts.push(begin(&network, disk, id).await);
    }
    sleep(KNOWN).await;
    drop(hosts.remove(1));
    sleep(BEAT).await;
    hosts.push(begin(&network, &disks[1].1, "NB").await);
    sleep(KNOWN).await;
    let pattern = "wasmbus.evt.default.host_started".parse().expect("a pattern");
    let mut heard = people.subscribe(pattern, None).await.expect("it listens");
    network.part(&["NB"]);
    sleep(LEASE * 2).await;
    network.heal();
    sleep(KNOWN).await;
    let mut count = 0;
    while let Ok(Some(message)) = tokio::time::timeout(Duration::from_millis(1), heard.next()).await {
        let event: Event = serde_json::from_slice(&message.payload).expect("an event");
        count += usize::from(event.source == "NB");
    }
    (count, known(&people).await)
}

#[test]
fn a_host_that_was_started_again_and_is_lost_later_says_that_it_is_back() {
    assert_eq!(simulate(lost_in_its_second_life()), (1, "NA present NB present NC present".to_owned()));
}
