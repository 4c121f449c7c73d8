//! Fused components: what they answer is what they would answer apart, and each keeps what is its own.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use testkit::{Over, Up, Wattle, eventually};

use crate::links::{linked, refused, sell};
use crate::{guest, route, wattle};

fn up(wattle: &Wattle, first: &str, others: &[&str], flags: &[&str]) -> Up {
    let files = [route("/", first)].into_iter().chain(others.iter().map(|other| guest(other)));
    wattle.up(files.chain(flags.iter().map(|flag| (*flag).to_owned())))
}

#[test]
fn values_of_every_kind_cross_between_parts() {
    let apart = up(&wattle(), "desk", &["calc"], &[]).get("/").text();
    for flags in [&[][..], &["--reuse"], &["--engine=winch"], &["--engine=pulley"]] {
        let flags: Vec<_> = flags.iter().copied().chain(["--link=desk=calc,terms=fused"]).collect();
        let up = up(&wattle(), "desk", &["calc"], &flags);
        assert_eq!(up.get("/").text(), apart, "{flags:?}");
        assert_eq!(up.get("/reverse?size=1000000").text(), "1000000 true\n");
        assert_eq!(up.get("/repeat?times=500").text(), "250\n");
        let ended = up.stop();
        // All of it happened in the one that was asked.
        assert_eq!((ended.code, ended.requests("calc")["calls"].clone()), (Some(0), json!(0)));
    }
}

/// Both keep something under the same name in the same bucket, read settings and log.
#[test]
fn each_part_keeps_its_own_links_settings_and_name() {
    for flags in [&[][..], &["--reuse"]] {
        let wattle = wattle();
        let flags: Vec<_> = flags.iter().copied().chain(["--link=till=haggle,terms=fused"]).collect();
        let up = up(&wattle, "till", &["haggle"], &flags);
        assert_eq!([sell(&up), sell(&up), sell(&up)], [(1, 10), (2, 20), (3, 30)], "{flags:?}");
        // The line says who logged it.
        up.says("haggle: tea is 30 now");
        let said = up.stderr();
        let line = said.lines().find(|line| line.ends_with("haggle: tea is 30 now")).expect("it was said");
        assert!(line.starts_with("haggle warn   instance="), "{line}");

        // A link of the inner one is a link of that one only, and is changed while it is a part of the other.
        linked(&wattle, &up, "put haggle config/literals --set step=1");
        assert_eq!(sell(&up), (4, 31));
        linked(&wattle, &up, "put haggle keyvalue/memory");
        assert_eq!([sell(&up), sell(&up)], [(5, 1), (6, 2)]);
        linked(&wattle, &up, "put till keyvalue/memory");
        assert_eq!(sell(&up), (1, 3));
        linked(&wattle, &up, "del haggle --contract wasi:keyvalue");
        assert_eq!(sell(&up), (2, 32));

        // Apart again, both have what they had.
        linked(&wattle, &up, "put till haggle");
        assert_eq!(sell(&up), (3, 33));
        assert_eq!(up.stop().code, Some(0));
    }
}

#[test]
fn what_a_part_exports_in_the_place_of_a_capability_is_used_by_the_other() {
    let wattle = wattle();
    let up = up(&wattle, "till", &["layer", "price-1"], &["--link=till=layer,terms=fused", "--reuse"]);
    (1..=50).for_each(|count| assert_eq!(sell(&up), (count, 1)));
    // Apart, the layer has what it kept as a part.
    linked(&wattle, &up, "put till layer");
    assert_eq!(sell(&up), (51, 1));
    assert_eq!(up.stop().code, Some(0));
}

#[test]
fn a_chain_is_one_component_and_what_it_leads_to_outside_is_called() {
    let wattle = wattle();
    let bytes = std::fs::read(testkit::guest("relay")).expect("it was built");
    let files = ["a.wasm", "b.wasm", "c.wasm"].map(|name| wattle.write(name, &bytes).display().to_string());
    let links = ["--link=a=b,terms=fused", "--link=b=c,terms=fused", "--link=c=a"].map(str::to_owned);
    let files = [format!("--route=/={}", files[0]), files[1].clone(), files[2].clone()];
    let up = wattle.up(files.into_iter().chain(links));
    assert_eq!(up.get("/?times=9").text(), "9\n");
    // Three steps of each four are within: the sixteen that are allowed reach much further.
    assert_eq!(up.get("/?times=40").text(), "40\n");
    assert_eq!(up.get("/fall?times=2").status, 500);
    assert_eq!(up.get("/?times=5").text(), "5\n");

    let (code, text) = refused(&wattle, &up, "put c a --terms fused");
    assert_eq!(code, "E0602");
    assert!(text.contains("call one another in a circle"), "{text}");
    let links = linked(&wattle, &up, "query c");
    assert_eq!(links["links"][0]["terms"]["reach"], "prefer-local", "nothing has changed");
    assert_eq!(up.get("/?times=9").text(), "9\n");
    assert_eq!(up.stop().code, Some(0));
}

#[test]
fn what_cannot_be_fused_is_refused_and_changes_nothing() {
    let wattle = wattle();
    let bytes = std::fs::read(testkit::guest("price-2")).expect("it was built");
    let price = wattle.write("later.wasm", &bytes);
    let files = [route("/", "till"), guest("price-1"), price.display().to_string(), "--link=till=price-1".into()];
    let up = wattle.up(files);
    let refused = |words: &str| refused(&wattle, &up, words).1;
    assert!(refused("put till keyvalue/memory --terms fused").contains("only a component can be fused"));
    assert!(refused("put till price-1 --terms fused,timeout=1s").contains("has no time of its own"));
    assert!(refused("put till price-1 --terms fused,retry=1").contains("is not tried again"));

    // What was loaded is what would be fused: not what is in the file by now.
    wattle.write("later.wasm", std::fs::read(testkit::guest("price-1")).expect("it was built"));
    assert!(refused("put till later --terms fused").contains("has changed since it was loaded"));
    std::fs::remove_file(&price).expect("it is there");
    assert!(refused("put till later --terms fused").contains("cannot be fused"));
    linked(&wattle, &up, "put till later");
    assert_eq!(sell(&up), (1, 2));
    assert_eq!(up.stop().code, Some(0));
}

#[test]
fn a_host_that_forbids_it_fuses_nothing() {
    let wattle = wattle();
    let up = up(&wattle, "till", &["price-1"], &["--no-fuse"]);
    let (code, text) = refused(&wattle, &up, "put till price-1 --terms fused");
    assert!(code == "E0602" && text.contains("started with --no-fuse"), "{code} {text}");
    linked(&wattle, &up, "put till price-1 --terms local");
    assert_eq!(sell(&up), (1, 1));
    assert_eq!(up.stop().code, Some(0));

    let till = route("/", "till");
    let price = guest("price-1");
    let link = "--link=till=price-1,terms=fused";
    let ended = wattle.run(["up", till.as_str(), price.as_str(), link, "--no-fuse", "--http=127.0.0.1:0", "--bus=off"]);
    assert_eq!(ended.code, Some(65), "{}", ended.stderr);
    assert!(ended.stderr.contains("started with --no-fuse"), "{}", ended.stderr);
}

/// While requests run, the callee is fused, apart, and another one, by turns.
#[test]
fn a_pair_is_fused_and_parted_under_load_and_nothing_fails() {
    for flags in [&[][..], &["--reuse"]] {
        let wattle = wattle();
        let flags: Vec<_> = flags.iter().copied().chain(["--link=till=price-1"]).collect();
        let up = up(&wattle, "till", &["price-1", "price-2"], &flags);
        let is_over = AtomicBool::new(false);
        let sold = std::thread::scope(|scope| {
            let over = Over(&is_over);
            let client = || {
                let mut prices = [0_u64; 3];
                while !is_over.load(Ordering::Relaxed) {
                    let (_, price) = sell(&up);
                    prices[usize::try_from(price).expect("it is small")] += 1;
                }
                prices
            };
            let clients: Vec<_> = (0..4).map(|_| scope.spawn(client)).collect();
            for words in
                ["price-2 --terms fused", "price-1 --terms fused", "price-2", "price-1"].iter().cycle().take(100)
            {
                let change = linked(&wattle, &up, &format!("put till {words}"));
                assert_eq!(change["now"]["target"], words.split(' ').next().expect("a name"));
            }
            drop(over);
            clients.into_iter().map(|client| client.join().expect("every request was answered")).collect::<Vec<_>>()
        });
        let sold: u64 = sold.iter().flatten().sum();
        eventually("each sale is counted once", || sell(&up).0 == sold + 1);
        assert_eq!(up.stop().code, Some(0));
    }
}

#[test]
fn a_link_that_is_fused_says_so() {
    let wattle = wattle();
    let up = up(&wattle, "till", &["price-1"], &["--link=till=price-1,terms=fused"]);
    let links: Value = linked(&wattle, &up, "query till");
    let fused = links["links"].as_array().expect("a list").iter().find(|link| link["target"] == "price-1");
    assert_eq!(fused.expect("the link")["terms"]["reach"], "fused");
    let bus = up.bus();
    let text = wattle.run(["link", "query", "--nats", &bus]).stdout;
    assert!(
        text.contains("till demo:shop/tag -> price-1 [fused]") || text.contains("till demo:shop -> price-1 [fused]"),
        "{text}"
    );
}
