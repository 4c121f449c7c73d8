//! Calls from host to host: a component that runs elsewhere is called as one here, and which host answers may change.

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::{Connection, Nats, Up, eventually, request};

use crate::lattice::{Stranger, host, refusal, tell};
use crate::{guest, known, route, wattle};

pub(crate) fn link(source: &str, target: &str, package: &str, interface: &str) -> Value {
    json!({
        "source_id": source, "target": target, "wit_namespace": "demo", "wit_package": package,
        "interfaces": [interface],
    })
}

/// Puts a link of the lattice as soon as there is a host that takes it.
pub(crate) fn put(stranger: &Stranger, link: &Value) {
    eventually("the link is put", || {
        let said = stranger.try_ask("link.put", &link.to_string());
        said.is_some_and(|said| said["message"] == "successfully set link")
    });
}

/// The prices that so many questions are answered with, one after the other.
fn prices(up: &Up, count: usize) -> Vec<String> {
    let price = |_| {
        let answer = up.get("/");
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.text().trim().to_owned()
    };
    (0..count).map(price).collect()
}

#[test]
fn values_of_every_kind_cross_from_host_to_host() {
    let (ada, bob, server) = (wattle(), wattle(), Nats::start_with(["max_payload: 65536"]));
    let alone = wattle().up([route("/", "desk"), guest("calc")]);
    let bus = server.url();
    let up = ada.up([route("/", "desk"), format!("--nats={bus}")]);
    assert_eq!(up.get("/").status, 500, "nothing is linked yet");
    let other = host(&bob, &["--nats", &bus, "--name", "bob"]);
    let stranger = Stranger::new(&bus);
    put(&stranger, &link("desk", "calc", "calc", "ops"));
    eventually("a call has somewhere to go", || {
        assert_eq!(up.get("/").status, 500);
        up.stderr().contains("nobody in the lattice serves")
    });

    tell(&ada, &bus, &["start", "component", &guest("calc"), "--host", "bob"]);
    eventually("it is called", || up.get("/").status == 200);
    assert_eq!(up.get("/").text(), alone.get("/").text());
    // Larger than a message of the server may be.
    for size in [0, 1, 60_000, 150_000] {
        let target = format!("/reverse?size={size}");
        assert_eq!(up.get(&target).text(), alone.get(&target).text(), "{size}");
    }
    assert_eq!(up.stop().code, Some(0));
    assert_eq!(other.stop().code, Some(0));
}

#[test]
fn a_component_here_is_called_before_one_elsewhere() {
    let (ada, bob, server) = (wattle(), wattle(), Nats::start());
    let bus = server.url();
    let up = ada.up([route("/", "till"), format!("--nats={bus}"), "--name=ada".into()]);
    let other = host(&bob, &["--nats", &bus, "--name", "bob"]);
    eventually("bob answers", || tell(&ada, &bus, &["get", "hosts"])["hosts"].as_array().map(Vec::len) == Some(2));
    let vague = refusal(&ada, &bus, &["link", "put", "till", "price", "--contract", "demo:shop"]);
    assert!(vague.contains("--contract demo:shop/INTERFACE"), "{vague}");
    let put = ["link", "put", "till", "price", "--contract", "demo:shop/tag", "--terms", "timeout=5s"];
    let link = tell(&ada, &bus, &put)["link"].clone();
    assert_eq!(tell(&ada, &bus, &["link", "query", "till"])["links"], json!([link]));
    assert_eq!(known::links(&bob, &bus), ["shop price"]);
    let shown = bob.run(["get", "links", "--nats", &bus]).stdout;
    assert!(["till", "demo:shop/tag", "price"].iter().all(|word| shown.contains(word)), "{shown}");
    tell(&ada, &bus, &["start", "component", &guest("price-1"), "price", "--host", "bob"]);
    eventually("it is called", || up.get("/").status == 200);
    assert_eq!(prices(&up, 5), ["1"; 5]);
    tell(&ada, &bus, &["start", "component", &guest("price-2"), "price", "--host", "ada"]);
    assert_eq!(prices(&up, 20), ["2"; 20]);
    tell(&ada, &bus, &["stop", "component", "price", "--host", "ada"]);
    assert_eq!(prices(&up, 20), ["1"; 20]);
    tell(&ada, &bus, &["link", "del", "till", "--contract", "demo:shop"]);
    eventually("the link is gone", || up.get("/").status == 500);
    assert_eq!(tell(&ada, &bus, &["link", "query"])["links"], json!([]));
    assert_eq!((up.stop().code, other.stop().code), (Some(0), Some(0)));
}

/// The terms of a link say how far it leads: `local` never leaves its host, whoever runs its target elsewhere, and `remote` does not
/// look at its own host first.
#[test]
fn terms_keep_calls_on_their_host_or_lead_them_anywhere() {
    let (ada, bob, server) = (wattle(), wattle(), Nats::start());
    let bus = server.url();
    let up = ada.up([route("/", "till"), format!("--nats={bus}"), "--name=ada".into()]);
    let other = host(&bob, &["--nats", &bus, "--name", "bob"]);
    eventually("both answer", || tell(&ada, &bus, &["get", "hosts"])["hosts"].as_array().map(Vec::len) == Some(2));
    let start = |file: &str, on: &str| {
        tell(&ada, &bus, &["start", "component", &guest(file), "price", "--host", on]);
    };
    let put = |terms: &str| {
        tell(&ada, &bus, &["link", "put", "till", "price", "--contract", "demo:shop/tag", "--terms", terms]);
    };
    let nobody_is_asked = || (0..20).all(|_| up.get("/").status == 500);
    start("price-1", "bob");
    put("local");
    up.says("it does not run on this host, which the terms of the link demand");
    assert!(nobody_is_asked(), "who runs it elsewhere is not");
    start("price-2", "ada");
    eventually("it is called here", || up.get("/").status == 200);
    assert_eq!(prices(&up, 20), ["2"; 20]);

    put("remote");
    let is_other = || up.get("/").text() == "1\n";
    eventually("the other is asked as well", is_other);
    tell(&ada, &bus, &["stop", "component", "price", "--host", "ada"]);
    eventually("the other is asked alone", || (0..20).all(|_| is_other()));
    // What led it away before does not any more, though there is nobody here to call.
    put("local");
    eventually("no call leaves any more", || up.get("/").status == 500);
    assert!(nobody_is_asked());
    assert_eq!((up.stop().code, other.stop().code), (Some(0), Some(0)));
}

/// A host that is killed is not asked again: whatever is asked after a moment is answered by those that are left.
#[test]
fn several_hosts_share_the_calls_and_one_may_be_killed() {
    let (ada, bob, eve, server) = (wattle(), wattle(), wattle(), Nats::start());
    let bus = server.url();
    let up = ada.up([route("/", "till"), format!("--nats={bus}")]);
    let others = [(&bob, "bob", "price-1"), (&eve, "eve", "price-2")].map(|(wattle, name, file)| {
        let other = host(wattle, &["--nats", &bus, "--name", name]);
        let start = ["start", "component", &guest(file), "price", "--host", name];
        eventually("it starts", || wattle.run(start.iter().chain(&["--nats", &bus, "-o", "json"])).code == Some(0));
        other
    });
    put(&Stranger::new(&bus), &link("till", "price", "shop", "tag"));
    eventually("it is called", || up.get("/").status == 200);
    eventually("both are asked", || {
        let prices = prices(&up, 20);
        ["1", "2"].iter().all(|price| prices.contains(&(*price).to_owned()))
    });
    let [bob, eve] = others;
    eve.kill();
    let killed = Instant::now();
    while killed.elapsed() < Duration::from_secs(3) {
        let is_late = killed.elapsed() > Duration::from_secs(1);
        let answer = up.get("/");
        assert!(!is_late || answer.status == 200 && answer.text() == "1\n", "{} {}", answer.status, answer.text());
    }
    assert_eq!((up.stop().code, bob.stop().code), (Some(0), Some(0)));
}

/// A later version of an interface answers for an earlier one, and both do while one takes the place of the other.
#[test]
fn versions_of_an_interface_meet_across_hosts_as_they_do_on_one() {
    let (ada, bob, eve, server) = (wattle(), wattle(), wattle(), Nats::start());
    let bus = server.url();
    let up = ada.up([route("/", "till"), format!("--nats={bus}")]);
    let start = |wattle, name: &str, file: &str| {
        let other = host(wattle, &["--nats", &bus, "--name", name]);
        let start = ["start", "component", &guest(file), "price", "--host", name, "--nats", &bus];
        eventually("it starts", || ada.run(start).code == Some(0));
        other
    };
    let later = start(&bob, "bob", "price-later");
    let stranger = Stranger::new(&bus);
    put(&stranger, &link("till", "price", "shop", "tag"));
    eventually("it is called", || up.get("/").status == 200);
    assert_eq!(prices(&up, 20), ["3"; 20]);

    let earlier = start(&eve, "eve", "price-1");
    eventually("both are asked", || {
        let prices = prices(&up, 20);
        ["1", "3"].iter().all(|price| prices.contains(&(*price).to_owned()))
    });
    tell(&ada, &bus, &["stop", "component", "price", "--host", "bob"]);
    eventually("one is asked", || prices(&up, 20) == ["1"; 20]);
    assert_eq!((up.stop().code, later.stop().code, earlier.stop().code), (Some(0), Some(0), Some(0)));
}

/// Who stops answers what runs, and takes nothing more: the caller sees no failure.
#[test]
fn a_host_that_leaves_loses_no_call() {
    let (ada, bob, eve, server) = (wattle(), wattle(), wattle(), Nats::start());
    let bus = server.url();
    let up = ada.up([route("/", "till"), format!("--nats={bus}")]);
    let start = |wattle, name: &str| {
        let other = host(wattle, &["--nats", &bus, "--name", name]);
        eventually("it starts", || {
            let start = ["start", "component", &guest("price-1"), "price", "--host", name, "--nats", &bus];
            ada.run(start).code == Some(0)
        });
        other
    };
    let (first, second) = (start(&bob, "bob"), start(&eve, "eve"));
    put(&Stranger::new(&bus), &link("till", "price", "shop", "tag"));
    eventually("it is called", || up.get("/").status == 200);
    std::thread::scope(|scope| {
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let up = &up;
        let asking = scope.spawn(move || {
            let mut asked = 0;
            while stopped.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
                prices(up, 1);
                asked += 1;
            }
            asked
        });
        assert_eq!(second.stop().code, Some(0));
        drop(stop);
        assert!(asking.join().expect("no call failed") > 0);
    });
    assert_eq!((up.stop().code, first.stop().code), (Some(0), Some(0)));
}

/// Calls leave by a connection of their caller's thread, which the first call there makes and does not wait for. Method: where the
/// answers are to come is overheard.
#[test]
fn calls_leave_by_a_connection_of_their_callers_thread() {
    let (ada, bob, server) = (wattle(), wattle(), Nats::start());
    let bus = server.url();
    let up = ada.up([route("/", "till"), format!("--nats={bus}")]);
    let other = host(&bob, &["--nats", &bus, "--name", "bob"]);
    let start = ["start", "component", &guest("price-1"), "price", "--host", "bob", "--nats", &bus, "-o", "json"];
    eventually("it starts", || ada.run(start).code == Some(0));
    let stranger = Stranger::new(&bus);
    let mut calls = stranger.overhear("default.price.wrpc.>");
    put(&stranger, &link("till", "price", "shop", "tag"));
    eventually("it is called", || up.get("/").status == 200);
    let inbox_of_next = |calls: &mut async_nats::Subscriber| {
        let call = stranger.next(calls);
        call.reply.expect("somebody waits").split('.').nth(1).expect("an inbox").to_owned()
    };
    // A connection that is held keeps its core from getting the next one.
    let mut held = up.connect();
    let several = std::thread::available_parallelism().is_ok_and(|cores| cores.get() > 1);
    let mut inboxes = BTreeSet::new();
    eventually("the threads have connections of their own", || {
        assert_eq!(held.exchange(&request("GET", "/", &[], b"")).expect("an answer").status, 200);
        assert_eq!(prices(&up, 1), ["1"]);
        inboxes.extend([inbox_of_next(&mut calls), inbox_of_next(&mut calls)]);
        inboxes.len() > usize::from(several)
    });
    assert_eq!((up.stop().code, other.stop().code), (Some(0), Some(0)));
}

/// How deep components are goes along from host to host. Method: a circle over two hosts, one step short of too deep, and one more.
#[test]
fn a_circle_over_two_hosts_has_the_end_that_it_has_on_one() {
    let (ada, bob, server) = (wattle(), wattle(), Nats::start());
    let bus = server.url();
    let relay = std::fs::read(testkit::guest("relay")).expect("it was built");
    let [a, b] = ["a.wasm", "b.wasm"].map(|name| ada.write(name, &relay).display().to_string());
    let up = ada.up([format!("--route=/={a}"), format!("--nats={bus}")]);
    let other = host(&bob, &["--nats", &bus, "--name", "bob"]);
    let start = ["start", "component", &b, "--host", "bob", "--nats", &bus];
    eventually("it starts", || ada.run(start).code == Some(0));
    let stranger = Stranger::new(&bus);
    for (source, target) in [("a", "b"), ("b", "a")] {
        put(&stranger, &link(source, target, "shop", "hop"));
    }
    eventually("the circle is followed", || up.get("/?times=15").text() == "15\n");

    assert_eq!(up.get("/?times=16").status, 500);
    up.says("b is not called: components have called one another 16 deep");
    assert_eq!(up.get("/?times=1000").status, 500);
    assert_eq!(up.get("/?times=15").text(), "15\n", "nothing is lost of the hosts");
    assert_eq!((up.stop().code, other.stop().code), (Some(0), Some(0)));
}

/// How many connections of the server that has its monitor there hear calls of a component, by the name of who serves it.
fn connections(monitor: SocketAddr, component: &str) -> usize {
    let mut connection = Connection::open(monitor).expect("it listens");
    let answer = connection.exchange(&request("GET", "/connz?subs=1", &[], b"")).expect("an answer");
    let said: Value = serde_json::from_str(&answer.text()).expect("JSON");
    let prefix = format!("default.{component}.wrpc.0.0.1.at.");
    let hears = |connection: &&Value| {
        let heard = connection["subscriptions_list"].as_array().into_iter().flatten();
        heard.filter_map(Value::as_str).any(|subject| subject.starts_with(&prefix))
    };
    said["connections"].as_array().expect("connections").iter().filter(hears).count()
}

/// Each thread of the data plane takes calls by its own connection, beside the one that all share.
#[test]
fn calls_are_taken_by_the_threads_that_work_on_them() {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    let (ada, bob, server) = (wattle(), wattle(), Nats::start_with([&format!("http: \"{free}\"")]));
    let bus = server.url();
    let up = ada.up([route("/", "till"), format!("--nats={bus}")]);
    let other = host(&bob, &["--nats", &bus, "--name", "bob"]);
    let start = ["start", "component", &guest("price-1"), "price", "--host", "bob", "--nats", &bus, "-o", "json"];
    eventually("it starts", || ada.run(start).code == Some(0));
    let stranger = Stranger::new(&bus);
    put(&stranger, &link("till", "price", "shop", "tag"));
    eventually("it is called", || up.get("/").status == 200);
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(4);
    eventually("all threads take calls", || {
        assert_eq!(prices(&up, 1), ["1"], "no call is lost while they begin");
        connections(free, "price") == threads + 1
    });
    assert_eq!(prices(&up, 50), vec!["1"; 50]);
    assert_eq!(other.stop().code, Some(0));
    assert_eq!(connections(free, "price"), 0);
    assert_eq!(up.stop().code, Some(0));
}

/// Who listens to a component's calls sees those of other hosts, by name of a context, and changes nothing.
#[test]
fn calls_that_cross_the_bus_are_overheard() {
    let (ada, bob, server) = (wattle(), wattle(), Nats::start());
    let bus = server.url();
    let up = ada.up([route("/", "till"), format!("--nats={bus}")]);
    let other = host(&bob, &["--nats", &bus, "--name", "bob"]);
    let put = ada.run(["ctx", "put", "shop", "--nats", &bus.replace("://", "://ada:secret@"), "-o", "json"]);
    assert_eq!((put.code, put.values()[0]["current"].clone()), (Some(0), json!("shop")), "{}", put.stderr);
    assert!(!put.stdout.contains("secret") && put.stdout.contains(&bus), "{}", put.stdout);
    assert_eq!(ada.run(["ctx", "use", "none"]).code, Some(65));
    // From here on the commands say no address.
    let run = |words: &[&str]| ada.run(words.iter().chain(&["-o", "json"]));
    eventually("bob answers", || {
        run(&["start", "component", &guest("price-1"), "price", "--host", "bob"]).code == Some(0)
    });
    assert_eq!(run(&["link", "put", "till", "price", "--contract", "demo:shop/tag"]).code, Some(0));
    eventually("it is called", || up.get("/").status == 200);
    let ended = std::thread::scope(|scope| {
        let spying = scope.spawn(|| run(&["spy", "price", "--count", "2"]));
        eventually("two calls were overheard", || {
            assert_eq!(prices(&up, 1), ["1"]);
            spying.is_finished()
        });
        spying.join().expect("it ends")
    });
    let call = json!({
        "component": "price", "function": "demo:shop/tag@1.0.0.price", "source": "till", "link": "default", "trace": null,
        "bytes": 0,
    });
    assert_eq!((ended.code, ended.values()), (Some(0), vec![call.clone(), call]), "{}", ended.stderr);
    assert_eq!(run(&["ctx", "del", "shop"]).values()[0], json!({ "current": null, "contexts": [] }));
    assert_eq!((up.stop().code, other.stop().code), (Some(0), Some(0)));
}

/// Who spies answers nothing, and does not count as one who may: a caller of what nobody runs is told so at once.
#[test]
fn who_spies_on_what_nobody_runs_keeps_no_caller_waiting() {
    let (ada, server) = (wattle(), Nats::start());
    let bus = server.url();
    let stranger = Stranger::new(&bus);
    let mut rolls = stranger.overhear("default.price.roll");
    let function = "demo:shop/tag@1.0.0.price";
    let call = || {
        let asked = stranger.client.request(format!("default.price.wrpc.0.0.1.{function}"), "".into());
        stranger.runtime.block_on(asked)
    };
    let ended = std::thread::scope(|scope| {
        let spying = scope.spawn(|| ada.run(["spy", "price", "--count", "1", "--nats", &bus, "-o", "json"]));
        // It listens before it says for the first time that it spies.
        stranger.next(&mut rolls);
        let nobody = call().expect_err("nobody runs it");
        assert_eq!(nobody.kind(), async_nats::RequestErrorKind::NoResponders);
        let up = host(&ada, &["--nats", &bus]);
        let start = ["start", "component", &guest("price-1"), "price", "--nats", &bus];
        eventually("it starts", || ada.run(start).code == Some(0));
        eventually("a call was overheard", || {
            drop(call());
            spying.is_finished()
        });
        assert_eq!(up.stop().code, Some(0));
        spying.join().expect("it ends")
    });
    assert_eq!((ended.code, ended.values()[0]["function"].as_str()), (Some(0), Some(function)), "{}", ended.stderr);
}
