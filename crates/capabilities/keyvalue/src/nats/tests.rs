//! What becomes of calls when the server is killed, held, full, leaderless or has lost the bucket, and what other clients of
//! the bucket see.

use std::net::SocketAddr;
use std::time::Instant;

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

fn options(server: &testkit::Nats) -> Options {
    with_timeout(suite::nats_options(server), TIMEOUT)
}

fn with_timeout(options: Options, timeout: Duration) -> Options {
    Options { reach: Reach { timeout, ..options.reach.clone() }, ..options }
}

fn at(url: String, options: Options) -> Options {
    Options { reach: Reach { url, ..options.reach.clone() }, ..options }
}

fn connect(options: &Options) -> Nats {
    HOME.block_on(Nats::connect(options)).expect("the server is up")
}

/// A client of its own, to look and to meddle.
fn client(server: &testkit::Nats) -> async_nats::jetstream::Context {
    let client = HOME.block_on(async_nats::connect(server.url())).expect("the server is up");
    let _home = HOME.enter();
    async_nats::jetstream::new(client)
}

fn assert_unavailable<T: std::fmt::Debug>(outcome: Result<T, StoreError>) {
    assert!(matches!(outcome, Err(StoreError::Unavailable { .. })), "{outcome:?}");
}

/// How many connections to that address are open in this process' network.
fn connections(address: SocketAddr) -> usize {
    let port = format!(":{:04X}", address.port());
    let table = std::fs::read_to_string("/proc/net/tcp").expect("the system tells");
    let is_ours = |line: &&str| {
        let fields: Vec<_> = line.split_whitespace().collect();
        // The far end's address, and the state: 01 is open.
        fields[2].ends_with(&port) && fields[3] == "01"
    };
    table.lines().skip(1).filter(is_ours).count()
}

#[test]
fn a_server_killed_under_load_costs_only_the_calls_of_that_time() {
    let mut server = testkit::Nats::start();
    let store = connect(&options(&server));
    load::survives_kills(&store, &mut server, TIMEOUT + GRACE);
}

#[test]
fn a_server_that_never_answers_is_not_waited_for() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    let server = testkit::Nats::start();
    let started = Instant::now();
    let error = HOME.block_on(Nats::connect(&at(format!("nats://{address}"), options(&server))));
    let error = error.map(|_| ()).expect_err("nobody answers");
    assert!(matches!(error, ConnectError::Unavailable(_)), "{error:?}");
    assert!(started.elapsed() < TIMEOUT + GRACE);
}

#[test]
fn a_paused_server_costs_a_call_its_time_and_no_more() {
    let server = testkit::Nats::start();
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

/// Something on the way swallows all that is sent on a connection, and says nothing.
#[test]
fn a_connection_that_leads_nowhere_is_replaced() {
    let server = testkit::Nats::start();
    let proxy = Proxy::to(server.address());
    let store = connect(&at(format!("nats://{}", proxy.address()), options(&server)));
    run(store.put(&key("a"), "1".into())).expect("it writes");
    proxy.swallow_open_connections();
    assert_unavailable(run(store.get(&key("a"))));
    let recovery = until_well(&store);
    assert!(recovery < Duration::from_secs(5), "it took {recovery:?}");
}

/// What a caller was told of as failed is not sent when the server is back.
#[test]
fn a_write_that_failed_while_the_server_was_gone_is_not_made_later() {
    let mut server = testkit::Nats::start();
    let store = connect(&options(&server));
    run(store.put(&key("a"), "before".into())).expect("it writes");
    server.kill();
    eventually("the store says so", || run(store.get(&key("any"))).is_err());
    for _ in 0..20 {
        assert_unavailable(run(store.put(&key("a"), "while it was gone".into())));
    }
    server.restart();
    until_well(&store);
    run(store.put(&key("b"), "after".into())).expect("it writes");
    assert_eq!(run(store.get(&key("a"))).expect("it reads"), Some("before".into()));
}

#[test]
fn nothing_is_open_once_the_store_is_dropped() {
    let mut server = testkit::Nats::start();
    let stores: Vec<_> = (0..5).map(|_| connect(&options(&server))).collect();
    assert_eq!(connections(server.address()), 5);
    drop(stores);
    eventually("all are closed", || connections(server.address()) == 0);

    // Nor is one opened by a store that was dropped while it waited for its server.
    let store = connect(&options(&server));
    server.kill();
    eventually("the store says so", || run(store.get(&key("any"))).is_err());
    drop(store);
    server.restart();
    let other = connect(&options(&server));
    assert_eq!(connections(server.address()), 1);
    drop(other);
}

#[test]
fn a_full_bucket_says_how_much_it_holds_and_still_reads_and_deletes() {
    let server = testkit::Nats::start();
    let new = NewBucket { replicas: 1, limit: Some(ByteSize::kib(256)) };
    let store = connect(&Options { create: Some(new), ..options(&server) });
    let fill = |index: usize| run(store.put(&key(&index.to_string()), vec![7; 10 << 10].into()));
    let error = (0..100).find_map(|index| fill(index).err()).expect("it gets full");
    assert!(matches!(error, StoreError::Full { limit, .. } if limit == ByteSize::kib(256)), "{error:?}");
    assert!(run(store.get(&key("0"))).expect("it reads").is_some());
    run(store.apply((0..100).map(|index| Change::Delete(key(&index.to_string()))).collect())).expect("it deletes");
    fill(0).expect("there is room again");
}

/// The server's own bound of what it keeps, which no bucket was told.
#[test]
fn a_full_server_says_so() {
    let server = testkit::Nats::start_with(["jetstream { max_file_store: 1048576 }"]);
    let store = connect(&options(&server));
    let fill = |index: usize| run(store.put(&key(&index.to_string()), vec![7; 100 << 10].into()));
    let error = (0..100).find_map(|index| fill(index).err()).expect("it gets full");
    assert!(matches!(error, StoreError::Full { .. }), "{error:?}");
}

#[test]
fn a_value_larger_than_a_message_is_refused_in_words() {
    let server = testkit::Nats::start_with([]);
    let store = connect(&options(&server));
    let error = run(store.put(&key("a"), vec![0; 2 << 20].into())).expect_err("it is too large");
    let said = stdx::Chain(&error).to_string();
    assert!(said.contains("1 MiB") && said.contains("max_payload"), "{said}");
    run(store.put(&key("a"), vec![0; 1_000_000].into())).expect("the store is well");
}

/// More keys than a server tells of at once: a part of them is not all of them.
#[test]
fn more_keys_than_are_listed_are_said_to_be_too_many() {
    let server = testkit::Nats::start();
    let store = connect(&with_timeout(options(&server), Duration::from_secs(20)));
    let put = |index: usize| Change::Put(key(&index.to_string()), Bytes::new());
    run(store.apply((0..jetstream::SUBJECTS_MAX).map(put).collect())).expect("it writes");
    let list = |after| run(store.list(&scope("shop", ""), Page { after, count_max: 3 }));
    assert_eq!(list(Some("9999")).expect("it reads"), ["99990", "99991", "99992"]);
    run(store.apply(vec![put(jetstream::SUBJECTS_MAX)])).expect("it writes");
    let error = list(None).expect_err("they are too many");
    assert!(stdx::Chain(&error).to_string().contains("more than 100000"), "{}", stdx::Chain(&error));
    assert!(run(store.list(&scope("shop", "other"), Page { after: None, count_max: 3 })).expect("it reads").is_empty());
}

#[test]
fn a_deleted_key_leaves_nothing() {
    let server = testkit::Nats::start();
    let store = connect(&options(&server));
    for name in ["a", &"k".repeat(4_096)] {
        run(store.put(&key(name), "1".into())).expect("it writes");
        run(store.delete(&key(name))).expect("it deletes");
    }
    let stream = HOME.block_on(client(&server).get_stream("KV_wattle")).expect("it is there");
    assert_eq!(stream.cached_info().state.messages, 0);
    assert!(!stream.cached_info().config.allow_direct, "reads go to the leader");
}

/// `nats kv` and its like: they see what we write, we see what they write and that they deleted it.
#[test]
fn the_bucket_is_one_that_other_clients_know() {
    let server = testkit::Nats::start();
    let store = connect(&options(&server));
    let bucket = HOME.block_on(client(&server).get_key_value("wattle")).expect("it is a bucket");
    run(store.put(&key("user:42"), "1".into())).expect("it writes");
    let seen = HOME.block_on(bucket.get("shop.default.user=3a42")).expect("it reads");
    assert_eq!(seen, Some("1".into()));
    HOME.block_on(bucket.put("shop.default.theirs", "2".into())).expect("it writes");
    assert_eq!(run(store.get(&key("theirs"))).expect("it reads"), Some("2".into()));
    HOME.block_on(bucket.delete("shop.default.theirs")).expect("it deletes");
    assert_eq!(run(store.get(&key("theirs"))).expect("it reads"), None);
    assert_eq!(run(store.swap(&key("theirs"), Stamp::of(None), "3".into())).expect("it answers"), Swap::Written);
    assert_eq!(run(store.increment(&key("theirs"), Addend::unsigned(1))).expect("it adds"), Sum::Is(4));
}

/// A long name that somebody else stored without saying which.
#[test]
fn a_name_that_nobody_can_know_is_damage() {
    let server = testkit::Nats::start();
    let store = connect(&options(&server));
    let bucket = HOME.block_on(client(&server).get_key_value("wattle")).expect("it is a bucket");
    HOME.block_on(bucket.put("shop.default.==abc", "2".into())).expect("it writes");
    HOME.block_on(bucket.put("shop.default.not/ours", "2".into())).expect("it writes");
    let outcome = run(store.list(&scope("shop", ""), Page { after: None, count_max: 10 }));
    assert!(matches!(outcome, Err(StoreError::Damaged { .. })), "{outcome:?}");
    HOME.block_on(bucket.purge("shop.default.==abc")).expect("it purges");
}

/// The bucket has gone, as after a power cut that the server did not survive well: that is not an empty bucket.
#[test]
fn a_lost_bucket_is_a_failure_and_not_an_empty_one() {
    let server = testkit::Nats::start();
    let store = connect(&options(&server));
    run(store.put(&key("a"), "1".into())).expect("it writes");
    HOME.block_on(client(&server).delete_stream("KV_wattle")).expect("it deletes");
    assert_unavailable(run(store.get(&key("a"))));
    assert_unavailable(run(store.put(&key("a"), "1".into())));
    assert_unavailable(run(store.delete(&key("a"))));
    assert_unavailable(run(store.increment(&key("a"), Addend::unsigned(1))));
    assert_unavailable(run(store.list(&scope("shop", ""), Page { after: None, count_max: 10 })));
}

/// Two hosts: neither loses what the other adds, and of their swaps one wins.
#[test]
fn two_stores_on_one_bucket_are_one() {
    let server = testkit::Nats::start();
    let options = with_timeout(options(&server), Duration::from_secs(5));
    let stores = [connect(&options), connect(&options)];
    let (count, new) = (key("count"), key("new"));
    std::thread::scope(|threads| {
        for store in &stores {
            let add = async |_: usize| store.increment(&count, Addend::unsigned(1)).await.expect("it adds");
            threads.spawn(move || run(join_all((0..100).map(add))));
        }
    });
    assert_eq!(run(stores[0].increment(&count, Addend::unsigned(0))).expect("it adds"), Sum::Is(200));
    let seen = Stamp::of(None);
    let swaps = (0..20).map(|index| stores[index % 2].swap(&new, seen, index.to_string().into()));
    let outcomes = run(join_all(swaps)).into_iter().map(|outcome| outcome.expect("it answers"));
    assert_eq!(outcomes.filter(|outcome| *outcome == Swap::Written).count(), 1);
}

/// Three servers with three copies. One that dies is not missed for long; with two gone there is no leader, and what nobody
/// can know is a failure: no key is said to be absent, and no list to be empty.
#[test]
fn a_cluster_survives_one_of_three_and_says_so_when_it_does_not() {
    let routes: Vec<_> = (0..3)
        .map(|_| std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()))
        .map(|address| address.expect("a port is free"))
        .collect();
    let known = routes.iter().map(|address| format!("\"nats://{address}\"")).collect::<Vec<_>>().join(", ");
    let mut servers: Vec<_> = routes
        .iter()
        .enumerate()
        .map(|(index, listen)| {
            let cluster = format!("cluster {{ name: c, listen: \"{listen}\", routes: [{known}] }}");
            testkit::Nats::start_with([&format!("server_name: s{index}"), &cluster])
        })
        .collect();
    let new = NewBucket { replicas: 3, limit: None };
    let options = Options { create: Some(new), ..with_timeout(options(&servers[0]), Duration::from_secs(1)) };
    let mut opened = None;
    eventually("the three have found each other", || {
        opened = HOME.block_on(Nats::connect(&options)).ok();
        opened.is_some()
    });
    let store = opened.expect("it is open");
    run(store.put(&key("a"), "1".into())).expect("it writes");
    let page = Page { after: None, count_max: 10 };
    let is_right = || {
        let value = run(store.get(&key("a")));
        let names = run(store.list(&scope("shop", ""), page));
        assert!(value.as_ref().is_ok_and(Option::is_some) || value.is_err(), "{value:?}");
        // A write that nobody answered may have been made.
        let is_whole = |names: &Vec<String>| names == &["a"] || names == &["a", "b"];
        assert!(names.as_ref().is_ok_and(is_whole) || names.is_err(), "{names:?}");
        value.is_ok() && names.is_ok()
    };
    servers[0].kill();
    eventually("another one leads", is_right);
    servers[1].kill();
    let is_refused = |outcome: Result<(), StoreError>| matches!(outcome, Err(StoreError::Unavailable { .. }));
    eventually("nobody leads", || is_refused(run(store.put(&key("b"), "1".into()))));
    let until = Instant::now() + Duration::from_secs(3);
    while Instant::now() < until {
        is_right();
    }
    servers[0].restart();
    eventually("somebody leads again", is_right);
}
