//! `wasi:keyvalue/watcher`: a component is told of values that change, on every backend.

use testkit::{Nats, Redis, Up, eventually};

use crate::{guest, wattle};

fn put(up: &Up, key: &str, value: &str) {
    let answer = up.ask("PUT", &format!("/{key}"), value.as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.text());
}

pub(crate) fn seen(up: &Up, key: &str) -> String {
    let answer = up.get(&format!("/{key}"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.text()
}

fn is_told_of_changes(up: &Up) {
    put(up, "orders/1", "tea");
    eventually("it is told", || seen(up, "orders/1") == "tea 1");
    put(up, "config", "on");
    eventually("it is told", || seen(up, "config") == "on 1");
    put(up, "other", "1");
    up.ask("DELETE", "/orders/1", b"");
    eventually("it is told of the deletion", || seen(up, "orders/1") == "(deleted) 2");
    assert_eq!(seen(up, "other"), " 0", "that is not watched");

    put(up, "orders/2", "slow");
    for index in 0..50 {
        put(up, "orders/2", &index.to_string());
    }
    eventually("it is told what the key became", || seen(up, "orders/2").starts_with("49 "));

    put(up, "orders/3", "trap");
    eventually("the trap is in the log", || up.stderr().contains("the lookout was told to trap"));
    put(up, "orders/3", "well again");
    eventually("it is told after a trap", || seen(up, "orders/3").starts_with("well again "));
}

/// Puts the link while the component runs, and says what is watched.
fn serves_lookouts(backend: &str, settings: &[String]) {
    let wattle = wattle();
    let up = wattle.up([guest("lookout")]);
    put(&up, "orders/1", "before anything is watched");
    let mut words: Vec<String> =
        ["link", "put", "lookout", backend, "--nats", &up.bus(), "--set", "watch=config,orders/*"]
            .map(str::to_owned)
            .into();
    settings.iter().for_each(|setting| words.extend(["--set".to_owned(), setting.clone()]));
    let ended = wattle.run(words);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    is_told_of_changes(&up);
    assert_eq!(up.stop().code, Some(0));
}

#[test]
fn in_memory() {
    serves_lookouts("keyvalue/memory", &[]);
}

#[test]
fn on_disk() {
    serves_lookouts("keyvalue/disk", &[]);
}

#[test]
fn in_redis() {
    let server = Redis::start_with(["--notify-keyspace-events", "KA"]);
    serves_lookouts("keyvalue/redis", &[format!("url={}", server.url())]);
}

#[test]
fn in_nats() {
    let server = Nats::start();
    serves_lookouts("keyvalue/nats", &[format!("url={}", server.url())]);
}

/// What changes is told again once the server is back, whoever changes it.
#[test]
fn a_watch_is_begun_again_when_its_server_is_back() {
    let mut server = Nats::start();
    let url = server.url();
    let up = wattle().up([guest("lookout"), format!("--link=lookout=keyvalue/nats,url={url},watch=orders/*")]);
    put(&up, "orders/1", "tea");
    eventually("it is told", || seen(&up, "orders/1") == "tea 1");
    server.kill();
    eventually("the end of the watch is said", || up.stderr().contains("the watch ended"));
    server.restart();
    eventually("it is told again", || {
        let set = up.ask("PUT", "/orders/2", b"coffee");
        set.status == 200 && seen(&up, "orders/2").starts_with("coffee ")
    });
    assert_eq!(up.stop().code, Some(0));
}

#[test]
fn what_cannot_be_watched_is_refused() {
    let wattle = wattle();
    let up = wattle.up([guest("lookout")]);
    let server = Redis::start();
    let url = format!("url={}", server.url());
    let refused = |backend: &str, settings: &[&str]| {
        let words = ["link", "put", "lookout", backend, "--nats", &up.bus()].map(str::to_owned).into_iter();
        let settings = settings.iter().flat_map(|setting| ["--set".to_owned(), (*setting).to_owned()]);
        let ended = wattle.run(words.chain(settings));
        assert_ne!(ended.code, Some(0), "{}", ended.stdout);
        ended.stderr
    };
    let said = refused("keyvalue/redis", &[&url, "watch=*"]);
    assert!(said.contains("config set notify-keyspace-events KA"), "{said}");
    let said = refused("keyvalue/memory", &["watch=a*b"]);
    assert!(said.contains("a * at the end"), "{said}");
    assert_eq!(up.stop().code, Some(0));
}
