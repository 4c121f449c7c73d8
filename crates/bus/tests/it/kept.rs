//! Buckets in JetStream beside other clients, and through all that happens to a server.

use async_nats::jetstream::stream::{DiscardPolicy, StorageType};
use async_nats::jetstream::{self, kv};
use bus::{BucketError, Bus, ConnectOptions, Durability, Keep, Replicas};
use bytes::Bytes;
use futures::StreamExt;
use stdx::{Code, Explain};

use crate::carriers;
use crate::keeping::{self, Carrier, bucket, key, told, told_until};
use crate::server::{self, Server};
use crate::{eventually, run, soon};

const STREAM: &str = "KV_LATTICEDATA_test";

/// A stock client.
async fn stock(server: &testkit::Nats) -> jetstream::Context {
    jetstream::new(async_nats::connect(server.url()).await.expect("it lets us in"))
}

async fn stock_bucket(server: &testkit::Nats) -> kv::Store {
    stock(server).await.get_key_value("LATTICEDATA_test").await.expect("it is a bucket")
}

async fn connect(server: &testkit::Nats) -> Bus {
    Bus::connect(&server.url(), ConnectOptions::default()).await.expect("it lets us in")
}

async fn consumers(server: &testkit::Nats) -> usize {
    let stream = stock(server).await.get_stream(STREAM).await.expect("it is there");
    stream.cached_info().state.consumer_count
}

#[test]
fn a_bucket_is_made_so_that_no_read_is_stale_and_nothing_is_thrown_away() {
    run(async {
        let server = testkit::Nats::start();
        let bus = connect(&server).await;
        bucket(&bus, Keep::default()).await;
        let stream = stock(&server).await.get_stream(STREAM).await.expect("it is there");
        let config = &stream.cached_info().config;
        assert_eq!(config.subjects, ["$KV.LATTICEDATA_test.>"]);
        assert!(!config.allow_direct && config.allow_rollup && config.deny_delete && !config.deny_purge);
        assert_eq!((config.max_messages_per_subject, config.num_replicas), (1, 1));
        assert_eq!((config.discard, config.storage), (DiscardPolicy::New, StorageType::File));
    });
}

/// An older server takes the headers of a batch for those of any message, and stores each of them as if nothing held them together.
async fn no_write_is_a_batch(bus: Bus) {
    let bucket = bucket(&bus, Keep::default()).await;
    bucket.put(&key("put"), "1".into()).await.expect("it is put");
    let seen = bucket.create(&key("update"), "1".into()).await.expect("it is put");
    bucket.update(&key("update"), "2".into(), seen).await.expect("it is as it was seen");
    bucket.create(&key("create"), "1".into()).await.expect("it is put");
    bucket.put(&key("delete"), "1".into()).await.expect("it is put");
    bucket.delete(&key("delete")).await.expect("it is deleted");
    bucket.put(&key("purge"), "1".into()).await.expect("it is put");
    bucket.purge(&key("purge")).await.expect("it is purged");
    let stream =
        jetstream::new(bus.client().expect("a server carries it")).get_stream(STREAM).await.expect("it is there");
    let mut all = Vec::new();
    for name in ["put", "update", "create", "delete", "purge"] {
        let message = stream.get_last_raw_message_by_subject(&format!("$KV.LATTICEDATA_test.{name}")).await;
        let message = message.expect("it was written");
        all.extend(message.headers.iter().map(|(header, _)| format!("{name} {header}")));
    }
    all.sort();
    let expected = [
        "create Nats-Expected-Last-Subject-Sequence",
        "delete KV-Operation",
        "purge KV-Operation",
        "purge Nats-Rollup",
        "update Nats-Expected-Last-Subject-Sequence",
    ];
    assert_eq!(all, expected);
}

#[test]
fn no_write_is_a_batch_nats_newest() {
    run(async { no_write_is_a_batch(connect(&testkit::Nats::start()).await).await });
}

#[test]
fn no_write_is_a_batch_nats_of_the_system() {
    let Some(carrier) = Carrier::nats_of_system() else { return };
    run(async { no_write_is_a_batch(carrier.bus().await).await });
}

#[test]
fn it_counts_on_what_the_settings_say_of_the_server() {
    run(async {
        let server = testkit::Nats::start();
        for (durability, counted_on) in [(None, Durability::Process), (Some(Durability::Disk), Durability::Disk)] {
            let options = ConnectOptions { durability, ..ConnectOptions::default() };
            let bus = Bus::connect(&server.url(), options).await.expect("it lets us in");
            assert_eq!(bucket(&bus, Keep::default()).await.durability(), counted_on);
        }
    });
}

#[test]
fn a_stock_client_sees_what_we_put_and_we_see_what_it_puts() {
    run(async {
        let server = testkit::Nats::start();
        let bus = connect(&server).await;
        let (ours, mut watch) = (bucket(&bus, Keep::default()).await, bucket(&bus, Keep::default()).await.watch());
        let theirs = stock_bucket(&server).await;
        assert_eq!(told(&mut watch).await, "current");
        let mut their_watch = theirs.watch_all().await.expect("it watches");

        // What is told is waited for each time: of two changes to one key that follow at once the first may not be told.
        let mut both = async |ours: &str, theirs: kv::Operation| {
            assert_eq!(told(&mut watch).await, ours);
            let entry = soon("they are told", their_watch.next()).await.expect("they watch").expect("they hear");
            assert_eq!(entry.operation, theirs, "{ours}");
        };

        let revision = ours.put(&key("COMPONENT_a"), "ours".into()).await.expect("it is put");
        let entry = theirs.entry("COMPONENT_a").await.expect("it is read").expect("it is there");
        let expected = (Bytes::from("ours"), revision.as_u64(), kv::Operation::Put);
        assert_eq!((entry.value, entry.revision, entry.operation), expected);
        both("COMPONENT_a=ours", kv::Operation::Put).await;
        theirs.update("COMPONENT_a", "theirs".into(), revision.as_u64()).await.expect("it is as it was seen");
        both("COMPONENT_a=theirs", kv::Operation::Put).await;
        theirs.delete("COMPONENT_a").await.expect("it is deleted");
        both("-COMPONENT_a", kv::Operation::Delete).await;
        ours.create(&key("COMPONENT_a"), "1".into()).await.expect("what was deleted can be made again");
        both("COMPONENT_a=1", kv::Operation::Put).await;
        theirs.purge("COMPONENT_a").await.expect("it is purged");
        both("-COMPONENT_a", kv::Operation::Purge).await;
        assert_eq!(ours.get(&key("COMPONENT_a")).await.expect("it is read"), None);
        ours.create(&key("COMPONENT_a"), "2".into()).await.expect("what was purged can be made again");
        both("COMPONENT_a=2", kv::Operation::Put).await;
        ours.delete(&key("COMPONENT_a")).await.expect("it is deleted");
        both("-COMPONENT_a", kv::Operation::Delete).await;
        assert_eq!(theirs.get("COMPONENT_a").await.expect("it is read"), None);
        theirs.create("COMPONENT_a", "3".into()).await.expect("what we deleted they can make again");
        both("COMPONENT_a=3", kv::Operation::Put).await;
        ours.purge(&key("COMPONENT_a")).await.expect("it is purged");
        both("-COMPONENT_a", kv::Operation::Purge).await;
        assert_eq!(theirs.get("COMPONENT_a").await.expect("it is read"), None);
    });
}

#[test]
fn a_bucket_that_a_stock_client_made_is_used_as_it_is() {
    run(async {
        let server = testkit::Nats::start();
        let config =
            kv::Config { bucket: "LATTICEDATA_test".into(), storage: StorageType::Memory, ..kv::Config::default() };
        let theirs = stock(&server).await.create_key_value(config).await.expect("it is made");
        theirs.put("a", "1".into()).await.expect("it is put");
        let ours = bucket(&connect(&server).await, Keep::default()).await;
        assert_eq!(ours.durability(), Durability::Memory, "it forgets when its server ends");
        let entry = ours.get(&key("a")).await.expect("it is read").expect("it is there");
        assert_eq!(entry.value, "1");
    });
}

#[test]
fn who_keeps_nothing_says_so() {
    run(async {
        let name = || "CONFIGDATA_test".parse().expect("a name");
        let plain = Server::start(server::newest(), &[]);
        let loopback = carriers::Carrier::loopback();
        for bus in [carriers::connect(plain.address()).await, loopback.bus().await] {
            let refused = bus.bucket(name(), Keep::default()).await.expect_err("it keeps nothing");
            assert!(matches!(refused, BucketError::NoBuckets { .. }), "{refused:?}");
            assert_eq!(refused.code(), Code::E0707);
        }
    });
}

#[test]
fn what_cannot_be_made_or_is_something_else_is_refused() {
    run(async {
        let server = testkit::Nats::start();
        let bus = connect(&server).await;
        let name = || "LATTICEDATA_test".parse().expect("a name");
        let options = ConnectOptions { replicas: Replicas::AtLeast(3), ..ConnectOptions::default() };
        let three = Bus::connect(&server.url(), options).await.expect("it lets us in");
        let refused = three.bucket(name(), Keep::default()).await.expect_err("there is one server");
        assert!(matches!(refused, BucketError::Refused { .. }), "{refused:?}");
        let config =
            jetstream::stream::Config { name: STREAM.into(), subjects: vec!["x".into()], ..Default::default() };
        stock(&server).await.create_stream(config).await.expect("it is made");
        let refused = bus.bucket(name(), Keep::default()).await.expect_err("it is something else");
        assert_eq!(refused.code(), Code::E0708, "{refused:?}");
    });
}

#[test]
fn a_lost_server_is_an_error_at_once_and_nothing_is_kept_to_be_sent_later() {
    run(async {
        let mut server = testkit::Nats::start();
        let bus = connect(&server).await;
        let bucket = bucket(&bus, Keep::default()).await;
        bucket.put(&key("a"), "1".into()).await.expect("it is put");
        server.kill();
        eventually("the loss is seen", async || !bus.is_connected()).await;
        let refused = bucket.put(&key("a"), "2".into()).await.expect_err("nobody is there");
        assert!(matches!(refused, BucketError::Unavailable { .. }), "{refused:?}");
        assert_eq!(refused.code(), Code::E0604);
        server.restart();
        eventually("it is there again", async || bus.is_connected()).await;
        let there = || async { bucket.get(&key("a")).await.map(|entry| entry.expect("it was acknowledged").value) };
        eventually("it answers again", async || there().await.is_ok()).await;
        assert_eq!(there().await.expect("it answers"), "1");
    });
}

/// Kills and restarts the server under two watches, while somebody writes: each change that was acknowledged is told, and the
/// server has one consumer for each of the watches at the end.
#[test]
fn a_watch_goes_on_through_restarts_and_leaves_nothing_behind() {
    run(async {
        let mut server = testkit::Nats::start();
        let (bus, writers) = (connect(&server).await, connect(&server).await);
        let (ours, writer) = (bucket(&bus, Keep::default()).await, bucket(&writers, Keep::default()).await);
        let mut watches = [ours.watch(), ours.watch()];
        for watch in &mut watches {
            assert_eq!(told(watch).await, "current");
        }
        for round in 0..5 {
            server.kill();
            server.restart();
            let value = Bytes::from(round.to_string());
            eventually("it is written", async || writer.put(&key("a"), value.clone()).await.is_ok()).await;
            for watch in &mut watches {
                let heard = told_until(watch, &format!("a={round}")).await;
                assert!(!heard.iter().any(|told| told.starts_with('-') || told == "anew"), "{heard:?}");
            }
        }
        eventually("there is one consumer for each watch", async || consumers(&server).await == 2).await;
        let [ended, dropped] = watches;
        ended.end().await;
        assert_eq!(consumers(&server).await, 1, "a watch that is ended has taken its own away");
        drop(dropped);
        eventually("nothing is left of a watch that is dropped", async || consumers(&server).await == 0).await;
    });
}

#[test]
fn what_vanished_while_a_watch_saw_nothing_is_told() {
    run(async {
        let mut server = testkit::Nats::start();
        let ours = bucket(&connect(&server).await, Keep::default()).await;
        for name in ["a", "b", "c"] {
            ours.put(&key(name), "1".into()).await.expect("it is put");
        }
        let mut watch = ours.watch();
        assert_eq!(told_until(&mut watch, "current").await, ["a=1", "b=1", "c=1", "current"]);
        // A purge leaves no message: nobody is told of it.
        let stream = stock(&server).await.get_stream(STREAM).await.expect("it is there");
        stream.purge().filter("$KV.LATTICEDATA_test.b").await.expect("it is purged");
        server.restart();
        assert_eq!(told_until(&mut watch, "current").await, ["away", "-b", "current"]);
        ours.put(&key("a"), "2".into()).await.expect("it is put");
        assert_eq!(told(&mut watch).await, "a=2");
    });
}

/// The server loses everything, as one whose disk lied does: nothing is said to be gone, and the bucket goes on.
#[test]
fn a_bucket_that_was_lost_is_told_anew_and_nothing_is_gone() {
    run(async {
        let server = testkit::Nats::start();
        let ours = bucket(&connect(&server).await, Keep::default()).await;
        for name in ["a", "b"] {
            ours.put(&key(name), "1".into()).await.expect("it is put");
        }
        let mut watch = ours.watch();
        told_until(&mut watch, "current").await;
        stock(&server).await.delete_stream(STREAM).await.expect("it is deleted");
        ours.put(&key("c"), "2".into()).await.expect("it is made again");
        let heard = told_until(&mut watch, "c=2").await;
        assert!(heard.contains(&"anew".into()) && !heard.iter().any(|told| told.starts_with('-')), "{heard:?}");
        assert_eq!(ours.keys().await.expect("they are listed"), [key("c")]);
    });
}

/// A broker is dropped and its folder opened again: all is there, and a second one meanwhile is refused.
#[test]
fn what_a_process_keeps_is_there_when_it_comes_back() {
    run(async {
        let folder = keeping::folder();
        for round in 0..3 {
            let bus = Bus::in_process(keeping::open(folder.path()));
            let bucket = bucket(&bus, Keep::default()).await;
            let second = Bus::in_process(keeping::open(folder.path()));
            let refused = second.bucket(bucket.name().clone(), Keep::default()).await;
            assert!(matches!(refused, Err(BucketError::Disk(_))), "{refused:?}");
            assert_eq!(bucket.keys().await.expect("they are listed").len(), round);
            bucket.put(&key(&format!("k{round}")), "1".into()).await.expect("it is put");
        }
    });
}

#[test]
fn a_host_keeps_its_buckets_from_who_comes_through_its_door() {
    run(async {
        let kept = Carrier::disk();
        let ours = kept.bucket().await;
        ours.put(&key("a"), "1".into()).await.expect("it is put");
        let Carrier::Disk(broker, _folder) = &kept else { panic!("it is on disk") };
        let door = carriers::listen(broker.clone(), bus::LoopbackConfig::default());
        let stranger = carriers::connect(door.address()).await;
        let refused = stranger.bucket("LATTICEDATA_test".parse().expect("a name"), Keep::default()).await;
        assert!(matches!(refused, Err(BucketError::NoBuckets { .. })), "{refused:?}");
    });
}
