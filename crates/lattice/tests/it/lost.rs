//! When a host is lost, and when it is not. The clock stands still while anything can be done, and the bus is simulated.

use std::time::Duration;

use bus::sim::Network;
use bus::{Bus, Subscription};
use model::fact::{Event, Fact};
use model::record::HostRecord;

use crate::hosts::{BEAT, Host, LEASE, known, records};

/// Within this time a host that has gone is lost: its lease, and a beat on either side.
const SOON: Duration = Duration::from_secs(30);

async fn hosts(network: &Network, ids: &[&str]) -> Vec<Host> {
    let mut hosts = Vec::new();
    for id in ids {
        hosts.push(Host::start(network.bus(id), id, Duration::ZERO).await);
    }
    tokio::time::sleep(BEAT * 2).await;
    hosts
}

async fn listen(bus: &Bus) -> Subscription {
    bus.subscribe("wasmbus.evt.default.*".parse().expect("a pattern"), None).await.expect("it listens")
}

/// What was said of hosts so far: `NB: lost NA`.
async fn said(heard: &mut Subscription) -> Vec<String> {
    let mut said = Vec::new();
    while let Ok(Some(message)) = tokio::time::timeout(Duration::from_millis(100), heard.next()).await {
        let Event { source, fact, .. } = serde_json::from_slice(&message.payload).expect("an event");
        match fact {
            Fact::HostLost { host_id, .. } => said.push(format!("{source}: lost {host_id}")),
            Fact::HostStarted { .. } => said.push(format!("{source}: started")),
            Fact::HostStopped { .. } => said.push(format!("{source}: stopped")),
            _ => {}
        }
    }
    said
}

#[tokio::test(start_paused = true)]
async fn a_host_that_dies_is_lost_once_its_lease_is_over_and_one_host_says_so() {
    let network = Network::new(1);
    let people = network.bus("people");
    let mut heard = listen(&people).await;
    let mut hosts = hosts(&network, &["NA", "NB", "NC", "ND"]).await;
    drop(hosts.remove(1));
    tokio::time::sleep(LEASE - BEAT).await;
    assert_eq!(known(&people).await, "NA present NB present NC present ND present", "it may be slow");
    tokio::time::sleep(SOON - LEASE + BEAT).await;
    assert_eq!(known(&people).await, "NA present NB lost NC present ND present");
    let HostRecord::Lost(loss) = records(&people).await.remove("NB").expect("it is remembered") else {
        panic!("it is lost");
    };
    assert_eq!(loss.ran.expect("it was looked at").components[0].id, "till", "what it ran is known");
    assert_eq!((loss.card.friendly_name.as_str(), &loss.heard[..13]), ("nb", "2026-03-09T12"));
    tokio::time::sleep(SOON * 2).await;
    let losses: Vec<_> = said(&mut heard).await.into_iter().filter(|said| said.contains("lost")).collect();
    assert_eq!(losses, [format!("{}: lost NB", loss.noticed_by)]);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_leaves_is_not_lost() {
    let network = Network::new(1);
    let people = network.bus("people");
    let mut hosts = hosts(&network, &["NA", "NB"]).await;
    hosts.remove(1).role.end().await;
    assert_eq!(known(&people).await, "NA present");
    let mut heard = listen(&people).await;
    tokio::time::sleep(SOON * 2).await;
    assert_eq!(said(&mut heard).await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn nobody_is_lost_while_the_bus_is_away() {
    let network = Network::new(1);
    let people = network.bus("people");
    let ids = ["NA", "NB", "NC"];
    let _hosts = hosts(&network, &ids).await;
    let mut heard = listen(&people).await;
    network.part(&ids);
    tokio::time::sleep(LEASE * 10).await;
    network.heal();
    tokio::time::sleep(LEASE * 3).await;
    assert_eq!(known(&people).await, "NA present NB present NC present");
    assert_eq!(said(&mut heard).await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_host_that_was_cut_off_is_lost_and_says_that_it_is_back() {
    let network = Network::new(1);
    let people = network.bus("people");
    let _hosts = hosts(&network, &["NA", "NB", "NC"]).await;
    let mut heard = listen(&people).await;
    network.part(&["NC"]);
    tokio::time::sleep(SOON).await;
    assert_eq!(known(&people).await, "NA present NB present NC lost");
    network.heal();
    tokio::time::sleep(SOON * 2).await;
    assert_eq!(known(&people).await, "NA present NB present NC present");
    let said = said(&mut heard).await;
    assert!(matches!(&said[..], [lost, back] if lost.ends_with("lost NC") && back == "NC: started"), "{said:?}");
}

#[tokio::test(start_paused = true)]
async fn several_that_die_at_once_are_all_lost() {
    let network = Network::new(1);
    let people = network.bus("people");
    let mut hosts = hosts(&network, &["NA", "NB", "NC", "ND", "NE", "NF"]).await;
    // All that look at some of them are among them: those are lost later, when others have come to look.
    drop(hosts.split_off(1));
    tokio::time::sleep(SOON * 3).await;
    assert_eq!(known(&people).await, "NA present NB lost NC lost ND lost NE lost NF lost");
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_wrong_loses_nobody() {
    let network = Network::new(1);
    let people = network.bus("people");
    let mut hosts = hosts(&network, &["NA"]).await;
    let hour = Duration::from_secs(3_600);
    hosts.push(Host::start(network.bus("NB"), "NB", hour).await);
    tokio::time::sleep(BEAT).await;
    let mut heard = listen(&people).await;
    tokio::time::sleep(LEASE * 10).await;
    assert_eq!(known(&people).await, "NA present NB present");
    drop(hosts.remove(0));
    tokio::time::sleep(SOON).await;
    assert_eq!(known(&people).await, "NA lost NB present", "and keeps nobody");
    assert_eq!(said(&mut heard).await, ["NB: lost NA"]);
}

#[tokio::test(start_paused = true)]
async fn records_that_are_lost_are_put_again() {
    let network = Network::new(1);
    let people = network.bus("people");
    let _hosts = hosts(&network, &["NA", "NB"]).await;
    network.lose_buckets();
    tokio::time::sleep(SOON * 2).await;
    assert_eq!(known(&people).await, "NA present NB present");
}

#[tokio::test(start_paused = true)]
async fn who_is_lost_is_forgotten_after_a_day() {
    let network = Network::new(1);
    let people = network.bus("people");
    let mut hosts = hosts(&network, &["NA", "NB"]).await;
    drop(hosts.remove(0));
    tokio::time::sleep(SOON).await;
    assert_eq!(known(&people).await, "NA lost NB present");
    tokio::time::sleep(Duration::from_secs(24 * 60 * 60) + SOON).await;
    assert_eq!(known(&people).await, "NB present");
}
