//! The embedded key-value store: counts are right, isolation holds, and what was acknowledged survives a crash.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use testkit::{Connection, Up, request};

use crate::{guest, hammer, route, wattle};

fn number(up: &Up, target: &str) -> u64 {
    let answer = up.get(target);
    assert_eq!(answer.status, 200, "{}", answer.text());
    // The store keeps counters as the contract has them: text or eight bytes.
    answer.text().trim().parse().unwrap_or_else(|_| {
        u64::from_le_bytes(answer.body.as_slice().try_into().expect("a number as text or eight bytes"))
    })
}

#[test]
fn increments_of_many_clients_add_up() {
    for component in ["counter", "kv-draft2"] {
        let up = wattle().up([guest(component)]);
        std::thread::scope(|threads| {
            for _ in 0..8 {
                threads.spawn(|| hammer(&up, vec![request("POST", "/visits?by=2", &[], b""); 25]));
            }
        });
        assert_eq!(up.ask("POST", "/visits?by=0", b"").text(), "400\n", "{component}");
    }
}

#[test]
fn values_are_kept_listed_and_deleted() {
    for component in ["counter", "kv-draft2"] {
        let up = wattle().up([guest(component)]);
        assert_eq!(up.get("/a").status, 404);
        assert_eq!(up.ask("PUT", "/a", b"one \xff").status, 204);
        assert_eq!(up.get("/a").body, b"one \xff");
        assert_eq!(up.ask("PUT", "/?many=b,c", b"two").status, 204);
        assert_eq!(up.get("/").text(), "a\nb\nc\n", "{component}");
        assert_eq!(up.get("/?many=b,c").text(), "b=two\nc=two\n", "{component}");
        assert_eq!(up.ask("DELETE", "/?many=a,b,none", b"").status, 204);
        assert_eq!(up.get("/").text(), "c\n", "{component}");
        assert_eq!(up.ask("PUT", "/c?bucket=default", b"x").status, 204);
        assert_eq!(up.get("/c").text(), "x", "{component}");
    }
}

#[test]
fn a_swap_wins_or_says_what_is_there_now() {
    let up = wattle().up([guest("kv-draft2")]);
    assert_eq!(up.ask("PUT", "/a?if=", b"1").status, 204, "there is nothing yet");
    assert_eq!(up.ask("PUT", "/a?if=", b"2").status, 412);
    assert_eq!(up.ask("PUT", "/a?if=1", b"2").status, 204);
    let lost = up.ask("PUT", "/a?race=other", b"3");
    assert_eq!((lost.status, lost.text().as_str()), (409, "other"));
    assert_eq!(up.get("/a").text(), "other");
}

#[test]
fn components_do_not_see_each_others_keys() {
    let wattle = wattle();
    let counter = std::fs::read(testkit::guest("counter")).expect("a component");
    for name in ["one.wasm", "two.wasm"] {
        wattle.write(&format!("apps/{name}"), &counter);
    }
    let up = wattle.up(["apps"]);
    assert_eq!(up.ask("PUT", "/one/secret", b"of one").status, 204);
    assert_eq!(up.get("/one/secret").text(), "of one");
    assert_eq!(up.get("/two/secret").status, 404);
    assert_eq!(up.ask("GET", "/two/?many=one/secret,secret", b"").text(), "none\nnone\n");
}

/// Both of one name would share their keys, though nobody asked for that.
#[test]
fn two_components_of_one_name_are_refused() {
    let wattle = wattle();
    wattle.write("a/app.wasm", std::fs::read(testkit::guest("counter")).expect("a component"));
    wattle.write("b/app.wasm", std::fs::read(testkit::guest("kv-draft2")).expect("a component"));
    let ended =
        wattle.try_up(["--route=/a=a/app.wasm", "--route=/b=b/app.wasm"]).expect_err("they are told apart by name");
    assert_eq!(ended.code, Some(65));
}

/// Several components are loaded at once, and whichever comes first opens the store for all.
#[test]
fn components_that_start_together_share_the_store() {
    for _ in 0..5 {
        let routes = [route("/a", "counter"), route("/b", "kv-draft2")];
        let up = wattle().up(&routes);
        assert_eq!(up.ask("POST", "/a/x", b"").text(), "1\n");
        assert_eq!(up.ask("POST", "/b/x", b"").text(), "1\n");
    }
}

#[test]
fn data_that_another_process_uses_are_refused() {
    let wattle = wattle();
    let up = wattle.up([&guest("counter"), "--data=data"]);
    let ended = wattle.run(["up", &guest("counter"), "--data=data", "--http=127.0.0.1:0"]);
    assert_eq!(ended.code, Some(69));
    assert!(ended.stderr.starts_with("error[E0402]: "), "{}", ended.stderr);
    assert_eq!(up.ask("POST", "/visits", b"").text(), "1\n");
    assert_eq!(up.stop().code, Some(0));
    let again = wattle.up([&guest("counter"), "--data=data"]);
    assert_eq!(again.ask("POST", "/visits", b"").text(), "2\n");
}

/// A component that keeps nothing needs no store: two of them run beside each other.
#[test]
fn nothing_is_kept_for_a_component_that_keeps_nothing() {
    let wattle = wattle();
    let (one, two) = (wattle.up([guest("hello")]), wattle.up([guest("hello")]));
    assert_eq!((one.get("/").status, two.get("/").status), (200, 200));
    let kept = std::fs::read_dir(wattle.home().join(".local/share/wattle")).expect("the hosts keep their keys");
    let kept: Vec<_> = kept.map(|entry| entry.expect("an entry").file_name()).collect();
    assert_eq!(kept, ["host"], "beside that nothing");
}

/// Four clients write until the process is killed. After each restart every increment that was answered is counted, and of the
/// others at most those that were on their way.
#[test]
fn every_acknowledged_increment_survives_a_crash() {
    let wattle = wattle();
    let component = guest("counter");
    let (acknowledged, mut uncertain) = (AtomicU64::new(0), 0);
    for round in 0..5 {
        let up = wattle.up([&component]);
        let enough = acknowledged.load(Ordering::Relaxed) + 20 + round * 15;
        let address = up.address();
        std::thread::scope(|threads| {
            for _ in 0..4 {
                threads.spawn(|| write_until_cut(Connection::open(address), &acknowledged));
            }
            testkit::eventually("it has written enough", || acknowledged.load(Ordering::Relaxed) >= enough);
            assert_eq!(up.kill().code, None);
        });
        uncertain += 4;
        let up = wattle.up([&component]);
        let (least, found) = (acknowledged.load(Ordering::Relaxed), number(&up, "/visits"));
        assert!((least..=least + uncertain).contains(&found), "{found} are kept of {least} to {}", least + uncertain);
        assert_eq!(up.stop().code, Some(0));
    }
}

fn write_until_cut(connection: io::Result<Connection>, acknowledged: &AtomicU64) {
    let Ok(mut connection) = connection else { return };
    let mut increment = || -> io::Result<u16> {
        connection.send(&request("POST", "/visits", &[], b""))?;
        Ok(connection.answer()?.status)
    };
    while let Ok(status) = increment() {
        assert_eq!(status, 200);
        acknowledged.fetch_add(1, Ordering::Relaxed);
    }
}
