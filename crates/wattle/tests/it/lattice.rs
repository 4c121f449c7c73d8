//! Hosts of a lattice: who they are, what they are told, and what they say; by our own commands and by a stock NATS client.

use std::time::Duration;

use futures::StreamExt;
use serde_json::{Value, json};
use testkit::{Ended, Nats, Up, Wattle, eventually};
use tokio::runtime::Runtime;

use crate::links::sell;
use crate::{guest, known, route, wattle};

/// Starts a host without components.
pub(crate) fn host(wattle: &Wattle, arguments: &[&str]) -> Up {
    let fixed = ["host", "--http", "127.0.0.1:0", "-o", "json"];
    Up::start(&mut wattle.command(fixed.iter().chain(arguments)))
}

pub(crate) fn id(up: &Up) -> String {
    let said = up.values().iter().find_map(|value| Some(value["host"]["id"].as_str()?.to_owned()));
    said.expect("it says who it is")
}

/// Carries out a command against a bus.
fn try_tell(wattle: &Wattle, bus: &str, words: &[&str]) -> Ended {
    wattle.run(words.iter().chain(&["--nats", bus, "-o", "json"]))
}

pub(crate) fn tell(wattle: &Wattle, bus: &str, words: &[&str]) -> Value {
    let ended = try_tell(wattle, bus, words);
    assert_eq!(ended.code, Some(0), "{words:?}: {}", ended.stderr);
    ended.values().pop().expect("a value")
}

pub(crate) fn refusal(wattle: &Wattle, bus: &str, words: &[&str]) -> String {
    let ended = try_tell(wattle, bus, words);
    assert_ne!(ended.code, Some(0), "{words:?}: {}", ended.stdout);
    ended.stderr
}

/// A NATS client that knows nothing of us.
pub(crate) struct Stranger {
    pub(crate) runtime: Runtime,
    pub(crate) client: async_nats::Client,
}

impl Stranger {
    pub(crate) fn new(url: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let client = runtime.block_on(async_nats::connect(url)).expect("it is let in");
        Self { runtime, client }
    }

    pub(crate) fn ask(&self, what: &str, payload: &str) -> Value {
        self.try_ask(what, payload).expect("an answer")
    }

    /// The answer, where there is anybody who answers.
    pub(crate) fn try_ask(&self, what: &str, payload: &str) -> Option<Value> {
        let subject = format!("wasmbus.ctl.v1.default.{what}");
        let answer = self.runtime.block_on(self.client.request(subject, payload.to_owned().into()));
        Some(serde_json::from_slice(&answer.ok()?.payload).expect("JSON"))
    }

    pub(crate) fn listen(&self) -> async_nats::Subscriber {
        self.overhear("wasmbus.evt.default.*")
    }

    /// Listens to what others say to one another.
    pub(crate) fn overhear(&self, pattern: &'static str) -> async_nats::Subscriber {
        self.runtime.block_on(async {
            let heard = self.client.subscribe(pattern).await.expect("it listens");
            self.client.flush().await.expect("it is connected");
            heard
        })
    }

    /// The next event of this kind.
    pub(crate) fn hear(&self, heard: &mut async_nats::Subscriber, kind: &str) -> Value {
        loop {
            let event = self.hear_any(heard);
            if event["type"].as_str().expect("text").ends_with(&format!(".lattice.{kind}")) {
                return event;
            }
        }
    }

    /// The next event.
    pub(crate) fn hear_any(&self, heard: &mut async_nats::Subscriber) -> Value {
        serde_json::from_slice(&self.next(heard).payload).expect("JSON")
    }

    /// The next message.
    pub(crate) fn next(&self, heard: &mut async_nats::Subscriber) -> async_nats::Message {
        let next = async { tokio::time::timeout(Duration::from_secs(30), heard.next()).await };
        self.runtime.block_on(next).expect("it is said").expect("it listens")
    }
}

#[test]
fn a_host_is_the_same_after_a_restart_and_no_two_are_the_same() {
    let wattle = wattle();
    let (first, second) = (host(&wattle, &["--bus", "off"]), host(&wattle, &["--bus", "off"]));
    let (id_of_first, id_of_second) = (id(&first), id(&second));
    assert_ne!(id_of_first, id_of_second);
    assert_eq!((id_of_first.len(), &id_of_first[..1]), (56, "N"));
    first.kill();
    let again = host(&wattle, &["--bus", "off"]);
    assert_eq!(id(&again), id_of_first);
    assert_eq!((again.stop().code, second.stop().code), (Some(0), Some(0)));
}

#[test]
fn a_lattice_on_nats_is_driven_by_commands() {
    let (wattle, server) = (wattle(), Nats::start());
    let bus = server.url();
    let missing = refusal(&wattle, &bus, &["get", "hosts"]);
    assert!(missing.contains("`wattle host` starts one"), "{missing}");
    let small = ["--threads", "3", "--instances-total", "40"];
    let east = host(&wattle, &[&["--nats", &bus, "--name", "east", "--label", "zone=east"][..], &small].concat());
    let west = host(&wattle, &["--nats", &bus, "--name", "west", "--label", "zone=west"]);
    eventually("both answer", || {
        let ended = try_tell(&wattle, &bus, &["get", "hosts"]);
        ended.values().first().and_then(|hosts| hosts["hosts"].as_array().map(Vec::len)) == Some(2)
    });
    let hosts = tell(&wattle, &bus, &["get", "hosts"]);
    let names: Vec<_> =
        hosts["hosts"].as_array().expect("a list").iter().map(|host| host["friendly_name"].clone()).collect();
    assert_eq!(names, ["east", "west"]);
    let assumed = json!({ "survives": "process", "known": "assumed" });
    assert_eq!(hosts["hosts"][0]["acknowledged"], assumed, "nobody has said more of the server");
    let capacity = hosts["hosts"][0]["capacity"].clone();
    let memory = capacity["memory_bytes"].as_u64().expect("it is known on this system");
    assert!(memory > 1 << 26, "{capacity}");
    assert_eq!(capacity, json!({ "cores": 3, "memory_bytes": memory, "invocations_max": 40 }));
    let inventory = tell(&wattle, &bus, &["get", "inventory", "east"])["inventories"][0].clone();
    assert_eq!(inventory["capacity"], capacity);
    for what in ["hosts", "inventory"] {
        let shown = wattle.run(["get", what, "--nats", &bus]).stdout;
        assert!(shown.contains("3 cores, ") && shown.contains(", 40 at once"), "{shown}");
    }
    let answer = Stranger::new(&bus).ask(&format!("host.get.{}", id(&east)), "");
    assert_eq!(answer["response"]["capacity"], capacity, "a stranger is told, too");

    let file = guest("price-1");
    let started = tell(&wattle, &bus, &["start", "component", &file, "price", "--label", "zone=west", "--count", "7"]);
    assert_eq!(
        started,
        json!({ "component": "price", "host": id(&west), "from": format!("file://{file}"), "count": 7 })
    );
    let runs = |host: &str| tell(&wattle, &bus, &["get", "inventory", host])["inventories"][0]["components"].clone();
    assert_eq!((runs("east"), runs("west")[0]["max_instances"].clone()), (json!([]), json!(7)));
    let again = refusal(&wattle, &bus, &["start", "component", &file, "price", "--label", "zone=west"]);
    assert!(again.contains("none of 2 hosts bids for price"), "{again}");

    assert_eq!(tell(&wattle, &bus, &["scale", "component", "price", "3"])["count"], 3);
    assert_eq!(runs("west")[0]["max_instances"], 3);
    let other = guest("price-2");
    let updated = tell(&wattle, &bus, &["update", "component", "price", &other]);
    assert_eq!((&updated["from"], &updated["count"]), (&json!(format!("file://{other}")), &json!(3)));
    assert_eq!(tell(&wattle, &bus, &["stop", "component", "price"])["count"], 0);
    assert_eq!(runs("west"), json!([]));
    let gone = refusal(&wattle, &bus, &["stop", "component", "price"]);
    assert!(gone.contains("no host runs price"), "{gone}");
    let broken = refusal(&wattle, &bus, &["start", "component", "file:///nowhere.wasm", "x", "--host", "east"]);
    assert!(broken.contains("E1003") && broken.contains("/nowhere.wasm"), "{broken}");

    tell(&wattle, &bus, &["label", "east", "disk=fast"]);
    let labels = || tell(&wattle, &bus, &["get", "inventory", "east"])["inventories"][0]["labels"].clone();
    assert_eq!((&labels()["disk"], &labels()["zone"]), (&json!("fast"), &json!("east")));
    let changed = wattle.run(["label", "east", "disk=slow", "--delete", "zone", "--delete", "none", "--nats", &bus]);
    assert_eq!(changed.code, Some(0), "{}", changed.stderr);
    assert!(changed.stdout.ends_with("none: successfully deleted label (no such label)\n"), "{}", changed.stdout);
    assert_eq!((&labels()["disk"], labels().get("zone")), (&json!("slow"), None));
    let own = refusal(&wattle, &bus, &["label", "east", "--delete", "hostcore.os"]);
    assert!(own.contains("hostcore.* labels cannot be set dynamically"), "{own}");
    tell(&wattle, &bus, &["stop", "host", "east"]);
    assert_eq!(east.wait().code, Some(0));
    assert_eq!(west.stop().code, Some(0));
}

/// What `till` sells at follows the component that its import leads to: another program, then nothing, then the first again.
#[test]
fn a_component_is_updated_without_a_failed_request_and_comes_back() {
    let wattle = wattle();
    let up = wattle.up([route("/", "till"), guest("price-1"), "--link=till=price-1".into()]);
    let bus = up.bus();
    assert_eq!(sell(&up).1, 1);
    std::thread::scope(|scope| {
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let up = &up;
        let selling = scope.spawn(move || {
            let mut sold = 0;
            while stopped.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
                sell(up);
                sold += 1;
            }
            sold
        });
        for name in ["price-2", "price-1", "price-2"] {
            tell(&wattle, &bus, &["update", "component", "price-1", &guest(name)]);
        }
        drop(stop);
        assert!(selling.join().expect("no request failed") > 0);
    });
    assert_eq!(sell(&up).1, 2);
    tell(&wattle, &bus, &["stop", "component", "price-1"]);
    assert_eq!(up.ask("POST", "/tea", b"").status, 500, "nobody says what it costs");
    tell(&wattle, &bus, &["start", "component", &guest("price-1")]);
    assert_eq!(sell(&up).1, 1);
    assert_eq!(up.stop().code, Some(0));
}

#[test]
fn a_stranger_drives_a_host_and_hears_what_happens() {
    let (wattle, server) = (wattle(), Nats::start());
    let stranger = Stranger::new(&server.url());
    let mut heard = stranger.listen();
    let up = host(&wattle, &["--nats", &server.url(), "--heartbeat", "0.1", "--label", "zone=a"]);
    let id = id(&up);
    let begun = stranger.hear(&mut heard, "host_started");
    assert_eq!((&begun["source"], &begun["data"]["uptime_seconds"]), (&json!(id), &json!(0)));
    let beat = stranger.hear(&mut heard, "host_heartbeat");
    assert_eq!((&beat["data"]["components"], &beat["data"]["providers"]), (&json!([]), &json!([])));

    let scale = |count: u32| {
        json!({ "component_ref": format!("file://{}", guest("settings")), "component_id": "s", "count": count, "host_id": id })
            .to_string()
    };
    let scaled = format!("component.scale.{id}");
    // One that does not run is said to run zero times.
    assert_eq!(stranger.ask(&scaled, &scale(0)), json!({ "success": true, "message": "" }));
    let said = stranger.hear(&mut heard, "component_scaled");
    assert_eq!((&said["data"]["max_instances"], &said["data"]["annotations"]), (&json!(0), &json!({})));
    stranger.ask(&scaled, &scale(5));
    let said = stranger.hear(&mut heard, "component_scaled");
    assert_eq!(said["data"]["max_instances"], 5);
    assert_eq!(said["data"]["image_ref"], format!("file://{}", guest("settings")));

    for (what, payload, message) in [
        (scaled.as_str(), "{", "failed to deserialize component scale command"),
        ("config.put.a.b", "{}", "unsupported subject"),
        ("config.put.a", "[1]", "config data should be a map of string -> string"),
        ("link.foo", "", "unsupported subject"),
        (
            &format!("label.put.{id}"),
            r#"{"key":"HOSTCORE.os","value":"x"}"#,
            "hostcore.* labels cannot be set dynamically",
        ),
        (&format!("component.update.{id}"), r#"{"component_id":"x","new_component_ref":"y"}"#, "component x not found"),
        (&format!("provider.stop.{id}"), r#"{"provider_ref":"x"}"#, "provider with that ID is not running"),
    ] {
        assert_eq!(stranger.ask(what, payload), json!({ "success": false, "message": message }), "{what}");
    }
    assert_eq!(stranger.ask("config.get.a", ""), json!({ "success": true, "message": "Configuration not found" }));
    stranger.ask("config.put.a", r#"{"k":"v"}"#);
    assert_eq!(stranger.hear(&mut heard, "config_set")["data"], json!({ "config_name": "a" }));
    assert_eq!(stranger.ask("config.get.a", "")["response"], json!({ "k": "v" }));

    let link = json!({
        "source_id": "s", "target": "kv", "name": "default", "wit_namespace": "wasi", "wit_package": "keyvalue",
        "interfaces": ["store"], "source_config": [], "target_config": ["missing"],
    });
    let refused = stranger.ask("link.put", &link.to_string());
    assert_eq!(refused["success"], false);
    assert!(refused["message"].as_str().expect("words").contains("Configuration missing not found in config store."));
    assert_eq!(stranger.hear(&mut heard, "linkdef_set_failed")["data"]["source_id"], "s");
    let mut link = link;
    link["target_config"] = json!(["a"]);
    assert_eq!(stranger.ask("link.put", &link.to_string())["message"], "successfully set link");
    assert_eq!(stranger.hear(&mut heard, "linkdef_set")["data"], link);
    assert_eq!(stranger.ask("link.get", "")["response"], json!([link]));
    let wanted = r#"{"source_id":"s","wit_namespace":"wasi","wit_package":"keyvalue"}"#;
    assert_eq!(stranger.ask("link.del", wanted)["message"], "successfully deleted link");
    assert_eq!(stranger.hear(&mut heard, "linkdef_deleted")["data"]["target"], "kv");
    assert_eq!(stranger.ask("claims.get", "")["response"], json!([]));

    assert_eq!(stranger.ask(&format!("host.stop.{id}"), "")["message"], "successfully handled stop host");
    assert_eq!(stranger.hear(&mut heard, "host_stopped")["data"]["labels"]["zone"], "a");
    assert_eq!(up.wait().code, Some(0));
}

/// Without a NATS server the host's own bus answers the same.
#[test]
fn a_stranger_reaches_a_lone_host() {
    let wattle = wattle();
    let up = wattle.up([guest("counter"), "--bus-token=none".into()]);
    let stranger = Stranger::new(&up.bus());
    let host = stranger.ask("host.ping", "");
    assert_eq!(host["response"]["id"], id(&up));
    assert_eq!(host["response"]["acknowledged"], json!({ "survives": "disk", "known": "own" }));
    let inventory = stranger.ask(&format!("host.get.{}", id(&up)), "");
    let component = &inventory["response"]["components"][0];
    assert_eq!(component["image_ref"], format!("file://{}", guest("counter")));
    assert_eq!((&component["id"], &component["max_instances"]), (&json!("counter"), &json!(512)));
    assert_eq!(up.stop().code, Some(0));
}

/// Who may name files is who is on this machine, or whom the host was told to let.
#[test]
fn a_host_starts_without_its_bus_and_is_there_when_the_bus_is() {
    let wattle = wattle();
    let mut server = Nats::start();
    server.kill();
    let up = host(&wattle, &["--nats", &server.url(), "--name", "late"]);
    server.restart();
    eventually("it answers", || try_tell(&wattle, &server.url(), &["get", "inventory", "late"]).code == Some(0));
    assert_eq!(up.stop().code, Some(0));
}

/// The state of a host, as `wattle get hosts` says it.
fn state(wattle: &Wattle, bus: &str, name: &str) -> Option<Value> {
    let ended = try_tell(wattle, bus, &["get", "hosts", "--gather", "0.3"]);
    let hosts = ended.values().pop()?["hosts"].clone();
    hosts.as_array()?.iter().find(|host| host["friendly_name"] == name).cloned()
}

pub(crate) fn is(wattle: &Wattle, bus: &str, name: &str, presence: &str) -> bool {
    state(wattle, bus, name).is_some_and(|host| host["presence"] == presence)
}

#[test]
fn a_host_that_is_killed_is_lost_when_its_lease_is_over_and_then_it_is_said_since_when() {
    let (wattle, server) = (wattle(), Nats::start());
    let bus = server.url();
    let beats = |name: &str| host(&wattle, &["--nats", &bus, "--name", name, "--heartbeat", "0.5"]);
    let (ada, bob) = (beats("ada"), beats("bob"));
    eventually("both are there", || is(&wattle, &bus, "ada", "present") && is(&wattle, &bus, "bob", "present"));
    tell(&wattle, &bus, &["start", "component", &guest("price-1"), "price", "--host", "bob"]);
    let stranger = Stranger::new(&bus);
    let mut heard = stranger.listen();
    eventually("bob has renewed its lease with what it runs now", || {
        let kept = known::bucket(&stranger, "LEASES_default");
        let lease = stranger.runtime.block_on(kept.get(id(&bob))).expect("a bucket").expect("a lease");
        serde_json::from_slice::<Value>(&lease).expect("JSON")["runs"]["components"][0]["id"] == "price"
    });
    let key = id(&bob);
    bob.kill();
    eventually("it does not count as there", || !is(&wattle, &bus, "bob", "present"));
    eventually("and is lost then", || is(&wattle, &bus, "bob", "lost"));
    let lost = stranger.hear(&mut heard, "host_lost");
    assert_eq!((&lost["data"]["host_id"], &lost["source"]), (&json!(key), &json!(id(&ada))));
    let bob = state(&wattle, &bus, "bob").expect("it is listed");
    assert_eq!((&bob["since"], &bob["noticed_by"]), (&lost["data"]["heard"], &json!(id(&ada))));
    assert!(bob["capacity"]["cores"].as_u64().is_some_and(|cores| cores > 0), "what it had is kept, too: {bob}");
    let inventory = tell(&wattle, &bus, &["get", "inventory", "bob"])["inventories"][0].clone();
    assert_eq!((&inventory["presence"], &inventory["components"][0]["id"]), (&json!("lost"), &json!("price")));

    let bob = beats("bob");
    eventually("it is there again", || is(&wattle, &bus, "bob", "present"));
    assert_eq!(id(&bob), key);
    assert_eq!(bob.stop().code, Some(0));
    eventually("who leaves is not listed", || state(&wattle, &bus, "bob").is_none());
    assert_eq!(ada.stop().code, Some(0));
}

#[test]
fn nobody_is_lost_while_the_server_is_away() {
    let (wattle, mut server) = (wattle(), Nats::start());
    let bus = server.url();
    let beats = |name: &str| host(&wattle, &["--nats", &bus, "--name", name, "--heartbeat", "0.5"]);
    let (_ada, _bob) = (beats("ada"), beats("bob"));
    let both = || is(&wattle, &bus, "ada", "present") && is(&wattle, &bus, "bob", "present");
    eventually("both are there", both);
    server.kill();
    // Longer than a lease, by the clock: that nothing happens cannot be waited for otherwise.
    std::thread::sleep(Duration::from_secs(5));
    server.restart();
    let stranger = Stranger::new(&bus);
    let mut heard = stranger.listen();
    eventually("both are there again", both);
    // In so many beats of two hosts a lease is over more than once.
    let mut beats = 0;
    while beats < 20 {
        let event = stranger.hear_any(&mut heard);
        assert_ne!(event["type"], "wattle.lattice.host_lost");
        beats += usize::from(event["type"] == "com.wasmcloud.lattice.host_heartbeat");
    }
    assert!(both());
}
