//! What a lattice keeps is what each host does, whatever became of its watch.

use std::collections::BTreeSet;
use std::time::Duration;

use bus::sim::{Network, Weather};
use bus::{Bucket, Bus, Keep, Message};
use model::LinkDel;
use model::lattice::{ComponentSpec, Labels, LatticeLink};

use crate::hosts::{Host, simulate};

/// How long something is on its way that takes long.
const LONG: Duration = Duration::from_secs(5);

/// The host's write is acknowledged and its watch sees nothing any more; when it sees something again there is nothing to see.
async fn deleted_unseen(seed: u64) -> Option<Labels> {
    let network = Network::new(seed);
    let (people, host) = (network.bus("people"), Host::start(network.bus("NA"), "NA", Duration::ZERO).await);
    tokio::time::sleep(Duration::from_secs(12)).await;
    network.set_weather(Weather::BREEZE);
    let subject = "wasmbus.ctl.v1.default.config.put.s".parse().expect("a subject");
    people.request(subject, r#"{"k":"v"}"#.into(), Duration::from_secs(5)).await.expect("it is answered");
    network.part(&["NA"]);
    let bucket = people.bucket("CONFIGDATA_default".parse().expect("a name"), Keep::default()).await.expect("a bucket");
    bucket.delete(&"s".parse().expect("a key")).await.expect("it is deleted");
    network.heal();
    tokio::time::sleep(Duration::from_secs(30)).await;
    host.hands.done().settings.remove("till")
}

#[test]
fn what_one_host_kept_and_another_deleted_is_gone_from_both() {
    for seed in 0..100 {
        let told = simulate(deleted_unseen(seed));
        assert_eq!(told, Some(Labels::new()), "seed {seed}: settings that were deleted are as if they were empty");
    }
}

/// One host deletes settings and another puts them, at once: what the first is told last, it may learn before its own answer.
async fn deleted_and_put(seed: u64) -> (Vec<Labels>, Labels) {
    let network = Network::new(seed);
    let mut hosts = Vec::new();
    for id in ["NA", "NB"] {
        hosts.push(Host::start(network.bus(id), id, Duration::ZERO).await);
    }
    tokio::time::sleep(Duration::from_secs(12)).await;
    network.set_weather(Weather { lost: 0, doubled: 0, ..Weather::STORM });
    let people = network.bus("people");
    for (what, payload) in [("put", r#"{"k":"1"}"#), ("del", ""), ("put", r#"{"k":"2"}"#)] {
        let subject = format!("wasmbus.ctl.v1.default.config.{what}.s").parse().expect("a subject");
        people.publish(Message::new(subject, payload.into())).await.expect("it is taken");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    tokio::time::sleep(Duration::from_secs(30)).await;
    let bucket = people.bucket("CONFIGDATA_default".parse().expect("a name"), Keep::default()).await.expect("a bucket");
    let kept = bucket.get(&"s".parse().expect("a key")).await.expect("it is there");
    let kept = kept.map(|entry| serde_json::from_slice(&entry.value).expect("settings")).unwrap_or_default();
    let told = hosts.iter().map(|host| host.hands.done().settings.remove("till").unwrap_or_default());
    (told.collect(), kept)
}

#[test]
fn what_is_put_while_a_host_deletes_is_known_to_it() {
    for seed in 0..200 {
        let (told, kept) = simulate(deleted_and_put(seed));
        assert_eq!(told, [kept.clone(), kept], "seed {seed}");
    }
}

/// A host finds settings of which its watch is to tell it, and they are deleted before it has: then it never does.
async fn found_and_deleted() -> [Option<Labels>; 2] {
    let network = Network::new(1);
    let (people, host) = (network.bus("people"), Host::start(network.bus("NA"), "NA", Duration::ZERO).await);
    tokio::time::sleep(Duration::from_secs(12)).await;
    let bucket = people.bucket("CONFIGDATA_default".parse().expect("a name"), Keep::default()).await.expect("a bucket");
    let [other, key] = ["other", "t"].map(|key| key.parse().expect("a key"));
    let told = || host.hands.done().settings.remove("c1");
    // While the watch is told of the one, of the other it is not yet.
    network.set_weather(Weather { delay_min: LONG, delay_max: LONG, ..Weather::CALM });
    let story = async {
        tokio::time::sleep(LONG + Duration::from_millis(10)).await;
        network.set_weather(Weather::CALM);
        bucket.put(&key, r#"{"k":"v"}"#.into()).await.expect("it is put");
        let subject = "wasmbus.ctl.v1.default.component.scale.NA".parse().expect("a subject");
        let command = r#"{"component_id":"c1","component_ref":"file:///c","count":1,"config":["t"]}"#;
        people.publish(Message::new(subject, command.into())).await.expect("it is taken");
        tokio::time::sleep(Duration::from_secs(1)).await;
        let before = told();
        bucket.delete(&key).await.expect("it is deleted");
        before
    };
    let (put, before) = tokio::join!(bucket.put(&other, "{}".into()), story);
    put.expect("it is put");
    tokio::time::sleep(Duration::from_secs(30)).await;
    [before, told()]
}

#[test]
fn what_a_host_found_and_another_deleted_is_gone() {
    let has = Labels::from([("k".to_owned(), "v".to_owned())]);
    assert_eq!(simulate(found_and_deleted()), [Some(has), Some(Labels::new())]);
}

/// A link of `till`, as a host is asked for it.
fn link(target: &str) -> LatticeLink {
    LatticeLink {
        source_id: "till".into(),
        target: target.into(),
        name: "default".into(),
        wit_namespace: "demo".into(),
        wit_package: "shop".into(),
        interfaces: vec!["tag".into()],
        source_config: Vec::new(),
        target_config: Vec::new(),
        terms: None,
        is_whole: false,
    }
}

/// A host is asked for links to a backend and to a component, one in the place of the other.
async fn asked_of_the_host() {
    let network = Network::new(1);
    let (people, host) = (network.bus("people"), Host::start(network.bus("NA"), "NA", Duration::ZERO).await);
    tokio::time::sleep(Duration::from_secs(12)).await;
    let bucket = people.bucket("CONFIGDATA_default".parse().expect("a name"), Keep::default()).await.expect("a bucket");
    let kept = async || {
        let entries = bucket.entries().await.expect("it is there");
        entries.into_keys().map(|key| key.to_string()).collect::<Vec<_>>()
    };
    let leads = || host.hands.done().links.into_iter().collect::<Vec<_>>();
    let to = |contract: &str, target: &str| (format!("till default {contract}"), target.to_owned());
    for (number, url) in [(1, "a"), (1, "a"), (2, "b")] {
        let told = Labels::from([("url".to_owned(), url.to_owned())]);
        host.role.put_link(link("keyvalue/redis"), &told).await.expect("it is kept");
        assert_eq!(kept().await, [format!("link.of/till/default/demo/shop/NA-{number}")], "{url}");
        assert_eq!(leads(), [to("demo:shop", "keyvalue/redis")]);
    }
    host.role.put_link(link("price-1"), &Labels::new()).await.expect("it is kept");
    assert_eq!(leads(), [to("demo:shop/tag", "price-1")]);
    assert_eq!(kept().await, Vec::<String>::new(), "nobody keeps what a link was told that is gone");
    let till = || "till".parse().expect("a name");
    let wanted = LinkDel { source: till(), name: Default::default(), contract: None };
    let deleted = host.role.delete_link(&wanted).await.expect("it is deleted");
    assert_eq!((deleted, leads()), (Some(link("price-1")), Vec::new()));
    assert_eq!(host.role.delete_link(&wanted).await.expect("there is none"), None);
}

#[test]
fn a_link_that_a_host_is_asked_for_has_settings_of_its_own_which_go_with_it() {
    simulate(asked_of_the_host());
}

/// The settings of their own that the links of `till` name, and those that are kept.
async fn own_settings(people: &Bus) -> [BTreeSet<String>; 2] {
    let links = bucket(people, "LATTICEDATA_default").await.get(&"COMPONENT_till".parse().expect("a key")).await;
    let spec: Option<ComponentSpec> =
        links.expect("it is read").map(|entry| serde_json::from_slice(&entry.value).expect("links"));
    let named = spec.into_iter().flat_map(|spec| spec.links).flat_map(|link| link.target_config);
    let kept = bucket(people, "CONFIGDATA_default").await.keys().await.expect("it is read");
    [named.collect(), kept.iter().map(ToString::to_string).collect()]
}

async fn bucket(people: &Bus, name: &str) -> Bucket {
    people.bucket(name.parse().expect("a name"), Keep::default()).await.expect("a bucket")
}

fn told(url: &str) -> Labels {
    Labels::from([("url".to_owned(), url.to_owned())])
}

/// A host has links kept, and is not always answered.
async fn kept_unanswered(seed: u64) -> [BTreeSet<String>; 2] {
    let network = Network::new(seed);
    let (people, host) = (network.bus("people"), Host::start(network.bus("NA"), "NA", Duration::ZERO).await);
    tokio::time::sleep(Duration::from_secs(12)).await;
    host.role.put_link(link("keyvalue/redis"), &told("a")).await.expect("it is kept");
    network.set_weather(Weather { lost: 300, ..Weather::BREEZE });
    for url in ["b", "c"] {
        // Who is not answered is refused, whether it is kept or not.
        host.role.put_link(link("keyvalue/redis"), &told(url)).await.ok();
    }
    network.set_weather(Weather::CALM);
    tokio::time::sleep(Duration::from_secs(30)).await;
    own_settings(&people).await
}

#[test]
fn a_link_that_is_kept_has_its_settings_also_where_nobody_was_answered() {
    for seed in 0..200 {
        let [named, kept] = simulate(kept_unanswered(seed));
        assert!(named.len() == 1 && named.is_subset(&kept), "seed {seed}: {named:?} of {kept:?}");
    }
}

/// A host has links kept while others of the same source are put and deleted.
async fn kept_beside_others(seed: u64) -> [BTreeSet<String>; 2] {
    let network = Network::new(seed);
    let (people, host) = (network.bus("people"), Host::start(network.bus("NA"), "NA", Duration::ZERO).await);
    tokio::time::sleep(Duration::from_secs(12)).await;
    network.set_weather(Weather::BREEZE);
    host.role.put_link(link("keyvalue/redis"), &told("a")).await.expect("it is kept");
    let own = async {
        for url in ["b", "c", "b", "d"] {
            host.role.put_link(link("keyvalue/redis"), &told(url)).await.expect("it is kept");
        }
    };
    let beside = async {
        let other = LatticeLink { name: "other".into(), ..link("price-1") };
        let put = serde_json::to_vec(&other).expect("JSON");
        for what in ["put", "del", "put", "del", "put", "del"] {
            let subject = format!("wasmbus.ctl.v1.default.link.{what}").parse().expect("a subject");
            people.request(subject, put.clone().into(), Duration::from_secs(5)).await.expect("it is answered");
        }
    };
    tokio::join!(own, beside);
    own_settings(&people).await
}

#[test]
fn a_link_that_is_put_while_others_are_changed_has_its_settings() {
    for seed in 0..100 {
        let [named, kept] = simulate(kept_beside_others(seed));
        assert!(named.len() == 1 && named == kept, "seed {seed}: {named:?} of {kept:?}");
    }
}
