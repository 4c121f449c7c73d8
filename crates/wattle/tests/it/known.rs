//! What a lattice keeps: links and settings are known to all of its hosts, and again after a restart, also one without the bus.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_nats::jetstream;
use serde_json::{Value, json};
use testkit::{Nats, Over, Redis, Up, Wattle, eventually, request};

use crate::lattice::{Stranger, host, refusal, tell};
use crate::links::{linked, sell};
use crate::{guest, route, wattle};

/// A host that sells at the price of `price-1` by itself.
fn till(wattle: &Wattle, bus: &str) -> Up {
    wattle.up([
        route("/", "till"),
        guest("price-1"),
        guest("price-2"),
        "--link=till=price-1".into(),
        format!("--nats={bus}"),
    ])
}

/// The link of the lattice by which it sells at another.
fn link(target: &str) -> Value {
    json!({
        "source_id": "till", "target": target, "name": "default", "wit_namespace": "demo", "wit_package": "shop",
        "interfaces": ["tag"], "source_config": [], "target_config": [],
    })
}

fn price(up: &Up) -> u64 {
    sell(up).1
}

pub(crate) fn bucket(stranger: &Stranger, name: &str) -> jetstream::kv::Store {
    let _entered = stranger.runtime.enter();
    let jetstream = jetstream::new(stranger.client.clone());
    stranger.runtime.block_on(jetstream.get_key_value(name)).expect("hosts have made it")
}

#[test]
fn a_link_that_one_host_was_given_is_known_to_all_and_after_a_restart() {
    let (ada, bob, mut server) = (wattle(), wattle(), Nats::start());
    let bus = server.url();
    let idle = host(&bob, &["--nats", &bus, "--name", "bob"]);
    let stranger = Stranger::new(&bus);
    eventually("bob answers", || stranger.ask("link.get", "")["response"] == json!([]));
    // Bob alone is there to be told; Ada comes later.
    assert_eq!(stranger.ask("link.put", &link("price-2").to_string())["message"], "successfully set link");
    let up = till(&ada, &bus);
    eventually("the link is followed", || price(&up) == 2);
    assert_eq!(idle.stop().code, Some(0));
    eventually("Ada knows of it", || stranger.ask("link.get", "")["response"] == json!([link("price-2")]));

    up.kill();
    let up = till(&ada, &bus);
    eventually("the link is followed again", || price(&up) == 2);
    up.kill();
    server.kill();
    let up = till(&ada, &bus);
    assert_eq!(price(&up), 2, "what was known last is known without a bus");

    server.restart();
    let stranger = Stranger::new(&bus);
    let wanted = r#"{"source_id":"till","wit_namespace":"demo","wit_package":"shop"}"#;
    eventually("the host is back", || {
        stranger.try_ask("link.del", wanted).is_some_and(|said| said["message"] == "successfully deleted link")
    });
    assert_eq!(stranger.ask("link.get", "")["response"], json!([]));
    // The flag of the command line named the other; that link was replaced, and is gone with its successor.
    assert_eq!(up.ask("POST", "/tea", b"").status, 200);
    assert_eq!(up.stop().code, Some(0));
}

#[test]
fn settings_of_the_lattice_reach_new_invocations() {
    let (ada, bob, server) = (wattle(), wattle(), Nats::start());
    let bus = server.url();
    let _idle = host(&bob, &["--nats", &bus]);
    let up = ada.up([route("/", "settings"), format!("--nats={bus}"), "--config=greeting=own".into()]);
    let settings = || up.get("/").text();
    eventually("it serves", || settings() == "greeting=own\n");
    tell(&ada, &bus, &["config", "put", "polite", "greeting=hello", "name=ada"]);
    tell(&ada, &bus, &["config", "put", "rude", "greeting=oi"]);
    tell(&ada, &bus, &["scale", "component", "settings", "7", "--config", "polite", "--config", "rude"]);
    eventually("it has those of both, the later first", || settings() == "greeting=oi\nname=ada\n");
    for greeting in ["hi", "hey", "yo"] {
        tell(&ada, &bus, &["config", "put", "rude", &format!("greeting={greeting}")]);
        eventually("a new invocation sees it", || settings() == format!("greeting={greeting}\nname=ada\n"));
    }
    tell(&ada, &bus, &["config", "del", "rude"]);
    eventually("what is deleted is as if it were empty", || settings() == "greeting=hello\nname=ada\n");
    let missing = refusal(&ada, &bus, &["scale", "component", "settings", "7", "--config", "none"]);
    assert!(missing.contains("Configuration none not found"), "{missing}");
    tell(&ada, &bus, &["config", "put", "SECRET_token", "name=token", "backend=nats-kv", "key=a/b"]);
    for start in [&["scale", "component", "settings", "7"][..], &["start", "component", &guest("settings"), "other"]] {
        let secret = refusal(&ada, &bus, &[start, &["--config", "SECRET_token"]].concat());
        assert!(secret.contains("SECRET_token is a secret, and this host has none to give"), "{secret}");
    }
    assert_eq!(up.stop().code, Some(0));
}

/// The buckets are those of wasmCloud 1.x: what another tool writes there is followed, what it reads is what was put.
#[test]
fn a_stranger_reads_and_writes_what_a_lattice_keeps() {
    let (ada, server) = (wattle(), Nats::start());
    let bus = server.url();
    let up = till(&ada, &bus);
    let stranger = Stranger::new(&bus);
    eventually("it answers", || stranger.try_ask("config.put.a", r#"{"k":"v"}"#).is_some());
    let (settings, components) = (bucket(&stranger, "CONFIGDATA_default"), bucket(&stranger, "LATTICEDATA_default"));
    let read = |store: &jetstream::kv::Store, key: &str| -> Value {
        let value = stranger.runtime.block_on(store.get(key)).expect("it is read").expect("it is there");
        serde_json::from_slice(&value).expect("JSON")
    };
    let write = |key: &str, spec: &str| {
        stranger.runtime.block_on(components.put(key, spec.to_owned().into())).expect("it is written");
    };
    assert_eq!(read(&settings, "a"), json!({ "k": "v" }));
    assert_eq!(price(&up), 1);
    write("COMPONENT_till", &json!({ "url": "", "links": [link("price-2")] }).to_string());
    eventually("the link is followed", || price(&up) == 2);
    // What is no description of a component changes nothing.
    write("COMPONENT_till", "{");
    write("CLAIMS_MABC", "{}");
    write("COMPONENT_other", &json!({ "url": "", "links": [] }).to_string());
    stranger.ask("config.put.b", "{}");
    assert_eq!((price(&up), stranger.ask("link.get", "")["response"].clone()), (2, json!([link("price-2")])));
    write("COMPONENT_till", &json!({ "url": "file:///x", "links": [link("price-1")] }).to_string());
    eventually("the link is followed", || price(&up) == 1);
    stranger.ask("link.put", &link("price-1").to_string());
    assert_eq!(read(&components, "COMPONENT_till"), json!({ "url": "file:///x", "links": [link("price-1")] }));
    stranger.ask("config.del.a", "");
    let left = stranger.runtime.block_on(settings.entry("a")).expect("it is read").expect("something says so");
    assert_eq!((left.operation, left.value.len()), (jetstream::kv::Operation::Purge, 0), "as hosts of wasmCloud do");
    assert_eq!(up.stop().code, Some(0));
}

/// Two hosts are told at once, many times: nothing that was acknowledged is lost.
#[test]
fn links_that_are_put_at_once_are_all_kept() {
    let (ada, bob, server) = (wattle(), wattle(), Nats::start());
    let bus = server.url();
    let hosts = [host(&ada, &["--nats", &bus]), host(&bob, &["--nats", &bus])];
    eventually("both answer", || tell(&ada, &bus, &["get", "hosts"])["hosts"].as_array().map(Vec::len) == Some(2));
    const EACH: usize = 10;
    std::thread::scope(|scope| {
        for client in 0..4 {
            let bus = &bus;
            scope.spawn(move || {
                let stranger = Stranger::new(bus);
                for number in 0..EACH {
                    let mut link = link("price");
                    link["name"] = json!(format!("{client}-{number}"));
                    let said = stranger.ask("link.put", &link.to_string());
                    assert_eq!(said["message"], "successfully set link");
                }
            });
        }
    });
    let stranger = Stranger::new(&bus);
    assert_eq!(stranger.ask("link.get", "")["response"].as_array().map(Vec::len), Some(4 * EACH));
    hosts.into_iter().for_each(|host| assert_eq!(host.stop().code, Some(0)));
}

/// Sells on one connection until `is_over`.
fn sell_on(up: &Up, (sold, is_over): (&AtomicU64, &AtomicBool)) {
    let mut connection = up.connect();
    while !is_over.load(Ordering::Relaxed) {
        connection.send(&request("POST", "/tea", &[], b"")).expect("the connection stays open");
        let answer = connection.answer().expect("an answer");
        assert_eq!(answer.status, 200, "{}", answer.text());
        sold.fetch_add(1, Ordering::Relaxed);
    }
}

/// A link that is put again takes the place of the one before at once: no sale is counted anywhere else meanwhile, such as where the
/// component counts that has no link. Stock clients are answered as ever.
#[test]
fn a_link_that_is_put_again_replaces_and_one_that_is_not_there_cannot_be_deleted() {
    let (ada, server, redis) = (wattle(), Nats::start(), Redis::start());
    let bus = server.url();
    let up = ada.up([route("/", "till"), guest("price-1"), format!("--nats={bus}")]);
    let stranger = Stranger::new(&bus);
    eventually("it answers", || stranger.try_ask("config.put.a", "{}").is_some());
    tell(&ada, &bus, &["config", "put", "redis", &format!("url={}", redis.url())]);
    tell(&ada, &bus, &["config", "put", "nats", &format!("url={bus}")]);
    let put = |name: &str| {
        let target = format!("keyvalue/{name}");
        tell(&ada, &bus, &["link", "put", "till", &target, "--contract", "wasi:keyvalue", "--config", name]);
    };
    put("redis");
    let (sold, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let over = Over(&is_over);
        let selling = scope.spawn(|| sell_on(&up, (&sold, &is_over)));
        for name in ["nats", "redis"].into_iter().cycle().take(20) {
            put(name);
            let before = sold.load(Ordering::Relaxed);
            eventually("two more are sold", || sold.load(Ordering::Relaxed) >= before + 2);
        }
        drop(over);
        selling.join().expect("each sale is answered");
    });
    let mut link = tell(&ada, &bus, &["link", "query", "till"])["links"][0].clone();
    assert_eq!(tell(&ada, &bus, &["link", "query"])["links"], json!([link]), "there is one link all the time");
    assert_eq!(link["target"], "keyvalue/redis");
    link["target"] = json!("keyvalue/nats");
    link["target_config"] = json!(["nats"]);
    let refused = stranger.ask("link.put", &link.to_string());
    assert!(refused["message"].as_str().is_some_and(|text| text.contains("different target")), "{refused}");
    let counted = ["redis", "nats"].map(|name| {
        put(name);
        sell(&up).0 - 1
    });
    assert!(counted.iter().all(|count| *count > 0), "{counted:?}: both were used");
    assert_eq!(counted.iter().sum::<u64>(), sold.load(Ordering::Relaxed), "each sale is counted in one of the two");

    tell(&ada, &bus, &["link", "del", "till"]);
    assert_eq!(sell(&up).0, 1, "nothing was counted there before");
    let missing = refusal(&ada, &bus, &["link", "del", "till", "--contract", "wasi:keyvalue"]);
    assert!(missing.contains("E0605") && missing.contains("no link of that name that somebody put"), "{missing}");
    let wanted = r#"{"source_id":"till","wit_namespace":"wasi","wit_package":"keyvalue"}"#;
    assert_eq!(stranger.ask("link.del", wanted)["success"], true, "stock clients are told that it is gone");
    assert_eq!(up.stop().code, Some(0));
}

#[test]
fn a_lone_host_keeps_settings_and_links_through_a_crash() {
    let wattle = wattle();
    let flags = ["--link=till=price-1".into(), "--bus-token=none".into()];
    let files = [route("/", "till"), guest("price-1"), guest("price-2")];
    let start = || wattle.up(files.iter().chain(&flags));
    let up = start();
    tell(&wattle, &up.bus(), &["config", "put", "shop", "open=9"]);
    let stranger = Stranger::new(&up.bus());
    assert_eq!(stranger.ask("link.put", &link("price-2").to_string())["message"], "successfully set link");
    assert_eq!(price(&up), 2);
    up.kill();
    let up = start();
    assert_eq!(price(&up), 2);
    assert_eq!(tell(&wattle, &up.bus(), &["config", "get", "shop"])["settings"], json!({ "open": "9" }));
    assert_eq!(up.stop().code, Some(0));
}

/// What the lattice of a host keeps of links, as `wattle get links` shows it.
pub(crate) fn links(wattle: &Wattle, bus: &str) -> Vec<String> {
    let links = tell(wattle, bus, &["get", "links"]);
    let links = links["links"].as_array().expect("a list").iter();
    links.map(|link| format!("{} {}", link["wit_package"], link["target"]).replace('"', "")).collect()
}

/// A host that is alone is a lattice, too: what a second terminal puts is its link, and not forgotten.
#[test]
fn a_link_that_is_put_from_a_second_terminal_is_there_after_a_crash_until_it_is_deleted() {
    let (wattle, redis) = (wattle(), Redis::start_with_password("hunter2"));
    let start = || wattle.up([route("/", "till"), guest("price-1"), guest("price-2"), "--link=till=price-1".into()]);
    let up = start();
    assert_eq!(sell(&up), (1, 1));
    assert_eq!(links(&wattle, &up.bus()), Vec::<String>::new());
    linked(&wattle, &up, "put till price-2");
    linked(&wattle, &up, &format!("put till keyvalue/redis --set url=redis://:hunter2@{}", redis.address()));
    assert_eq!(sell(&up), (1, 2), "another store");
    let put = ["shop price-2", "keyvalue keyvalue/redis"];
    assert_eq!(links(&wattle, &up.bus()), put);
    up.kill();

    let up = start();
    assert_eq!(sell(&up), (2, 2), "what was put counts before what the host is started with");
    assert_eq!(links(&wattle, &up.bus()), put);
    for words in [["get", "links"], ["link", "query"]] {
        let shown = wattle.run(words.iter().chain(&["--nats", &up.bus()]));
        assert!(shown.stdout.contains("keyvalue/redis") && !shown.stdout.contains("hunter2"), "{}", shown.stdout);
    }
    let folder = std::fs::metadata(wattle.home().join(".local/share/wattle/host")).expect("the host keeps it there");
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&folder.permissions()) & 0o777, 0o700);
    linked(&wattle, &up, "del till --contract wasi:keyvalue");
    let change = linked(&wattle, &up, "del till");
    let targets = (&change["before"]["target"], &change["now"]["target"]);
    assert_eq!(targets, (&json!("price-2"), &json!("price-1")), "it is as it was started again");
    assert_eq!(sell(&up), (2, 1));
    up.kill();

    let up = start();
    assert_eq!((sell(&up), links(&wattle, &up.bus())), ((3, 1), Vec::new()), "what was deleted is gone");
    assert_eq!(up.stop().code, Some(0));
}

/// What is kept counts also where its backend refuses it, as what a host is started with does: nothing is written elsewhere
/// meanwhile.
#[test]
fn a_kept_link_that_is_refused_after_a_restart_is_an_error_and_not_another_store() {
    let (wattle, redis) = (wattle(), Redis::start_with_password("hunter2"));
    let password = wattle.write("password", "hunter2");
    let told = [format!("url=redis://{}", redis.address()), format!("password=file:{}", password.display())];
    let refuses = |up: &Up| {
        let answer = up.ask("POST", "/tea", b"");
        assert_eq!(answer.status, 503, "{}", answer.text());
        let links = linked(&wattle, up, "query till");
        let is_refused =
            |link: &Value| link["trouble"].as_str().is_some_and(|text| text.contains("refuses its settings"));
        assert!(links["links"].as_array().expect("a list").iter().any(is_refused), "{links}");
    };
    let files = [route("/", "till"), guest("price-1"), "--link=till=price-1".into()];
    let up = wattle.up(&files);
    linked(&wattle, &up, &format!("put till keyvalue/redis --set {} --set {}", told[0], told[1]));
    assert_eq!(sell(&up), (1, 1));
    up.kill();
    std::fs::remove_file(&password).expect("it is there");

    let up = wattle.up(&files);
    refuses(&up);
    up.says("the target of a link cannot be opened; it is tried again");
    wattle.write("password", "hunter2");
    eventually("it is opened", || up.ask("POST", "/tea", b"").status == 200);
    assert_eq!(sell(&up), (3, 1), "in the store that it was linked to");
    linked(&wattle, &up, "del till --contract wasi:keyvalue");
    assert_eq!(up.stop().code, Some(0));
    std::fs::remove_file(&password).expect("it is there");

    let up = wattle.up(files.iter().cloned().chain([format!("--link=till=keyvalue/redis,{}", told.join(","))]));
    linked(&wattle, &up, "put till keyvalue/memory");
    assert_eq!(sell(&up), (1, 1));
    let change = linked(&wattle, &up, "del till --contract wasi:keyvalue");
    assert_eq!(change["now"]["target"], "keyvalue/redis", "what it was started with counts again");
    refuses(&up);
    assert_eq!(up.stop().code, Some(0));
}
