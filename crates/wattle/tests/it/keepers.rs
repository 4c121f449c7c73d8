//! Components that keep objects or keys for others, on the host of those who are linked to them and on another host of the lattice.
//!
//! Objects: `shelf` hands the host's streams on, and `vault` makes streams itself. Keys: `layer` knows the first version of the
//! contract, without batches, and `drawer` the second.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::{Nats, Provider, Up, Wattle, eventually, request};

use crate::abroad::put;
use crate::blobs::there_and_back;
use crate::lattice::{Stranger, host, tell};
use crate::links::{linked, refused};
use crate::outside::{keeps_what_a_component_asks, keeps_what_a_component_writes, keys, objects, says_why_not};
use crate::traces::PARENT;
use crate::{guest, noise, route, wattle};

const KEEPERS: [&str; 2] = ["shelf", "vault"];
const KEEPERS_OF_KEYS: [&str; 2] = ["layer", "drawer"];

/// Several pieces of whatever size.
const LARGE: usize = 3 << 20;

/// A host with a component, linked to one that keeps its objects or keys.
fn beside(wattle: &Wattle, (caller, keeper): (&str, &str), flags: &[&str]) -> Up {
    let contract = if caller == "blobs" { "wasi:blobstore" } else { "wasi:keyvalue" };
    let link = format!("--link={caller}={keeper},contract={contract}");
    let flags = flags.iter().map(|flag| (*flag).to_owned());
    wattle.up([route("/", caller), guest(keeper), link].into_iter().chain(flags))
}

/// A host with a component, and another one, without components, of the same lattice.
fn apart((ada, bob): (&Wattle, &Wattle), (caller, bus): (&str, &str), flags: &[&str]) -> (Up, Up) {
    let own = [guest(caller), format!("--nats={bus}"), "--name=ada".into()];
    let up = ada.up(own.into_iter().chain(flags.iter().map(|flag| (*flag).to_owned())));
    let other: Vec<&str> = ["--nats", bus, "--name", "bob"].into_iter().chain(flags.iter().copied()).collect();
    (up, host(bob, &other))
}

fn start(wattle: &Wattle, bus: &str, (keeper, on): (&str, &str)) {
    let start = ["start", "component", &guest(keeper), "--host", on, "--nats", bus];
    eventually("it starts", || wattle.run(start).code == Some(0));
}

/// Links the caller to a component of the lattice, and waits until it is followed: what was kept before is not there then.
fn lead(up: &Up, stranger: &Stranger, link: &Value) {
    assert_eq!(up.ask("PUT", "/before", b"x").status, 204);
    put(stranger, link);
    eventually("the link is followed", || up.get("/before").status == 404);
}

/// Deletes a link: one for the same that leads elsewhere is refused beside it.
fn unlink(stranger: &Stranger, link: &Value) {
    let [source, package] = ["source_id", "wit_package"].map(|name| &link[name]);
    let wanted = json!({ "source_id": source, "wit_namespace": "wasi", "wit_package": package });
    assert_eq!(stranger.ask("link.del", &wanted.to_string())["message"], "successfully deleted link");
}

fn stop(wattle: &Wattle, bus: &str, (keeper, on): (&str, &str)) {
    tell(wattle, bus, &["stop", "component", keeper, "--host", on]);
}

/// Whether an object cannot be read to its end, though it begins well.
fn is_cut(up: &Up, name: &str) -> bool {
    let answer = up.try_send(&request("GET", &format!("/{name}"), &[], b""));
    !answer.is_ok_and(|answer| answer.status == 200)
}

fn said(up: &Up, method: &str, target: &str, body: &[u8]) -> (u16, String) {
    let answer = up.ask(method, target, body);
    (answer.status, answer.text())
}

/// What goes wrong in a shelf, the component has as its contract's error, and is asked on.
fn a_shelf_says_no_and_fails(up: &Up, other: &Up) {
    for (name, why) in [("/no", "the blob store refuses\n"), ("/trap", "the blob store is not available\n")] {
        assert_eq!(said(up, "PUT", name, b"x"), (503, why.into()));
        // Who still writes when it goes wrong may have that from his stream.
        assert_eq!(up.ask("PUT", name, &noise(LARGE)).status, 503);
    }
    other.says("the shelf was told to trap");
    assert_eq!(up.get("/trap").status, 404, "it was not finished");
    assert_eq!(said(up, "PUT", "/well", b"again"), (204, String::new()));
    assert_eq!(up.get("/well").text(), "again");
}

/// What goes wrong in a vault between two pieces.
fn a_vault_fails_in_the_middle(up: &Up, other: &Up) {
    let bytes = noise(LARGE);
    // It is the stream that says so.
    assert_eq!(up.ask("PUT", "/trap", &bytes).status, 503);
    other.says("the vault was told to trap");
    assert_eq!(up.get("/trap").status, 404, "it was not finished");
    for name in ["fall", "short", "grow"] {
        assert_eq!(said(up, "PUT", &format!("/{name}"), &bytes), (204, String::new()));
        assert!(is_cut(up, name), "{name}: what did not come whole does not look whole");
    }
    assert_eq!(up.get("/fall?start=0&end=9").body, &bytes[..10], "the first piece can be read");
    assert_eq!(said(up, "PUT", "/well", &bytes), (204, String::new()));
    assert!(up.get("/well").body == bytes);
}

#[test]
fn a_component_keeps_objects_for_another_beside_it() {
    for keeper in KEEPERS {
        for flags in [&[][..], &["--reuse"], &["--engine", "winch"]] {
            let wattle = wattle();
            let up = beside(&wattle, ("blobs", keeper), flags);
            keeps_what_a_component_writes(&up);

            // What it keeps is its own: the host's store knows nothing of it.
            linked(&wattle, &up, "del blobs");
            assert_eq!(up.get("/empty").status, 404);
            let put = linked(&wattle, &up, &format!("put blobs {keeper} --contract wasi:blobstore/blobstore"));
            assert_eq!((&put["now"]["contract"], &put["now"]["target"]), (&json!("wasi:blobstore"), &json!(keeper)));
            assert_eq!(up.get("/empty").status, 200);
            linked(&wattle, &up, "del blobs --contract wasi:blobstore/container");
            assert_eq!(up.get("/empty").status, 404);
            assert_eq!(up.stop().code, Some(0));
        }
    }
}

#[test]
fn what_fails_in_the_component_is_the_contracts_error() {
    let up = beside(&wattle(), ("blobs", "shelf"), &[]);
    a_shelf_says_no_and_fails(&up, &up);
    assert_eq!(up.stop().code, Some(0));
    let up = beside(&wattle(), ("blobs", "vault"), &["--reuse"]);
    a_vault_fails_in_the_middle(&up, &up);
    assert_eq!(up.stop().code, Some(0));
}

/// Of several links the name of a container chooses, whatever they lead to.
#[test]
fn a_component_and_a_backend_are_chosen_by_the_name_of_a_container() {
    let wattle = wattle();
    let up = wattle.up([route("/", "blobs"), guest("shelf")]);
    assert_eq!(up.ask("PUT", "/here", b"of the host").status, 204);
    linked(&wattle, &up, "put blobs shelf --name files --contract wasi:blobstore");
    assert_eq!(up.get("/here").status, 404);
    assert_eq!(up.ask("PUT", "/there", b"of the shelf").status, 204);
    linked(&wattle, &up, "del blobs --name files");
    assert_eq!((up.get("/here").status, up.get("/there").status), (200, 404));
    assert_eq!(up.stop().code, Some(0));
}

#[test]
fn what_cannot_keep_objects_is_refused_and_a_circle_has_an_end() {
    let wattle = wattle();
    let up = wattle.up([route("/", "blobs"), guest("shelf"), guest("price-1"), "--link=blobs=shelf".into()]);
    let (code, why) = refused(&wattle, &up, "put blobs price-1 --contract wasi:blobstore");
    assert_eq!(
        (code.as_str(), why.as_str()),
        ("E0602", "price-1 does not export wasi:blobstore; it exports demo:shop/tag@1.0.0")
    );
    assert_eq!(said(&up, "PUT", "/a", b"x"), (204, String::new()));
    linked(&wattle, &up, "put shelf shelf --contract wasi:blobstore");
    assert_eq!(said(&up, "PUT", "/b", b"x"), (503, "the blob store refuses\n".into()));
    up.says("components have called one another 16 deep");
    linked(&wattle, &up, "del shelf");
    assert_eq!((up.get("/a").text().as_str(), up.get("/b").status), ("x", 404));
    assert_eq!(up.stop().code, Some(0));
}

/// Streams of both kinds over the bus, a listing of several pages, what is missing, and what fails.
#[test]
fn a_component_on_another_host_keeps_objects() {
    let (ada, bob, server) = (wattle(), wattle(), Nats::start());
    let bus = server.url();
    let (up, other) = apart((&ada, &bob), ("blobs", &bus), &[]);
    KEEPERS.iter().for_each(|keeper| start(&ada, &bus, (keeper, "bob")));
    let stranger = Stranger::new(&bus);

    lead(&up, &stranger, &objects("shelf"));
    keeps_what_a_component_writes(&up);
    let mut names: Vec<String> = (0..250).map(|number| format!("object-{number}")).collect();
    names.iter().for_each(|name| assert_eq!(up.ask("PUT", &format!("/{name}"), b"x").status, 204));
    names.push("empty".into());
    names.sort();
    assert_eq!(up.get("/").text().lines().collect::<Vec<_>>(), names);
    a_shelf_says_no_and_fails(&up, &other);

    // The same link to another component, when that to the first is gone.
    unlink(&stranger, &objects("shelf"));
    eventually("the host's own objects are there again", || up.get("/before").status == 200);
    lead(&up, &stranger, &objects("vault"));
    assert_eq!(up.get("/well").status, 404, "the vault has other objects");
    keeps_what_a_component_writes(&up);
    a_vault_fails_in_the_middle(&up, &other);

    other.kill();
    eventually("it is known that nobody is there", || up.get("/well").status == 503);
    assert_eq!(up.get("/well").text(), "the blob store is not available\n");
    assert_eq!(up.stop().code, Some(0));
}

/// Who begins to write an object and does not go on has a place of the component for as long as that may take, and no longer.
#[test]
fn who_gives_slowly_has_no_more_time_of_a_component_elsewhere_than_it_has() {
    let (ada, bob, server) = (wattle(), wattle(), Nats::start());
    let bus = server.url();
    let up = ada.up([guest("blobs"), format!("--nats={bus}"), "--name=ada".into()]);
    let other = host(&bob, &["--nats", &bus, "--name", "bob", "--timeout=3", "--concurrency=1"]);
    start(&ada, &bus, ("shelf", "bob"));
    lead(&up, &Stranger::new(&bus), &objects("shelf"));
    assert_eq!(said(&up, "PUT", "/well", b"again"), (204, String::new()));

    let mut writer = up.connect();
    let length = LARGE.to_string();
    writer.send(&request("PUT", "/half", &[("content-length", &length)], b"")).expect("the host reads");
    writer.send(&noise(LARGE / 2)).expect("the host reads");
    let mut answer = None;
    eventually("the only place is taken, and waited for", || {
        let begun = Instant::now();
        answer = Some(up.get("/well"));
        begun.elapsed() > Duration::from_millis(500)
    });
    let answer = answer.expect("it was asked");
    assert_eq!((answer.status, answer.text().as_str()), (200, "again"));
    drop(writer);
    assert_eq!(up.get("/half").status, 404, "it was not finished");
    assert_eq!((up.stop().code, other.stop().code), (Some(0), Some(0)));
}

/// A component that comes to the host of who is linked to it is called there, and where it goes, on the other host again.
#[test]
fn a_link_follows_a_component_from_host_to_host() {
    let (ada, bob, server) = (wattle(), wattle(), Nats::start());
    let bus = server.url();
    let (up, other) = apart((&ada, &bob), ("blobs", &bus), &[]);
    start(&ada, &bus, ("shelf", "bob"));
    let stranger = Stranger::new(&bus);
    lead(&up, &stranger, &objects("shelf"));
    assert_eq!(up.ask("PUT", "/on-bob", b"x").status, 204);
    for _ in 0..2 {
        start(&ada, &bus, ("shelf", "ada"));
        assert_eq!(up.get("/on-bob").status, 404, "the shelf here has other objects");
        assert_eq!(up.ask("PUT", "/on-ada", b"x").status, 204);
        stop(&ada, &bus, ("shelf", "ada"));
        eventually("that on the other host is asked", || up.get("/on-bob").status == 200);
        assert_eq!(up.get("/on-ada").status, 404);

        // Once more by a link that was put while it was here.
        start(&ada, &bus, ("shelf", "ada"));
        unlink(&stranger, &objects("shelf"));
        put(&stranger, &objects("shelf"));
        eventually("the link is followed", || up.get("/on-ada").status == 200);
        stop(&ada, &bus, ("shelf", "ada"));
        eventually("that on the other host is asked", || up.get("/on-bob").status == 200);
    }
    assert_eq!((up.stop().code, other.stop().code), (Some(0), Some(0)));
}

#[test]
fn a_large_object_of_a_component_takes_little_memory_on_any_host() {
    let (ada, bob, server) = (wattle(), wattle(), Nats::start());
    let bus = server.url();
    let (up, other) = apart((&ada, &bob), ("blobs", &bus), &["--max-body=1GiB", "--timeout=600"]);
    start(&ada, &bus, ("shelf", "bob"));
    lead(&up, &Stranger::new(&bus), &objects("shelf"));
    there_and_back(&up, "small", 32);
    let before = [up.peak(), other.peak()];
    there_and_back(&up, "large", 256);
    for (host, before) in [&up, &other].into_iter().zip(before) {
        let grown = host.peak().saturating_sub(before);
        assert!(grown < 64 << 10, "{grown} KiB more for eight times as much");
    }
    assert_eq!((up.stop().code, other.stop().code), (Some(0), Some(0)));
}

const AWAY: &str = "the key-value store is not available\n";

/// More keys than a page of the `drawer` has, and what fails in the keeper: the component has it as its contract's error.
fn many_keys_and_a_trap(up: &Up, (keeper, other): (&str, &Up)) {
    let names: Vec<_> = (0..7).map(|number| format!("key-{number}")).collect();
    names.iter().for_each(|name| assert_eq!(said(up, "PUT", &format!("/{name}"), b"x"), (204, String::new())));
    let listed: String = ["c"]
        .into_iter()
        .chain(names.iter().map(String::as_str))
        .chain(["large", "visits"])
        .map(|name| format!("{name}\n"))
        .collect();
    assert_eq!(up.get("/").text(), listed, "{keeper}");

    assert_eq!(said(up, "GET", "/trap", b""), (500, AWAY.into()));
    other.says(&format!("the {keeper} was told to trap"));
    assert_eq!(said(up, "GET", "/c", b""), (200, "two".into()), "it is asked on");
    assert_eq!(said(up, "POST", "/c", b""), (500, "the key-value store refuses\n".into()), "it is no number");
}

/// What a `drawer` does where its callers do not lead: it traps between two keys, and has buckets that cannot be opened.
fn a_drawer_fails_and_refuses(up: &Up) {
    assert_eq!(said(up, "PUT", "/?many=before,trap,zebra", b"x"), (500, AWAY.into()));
    assert_eq!(up.get("/?many=zebra").text(), "none\n");
    says_why_not(up);
}

/// Whom knows its contract only, it answers, too.
fn a_drawer_is_asked_by_others(bus: &str) {
    let other = Provider::start(bus, "default", "other");
    let two = Some(("c".to_owned(), "two".into()));
    assert_eq!(other.get_many("drawer", ("default", &["c", "none"])), Ok(Ok(vec![two, None])));
    assert_eq!(other.get_many("drawer", ("missing", &["c"])), Ok(Err(0)));
    let has = |bucket, key| other.has("drawer", (bucket, key));
    assert_eq!(
        [has("default", "c"), has("default", "none"), has("locked", "c")],
        [Ok(Ok(true)), Ok(Ok(false)), Ok(Err(1))]
    );
}

/// As on another host, whichever version of the contract the keeper exports. It is asked for keys one by one where it has no batches.
#[test]
fn a_component_keeps_keys_for_another_beside_it() {
    for keeper in KEEPERS_OF_KEYS {
        for flags in [&[][..], &["--reuse"]] {
            let wattle = wattle();
            let up = beside(&wattle, ("counter", keeper), flags);
            keeps_what_a_component_asks(&up);
            many_keys_and_a_trap(&up, (keeper, &up));
            if keeper == "drawer" {
                a_drawer_fails_and_refuses(&up);
            }
            linked(&wattle, &up, &format!("put {keeper} {keeper} --contract wasi:keyvalue"));
            assert_eq!(said(&up, "GET", "/c", b""), (500, "the key-value store refuses\n".into()));
            up.says("components have called one another 16 deep");
            linked(&wattle, &up, &format!("del {keeper}"));
            assert_eq!(said(&up, "GET", "/c", b""), (200, "two".into()));

            // What it keeps is its own: the host's store knows nothing of it.
            linked(&wattle, &up, "del counter --contract wasi:keyvalue/atomics");
            assert_eq!(up.get("/").text(), "");
            assert_eq!(up.stop().code, Some(0));
        }
    }
}

/// Swaps and numbers with a sign, which only the newer version has.
#[test]
fn a_caller_of_the_newer_version_has_all_that_a_component_beside_it_exports() {
    let up = beside(&wattle(), ("kv-draft2", "drawer"), &[]);
    assert_eq!(said(&up, "PUT", "/a", b"one"), (204, String::new()));
    assert_eq!(said(&up, "PUT", "/a?if=one", b"two"), (204, String::new()));
    assert_eq!(said(&up, "PUT", "/a?if=one", b"three"), (412, "two".into()));
    assert_eq!(said(&up, "PUT", "/a?race=mine", b"yours"), (409, "mine".into()));
    assert_eq!(said(&up, "PUT", "/new?if=", b"first"), (204, String::new()));
    assert_eq!(said(&up, "POST", "/n?by=-3", b""), (200, "-3\n".into()));
    assert_eq!(up.get("/").text(), "a\nn\nnew\n");
    assert_eq!(up.get("/?many=a,none,new").text(), "a=mine\nnone\nnew=first\n");
    assert_eq!(up.stop().code, Some(0));

    let up = beside(&wattle(), ("kv-draft2", "layer"), &[]);
    let unable = |what| (500, format!("the key-value store cannot {what}\n"));
    assert_eq!(said(&up, "POST", "/n", b""), unable("add to numbers with a sign"));
    assert_eq!(said(&up, "PUT", "/a?if=", b"one"), unable("compare and swap"));
    assert_eq!(said(&up, "PUT", "/a", b"one"), (204, String::new()));
    assert_eq!((up.get("/").text().as_str(), up.get("/a").text().as_str()), ("a\n", "one"));
    assert_eq!(up.stop().code, Some(0));
}

/// Values, pages, batches, numbers, what is missing, and what fails, whichever version of the contract the keeper exports.
#[test]
fn a_component_on_another_host_keeps_keys() {
    for keeper in KEEPERS_OF_KEYS {
        let (ada, bob, server) = (wattle(), wattle(), Nats::start());
        let bus = server.url();
        let (up, other) = apart((&ada, &bob), ("counter", &bus), &[]);
        start(&ada, &bus, (keeper, "bob"));
        lead(&up, &Stranger::new(&bus), &keys("counter", keeper));
        keeps_what_a_component_asks(&up);
        many_keys_and_a_trap(&up, (keeper, &other));
        if keeper == "drawer" {
            a_drawer_fails_and_refuses(&up);
            a_drawer_is_asked_by_others(&bus);
        }
        assert_eq!((up.stop().code, other.stop().code), (Some(0), Some(0)));
    }
}

/// What is only in the newer version is said not to go, and changes nothing.
#[test]
fn a_caller_of_the_newer_version_has_what_the_wire_has_words_for() {
    for keeper in KEEPERS_OF_KEYS {
        let (ada, bob, server) = (wattle(), wattle(), Nats::start());
        let bus = server.url();
        let (up, other) = apart((&ada, &bob), ("kv-draft2", &bus), &[]);
        start(&ada, &bus, (keeper, "bob"));
        lead(&up, &Stranger::new(&bus), &keys("kv-draft2", keeper));
        assert_eq!(said(&up, "PUT", "/a", b"one"), (204, String::new()));
        assert_eq!(said(&up, "PUT", "/?many=b,c", b"two"), (204, String::new()));
        assert_eq!((up.get("/").text().as_str(), up.get("/a").text().as_str()), ("a\nb\nc\n", "one"), "{keeper}");
        assert_eq!(up.get("/?many=b,none").text(), "b=two\nnone\n");
        assert_eq!(said(&up, "DELETE", "/?many=b,c", b""), (204, String::new()));
        let unable = |what| (500, format!("the key-value store cannot {what}\n"));
        assert_eq!(said(&up, "POST", "/n", b""), unable("add to numbers with a sign"));
        assert_eq!(said(&up, "PUT", "/a?if=one", b"two"), unable("compare and swap"));
        assert_eq!((up.get("/").text().as_str(), up.get("/a").text().as_str()), ("a\n", "one"), "{keeper}");
        assert_eq!((up.stop().code, other.stop().code), (Some(0), Some(0)));
    }
}

/// By a link that was put while it ran here, and by one that was put while it ran on the other host: the one here is asked first.
#[test]
fn a_link_for_keys_follows_a_component_from_host_to_host() {
    for keeper in KEEPERS_OF_KEYS {
        let (ada, bob, server) = (wattle(), wattle(), Nats::start());
        let bus = server.url();
        let (up, other) = apart((&ada, &bob), ("counter", &bus), &[]);
        let (stranger, link) = (Stranger::new(&bus), keys("counter", keeper));
        let comes_and_goes = || {
            start(&ada, &bus, (keeper, "ada"));
            assert_eq!((up.get("/on-ada").status, up.get("/on-bob").status), (200, 404), "{keeper}: the one here");
            stop(&ada, &bus, (keeper, "ada"));
            eventually("that on the other host is asked", || up.get("/on-bob").status == 200);
            assert_eq!(up.get("/on-ada").status, 404);
        };
        start(&ada, &bus, (keeper, "ada"));
        lead(&up, &stranger, &link);
        assert_eq!(said(&up, "PUT", "/on-ada", b"x"), (204, String::new()));
        stop(&ada, &bus, (keeper, "ada"));
        assert_eq!(said(&up, "GET", "/on-ada", b""), (500, AWAY.into()), "{keeper}: it runs nowhere");
        start(&ada, &bus, (keeper, "bob"));
        eventually("that on the other host is asked", || up.get("/on-ada").status == 404);
        assert_eq!(said(&up, "PUT", "/on-bob", b"x"), (204, String::new()));
        comes_and_goes();
        comes_and_goes();

        unlink(&stranger, &link);
        eventually("the host's own keys are there again", || up.get("/before").status == 200);
        lead(&up, &stranger, &link);
        assert_eq!(up.get("/on-bob").status, 200);
        comes_and_goes();
        comes_and_goes();
        assert_eq!((up.stop().code, other.stop().code), (Some(0), Some(0)));
    }
}

/// A component that asks a provider for what it keeps: what that refuses comes through both hosts, and the trace goes as far.
#[test]
fn what_a_keeper_of_keys_is_asked_goes_on_to_whom_it_asks_itself() {
    let (ada, bob, server) = (wattle(), wattle(), Nats::start());
    let bus = server.url();
    let (up, other) = apart((&ada, &bob), ("counter", &bus), &[]);
    let provider = Provider::start(&bus, "default", "kv");
    start(&ada, &bus, ("layer", "bob"));
    let stranger = Stranger::new(&bus);
    put(&stranger, &keys("layer", "kv"));
    lead(&up, &stranger, &keys("counter", "layer"));
    eventually("the layer asks the provider", || up.get("/a").status == 404 && !provider.calls().is_empty());
    says_why_not(&up);
    assert_eq!(said(&up, "PUT", "/a", b"x"), (204, String::new()));
    let traced = up.send(&request("GET", "/a", &[("traceparent", PARENT)], b""));
    assert_eq!((traced.status, traced.text().as_str()), (200, "x"));
    assert_eq!(provider.calls().pop(), Some(format!("get layer default {PARENT}")));
    assert_eq!((up.get("/a").status, provider.calls().pop()), (200, Some("get layer default".into())));
    assert_eq!((up.stop().code, other.stop().code), (Some(0), Some(0)));
}

/// A caller of a keeper that hangs in another call and has no place beside that is told so before the other call ends.
fn is_told_that_a_keeper_of_keys_is_full((caller_waits, keeper_may_take): (&str, &str)) {
    let (ada, bob, server) = (wattle(), wattle(), Nats::start());
    let bus = server.url();
    let link = format!("--link=counter=keyvalue/provider,id=drawer,timeout={caller_waits}");
    let up = ada.up([guest("counter"), format!("--nats={bus}"), "--name=ada".into(), "--timeout=600".into(), link]);
    let other = host(&bob, &["--nats", &bus, "--name", "bob", "--timeout", keeper_may_take]);
    start(&ada, &bus, ("drawer", "bob"));
    eventually("it is asked", || up.get("/a").status == 404);
    tell(&ada, &bus, &["scale", "component", "drawer", "1", "--host", "bob"]);
    std::thread::scope(|threads| {
        let hanging = threads.spawn(|| said(&up, "GET", "/hang", b""));
        other.says("the drawer was told to hang");
        assert_eq!(said(&up, "GET", "/a", b""), (500, AWAY.into()));
        up.says("too much runs there already");
        assert_eq!(hanging.join().expect("it is answered"), (500, AWAY.into()));
    });
    let begun = Instant::now();
    eventually("there is a place again", || up.get("/a").status == 404);
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    assert_eq!((up.stop().code, other.stop().code), (Some(0), Some(0)));
}

/// The time that a caller has, whatever the host of the keeper would allow.
#[test]
fn a_keeper_of_keys_that_is_full_or_slow_is_known_while_its_caller_waits() {
    is_told_that_a_keeper_of_keys_is_full(("4s", "600"));
}

/// The time that the keeper has, however long its caller would wait.
#[test]
fn a_keeper_of_keys_that_is_full_is_waited_for_no_longer_than_one_of_its_calls_may_take() {
    is_told_that_a_keeper_of_keys_is_full(("600s", "10"));
}

/// By its name, beside the store of the host.
#[test]
fn a_link_by_name_follows_a_keeper_of_keys_that_was_killed_to_another_host() {
    let (ada, bob, eve, server) = (wattle(), wattle(), wattle(), Nats::start());
    let bus = server.url();
    let (up, other) = apart((&ada, &bob), ("counter", &bus), &[]);
    start(&ada, &bus, ("layer", "bob"));
    let named = json!({
        "source_id": "counter", "target": "layer", "name": "cache", "wit_namespace": "wasi", "wit_package": "keyvalue",
        "interfaces": ["store", "atomics", "batch"],
    });
    let in_cache = |method: &str, body: &[u8]| said(&up, method, "/a?bucket=cache", body);
    assert_eq!(in_cache("PUT", b"on ada"), (204, String::new()), "it is any bucket until there is such a link");
    put(&Stranger::new(&bus), &named);
    eventually("the link is followed", || in_cache("GET", b"").0 == 404);
    assert_eq!(in_cache("PUT", b"on bob"), (204, String::new()));
    assert_eq!((in_cache("GET", b""), up.get("/a").status), ((200, "on bob".into()), 404));

    other.kill();
    eventually("it is known that nobody is there", || in_cache("GET", b"") == (500, AWAY.into()));
    let third = host(&eve, &["--nats", &bus, "--name", "eve"]);
    start(&ada, &bus, ("layer", "eve"));
    eventually("that on the third host is asked", || in_cache("GET", b"").0 == 404);
    assert_eq!(in_cache("PUT", b"on eve"), (204, String::new()));
    assert_eq!((in_cache("GET", b""), up.get("/a").status), ((200, "on eve".into()), 404));
    assert_eq!((up.stop().code, third.stop().code), (Some(0), Some(0)));
}
