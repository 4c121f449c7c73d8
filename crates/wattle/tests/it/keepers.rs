//! Components that keep objects for others: on the host of those who are linked to them, and on another host of the lattice.
//!
//! Two of them: `shelf` hands the host's streams on, and `vault` makes streams itself.

use std::time::{Duration, Instant};

use serde_json::json;
use testkit::{Nats, Up, Wattle, eventually, request};

use crate::abroad::put;
use crate::blobs::there_and_back;
use crate::lattice::{Stranger, host, tell};
use crate::links::{linked, refused};
use crate::outside::{keeps_what_a_component_writes, objects};
use crate::{guest, noise, route, wattle};

const KEEPERS: [&str; 2] = ["shelf", "vault"];

/// Several pieces of whatever size.
const LARGE: usize = 3 << 20;

/// A host with `blobs`, linked to a component that keeps its objects.
fn beside(wattle: &Wattle, keeper: &str, flags: &[&str]) -> Up {
    let link = format!("--link=blobs={keeper},contract=wasi:blobstore");
    let flags = flags.iter().map(|flag| (*flag).to_owned());
    wattle.up([route("/", "blobs"), guest(keeper), link].into_iter().chain(flags))
}

/// A host with `blobs`, and another one, without components, of the same lattice.
fn apart((ada, bob): (&Wattle, &Wattle), bus: &str, flags: &[&str]) -> (Up, Up) {
    let own = [guest("blobs"), format!("--nats={bus}"), "--name=ada".into()];
    let up = ada.up(own.into_iter().chain(flags.iter().map(|flag| (*flag).to_owned())));
    let other: Vec<&str> = ["--nats", bus, "--name", "bob"].into_iter().chain(flags.iter().copied()).collect();
    (up, host(bob, &other))
}

fn start(wattle: &Wattle, bus: &str, (keeper, on): (&str, &str)) {
    let start = ["start", "component", &guest(keeper), "--host", on, "--nats", bus];
    eventually("it starts", || wattle.run(start).code == Some(0));
}

/// Links `blobs` to a component of the lattice, and waits until it is followed: what was kept before is not there then.
fn lead(up: &Up, stranger: &Stranger, keeper: &str) {
    assert_eq!(up.ask("PUT", "/before", b"x").status, 204);
    put(stranger, &objects(keeper));
    eventually("the link is followed", || up.get("/before").status == 404);
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
    let bytes = noise(LARGE);
    assert_eq!(said(up, "PUT", "/no", &bytes), (503, "the blob store refuses\n".into()));
    assert_eq!(said(up, "PUT", "/trap", &bytes), (503, "the blob store is not available\n".into()));
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
            let up = beside(&wattle, keeper, flags);
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
    let up = beside(&wattle(), "shelf", &[]);
    a_shelf_says_no_and_fails(&up, &up);
    assert_eq!(up.stop().code, Some(0));
    let up = beside(&wattle(), "vault", &["--reuse"]);
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
    let (up, other) = apart((&ada, &bob), &bus, &[]);
    KEEPERS.iter().for_each(|keeper| start(&ada, &bus, (keeper, "bob")));
    let stranger = Stranger::new(&bus);

    lead(&up, &stranger, "shelf");
    keeps_what_a_component_writes(&up);
    let mut names: Vec<String> = (0..250).map(|number| format!("object-{number}")).collect();
    names.iter().for_each(|name| assert_eq!(up.ask("PUT", &format!("/{name}"), b"x").status, 204));
    names.push("empty".into());
    names.sort();
    assert_eq!(up.get("/").text().lines().collect::<Vec<_>>(), names);
    a_shelf_says_no_and_fails(&up, &other);

    // The same link to another component.
    stranger.ask("link.put", &objects("vault").to_string());
    eventually("the other link is followed", || up.get("/well").status == 404);
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
    lead(&up, &Stranger::new(&bus), "shelf");
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
    let (up, other) = apart((&ada, &bob), &bus, &[]);
    start(&ada, &bus, ("shelf", "bob"));
    let stranger = Stranger::new(&bus);
    lead(&up, &stranger, "shelf");
    assert_eq!(up.ask("PUT", "/on-bob", b"x").status, 204);
    for _ in 0..2 {
        start(&ada, &bus, ("shelf", "ada"));
        assert_eq!(up.get("/on-bob").status, 404, "the shelf here has other objects");
        assert_eq!(up.ask("PUT", "/on-ada", b"x").status, 204);
        tell(&ada, &bus, &["stop", "component", "shelf", "--host", "ada"]);
        eventually("that on the other host is asked", || up.get("/on-bob").status == 200);
        assert_eq!(up.get("/on-ada").status, 404);

        // Once more by a link that was put while it was here.
        start(&ada, &bus, ("shelf", "ada"));
        let delete = json!({ "source_id": "blobs", "wit_namespace": "wasi", "wit_package": "blobstore" });
        assert_eq!(stranger.ask("link.del", &delete.to_string())["message"], "successfully deleted link");
        put(&stranger, &objects("shelf"));
        eventually("the link is followed", || up.get("/on-ada").status == 200);
        tell(&ada, &bus, &["stop", "component", "shelf", "--host", "ada"]);
        eventually("that on the other host is asked", || up.get("/on-bob").status == 200);
    }
    assert_eq!((up.stop().code, other.stop().code), (Some(0), Some(0)));
}

#[test]
fn a_large_object_of_a_component_takes_little_memory_on_any_host() {
    let (ada, bob, server) = (wattle(), wattle(), Nats::start());
    let bus = server.url();
    let (up, other) = apart((&ada, &bob), &bus, &["--max-body=1GiB", "--timeout=600"]);
    start(&ada, &bus, ("shelf", "bob"));
    lead(&up, &Stranger::new(&bus), "shelf");
    there_and_back(&up, "small", 32);
    let before = [up.peak(), other.peak()];
    there_and_back(&up, "large", 256);
    for (host, before) in [&up, &other].into_iter().zip(before) {
        let grown = host.peak().saturating_sub(before);
        assert!(grown < 64 << 10, "{grown} KiB more for eight times as much");
    }
    assert_eq!((up.stop().code, other.stop().code), (Some(0), Some(0)));
}
