//! What becomes of calls when the server is killed, held, full, empty-headed or somebody else's.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use capability::conformance::run;
use futures::future::join_all;
use testkit::eventually;

use super::*;
use crate::suite::load::{self, until_well};
use crate::suite::proxy::Proxy;
use crate::suite::{self, HOME, scope};

/// How long the calls of these tests may take, and how much longer they may take on a machine that is busy.
const TIMEOUT: Duration = Duration::from_millis(500);
const GRACE: Duration = Duration::from_secs(4);

fn key(name: &str) -> Key {
    scope("shop", "").key(name)
}

fn options(server: &testkit::Redis) -> Options {
    Options { timeout: TIMEOUT, connect_timeout: TIMEOUT, ..suite::redis_options(server) }
}

fn connect(options: &Options) -> Redis {
    HOME.block_on(Redis::connect(options)).expect("the server is up")
}

/// A client of its own, to look and to meddle.
fn client(server: &testkit::Redis) -> ::redis::Connection {
    let client = ::redis::Client::open(server.url()).expect("it is an address");
    client.get_connection().expect("the server is up")
}

fn tell<T: FromRedisValue>(client: &mut ::redis::Connection, words: &[&str]) -> T {
    cmd(words[0]).arg(&words[1..]).query(client).expect("the server does as it is told")
}

/// How many of our connections the server has.
fn connections(client: &mut ::redis::Connection) -> usize {
    tell::<String>(client, &["CLIENT", "LIST"]).lines().count() - 1
}

fn assert_unavailable<T: std::fmt::Debug>(outcome: Result<T, StoreError>) {
    assert!(matches!(outcome, Err(StoreError::Unavailable { .. })), "{outcome:?}");
}

/// How often the server was told each command since it was last asked to forget that.
fn calls(client: &mut ::redis::Connection) -> BTreeMap<String, u64> {
    let info: String = tell(client, &["INFO", "commandstats"]);
    let calls = info.lines().filter_map(|line| {
        let (command, numbers) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        Some((command.to_owned(), numbers.split(',').next()?.parse().ok()?))
    });
    calls.collect()
}

#[test]
fn a_call_is_one_round_trip() {
    let server = testkit::Redis::start();
    let mut client = client(&server);
    let store = connect(&options(&server));
    // The first use of a script sends all of it.
    run(store.put(&key("a"), "1".into())).expect("it writes");
    run(store.increment(&key("count"), Addend::unsigned(1))).expect("it adds");
    tell::<()>(&mut client, &["CONFIG", "RESETSTAT"]);
    for _ in 0..10 {
        run(store.put(&key("a"), "1".into())).expect("it writes");
        run(store.get(&key("a"))).expect("it reads");
        run(store.delete(&key("a"))).expect("it deletes");
        run(store.increment(&key("count"), Addend::unsigned(1))).expect("it adds");
        run(store.list(&scope("shop", ""), Page { after: None, count_max: 10 })).expect("it reads");
    }
    let calls = calls(&mut client);
    let from_us: BTreeMap<_, _> = ["evalsha", "eval", "script|load", "get", "zrangebylex", "multi", "exec", "exists"]
        .into_iter()
        .map(|command| (command, calls.get(command).copied().unwrap_or(0)))
        .collect();
    // An increment's script asks once before and once after.
    let expected = [
        ("eval", 0),
        ("evalsha", 30),
        ("exec", 0),
        ("exists", 0),
        ("get", 30),
        ("multi", 0),
        ("script|load", 0),
        ("zrangebylex", 10),
    ];
    assert_eq!(from_us, BTreeMap::from(expected), "{calls:?}");
}

#[test]
fn a_server_that_forgot_the_scripts_is_sent_them() {
    let server = testkit::Redis::start();
    let store = connect(&options(&server));
    for _ in 0..2 {
        run(store.put(&key("a"), "1".into())).expect("it writes");
        assert_eq!(run(store.swap(&key("a"), Stamp::of(Some(b"1")), "2".into())).expect("it answers"), Swap::Written);
        run(store.increment(&key("a"), Addend::unsigned(1))).expect("it adds");
        tell::<()>(&mut client(&server), &["SCRIPT", "FLUSH"]);
    }
}

#[test]
fn a_server_killed_under_load_costs_only_the_calls_of_that_time() {
    let mut server = testkit::Redis::start();
    let store = connect(&options(&server));
    load::survives_kills(&store, &mut server, TIMEOUT + GRACE);
}

#[test]
fn a_server_that_never_answers_is_not_waited_for() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    let server = testkit::Redis::start();
    for scheme in ["redis", "rediss"] {
        let options = Options { url: format!("{scheme}://{address}"), ..options(&server) };
        let started = Instant::now();
        let error = HOME.block_on(Redis::connect(&options)).map(|_| ()).expect_err("nobody answers");
        assert!(matches!(error, ConnectError::Unavailable(_)), "{error:?}");
        assert!(started.elapsed() < TIMEOUT + GRACE);
    }
}

/// Whatever else listens there: a web server, a mail server, somebody who claims to send more than there is memory for.
#[test]
fn a_server_that_speaks_nonsense_is_not_waited_for() {
    let server = testkit::Redis::start();
    for nonsense in
        ["HTTP/1.1 400 Bad Request\r\n\r\n", "220 mail\r\n", "$99999999999\r\nx", "*2147483647\r\n", "%-1\r\n", "\0"]
    {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let url = format!("redis://{}", listener.local_addr().expect("it is bound"));
        let talk = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept()?;
            std::io::Write::write_all(&mut stream, nonsense.as_bytes())?;
            // Until the other end has had enough.
            std::io::copy(&mut stream, &mut std::io::sink())
        });
        let started = Instant::now();
        let error = HOME.block_on(Redis::connect(&Options { url, ..options(&server) }));
        let error = error.map(|_| ()).expect_err("it is no Redis server");
        assert!(matches!(error, ConnectError::Unavailable(_)), "{nonsense:?}: {error:?}");
        assert!(started.elapsed() < 2 * TIMEOUT + GRACE);
        talk.join().expect("no panic").expect("the connection is closed, not broken");
    }
}

#[test]
fn a_paused_server_costs_a_call_its_time_and_no_more() {
    let server = testkit::Redis::start();
    let store = connect(&options(&server));
    run(store.put(&key("a"), "1".into())).expect("it writes");
    server.pause();
    for _ in 0..4 {
        let started = Instant::now();
        assert_unavailable(run(store.get(&key("a"))));
        assert!(started.elapsed() < TIMEOUT + GRACE);
    }
    server.resume();
    let recovery = until_well(&store);
    assert!(recovery < Duration::from_secs(5), "it took {recovery:?}");
    assert_eq!(run(store.get(&key("a"))).expect("it reads"), Some("1".into()));
}

/// Something on the way swallows all that is sent on a connection, and says nothing: a firewall that lost its state.
#[test]
fn a_connection_that_leads_nowhere_is_replaced_after_one_call() {
    let server = testkit::Redis::start();
    let proxy = Proxy::to(server.address());
    let store = connect(&Options { url: format!("redis://{}", proxy.address()), ..options(&server) });
    run(store.put(&key("a"), "1".into())).expect("it writes");
    proxy.swallow_open_connections();
    assert_unavailable(run(store.get(&key("a"))));
    assert_eq!(run(store.get(&key("a"))).expect("there is a new connection"), Some("1".into()));
}

/// A server may close connections that are idle. Who comes next does not notice.
#[test]
fn a_connection_that_the_server_closes_is_replaced_before_it_is_missed() {
    let server = testkit::Redis::start();
    let mut client = client(&server);
    let store = connect(&options(&server));
    for _ in 0..10 {
        let before: String = tell(&mut client, &["CLIENT", "LIST"]);
        tell::<u64>(&mut client, &["CLIENT", "KILL", "TYPE", "normal"]);
        eventually("there is another connection", || {
            connections(&mut client) == 1 && tell::<String>(&mut client, &["CLIENT", "LIST"]) != before
        });
        run(store.get(&key("a"))).expect("nothing was noticed");
    }
}

#[test]
fn nothing_is_open_once_the_store_is_dropped() {
    let server = testkit::Redis::start();
    let mut client = client(&server);
    let stores: Vec<_> = (0..5).map(|_| connect(&options(&server))).collect();
    assert_eq!(connections(&mut client), 5);
    drop(stores);
    eventually("all are closed", || connections(&mut client) == 0);

    let store = connect(&options(&server));
    server.pause();
    let asked = run(async { tokio::time::timeout(Duration::from_millis(20), store.get(&key("a"))).await });
    assert!(asked.is_err(), "a call is on its way, and nobody waits for it");
    drop(store);
    server.resume();
    eventually("it is closed", || connections(&mut client) == 0);
}

#[test]
fn a_full_server_says_how_much_it_holds_and_still_reads_and_deletes() {
    let server = testkit::Redis::start_with(["--maxmemory", "4mb"]);
    let store = connect(&options(&server));
    let fill = |index: usize| run(store.put(&key(&index.to_string()), vec![7; 100 << 10].into()));
    let (filled, error) =
        (0..100).find_map(|index| fill(index).err().map(|error| (index, error))).expect("it gets full");
    assert!(matches!(error, StoreError::Full { limit, .. } if limit == ByteSize::mib(4)), "{error:?}");
    tell::<()>(&mut client(&server), &["CONFIG", "SET", "maxmemory", "2mb"]);
    let outcomes = [
        run(store.put(&key("0"), "x".into())),
        run(store.increment(&key("count"), Addend::unsigned(1))).map(|_| ()),
        run(store.swap(&key("new"), Stamp::of(None), "x".into())).map(|_| ()),
        run(store.apply(vec![Change::Put(key("new"), "x".into()), Change::Delete(key("0"))])),
    ];
    for outcome in outcomes {
        assert!(matches!(outcome, Err(StoreError::Full { limit, .. }) if limit == ByteSize::mib(2)), "{outcome:?}");
    }
    // A part of a change that was refused is not there.
    let names = run(store.list(&scope("shop", ""), Page { after: None, count_max: 1_000 })).expect("it reads");
    assert_eq!(names.len(), filled);
    assert!(run(store.get(&key("0"))).expect("it reads").is_some());
    let gone = names.iter().map(|name| Change::Delete(key(name))).collect();
    run(store.apply(gone)).expect("it deletes");
    fill(0).expect("there is room again");
}

#[test]
fn what_is_not_ours_under_our_names_is_damage_and_is_left_as_it_is() {
    let server = testkit::Redis::start();
    let mut client = client(&server);
    let store = connect(&options(&server));
    tell::<()>(&mut client, &["LPUSH", "wattle:{shop/default}:list", "x"]);
    tell::<()>(&mut client, &["SET", "wattle:{shop/broken}", "x"]);
    tell::<()>(&mut client, &["SET", "wattle:{shop/broken}:a", "x"]);
    cmd("ZADD").arg("wattle:{shop/binary}").arg(0).arg(b"\xff").exec(&mut client).expect("the server does so");
    let broken = scope("shop", "broken");
    let page = Page { after: None, count_max: 10 };
    let outcomes = [
        run(store.get(&key("list"))).map(|_| ()),
        run(store.increment(&key("list"), Addend::unsigned(1))).map(|_| ()),
        run(store.swap(&key("list"), Stamp::of(None), "x".into())).map(|_| ()),
        run(store.list(&broken, page)).map(|_| ()),
        run(store.put(&broken.key("a"), "y".into())),
        run(store.delete(&broken.key("a"))),
        run(store.increment(&broken.key("b"), Addend::unsigned(1))).map(|_| ()),
        run(store.list(&scope("shop", "binary"), page)).map(|_| ()),
    ];
    for outcome in outcomes {
        assert!(matches!(outcome, Err(StoreError::Damaged { .. })), "{outcome:?}");
    }
    assert_eq!(tell::<String>(&mut client, &["GET", "wattle:{shop/broken}:a"]), "x");
    assert_eq!(tell::<Option<String>>(&mut client, &["GET", "wattle:{shop/broken}:b"]), None);
}

#[test]
fn a_server_that_becomes_a_replica_takes_no_writes_until_it_leads_again() {
    let server = testkit::Redis::start();
    let mut client = client(&server);
    let store = connect(&options(&server));
    tell::<()>(&mut client, &["REPLICAOF", "127.0.0.1", "1"]);
    assert_unavailable(run(store.put(&key("a"), "1".into())));
    tell::<()>(&mut client, &["REPLICAOF", "NO", "ONE"]);
    eventually("it writes again", || run(store.put(&key("a"), "1".into())).is_ok());
}

/// Two hosts: neither loses what the other adds, and of their swaps one wins.
#[test]
fn two_stores_on_one_server_are_one() {
    let server = testkit::Redis::start();
    let stores = [connect(&options(&server)), connect(&options(&server))];
    let count = key("count");
    // Above 18 digits it is a matter of who is first.
    run(stores[0].put(&count, u64::MAX.saturating_sub(1_000).to_string().into())).expect("it writes");
    std::thread::scope(|threads| {
        for store in &stores {
            let add = async |_: usize| store.increment(&count, Addend::unsigned(1)).await.expect("it adds");
            threads.spawn(move || run(join_all((0..100).map(add))));
        }
    });
    let sum = run(stores[1].increment(&count, Addend::unsigned(0))).expect("it adds");
    assert_eq!(sum, Sum::Is(i128::from(u64::MAX) - 800));
    let (new, seen) = (key("new"), Stamp::of(None));
    let swaps = (0..20).map(|index| stores[index % 2].swap(&new, seen, index.to_string().into()));
    let outcomes = run(join_all(swaps)).into_iter().map(|outcome| outcome.expect("it answers"));
    assert_eq!(outcomes.filter(|outcome| *outcome == Swap::Written).count(), 1);
}

/// A node that has all slots refuses a script whose keys are not in one: none is refused.
#[test]
fn all_that_a_script_touches_lies_in_one_slot_of_a_cluster() {
    let bus = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let bus_port = bus.expect("a port is free").port().to_string();
    let server = testkit::Redis::start_with(["--cluster-enabled", "yes", "--cluster-port", &bus_port]);
    let mut client = client(&server);
    tell::<()>(&mut client, &["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
    eventually("the cluster is well", || {
        tell::<String>(&mut client, &["CLUSTER", "INFO"]).contains("cluster_state:ok")
    });
    let store = connect(&options(&server));
    for bucket in ["", "a/b", "{", "}{", "{}", "é"] {
        let scope = scope("shop", bucket);
        let names = ["", "{", "}", "{x}", "a"];
        run(store.apply(names.iter().map(|name| Change::Put(scope.key(name), "1".into())).collect()))
            .expect("it writes");
        run(store.increment(&scope.key("{x}"), Addend::unsigned(1))).expect("it adds");
        let swapped = run(store.swap(&scope.key("}"), Stamp::of(Some(b"1")), "2".into())).expect("it answers");
        assert_eq!(swapped, Swap::Written);
        let page = run(store.list(&scope, Page { after: None, count_max: 10 })).expect("it reads");
        assert_eq!(page, ["", "a", "{", "{x}", "}"]);
    }
}
