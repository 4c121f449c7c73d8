//! Several links for one interface: a component chooses by name while it runs, and others' choices are not its own.

use testkit::{Nats, Redis, Up, Wattle};

use crate::{guest, hammer, route, wattle};

fn up(wattle: &Wattle, arguments: &[&str]) -> Up {
    let files = [route("/", "chooser"), guest("price-1"), guest("price-2"), "--link=chooser=price-1".into()];
    wattle.up(files.into_iter().chain(arguments.iter().map(|argument| (*argument).to_owned())))
}

fn link(wattle: &Wattle, up: &Up, arguments: &str) -> Result<String, String> {
    let arguments = ["link"].into_iter().chain(arguments.split(' ')).chain(["--nats"]);
    let ended = wattle.run(arguments.map(ToOwned::to_owned).chain([up.bus()]));
    if ended.code == Some(0) { Ok(ended.stdout) } else { Err(ended.stderr) }
}

fn choose(up: &Up, names: &str) -> String {
    let answer = up.ask("POST", &format!("/{names}"), b"");
    assert_eq!(answer.status, 200, "{}{}", answer.text(), up.stderr());
    answer.text()
}

#[test]
fn a_component_chooses_among_its_links_by_name() {
    for flags in [&[][..], &["--engine=winch"]] {
        let (wattle, redis) = (wattle(), Redis::start());
        let up = up(&wattle, flags);
        assert_eq!(choose(&up, "default"), "1 1\n");
        let refused = up.ask("POST", "/other", b"");
        assert_eq!(refused.status, 409);
        assert_eq!(
            refused.text(),
            "there is no link other for demo:shop/tag; put one with `wattle link put … --name other`"
        );
        link(&wattle, &up, "put chooser price-2 --name other").expect("it is put");
        assert_eq!(choose(&up, "other?for=tag"), "2 2\n");
        assert_eq!(up.ask("POST", "/other", b"").status, 409, "there is none for the store yet");
        link(&wattle, &up, "put chooser keyvalue/memory --name other").expect("it is put");
        let redis = format!("put chooser keyvalue/redis --name third --set url={}", redis.url());
        link(&wattle, &up, &redis).expect("it is put");
        assert_eq!(choose(&up, "other,default,other"), "2 1\n1 3\n2 2\n");
        assert_eq!(choose(&up, "third,other,default?for=store"), "1 1\n1 3\n1 4\n");
        // Another request is another instance, and has chosen nothing.
        assert_eq!(choose(&up, "other?for=tag"), "2 5\n");
        assert_eq!(choose(&up, "other?for=store"), "1 4\n");
        link(&wattle, &up, "del chooser --name other --contract demo:shop").expect("it was put");
        assert_eq!(up.ask("POST", "/other?for=tag", b"").status, 409);
        assert_eq!(choose(&up, "default,other?for=store"), "1 6\n1 5\n");
        assert_eq!(up.stop().code, Some(0));
    }
}

/// Three links for one contract, by the name that a component opens and by the one that it chooses. A server that goes takes nobody else
/// along.
#[test]
fn two_servers_of_redis_and_one_of_nats_are_told_apart() {
    let (wattle, redis, mut other, nats) = (wattle(), Redis::start(), Redis::start(), Nats::start());
    let up = up(&wattle, &[&route("/keys", "counter")]);
    for source in ["counter", "chooser"] {
        for target in [
            format!("redis --set url={}", redis.url()),
            format!("redis --name other --set url={} --terms timeout=5s", other.url()),
            format!("nats --name third --set url={}", nats.url()),
        ] {
            link(&wattle, &up, &format!("put {source} keyvalue/{target}")).expect("it is put");
        }
    }
    let add = |name: &str, by: usize| {
        let answer = up.ask("POST", &format!("/keys/a?bucket={name}&by={by}"), b"");
        (answer.status == 200).then(|| answer.text())
    };
    let added = |number: usize| Some(format!("{number}\n"));
    for round in 1..=2 {
        let sums = [("default", 1), ("other", 10), ("third", 100)].map(|(name, by)| add(name, by));
        assert_eq!(sums, [round, round * 10, round * 100].map(added));
    }
    assert_eq!(choose(&up, "default,other,other,third,default?for=store"), "1 1\n1 1\n1 2\n1 1\n1 2\n");
    other.kill();
    assert_eq!(
        [("default", 1), ("other", 1), ("third", 1)].map(|(name, by)| add(name, by)),
        [added(3), None, added(201)]
    );
    assert_eq!(up.stop().code, Some(0));
}

/// As its memory is.
#[test]
fn an_instance_that_is_used_again_is_as_it_was_left() {
    let wattle = wattle();
    let up = up(&wattle, &["--reuse"]);
    link(&wattle, &up, "put chooser price-2 --name other").expect("it is put");
    let one_connection = |names: [&str; 2]| hammer(&up, names.map(|names| testkit::request("POST", names, &[], b"")));
    assert_eq!(one_connection(["/other?for=tag", "/default?for=store"]), ["2 1\n", "2 2\n"]);
    assert_eq!(one_connection(["/default", "/default?for=store"]), ["1 3\n", "1 4\n"]);
    assert_eq!(up.stop().code, Some(0));
}

#[test]
fn choices_do_not_meet() {
    let wattle = wattle();
    let up = up(&wattle, &[]);
    link(&wattle, &up, "put chooser price-2 --name other").expect("it is put");
    link(&wattle, &up, "put chooser keyvalue/memory --name other").expect("it is put");
    let ask = |names: &str, times: usize| hammer(&up, vec![testkit::request("POST", names, &[], b""); times]);
    std::thread::scope(|threads| {
        let ask = &ask;
        let first: Vec<_> = (0..4).map(|_| threads.spawn(move || ask("/default", 50))).collect();
        let other: Vec<_> = (0..4).map(|_| threads.spawn(move || ask("/other", 50))).collect();
        let all_begin = |clients: Vec<std::thread::ScopedJoinHandle<'_, Vec<String>>>, price: &str| {
            let answers = clients.into_iter().flat_map(|client| client.join().expect("nothing fails"));
            assert!(answers.into_iter().all(|answer| answer.starts_with(price)));
        };
        all_begin(first, "1 ");
        all_begin(other, "2 ");
    });
    assert_eq!(choose(&up, "default,other"), "1 201\n2 201\n");
    assert_eq!(up.stop().code, Some(0));
}

#[test]
fn what_a_name_cannot_do_is_refused_and_changes_nothing() {
    let wattle = wattle();
    let up = up(&wattle, &[]);
    for (arguments, code, why) in [
        ("put chooser price-2 --name other --terms fused", "E0602", "chooses by name while it runs"),
        ("put chooser price-3 --name other", "E0602", "there is no component price-3"),
        ("put chooser price-2 --name no/name", "", "no/name"),
    ] {
        let error = link(&wattle, &up, arguments).expect_err(arguments);
        assert!(error.contains(code) && error.contains(why), "{arguments}: {error}");
    }
    assert_eq!(choose(&up, "default"), "1 1\n");
    assert_eq!(up.stop().code, Some(0));
}

/// The secrets of the link without a name are the host's own: those of another name cannot be a component's, nor the other way round.
#[test]
fn links_for_one_interface_lead_to_one_kind_of_target() {
    let wattle = wattle();
    let up = wattle.up([route("/", "keeper"), guest("safe")]);
    let error = link(&wattle, &up, "put keeper safe --name other").expect_err("it is refused");
    assert!(error.contains("the one without a name is of the other kind"), "{error}");
    assert_eq!(up.get("/tea").status, 404);
    link(&wattle, &up, "put keeper secrets/environment --name other --set prefix=NONE_").expect("it is put");
    let error = link(&wattle, &up, "put keeper safe").expect_err("it is refused");
    assert!(error.contains("the one without a name is of the other kind"), "{error}");
    assert_eq!(up.get("/tea").status, 404);
    assert_eq!(up.stop().code, Some(0));
}

/// What a capability calls a component for is as good by any name as what it has on a backend.
#[test]
fn a_component_that_keeps_keys_is_chosen_by_name_beside_the_hosts_own_store() {
    let wattle = wattle();
    let files = [route("/", "chooser"), guest("price-1"), guest("layer"), "--link=chooser=price-1".into()];
    let up = wattle.up(files);
    link(&wattle, &up, "put chooser layer --name other --contract wasi:keyvalue").expect("it is put");
    assert_eq!(choose(&up, "default,other,other?for=store"), "1 1\n1 1\n1 2\n", "the layer has keys of its own");
    link(&wattle, &up, "put chooser layer --contract wasi:keyvalue").expect("it is put");
    assert_eq!(choose(&up, "default,other?for=store"), "1 3\n1 4\n", "both are the layer's");
    link(&wattle, &up, "del chooser --contract wasi:keyvalue").expect("it was put");
    assert_eq!(choose(&up, "default,other?for=store"), "1 2\n1 5\n");
    assert_eq!(up.stop().code, Some(0));
}
