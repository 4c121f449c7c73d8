//! A host that runs joins a lattice with all that it has, and leaves it: requests go on, and a crash loses nothing.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::{Value, json};
use testkit::{Ended, Nats, Over, Up, Wattle, eventually};

use crate::applications::applications;
use crate::known::links;
use crate::lattice::{Stranger, host, tell};
use crate::links::{linked, sell};
use crate::manifests::shop_in_memory;
use crate::{guest, route, wattle};

/// What a client asks that wants the links of `till` gone.
const DELETE: &str = r#"{"source_id":"till","wit_namespace":"demo","wit_package":"shop"}"#;

/// A host that sells, alone as long as nobody says otherwise.
fn till(wattle: &Wattle, more: &[&str]) -> Up {
    let files = [route("/", "till"), guest("price-1"), guest("price-2"), "--link=till=price-1".into()];
    wattle.up(files.into_iter().chain(["--bus-token=none".into()]).chain(more.iter().map(ToString::to_string)))
}

/// The link of a lattice by which `till` sells at the price of another.
fn link(target: &str) -> Value {
    json!({
        "source_id": "till", "target": target, "name": "default", "wit_namespace": "demo", "wit_package": "shop",
        "interfaces": ["tag"], "source_config": [], "target_config": [],
    })
}

/// Carries out `wattle lattice` against a host's own bus.
fn try_lattice(wattle: &Wattle, up: &Up, words: &[&str]) -> Ended {
    let bus = up.bus();
    wattle.run(["lattice"].iter().chain(words).chain(&["--nats", &bus, "-o", "json"]))
}

fn lattice(wattle: &Wattle, up: &Up, words: &[&str]) -> Value {
    let ended = try_lattice(wattle, up, words);
    assert_eq!(ended.code, Some(0), "{words:?}: {}", ended.stderr);
    ended.values().pop().expect("a value")
}

fn hosts(wattle: &Wattle, bus: &str) -> Vec<Value> {
    let ended = wattle.run(["get", "hosts", "--nats", bus, "-o", "json"]);
    let hosts = ended.values().first().and_then(|value| value["hosts"].as_array().cloned());
    hosts.into_iter().flatten().map(|host| host["friendly_name"].clone()).collect()
}

/// Sells all the while: every single answer has to be right. The work is given what waits until some more was sold.
fn under_load(up: &Up, work: impl FnOnce(&dyn Fn())) {
    let (is_over, sold) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let over = Over(&is_over);
        let sell_on = || {
            while !is_over.load(Ordering::Relaxed) {
                sell(up);
                sold.fetch_add(1, Ordering::Relaxed);
            }
        };
        let clients: Vec<_> = (0..3).map(|_| scope.spawn(sell_on)).collect();
        let some_more = || {
            let before = sold.load(Ordering::Relaxed);
            eventually("some more is sold", || sold.load(Ordering::Relaxed) > before + 5);
        };
        some_more();
        work(&some_more);
        some_more();
        drop(over);
        clients.into_iter().for_each(|client| client.join().expect("no request failed"));
    });
}

#[test]
fn a_host_joins_and_leaves_with_all_that_it_has_and_no_request_is_lost() {
    let (ada, server) = (wattle(), Nats::start());
    let bus = server.url();
    let up = till(&ada, &["--name=ada"]);
    let here = Stranger::new(&up.bus());
    here.ask("config.put.polite", r#"{"greeting":"hello"}"#);
    assert_eq!(here.ask("link.put", &link("price-2").to_string())["message"], "successfully set link");
    tell(&ada, &up.bus(), &["scale", "component", "price-1", "7"]);
    assert_eq!(sell(&up).1, 2);

    let there = Stranger::new(&bus);
    under_load(&up, |some_more| {
        let joined = lattice(&ada, &up, &["join", &bus]);
        assert_eq!(joined["standing"], "joined");
        some_more();
        assert_eq!(hosts(&ada, &bus), ["ada"]);
        assert_eq!(there.ask("link.get", "")["response"], json!([link("price-2")]));
        assert_eq!(there.ask("config.get.polite", "")["response"], json!({ "greeting": "hello" }));
        let runs = tell(&ada, &bus, &["get", "inventory", "ada"])["inventories"][0]["components"].clone();
        let runs = runs.as_array().expect("a list").iter();
        let counts: Vec<_> = runs.filter(|it| it["id"] == "price-1").map(|it| it["max_instances"].clone()).collect();
        assert_eq!(counts, [7]);
        eventually("it is called there", || ada.run(["call", "price-1", "price()", "--nats", &bus]).stdout == "1\n");
        assert_eq!(lattice(&ada, &up, &["join", &bus])["standing"], "joined", "the same twice is nothing");
    });
    // What the lattice is told is followed.
    for (target, price) in [("price-1", 1), ("price-2", 2)] {
        there.ask("link.del", DELETE);
        there.ask("link.put", &link(target).to_string());
        eventually("the link is followed", || sell(&up).1 == price);
    }

    up.kill();
    let up = till(&ada, &["--name=ada"]);
    eventually("the link is followed again", || sell(&up).1 == 2);
    eventually("it is in the lattice again", || hosts(&ada, &bus) == ["ada"]);
    assert_eq!(lattice(&ada, &up, &["get"])["standing"], "joined");

    under_load(&up, |some_more| {
        assert_eq!(lattice(&ada, &up, &["leave"])["standing"], "alone");
        some_more();
        assert_eq!(hosts(&ada, &bus), Vec::<Value>::new());
        assert_eq!(hosts(&ada, &up.bus()), ["ada"]);
        assert_eq!(lattice(&ada, &up, &["leave"])["standing"], "alone", "the same twice is nothing");
    });
    let here = Stranger::new(&up.bus());
    assert_eq!(here.ask("link.get", "")["response"], json!([link("price-2")]));
    up.kill();
    let up = till(&ada, &["--name=ada"]);
    assert_eq!((sell(&up).1, lattice(&ada, &up, &["get"])["standing"].clone()), (2, json!("alone")));
    assert_eq!(up.stop().code, Some(0));
}

/// What a lattice says of the application that a manifest declares: who was told to run it, and where its components run.
fn shop(wattle: &Wattle, bus: &str) -> Value {
    let shop = applications(wattle, bus)[0].clone();
    let hosts = shop["hosts"].as_array().into_iter().flatten();
    let told: Vec<_> = hosts.map(|host| (host["friendly_name"].clone(), host["answers"].clone())).collect();
    let components = shop["components"].as_array().into_iter().flatten();
    let runs: Vec<_> = components.map(|it| (it["name"].clone(), it["hosts"].clone())).collect();
    json!({ "name": shop["name"], "version": shop["version"], "told": told, "runs": runs })
}

#[test]
fn an_application_is_taken_along_with_what_was_put_while_it_ran() {
    let (ada, bob, server) = (wattle(), wattle(), Nats::start());
    let bus = server.url();
    let manifest = shop_in_memory(&ada);
    let start = || ada.up([manifest.as_str(), "--name=ada"]);
    let runs = [("till", ["ada"]), ("price", ["ada"]), ("hello", ["ada"])];
    let shop_of_ada = json!({ "name": "shop", "version": "v0.0.1", "told": [["ada", true]], "runs": runs });
    let up = start();
    linked(&ada, &up, "put till keyvalue/disk");
    assert_eq!((sell(&up), shop(&ada, &up.bus())), ((1, 2), shop_of_ada.clone()));
    let other = host(&bob, &["--nats", &bus, "--name", "bob"]);
    eventually("bob answers", || hosts(&bob, &bus) == ["bob"]);
    assert_eq!(applications(&bob, &bus), json!([]));

    under_load(&up, |some_more| {
        assert_eq!(lattice(&ada, &up, &["join", &bus])["standing"], "joined");
        assert_eq!(shop(&bob, &bus), shop_of_ada);
        assert_eq!(links(&bob, &bus), ["keyvalue keyvalue/disk"]);
        some_more();
    });
    let nobody = ada.run(["get", "applications", "--nats", &up.bus()]);
    assert!(nobody.code == Some(69) && nobody.stderr.contains("there is no host on this bus"), "{}", nobody.stderr);
    let (sold, _) = sell(&up);
    up.kill();
    let up = start();
    assert_eq!(sell(&up), (sold + 1, 2), "it keeps its keys where it was told to while it was alone");
    eventually("it is in the lattice again", || shop(&bob, &bus) == shop_of_ada);

    assert_eq!(lattice(&ada, &up, &["leave"])["standing"], "alone");
    assert_eq!(applications(&bob, &bus), json!([]));
    eventually("it says so where it is alone", || shop(&ada, &up.bus()) == shop_of_ada);
    assert_eq!((sell(&up), links(&ada, &up.bus())), ((sold + 2, 2), vec!["keyvalue keyvalue/disk".to_owned()]));
    assert_eq!((up.stop().code, other.stop().code), (Some(0), Some(0)));
}

#[test]
fn what_cannot_be_joined_leaves_a_host_as_it_was() {
    let (ada, bob, mut server) = (wattle(), wattle(), Nats::start());
    let bus = server.url();
    let up = till(&ada, &["--name=ada"]);
    let here = Stranger::new(&up.bus());
    here.ask("config.put.polite", r#"{"greeting":"hello","name":"ada"}"#);
    here.ask("link.put", &link("price-2").to_string());
    server.kill();
    let refused = try_lattice(&ada, &up, &["join", &bus]);
    assert!(refused.code == Some(69) && refused.stderr.contains("cannot be reached"), "{}", refused.stderr);
    server.restart();

    let other = till(&bob, &["--name=bob"]);
    let elsewhere = Stranger::new(&other.bus());
    elsewhere.ask("config.put.polite", r#"{"greeting":"hi","name":"ada"}"#);
    elsewhere.ask("config.put.rude", r#"{"greeting":"oi"}"#);
    elsewhere.ask("link.put", &link("price-1").to_string());
    lattice(&bob, &other, &["join", &bus]);
    let there = Stranger::new(&bus);
    let refused = try_lattice(&ada, &up, &["join", &bus]);
    assert_eq!(refused.code, Some(65), "{}", refused.stderr);
    for said in [
        "E1004",
        "settings polite: not the same on both sides are greeting",
        "link till demo:shop (default): leads to price-2 on the host, and to price-1 in the lattice",
    ] {
        assert!(refused.stderr.contains(said), "{said}: {}", refused.stderr);
    }
    assert_eq!((sell(&up).1, lattice(&ada, &up, &["get"])["standing"].clone()), (2, json!("alone")));
    assert_eq!(hosts(&ada, &up.bus()), ["ada"]);
    assert_eq!(there.ask("link.get", "")["response"], json!([link("price-1")]), "nothing was changed");

    // Two hosts that were alone are one lattice, and the host's word counts.
    lattice(&ada, &up, &["join", &bus, "--prefer", "host"]);
    assert_eq!(hosts(&ada, &bus), ["ada", "bob"]);
    assert_eq!(there.ask("link.get", "")["response"], json!([link("price-2")]));
    assert_eq!(there.ask("config.get.polite", "")["response"]["greeting"], "hello");
    assert_eq!(there.ask("config.get.rude", "")["response"]["greeting"], "oi");
    eventually("bob follows", || sell(&other).1 == 2);
    let refused = try_lattice(&ada, &up, &["join", &bus, "--lattice", "shop"]);
    assert!(refused.stderr.contains("this host is in lattice default"), "{}", refused.stderr);
    assert_eq!((up.stop().code, other.stop().code), (Some(0), Some(0)));
}

/// A host that was told to join by flags does not leave; one that joined forgets it by a flag.
#[test]
fn flags_count_before_what_a_host_remembers() {
    let (ada, server) = (wattle(), Nats::start());
    let bus = server.url();
    let start = |more: &[&str]| {
        let flags = ["--name", "ada", "--bus", "127.0.0.1:0"];
        host(&ada, &flags.iter().chain(more).copied().collect::<Vec<_>>())
    };
    let up = start(&[]);
    lattice(&ada, &up, &["join", &bus, "--lattice", "shop"]);
    let shop = ada.run(["get", "hosts", "--nats", &bus, "--lattice", "shop", "-o", "json"]);
    assert!(shop.stdout.contains("\"ada\""), "{}", shop.stderr);
    assert_eq!(up.stop().code, Some(0));
    let refused = Up::try_start(&mut ada.command(["host", "--http=127.0.0.1:0", "--bus=off", "--lattice=other"]));
    let refused = refused.expect_err("it remembers another").stderr;
    assert!(refused.contains("E1004") && refused.contains("shop"), "{refused}");
    let up = start(&["--nats", "off"]);
    assert_eq!(lattice(&ada, &up, &["get"])["standing"], "alone");
    assert_eq!(up.stop().code, Some(0));
    let up = start(&[]);
    assert_eq!(lattice(&ada, &up, &["get"])["standing"], "alone", "what was forgotten stays so");
    assert_eq!(up.stop().code, Some(0));
    let up = start(&["--nats", &bus]);
    let refused = try_lattice(&ada, &up, &["leave"]);
    assert!(
        refused.code == Some(65) && refused.stderr.contains("was started in lattice default"),
        "{}",
        refused.stderr
    );
    assert_eq!(up.stop().code, Some(0));
}

/// Killed a little later each time, the host is in or out afterwards, and has everything there.
#[test]
fn a_host_that_is_killed_while_it_joins_is_in_or_out_and_has_everything() {
    let server = Nats::start();
    let bus = server.url();
    for later in [0, 4, 8, 16, 32, 64, 128] {
        let ada = wattle();
        let name = format!("lattice-{later}");
        let up = till(&ada, &["--name=ada"]);
        let here = Stranger::new(&up.bus());
        here.ask("config.put.polite", r#"{"greeting":"hello"}"#);
        here.ask("link.put", &link("price-2").to_string());
        std::thread::scope(|scope| {
            let joining = scope.spawn(|| try_lattice(&ada, &up, &["join", &bus, "--lattice", &name, "--timeout", "2"]));
            // Requests are what time is counted in here.
            for _ in 0..later {
                sell(&up);
            }
            up.signal(rustix::process::Signal::KILL);
            drop(joining.join().expect("it ends"));
        });
        up.wait();
        let up = till(&ada, &["--name=ada"]);
        assert_eq!(sell(&up).1, 2, "killed after {later}: the link is followed at once");
        let is_in = lattice(&ada, &up, &["get"])["standing"] == "joined";
        let (at, name) = if is_in { (bus.clone(), name.as_str()) } else { (up.bus(), "default") };
        let words = ["config", "get", "polite", "--nats", &at, "--lattice", name, "-o", "json"];
        eventually("its settings are there", || ada.run(words).stdout.contains("hello"));
        assert_eq!(up.stop().code, Some(0));
    }
}

/// What leads requests to what a host runs is the host's as much as the links of its components are.
#[test]
fn a_host_that_leaves_keeps_what_leads_requests_to_it() {
    let (ada, server) = (wattle(), Nats::start());
    let start = || ada.up([route("/", "hello"), "--name=ada".into()]);
    let up = start();
    linked(&ada, &up, "put http hello --contract wasi:http/incoming-handler --set host=a.example");
    let asked = |up: &Up| links(&ada, &up.bus());
    assert_eq!(asked(&up), ["http hello"]);
    assert_eq!(lattice(&ada, &up, &["join", &server.url()])["standing"], "joined");
    assert_eq!(links(&ada, &server.url()), ["http hello"]);
    assert_eq!(lattice(&ada, &up, &["leave"])["standing"], "alone");
    assert_eq!(asked(&up), ["http hello"]);
    up.kill();

    let up = start();
    assert_eq!((asked(&up), up.get("/").status), (vec!["http hello".to_owned()], 200));
    linked(&ada, &up, "del http");
    assert_eq!((asked(&up), up.get("/").status), (Vec::new(), 200));
    assert_eq!(up.stop().code, Some(0));
}
