//! What the terms of a link say holds: how far it reaches, and how long a call by it may take.

use std::time::{Duration, Instant};

use testkit::{Up, Wattle, eventually};

use crate::lattice::Stranger;
use crate::links::{linked, refused};
use crate::{guest, route, wattle};

/// Whether what `ask` does is heard on the bus by who listens to what a component is told.
fn crosses(stranger: &Stranger, heard: &mut async_nats::Subscriber, component: &str, ask: impl Fn()) -> bool {
    ask();
    // Whatever was said on the way is heard before this.
    let mark = format!("default.{component}.mark");
    let marked = stranger.client.publish(mark.clone(), "".into());
    stranger.runtime.block_on(marked).expect("it is connected");
    let mut crosses = false;
    loop {
        let subject = stranger.next(heard).subject.to_string();
        if subject == mark {
            return crosses;
        }
        crosses |= subject.contains(".wrpc.");
    }
}

fn put(wattle: &Wattle, up: &Up, (link, terms): (&str, &str)) {
    linked(wattle, up, &format!("put {link} --terms {terms}"));
}

/// A host that is alone is the only one in its lattice: what looks on the bus finds the host itself.
#[test]
fn what_is_local_is_not_asked_on_the_bus_and_what_is_remote_is() {
    let wattle = wattle();
    let files = [route("/till", "till"), guest("price-1"), route("/", "blobs"), guest("shelf")];
    let up = wattle.up(files.into_iter().chain(["--bus-token=none".into()]));
    let stranger = Stranger::new(&up.bus());
    let mut prices = stranger.overhear("default.price-1.>");
    let mut objects = stranger.overhear("default.shelf.>");
    for (terms, is_said) in [("local", false), ("prefer-local", false), ("remote", true), ("local", false)] {
        put(&wattle, &up, ("till price-1", terms));
        let asked = || eventually("it is told the price", || up.get("/till").text() == "1\n");
        assert_eq!(crosses(&stranger, &mut prices, "price-1", asked), is_said, "a component, {terms}");
        put(&wattle, &up, ("blobs shelf --contract wasi:blobstore", terms));
        let kept = || {
            eventually("it is kept", || up.ask("PUT", "/tea", b"green").status == 204);
            assert_eq!(up.get("/tea").text(), "green");
        };
        assert_eq!(crosses(&stranger, &mut objects, "shelf", kept), is_said, "one that keeps objects, {terms}");
    }
    assert_eq!(up.stop().code, Some(0));
}

/// Who waits is not stopped by a clock that counts what it computes.
#[test]
fn a_component_on_the_same_host_is_waited_for_as_long_as_its_link_says() {
    for flags in [&[][..], &["--reuse".to_owned()]] {
        let wattle = wattle();
        let files = [route("/", "till"), guest("haggle"), "--config=pause=60000".into()];
        let up = wattle.up(files.into_iter().chain(flags.iter().cloned()));
        put(&wattle, &up, ("till haggle", "timeout=3s"));
        let asked = Instant::now();
        assert_eq!(up.get("/").status, 500);
        assert!(asked.elapsed() < Duration::from_secs(30), "{:?}", asked.elapsed());
        up.says("haggle, which it called, ran past its deadline");
        linked(&wattle, &up, "put haggle config/literals --set pause=0");
        assert_eq!(up.get("/").status, 200, "who is in time is answered");
        assert_eq!(up.stop().code, Some(0));
    }
}

#[test]
fn a_retry_where_all_is_asked_once_is_refused() {
    let wattle = wattle();
    let up = wattle.up([route("/", "till"), guest("price-1"), guest("clerk")]);
    for link in ["till price-1", "clerk messaging/bus --set subscriptions=orders"] {
        let (code, text) = refused(&wattle, &up, &format!("put {link} --terms retry=2"));
        assert!(code == "E0602" && text.contains("all else is asked once: leave retry out"), "{code} {text}");
    }
    put(&wattle, &up, ("till keyvalue/memory", "retry=2"));
    assert_eq!(up.stop().code, Some(0));
}
