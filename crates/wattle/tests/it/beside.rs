//! Several hosts on one machine, of one user, as docs/lattice.md has them: nothing is said of addresses and folders.

use std::net::TcpListener;

use serde_json::json;
use testkit::{Nats, Up, Wattle, eventually};

use crate::lattice::{id, refusal, tell};
use crate::links::sell;
use crate::{guest, route, wattle};

/// Where a host listens for HTTP where nobody says otherwise.
const USUAL: &str = "127.0.0.1:8000";

/// Starts one as a user does, who reads no more than where the servers are.
fn start(wattle: &Wattle, bus: &str, words: &[&str]) -> Up {
    Up::start(&mut wattle.command(words.iter().chain(&["--nats", bus, "-o", "json"])))
}

/// It is the only test that wants the usual address, and who else has it is on the machine for long.
#[test]
fn hosts_of_one_machine_need_no_flags_to_be_beside_each_other() {
    let (wattle, server) = (wattle(), Nats::start());
    let bus = server.url();
    // Whoever has it, it is not free.
    let usual = TcpListener::bind(USUAL);
    let (till, price) = (route("/", "till"), guest("price-1"));
    let ada = start(&wattle, &bus, &["up", "--name=ada", &till, &price]);
    let bob = start(&wattle, &bus, &["host", "--name=bob"]);
    assert_ne!(ada.address(), bob.address());
    for up in [&ada, &bob] {
        assert!(up.address().ip().is_loopback() && up.address().to_string() != USUAL, "{}", up.address());
        up.says(&format!("this host listens for HTTP on port {}: cannot listen on {USUAL}", up.address().port()));
    }
    let alone = wattle.run(["up", "--bus=off", &price]);
    let is_refused = alone.code == Some(69) && alone.stderr.contains("E0301") && alone.stderr.contains(USUAL);
    assert!(is_refused, "who serves alone is where he is looked for: {}", alone.stderr);
    let has_usual = usual.is_ok();
    drop(usual);
    let eve = start(&wattle, &bus, &["host", "--name=eve"]);
    match eve.address().to_string() == USUAL {
        true => assert!(!eve.stderr().contains(USUAL), "there is nothing to say: {}", eve.stderr()),
        false => eve.says(&format!("cannot listen on {USUAL}")),
    }
    assert!(has_usual || eve.address().to_string() != USUAL, "the other one is still there");

    eventually("all answer", || tell(&wattle, &bus, &["get", "hosts"])["hosts"].as_array().map(Vec::len) == Some(3));
    // Ada keeps keys in the folder that all of them have.
    assert_eq!(sell(&ada), (1, 1));
    tell(&wattle, &bus, &["start", "component", &guest("price-2"), "price", "--host", "bob"]);
    let counter = guest("counter");
    let refused = refusal(&wattle, &bus, &["start", "component", &counter, "--host", "bob"]);
    assert!(
        refused.contains("is used by another process") && refused.contains("start it with --data DIR"),
        "{refused}"
    );
    let data = wattle.home().join("fay").display().to_string();
    let fay = start(&wattle, &bus, &["host", "--name=fay", "--data", &data]);
    eventually("fay answers", || tell(&wattle, &bus, &["get", "hosts"])["hosts"].as_array().map(Vec::len) == Some(4));
    assert_eq!(tell(&wattle, &bus, &["start", "component", &counter, "--host", "fay"])["component"], "counter");
    for up in [ada, bob, eve, fay] {
        assert_eq!(up.stop().code, Some(0));
    }
}

/// Where the bus of a host that is alone is reached where nobody says otherwise.
const USUAL_BUS: &str = "127.0.0.1:4222";

/// Starts one that is alone, and is told nothing of its bus. Gives the address of that, too.
fn start_alone(wattle: &Wattle) -> (Up, Option<String>) {
    let up = Up::start(&mut wattle.command(["up", "--http", "127.0.0.1:0", "-o", "json", &guest("hello")]));
    let bus = up.values().iter().find_map(|value| Some(value["bus"].as_str()?.to_owned()));
    (up, bus)
}

/// It is the only test that wants the usual address, and who else has it is on the machine for long.
#[test]
fn a_host_that_is_alone_has_its_bus_at_the_usual_address_and_none_where_that_is_in_use() {
    let (ada, bob) = (wattle(), wattle());
    let goes_without = |(up, bus): (Up, Option<String>), holder: &str| {
        assert_eq!(bus, None);
        up.says(&format!("this host has no bus: cannot listen on {USUAL_BUS}: {holder}"));
        up.says("(--bus ADDR gives it one elsewhere)");
        assert_eq!((up.get("/").status, up.stop().code), (200, Some(0)), "it serves all the same");
    };
    // Whoever has it, it is not free.
    let held = TcpListener::bind(USUAL_BUS);
    goes_without(start_alone(&ada), "");
    let was_free = held.is_ok();
    drop(held);
    let (up, bus) = start_alone(&bob);
    let Some(bus) = bus else {
        return goes_without((up, None), "");
    };
    assert!(was_free, "whoever had it has it still");
    assert_eq!(bus, format!("nats://{USUAL_BUS}"));
    // Who has it is found where nothing is said, by its own user.
    let hosts = bob.run(["get", "hosts", "-o", "json"]);
    assert_eq!(hosts.values()[0]["hosts"][0]["id"], id(&up), "{}", hosts.stderr);
    let stranger = ada.run(["get", "hosts"]);
    assert!(stranger.stderr.contains("refuses the login"), "{}", stranger.stderr);
    goes_without(start_alone(&ada), &format!("wattle (process {}) listens there", up.id()));
    assert_eq!(up.stop().code, Some(0));
}

/// Who is one of several need not listen itself: requests come by way of others.
#[test]
fn a_host_of_a_lattice_may_listen_for_no_requests() {
    let (ada, bob, server) = (wattle(), wattle(), Nats::start());
    let bus = server.url();
    let door = start(&ada, &bus, &["host", "--http", "127.0.0.1:0", "--name=ada"]);
    let inner = start(&bob, &bus, &["host", "--http", "off", "--name=bob"]);
    eventually("both answer", || tell(&ada, &bus, &["get", "hosts"])["hosts"].as_array().map(Vec::len) == Some(2));
    tell(&ada, &bus, &["start", "component", &guest("hello"), "hello", "--host", "bob"]);
    let put = ["link", "put", "http", "hello", "--contract", "wasi:http/incoming-handler"];
    tell(&ada, &bus, &put);
    eventually("it is answered", || door.get("/").status == 200);
    let said = inner.values().into_iter().find(|value| value.get("listening").is_some());
    assert_eq!(said, Some(json!({ "listening": null })));
    assert_eq!((door.stop().code, inner.stop().code), (Some(0), Some(0)));
}
