//! Links: components that call one another, and what they are linked to changed while they run.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::{Ended, Over, Redis, Up, Wattle, eventually, request};

use crate::{guest, route, wattle};

/// Carries out `wattle link` against a host.
pub(crate) fn link(wattle: &Wattle, up: &Up, words: &str) -> Ended {
    let bus = up.bus();
    let words = ["link", "-o", "json", "--nats", &bus].into_iter().chain(words.split_whitespace());
    wattle.run(words)
}

/// As [`link`], where it has to succeed.
pub(crate) fn linked(wattle: &Wattle, up: &Up, words: &str) -> Value {
    let ended = link(wattle, up, words);
    assert_eq!(ended.code, Some(0), "{words}: {}", ended.stderr);
    ended.values().into_iter().next().expect("a value")
}

/// Why a link is refused: the code, and what is said.
pub(crate) fn refused(wattle: &Wattle, up: &Up, words: &str) -> (String, String) {
    let ended = link(wattle, up, words);
    assert_ne!(ended.code, Some(0), "{words}: {}", ended.stdout);
    let error: Value = serde_json::from_str(ended.stderr.lines().next().expect("a line")).expect("a value");
    let text = |name: &str| error["error"][name].as_str().expect("a text").to_owned();
    (text("code"), text("message"))
}

/// What is sold, and the price: the answer of `till`.
pub(crate) fn sell(up: &Up) -> (u64, u64) {
    let answer = up.ask("POST", "/tea", b"");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let text = answer.text();
    let (sum, price) = text.trim().split_once(" at ").expect("a sum and a price");
    (sum.parse().expect("a number"), price.parse().expect("a number"))
}

fn till(wattle: &Wattle, arguments: &[String]) -> Up {
    let files = [route("/", "till"), guest("price-1"), guest("price-2"), "--link=till=price-1".into()];
    wattle.up(files.into_iter().chain(arguments.iter().cloned()))
}

#[test]
fn values_of_every_kind_cross_from_component_to_component() {
    for flags in [&[][..], &["--reuse"], &["--engine", "winch"]] {
        let up =
            wattle().up([route("/", "desk"), guest("calc")].into_iter().chain(flags.iter().map(|flag| (*flag).into())));
        expect_test::expect![[r#"
            6
            Ok(0.25) Err("division by zero")
            fresh kettle (k) for 1099511627776, weight 1.5 kg, area 1, 2 tags, 2 styles
            Some(["new", "größe"])
            Some(-1)
            0.0254
            Style(ITALIC | UNDERLINE)
            ['a', 'ñ']
            (7, "a")
            Ok(true) Ok(false) Err(())
        "#]]
        .assert_eq(&up.get("/").text());
        assert_eq!(up.get("/reverse?size=1000000").text(), "1000000 true\n");
        assert_eq!(up.get("/reverse?size=0").text(), "0 true\n");
        assert_eq!(up.get("/repeat?times=500").text(), "250\n");
        assert_eq!(up.stop().code, Some(0));
    }
}

#[test]
fn a_circle_of_components_is_followed_and_has_an_end() {
    let wattle = wattle();
    let bytes = std::fs::read(testkit::guest("relay")).expect("it was built");
    let files = ["a.wasm", "b.wasm"].map(|name| wattle.write(name, &bytes).display().to_string());
    let up = wattle.up([format!("--route=/={}", files[0]), files[1].clone()]);
    assert_eq!(up.get("/?times=9").text(), "9\n");

    // Each step waits for the next: too many of them are refused, and nothing is lost of the host.
    assert_eq!(up.get("/?times=1000").status, 500);
    assert_eq!(up.get("/?times=3").text(), "3\n");
    up.says("components have called one another 16 deep");

    // A component may be linked to itself.
    linked(&wattle, &up, "put a a");
    assert_eq!(up.get("/?times=7").text(), "7\n");
    assert_eq!(up.stop().code, Some(0));
}

#[test]
fn a_trap_in_the_callee_is_the_callers_error() {
    let wattle = wattle();
    let bytes = std::fs::read(testkit::guest("relay")).expect("it was built");
    let files = ["a.wasm", "b.wasm"].map(|name| wattle.write(name, &bytes).display().to_string());
    let up = wattle.up([format!("--route=/={}", files[0]), files[1].clone(), "--reuse".into()]);
    for _ in 0..20 {
        assert_eq!(up.get("/fall?times=3").status, 500);
        assert_eq!(up.get("/?times=5").text(), "5\n");
    }
    up.says("b, which it called, failed: a, which it called, failed:");
    let ended = up.stop();
    assert_eq!((ended.code, ended.requests("a")["failed"].clone()), (Some(0), json!(20)));
}

#[test]
fn a_component_keeps_keys_for_another() {
    for flags in [&[][..], &["--reuse"], &["--engine", "pulley"]] {
        let wattle = wattle();
        let files = [route("/", "till"), guest("price-1"), guest("layer"), "--link=till=layer".into()];
        let up = wattle.up(files.into_iter().chain(flags.iter().map(|flag| (*flag).to_owned())));
        (1..=50).for_each(|count| assert_eq!(sell(&up), (count, 1), "{flags:?}"));
        let links = linked(&wattle, &up, "query");
        let short =
            |link: &Value| format!("{} {} {}", link["source"], link["contract"], link["target"]).replace('"', "");
        let links: Vec<_> = links["links"].as_array().expect("a list").iter().map(short).collect();
        let expected = ["layer wasi:keyvalue keyvalue/disk", "till wasi:keyvalue layer", "till demo:shop/tag price-1"];
        assert_eq!(links, expected);

        // What it kept is its own: the caller's store knows nothing of it.
        linked(&wattle, &up, "del till");
        assert_eq!(sell(&up), (1, 1));
        linked(&wattle, &up, "put till layer");
        assert_eq!(sell(&up), (51, 1));
        assert_eq!(up.stop().code, Some(0));
    }
}

/// What a handle stands for stays with the callee, for as long as the caller's instance lives.
#[test]
fn handles_of_a_component_lead_back_to_it() {
    for flags in [&[][..], &["--reuse"], &["--engine", "pulley"]] {
        let wattle = wattle();
        let files = [route("/", "keeper"), guest("safe"), "--link=keeper=safe".into()];
        let up = wattle.up(files.into_iter().chain(flags.iter().map(|flag| (*flag).to_owned())));
        let said = |target: &str| {
            let answer = up.get(target);
            (answer.status, answer.text())
        };
        (0..50).for_each(|_| assert_eq!(said("/tea?tell"), (200, "what tea is".into()), "{flags:?}"));
        assert_eq!(said("/none"), (404, String::new()));
        assert_eq!(said("/stuck"), (503, "the safe is stuck".into()));
        assert_eq!(up.get("/trap").status, 500);
        up.says("the safe was told to trap");
        assert_eq!(said("/tea"), (200, "string 11 1034\n".into()), "it is asked on");
        assert_eq!(up.stop().code, Some(0));
    }
}

#[test]
fn handles_belong_to_one_store_and_a_link_that_would_mix_them_is_refused() {
    let wattle = wattle();
    let up = wattle.up([route("/", "keeper"), guest("safe")]);
    // With `reveal` left to the host its secrets would be of two kinds.
    let (code, text) = refused(&wattle, &up, "put keeper safe --contract wasmcloud:secrets/store");
    assert_eq!(code, "E0602");
    assert!(text.starts_with("keeper wasmcloud:secrets/store cannot be put"), "{text}");
    assert_eq!(up.get("/tea").status, 404, "nothing has changed");
    linked(&wattle, &up, "put keeper safe");
    assert_eq!(up.get("/tea?tell").text(), "what tea is");
    assert_eq!(up.stop().code, Some(0));
}

#[test]
fn what_two_components_export_is_linked_only_when_it_is_said() {
    let wattle = wattle();
    let arguments = [route("/", "till"), guest("price-1"), guest("price-2")];
    let ended = wattle.try_up(arguments).expect_err("it is not clear which");
    assert!(
        ended.stderr.contains("demo:shop/tag@1.0.0: exported by price-1 and price-2; say which with --link"),
        "{}",
        ended.stderr
    );
    assert_eq!(ended.code, Some(65));
}

#[test]
fn a_link_is_put_seen_and_deleted_from_a_second_terminal() {
    let wattle = wattle();
    let up = till(&wattle, &[]);
    assert_eq!((sell(&up), sell(&up)), ((1, 1), (2, 1)));

    let change = linked(&wattle, &up, "put till price-2");
    assert_eq!((&change["now"]["target"], &change["before"]["target"]), (&json!("price-2"), &json!("price-1")));
    assert_eq!(sell(&up), (3, 2));
    let change = linked(&wattle, &up, "put till keyvalue/memory");
    assert_eq!((&change["now"]["contract"], &change["before"]), (&json!("wasi:keyvalue"), &Value::Null));
    assert_eq!(sell(&up), (1, 2), "another store");

    let links = linked(&wattle, &up, "query till");
    let short = |link: &Value| format!("{} {} {}", link["contract"], link["target"], link["is_put"]).replace('"', "");
    let links: Vec<_> = links["links"].as_array().expect("a list").iter().map(short).collect();
    assert_eq!(links, ["demo:shop/tag price-2 true", "wasi:keyvalue keyvalue/memory true"]);

    linked(&wattle, &up, "del till --contract wasi:keyvalue");
    assert_eq!(sell(&up), (4, 2), "the store that the host has by itself still has what was kept");
    let links = linked(&wattle, &up, "query till");
    assert_eq!(short(&links["links"][1]), "wasi:keyvalue keyvalue/disk false");
    assert_eq!(up.stop().code, Some(0));
}

#[test]
fn a_link_that_cannot_be_put_changes_nothing_and_says_why() {
    let wattle = wattle();
    let up = till(&wattle, &[]);
    sell(&up);
    let nobody = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    let unreachable = format!("put till keyvalue/redis --set url=redis://{nobody}");
    let cases = [
        ("put tell price-2", "E0602", "there is no component tell; there are price-1, price-2, till"),
        ("put till prices", "E0602", "there is no component prices; there are price-1, price-2, till"),
        (
            "put price-1 keyvalue/disk",
            "E0602",
            "keyvalue/disk gives price-1 nothing that it imports; it imports nothing",
        ),
        ("put till keyvalue/rediss", "E0601", "keyvalue has no backend rediss; there are"),
        (
            "put till keyvalue/redis --set ulr=redis://a",
            "E0601",
            "ulr is no setting of keyvalue/redis; did you mean url?",
        ),
        ("put till keyvalue/redis --set url=redis://a --set password=hunter2", "E0601", "password cannot be ***"),
        ("del till --name cache", "E0605", "till has no link that somebody put; say which with --contract"),
        ("del till --contract wasi:keyvalue", "E0605", "till wasi:keyvalue has no link of that name that somebody put"),
        (&unreachable, "E0603", "cannot be opened"),
    ];
    for (words, code, text) in cases {
        let (found, said) = refused(&wattle, &up, words);
        assert!(found == code && said.contains(text), "{words}: {found} {said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
    // A command line that is wrong never gets to the host.
    assert_eq!(link(&wattle, &up, "put till a/b/c").code, Some(2));
    assert_eq!(link(&wattle, &up, "put till price-2 --terms far").code, Some(2));
    assert_eq!(sell(&up), (2, 1), "all is as it was");

    let ended = wattle.run(["link", "query", "--nats", &format!("nats://{nobody}")]);
    assert_eq!(ended.code, Some(69));
    assert!(ended.stderr.contains("error[E0604]"), "{}", ended.stderr);
}

/// Sells on several connections until `is_over`; answers how many were sold, and what any other answer was.
fn sell_until(up: &Up, is_over: &AtomicBool) -> (u64, Vec<String>) {
    let sold = AtomicU64::new(0);
    let client = || {
        let (mut connection, mut others) = (up.connect(), Vec::new());
        let bytes = request("POST", "/tea", &[], b"");
        while !is_over.load(Ordering::Relaxed) {
            connection.send(&bytes).expect("it is open");
            let answer = connection.answer().expect("an answer");
            match answer.status {
                200 => drop(sold.fetch_add(1, Ordering::Relaxed)),
                status => others.push(format!("{status} {}", answer.text())),
            }
        }
        others
    };
    let others = std::thread::scope(|threads| {
        let clients: Vec<_> = (0..8).map(|_| threads.spawn(client)).collect();
        clients.into_iter().flat_map(|client| client.join().expect("a client")).collect()
    });
    (sold.into_inner(), others)
}

#[test]
fn a_hundred_swaps_under_load_fail_nothing_and_lose_nothing() {
    let redis = Redis::start();
    for flags in [&[][..], &["--reuse".to_owned()]] {
        let wattle = wattle();
        let up = till(&wattle, flags);
        let to_redis = format!("put till keyvalue/redis --set url={} --set prefix=run{}", redis.url(), up.id());
        let to_disk = "put till keyvalue/disk".to_owned();
        let is_over = AtomicBool::new(false);
        let (sold, others) = std::thread::scope(|threads| {
            let over = Over(&is_over);
            let clients = threads.spawn(|| sell_until(&up, &is_over));
            for round in 0..25 {
                let (store, price) = if round % 2 == 0 { (&to_redis, 2) } else { (&to_disk, 1) };
                linked(&wattle, &up, &format!("put till price-{price}"));
                linked(&wattle, &up, store);
                linked(&wattle, &up, &format!("put till price-{}", 3 - price));
                linked(&wattle, &up, store);
            }
            drop(over);
            clients.join().expect("the clients end")
        });
        assert_eq!(others, Vec::<String>::new());
        linked(&wattle, &up, &to_redis);
        let (in_redis, _) = sell(&up);
        linked(&wattle, &up, &to_disk);
        let (on_disk, _) = sell(&up);
        assert_eq!(in_redis - 1 + on_disk - 1, sold, "every sale that was acknowledged is in one of the stores");
        assert!(in_redis > 1 && on_disk > 1, "both were used: {in_redis} {on_disk}");
        let ended = up.stop();
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    }
}

/// How many connections a Redis server has, that of the question included.
pub(crate) fn connections_of(redis: &Redis) -> usize {
    let mut stream = std::net::TcpStream::connect(redis.address()).expect("it listens");
    stream.write_all(b"CLIENT LIST\r\n").expect("it reads");
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).expect("the length of the answer");
    let length = line.trim().strip_prefix('$').and_then(|length| length.parse().ok()).expect("a length");
    let mut list = vec![0; length];
    reader.read_exact(&mut list).expect("the list");
    list.iter().filter(|byte| **byte == b'\n').count()
}

#[test]
fn the_old_target_is_closed_when_the_last_has_ended() {
    let wattle = wattle();
    let redis = Redis::start();
    let up = till(&wattle, &["--reuse".into()]);
    let connections = || connections_of(&redis);
    let before = connections();
    linked(&wattle, &up, &format!("put till keyvalue/redis --set url={}", redis.url()));
    for _ in 0..20 {
        sell(&up);
    }
    assert!(connections() > before);
    linked(&wattle, &up, "put till keyvalue/memory");
    // Nobody asks anything: what waits to be used again lets go by itself.
    eventually("no connection is left", || connections() == before);
}

#[test]
fn a_target_that_is_gone_is_the_contracts_own_error_and_comes_back_by_itself() {
    let wattle = wattle();
    let mut redis = Redis::start();
    let up = till(&wattle, &[]);
    linked(&wattle, &up, &format!("put till keyvalue/redis --set url={} --terms timeout=500ms", redis.url()));
    let (before, _) = sell(&up);

    // A server that accepts and does not answer.
    redis.pause();
    let asked = Instant::now();
    let answer = up.ask("POST", "/tea", b"");
    assert_eq!((answer.status, asked.elapsed() < Duration::from_secs(5)), (503, true), "{}", answer.text());
    assert!(answer.text().contains("the key-value store is not available"), "{}", answer.text());
    redis.resume();
    eventually("it sells again", || up.ask("POST", "/tea", b"").status == 200);

    redis.kill();
    let asked = Instant::now();
    assert_eq!(up.ask("POST", "/tea", b"").status, 503);
    assert!(asked.elapsed() < Duration::from_secs(5));
    redis.restart();
    eventually("it sells again", || up.ask("POST", "/tea", b"").status == 200);
    assert!(sell(&up).0 > before, "what was kept is still there");
    // The cause is in the host's log.
    up.says("key-value call failed");
}

#[test]
fn a_host_starts_without_its_targets_and_links_them_when_they_are_there() {
    let wattle = wattle();
    let mut redis = Redis::start();
    redis.kill();
    let up = till(&wattle, &[format!("--link=till=keyvalue/redis,url={}", redis.url())]);
    let answer = up.ask("POST", "/tea", b"");
    assert_eq!(answer.status, 503, "{}", answer.text());
    let links = linked(&wattle, &up, "query till");
    assert!(links["links"][1]["trouble"].as_str().is_some_and(|text| text.contains("cannot be opened")), "{links}");

    redis.restart();
    eventually("it sells", || up.ask("POST", "/tea", b"").status == 200);
    let links = linked(&wattle, &up, "query till");
    assert_eq!(links["links"][1]["trouble"], Value::Null);
    assert_eq!(up.stop().code, Some(0));
}

/// Another user of this machine can reach the bus, and nothing more.
#[test]
fn who_has_no_token_changes_nothing() {
    let (owner, other) = (wattle(), wattle());
    let up = till(&owner, &[]);
    let refused = |wattle: &Wattle, more: &[&str]| {
        let bus = up.bus();
        let words = ["link", "put", "till", "price-2", "--nats", &bus].into_iter().chain(more.iter().copied());
        let ended = wattle.run(words);
        assert_eq!(ended.code, Some(65), "{}", ended.stderr);
        ended.stderr
    };
    assert!(refused(&other, &[]).contains("refuses the login"));
    let wrong = other.write("wrong", "0000\n").display().to_string();
    let said = refused(&other, &["--bus-token", &wrong]);
    assert!(said.contains("refuses the login") && said.contains("--bus-token") && !said.contains("0000"), "{said}");
    assert!(refused(&other, &["--bus-token", "nothing"]).contains("cannot be read from nothing"));
    let empty = other.write("empty", "\n").display().to_string();
    assert!(refused(&other, &["--bus-token", &empty]).contains("it is empty"));
    assert_eq!(sell(&up), (1, 1), "nothing has changed");

    let folder = owner.home().join(".local/state/wattle/bus");
    let files: Vec<_> =
        std::fs::read_dir(&folder).expect("a folder").map(|file| file.expect("a file").path()).collect();
    let [file] = files.as_slice() else { panic!("{files:?}") };
    for (path, mode) in [(&folder, 0o700), (file, 0o600)] {
        let facts = std::fs::metadata(path).expect("it is there");
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&facts.permissions()) & 0o777, mode);
    }
    let token = std::fs::read_to_string(file).expect("it is readable");
    let given = other.write("given", &token).display().to_string();
    let bus = up.bus();
    let ended = other.run(["link", "put", "till", "price-2", "--nats", &bus, "--bus-token", &given]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(sell(&up), (2, 2));
    let ended = up.stop();
    assert!(!ended.stderr.contains(token.trim()) && !ended.stdout.contains(token.trim()));
    assert!(!file.exists(), "it is gone with the host");
}

#[test]
fn a_token_can_be_named_or_left_out() {
    let wattle = wattle();
    let named = wattle.write("token", "open sesame\n").display().to_string();
    for (flag, token) in [(named.as_str(), Some(named.as_str())), ("none", None)] {
        let up = till(&wattle, &["--bus-token".into(), flag.into()]);
        let bus = up.bus();
        let words = ["link", "query", "--nats", &bus].into_iter();
        let ended = wattle.run(words.clone());
        assert_eq!(ended.code, Some(if token.is_some() { 65 } else { 0 }), "{}", ended.stderr);
        let ended = wattle.run(words.chain(token.into_iter().flat_map(|token| ["--bus-token", token])));
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert_eq!(up.stop().code, Some(0));
    }
    let ended = wattle.try_up([guest("till"), "--bus-token=nothing".into()]).expect_err("there is no such file");
    assert!(ended.stderr.contains("the token of the bus cannot be read from nothing"), "{}", ended.stderr);
}
