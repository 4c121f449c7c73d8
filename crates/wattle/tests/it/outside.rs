//! Providers of a lattice, made with the crates of wasmCloud 1.x: components call them by links, and are called by them.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::{Nats, Provider, Up, eventually};

use crate::abroad::put;
use crate::blobs::there_and_back;
use crate::lattice::{Stranger, host, tell};
use crate::lookouts::seen;
use crate::messages::{counted, office, send, sent};
use crate::{guest, noise, route, wattle};

fn link(source: &str, target: &str, (namespace, package): (&str, &str), interfaces: &[&str]) -> Value {
    json!({
        "source_id": source, "target": target, "wit_namespace": namespace, "wit_package": package,
        "interfaces": interfaces,
    })
}

pub(crate) fn keys(source: &str, target: &str) -> Value {
    link(source, target, ("wasi", "keyvalue"), &["store", "atomics", "batch"])
}

pub(crate) fn keeps_what_a_component_asks(up: &Up) {
    assert_eq!(up.get("/a").status, 404);
    assert_eq!(up.ask("PUT", "/a", b"one \xff").status, 204);
    assert_eq!(up.get("/a").body, b"one \xff");
    assert_eq!(up.ask("PUT", "/?many=b,c", b"two").status, 204);
    assert_eq!(up.get("/").text(), "a\nb\nc\n");
    assert_eq!(up.get("/?many=b,c,d").text(), "b=two\nc=two\nnone\n");
    assert_eq!(up.ask("DELETE", "/?many=a,b,none", b"").status, 204);
    assert_eq!(up.get("/").text(), "c\n");
    assert_eq!(up.ask("POST", "/visits?by=2", b"").text(), "2\n");
    assert_eq!(up.ask("POST", "/visits", b"").text(), "3\n");
    let large = vec![7; 3 << 20];
    assert_eq!(up.ask("PUT", "/large", &large).status, 204);
    assert!(up.get("/large").body == large);
}

/// What the provider says no to, the component hears as its contract has it.
pub(crate) fn says_why_not(up: &Up) {
    let said = |bucket: &str| {
        let answer = up.get(&format!("/a?bucket={bucket}"));
        (answer.status, answer.text())
    };
    assert_eq!(said("missing"), (404, "no such store\n".into()));
    assert_eq!(said("locked"), (403, "access denied\n".into()));
    assert_eq!(said("broken"), (500, "the key-value store refuses\n".into()));
}

#[test]
fn a_provider_keeps_keys_for_a_component() {
    let (wattle, server) = (wattle(), Nats::start());
    let up = wattle.up([guest("counter"), format!("--nats={}", server.url())]);
    assert_eq!(up.ask("PUT", "/here", b"on this host").status, 204);
    let provider = Provider::start(&server.url(), "default", "kv");
    put(&Stranger::new(&server.url()), &keys("counter", "kv"));
    keeps_what_a_component_asks(&up);
    says_why_not(&up);
    let calls = provider.calls();
    assert!(!calls.is_empty() && calls.iter().all(|call| call.ends_with(" counter default")), "{calls:?}");

    drop(provider);
    eventually("the server knows that it is gone", || up.get("/c").status == 500);
    let begun = Instant::now();
    let gone = up.get("/c");
    assert_eq!((gone.status, gone.text()), (500, "the key-value store is not available\n".into()));
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    let _again = Provider::start(&server.url(), "default", "kv");
    assert_eq!(up.get("/c").status, 404, "it is there again, and has forgotten");

    tell(&wattle, &server.url(), &["link", "del", "counter", "--contract", "wasi:keyvalue"]);
    eventually("the component is linked as without", || up.get("/here").status == 200);
    assert_eq!(up.stop().code, Some(0));
}

pub(crate) fn objects(target: &str) -> Value {
    link("blobs", target, ("wasi", "blobstore"), &["blobstore", "container", "types"])
}

pub(crate) fn keeps_what_a_component_writes(up: &Up) {
    let bytes = noise(3 << 20);
    for (name, bytes) in [("big", bytes.as_slice()), ("empty", b"".as_slice())] {
        let answer = up.ask("PUT", &format!("/{name}"), bytes);
        assert_eq!(answer.status, 204, "{}", answer.text());
    }
    assert!(up.get("/big").body == bytes);
    assert_eq!(up.get("/big?start=1048574&end=1048579").body, &bytes[(1 << 20) - 2..(1 << 20) + 4]);
    assert_eq!((up.get("/empty").status, up.get("/empty").body), (200, Vec::new()));
    assert_eq!((up.get("/").text().as_str(), up.get("/none").status), ("big\nempty\n", 404));
    assert_eq!(up.ask("DELETE", "/big", b"").status, 204);
    assert_eq!(up.get("/").text(), "empty\n");
}

/// Of the newer version of its contract, of the older, and then not there.
#[test]
fn a_provider_keeps_objects_for_a_component() {
    let (wattle, server) = (wattle(), Nats::start());
    let up = wattle.up([guest("blobs"), format!("--nats={}", server.url())]);
    assert_eq!(up.ask("PUT", "/here", b"on this host").status, 204);
    let provider = Provider::start(&server.url(), "default", "files");
    put(&Stranger::new(&server.url()), &objects("files"));
    eventually("the component is linked to it", || up.get("/here").status == 404);
    keeps_what_a_component_writes(&up);
    let calls = provider.calls();
    assert!(!calls.is_empty() && calls.iter().all(|call| call.ends_with(" blobs default")), "{calls:?}");

    drop(provider);
    eventually("the server knows that it is gone", || up.get("/empty").status == 503);
    let begun = Instant::now();
    let gone = up.get("/empty");
    assert_eq!((gone.status, gone.text()), (503, "the blob store is not available\n".into()));
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());

    let _old = Provider::start_old(&server.url(), "default", "files");
    eventually("another one is there", || up.get("/empty").status == 404);
    keeps_what_a_component_writes(&up);
    assert_eq!(up.stop().code, Some(0));
}

#[test]
fn a_large_object_of_a_provider_takes_no_more_memory_than_a_small_one() {
    let (wattle, server) = (wattle(), Nats::start());
    let nats = format!("--nats={}", server.url());
    let up = wattle.up([&*guest("blobs"), "--max-body=1GiB", "--timeout=600", &nats]);
    let provider = Provider::start(&server.url(), "default", "files");
    put(&Stranger::new(&server.url()), &objects("files"));
    eventually("the component is linked to it", || up.get("/").status == 200 && !provider.calls().is_empty());
    there_and_back(&up, "small", 32);
    let before = up.peak();
    there_and_back(&up, "large", 256);
    let grown = up.peak().saturating_sub(before);
    assert!(grown < 64 << 10, "{grown} KiB more for eight times as much");
    assert_eq!(up.stop().code, Some(0));
}

/// A host that is alone has a bus, too, which providers reach.
#[test]
fn a_provider_keeps_keys_for_a_component_of_a_host_that_is_alone() {
    let up = wattle().up([guest("counter"), "--bus-token=none".into()]);
    let provider = Provider::start(&up.bus(), "default", "kv");
    put(&Stranger::new(&up.bus()), &keys("counter", "kv"));
    keeps_what_a_component_asks(&up);
    assert!(!provider.calls().is_empty());
    assert_eq!(up.stop().code, Some(0));
}

#[test]
fn a_provider_tells_a_component_of_keys() {
    let (wattle, server) = (wattle(), Nats::start());
    let up = wattle.up([guest("lookout"), format!("--nats={}", server.url())]);
    let provider = Provider::start(&server.url(), "default", "kv");
    let key = ("default", "orders/1");
    eventually("it is reached", || provider.tell_set("lookout", key, "tea".into()).is_ok());
    assert_eq!(seen(&up, "orders/1"), "tea 1");
    provider.tell_deleted("lookout", key).expect("it is told");
    assert_eq!(seen(&up, "orders/1"), "(deleted) 2");
    // An answer of nothing and none are the same to a stranger: see `wire::Refusal`.
    drop(provider.tell_set("lookout", key, "trap".into()));
    eventually("the trap is in the log", || up.stderr().contains("the lookout was told to trap"));
    provider.tell_set("lookout", key, "well again".into()).expect("it is told");
    assert_eq!(seen(&up, "orders/1"), "well again 3");
    assert_eq!(up.stop().code, Some(0));
}

#[test]
fn a_provider_brings_messages_and_takes_them() {
    let (wattle, server) = (wattle(), Nats::start());
    let bus = server.url();
    let up = office(&wattle, &[format!("--nats={bus}")]);
    let provider = Provider::start(&bus, "default", "post");
    let stranger = Stranger::new(&bus);
    for source in ["courier", "clerk"] {
        put(&stranger, &link(source, "post", ("wasmcloud", "messaging"), &["consumer"]));
    }
    sent(&up, "orders.new?reply=answers.here", "tea");
    let message = |subject: &str, body: &'static str, reply: Option<&str>| {
        (subject.to_owned(), body.into(), reply.map(ToOwned::to_owned))
    };
    assert_eq!(provider.published(), [message("orders.new", "tea", Some("answers.here"))]);
    assert_eq!(up.ask("PUT", "/prices", b"tea").text(), "tea");
    assert_eq!(send(&up, "refused", "").0, 503);

    let handle = |message| provider.handle("clerk", message);
    eventually("it is reached", || handle(message("orders.old", "tea", Some("_INBOX.a.b"))) == Ok(Ok(())));
    assert_eq!(counted(&up, "orders.old"), 1);
    assert_eq!(provider.published().pop(), Some(message("_INBOX.a.b", "aet", None)));
    let said = handle(message("orders.old", "fail", None)).expect("an answer");
    assert_eq!(said, Err("the clerk was told to fail".into()));
    assert!(handle(message("orders.old", "trap", None)).is_err(), "it failed, which is no answer");
    assert_eq!(up.stop().code, Some(0));
}

/// What no capability knows is called by its own names: whether a provider or a component has that id makes no difference.
#[test]
fn a_provider_gives_any_interface() {
    let (wattle, server) = (wattle(), Nats::start());
    let up = wattle.up([route("/", "till"), format!("--nats={}", server.url())]);
    let provider = Provider::start(&server.url(), "default", "labels");
    put(&Stranger::new(&server.url()), &link("till", "labels", ("demo", "shop"), &["tag"]));
    assert_eq!(up.get("/").text(), "7\n");
    assert_eq!(provider.calls(), ["price till default"]);
    assert_eq!(up.stop().code, Some(0));
}

/// A list of bytes costs its bytes, and no more, on each of the two hosts.
#[test]
fn ten_mebibytes_cross_from_host_to_host_as_what_they_are() {
    let (ada, bob, server) = (wattle(), wattle(), Nats::start());
    let bus = server.url();
    let up = ada.up([route("/", "desk"), format!("--nats={bus}")]);
    let other = host(&bob, &["--nats", &bus, "--name", "bob"]);
    let calc = guest("calc");
    eventually("it starts", || ada.run(["start", "component", &calc, "--host", "bob", "--nats", &bus]).code == Some(0));
    put(&Stranger::new(&bus), &link("desk", "calc", ("demo", "calc"), &["ops"]));
    eventually("it is called", || up.get("/").status == 200);
    let size = 10 << 20;
    let answer = up.get(&format!("/reverse?size={size}")).text();
    assert_eq!(answer, format!("{size} true\n"), "{} {}", up.stderr(), other.stderr());
    assert_eq!((up.stop().code, other.stop().code), (Some(0), Some(0)));
}
