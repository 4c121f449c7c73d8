//! Applications that hosts were told to run, as their lattice knows them.

use serde_json::{Value, json};
use testkit::{Nats, Up, Wattle, eventually};

use crate::lattice::{host, tell};
use crate::manifests::shop_in_memory;
use crate::{guest, wattle};

pub(crate) fn applications(wattle: &Wattle, bus: &str) -> Value {
    tell(wattle, bus, &["get", "applications"])["applications"].clone()
}

/// A host with its home's key and data, which runs these.
fn up(wattle: &Wattle, arguments: &[&str]) -> Up {
    wattle.up(arguments)
}

#[test]
fn a_lone_host_knows_its_application_for_as_long_as_it_runs_it() {
    let wattle = wattle();
    let manifest = shop_in_memory(&wattle);
    let running = up(&wattle, &[&manifest]);
    let shop = applications(&wattle, &running.bus());
    assert_eq!((&shop[0]["name"], &shop[0]["version"]), (&json!("shop"), &json!("v0.0.1")));
    let components = shop[0]["components"].as_array().expect("a list").iter();
    let names: Vec<_> = components.map(|it| (it["name"].clone(), it["hosts"].as_array().map(Vec::len))).collect();
    assert_eq!(names, ["till", "price", "hello"].map(|name| (json!(name), Some(1))));
    assert!(!shop.to_string().contains("redis://"), "what links are told is nobody's business");
    let text = wattle.run(["get", "applications", "--nats", &running.bus()]).stdout;
    assert!(text.contains("shop") && text.contains("till: on "), "{text}");
    running.kill();
    // It is the same host, and runs something else now.
    let other = up(&wattle, &[&guest("hello")]);
    eventually("it takes back what it said", || applications(&wattle, &other.bus()) == json!([]));
    assert_eq!(other.stop().code, Some(0));
}

#[test]
fn every_host_of_a_lattice_knows_what_the_others_were_told_to_run() {
    let (ada, bob, server) = (wattle(), wattle(), Nats::start());
    let bus = server.url();
    let manifest = shop_in_memory(&ada);
    let nats = format!("--nats={bus}");
    let first = up(&ada, &[&manifest, &nats, "--name=ada"]);
    let second = host(&bob, &["--nats", &bus, "--name", "bob"]);
    eventually("both answer", || tell(&bob, &bus, &["get", "hosts"])["hosts"].as_array().map(Vec::len) == Some(2));
    let on = || applications(&bob, &bus)[0]["hosts"][0].clone();
    eventually("it is known", || on()["friendly_name"] == "ada");
    assert_eq!(on()["answers"], true);
    tell(&bob, &bus, &["start", "component", &guest("price-1"), "price", "--host", "bob"]);
    assert_eq!(applications(&bob, &bus)[0]["components"][1]["hosts"], json!(["ada", "bob"]));
    first.kill();
    eventually("ada is missed, and what it said stays", || on()["answers"] == false);
    assert_eq!(applications(&bob, &bus)[0]["components"][0]["hosts"], json!([]));
    let first = up(&ada, &[&manifest, &nats, "--name=ada"]);
    eventually("ada is back", || on()["answers"] == true);
    assert_eq!(first.stop().code, Some(0));
    assert_eq!(applications(&bob, &bus), json!([]), "who stops in order takes back what it said");
    assert_eq!(second.stop().code, Some(0));
}
