//! Three servers that keep a bucket together, and the one that leads is killed while it is written, read and watched.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::stream::Info;
use bus::{Bucket, Bus, ConnectOptions, Keep, Replicas, Told, Watch};
use futures::future::join;
use testkit::NatsCluster;

use crate::keeping::key;
use crate::{eventually, run, soon};

const STREAM: &str = "KV_LATTICEDATA_test";

/// Writes that have to be acknowledged after a leader was killed.
const ENOUGH: usize = 100;

/// Before something is tried again that was not acknowledged.
const BREATH: Duration = Duration::from_millis(5);

/// What was acknowledged.
#[derive(Default)]
struct History {
    acknowledged: RefCell<BTreeSet<String>>,
    failed: Cell<usize>,
    is_over: Cell<bool>,
}

// === impl History ===

impl History {
    /// Puts one value after the other, each once, until it is over.
    async fn write(&self, bucket: &Bucket) {
        for number in 0.. {
            if self.is_over.get() {
                return;
            }
            let name = format!("k{number}");
            match bucket.put(&key(&name), name.clone().into()).await {
                Ok(_) => drop(self.acknowledged.borrow_mut().insert(name)),
                Err(_) => {
                    self.failed.set(self.failed.get() + 1);
                    // What is refused for want of a connection is refused at once, and the connection needs this thread.
                    tokio::time::sleep(BREATH).await;
                }
            }
        }
    }

    /// Reads all and one, again and again: what is answered has all that was acknowledged before it was asked for.
    async fn read(&self, bucket: &Bucket) {
        while !self.is_over.get() {
            let before = self.acknowledged.borrow().clone();
            if let Some(name) = before.last() {
                let read = bucket.get(&key(name)).await;
                assert!(!matches!(read, Ok(None)), "{name} was acknowledged, and a read says that there is nothing");
            }
            if let Ok(keys) = bucket.keys().await {
                let keys: BTreeSet<_> = keys.iter().map(ToString::to_string).collect();
                let missing: Vec<_> = before.difference(&keys).collect();
                assert!(missing.is_empty(), "{missing:?} were acknowledged, and a list has only {}", keys.len());
            }
            tokio::time::sleep(BREATH).await;
        }
    }

    /// Kills who leads, twice, and goes on until enough was acknowledged afterwards.
    async fn kill_leaders(&self, cluster: &mut NatsCluster, bus: &Bus) {
        self.grow().await;
        for _ in 0..2 {
            let leader = leader(bus).await;
            cluster.server(leader).kill();
            self.grow().await;
            cluster.server(leader).restart();
        }
        self.is_over.set(true);
    }

    /// Waits for more acknowledgements.
    async fn grow(&self) {
        let before = self.acknowledged.borrow().len();
        eventually("more is acknowledged", async || self.acknowledged.borrow().len() >= before + ENOUGH).await;
    }
}

/// A bus whose buckets are on so many servers.
async fn connect(cluster: &NatsCluster, replicas: Replicas) -> Bus {
    let options = ConnectOptions { replicas, ..ConnectOptions::default() };
    Bus::connect(&cluster.url(), options).await.expect("they let us in")
}

/// The bucket of the tests, once there are servers enough.
async fn bucket(bus: &Bus) -> Bucket {
    named(bus, "LATTICEDATA_test").await
}

async fn named(bus: &Bus, name: &str) -> Bucket {
    let mut bucket = None;
    eventually("the three have found each other", async || {
        bucket = bus.bucket(name.parse().expect("a name"), Keep::default()).await.ok();
        bucket.is_some()
    })
    .await;
    bucket.expect("it was made")
}

/// What the servers say of the bucket, once all of three have what it has.
async fn on_three(bus: &Bus) -> Info {
    let mut found = None;
    eventually("all of them are one", async || {
        let context = jetstream::new(bus.client().expect("servers carry it"));
        let Ok(stream) = context.get_stream(STREAM).await else { return false };
        let info = stream.cached_info().clone();
        let cluster = info.cluster.clone().unwrap_or_default();
        let are_current = cluster.replicas.len() == 2 && cluster.replicas.iter().all(|replica| replica.current);
        found = (are_current && cluster.leader.is_some()).then_some(info);
        found.is_some()
    })
    .await;
    found.expect("it was found")
}

/// Which server leads the bucket, once all of them have what it has.
async fn leader(bus: &Bus) -> usize {
    let leader = on_three(bus).await.cluster.and_then(|cluster| cluster.leader).expect("one leads");
    leader.strip_prefix('n').and_then(|index| index.parse().ok()).expect("a name of ours")
}

/// Waits until a watch has told of all of these. It never says that the bucket is another one.
async fn tells_of(watch: &mut Watch, mut names: BTreeSet<String>) {
    while !names.is_empty() {
        match soon("a watch tells more", watch.next()).await.expect("the bus is there") {
            Told::Set { key, entry } => {
                assert_eq!(key.as_str(), entry.value);
                names.remove(key.as_str());
            }
            Told::Current(_) | Told::Away => {}
            told @ (Told::Gone { .. } | Told::Anew { .. }) => panic!("nothing was deleted: {told:?}"),
        }
    }
}

#[test]
fn a_leader_that_is_killed_takes_nothing_along_that_was_acknowledged() {
    run(async {
        let mut cluster = NatsCluster::start();
        let three = Replicas::AtLeast(3);
        let (bus, other) = (connect(&cluster, three).await, connect(&cluster, three).await);
        let bucket = bucket(&bus).await;
        let mut watch = self::bucket(&other).await.watch();
        let history = History::default();
        let using = join(history.write(&bucket), history.read(&bucket));
        join(using, history.kill_leaders(&mut cluster, &other)).await;
        let acknowledged = history.acknowledged.take();
        println!("{} writes were acknowledged, {} were not", acknowledged.len(), history.failed.get());
        tells_of(&mut watch, acknowledged).await;
    });
}

#[test]
fn a_bucket_is_on_three_servers_where_there_are_three() {
    run(async {
        let cluster = NatsCluster::start();
        named(&connect(&cluster, Replicas::AtLeast(3)).await, "CONFIGDATA_test").await;
        // One of them has it, as a server has what it was given before it had others.
        let alone = connect(&cluster, Replicas::AtLeast(1)).await;
        let before = bucket(&alone).await;
        before.put(&key("a"), "1".into()).await.expect("it is put");
        let looking = bucket(&connect(&cluster, Replicas::AsFound).await).await;
        looking.get(&key("a")).await.expect("it is read");
        let context = jetstream::new(alone.client().expect("servers carry it"));
        let mut stream = context.get_stream(STREAM).await.expect("it is there");
        assert_eq!(stream.cached_info().config.num_replicas, 1, "who only looks leaves it as it is");

        let host = connect(&cluster, Replicas::Auto).await;
        let kept = bucket(&host).await;
        let info = on_three(&host).await;
        assert_eq!((info.config.num_replicas, info.config.allow_direct), (3, false));
        assert_eq!(info.config.subjects, ["$KV.LATTICEDATA_test.>"]);
        eventually(
            "it is read where it was put before",
            async || matches!(kept.get(&key("a")).await, Ok(Some(entry)) if entry.value == "1"),
        )
        .await;

        // Which is how a new one is made, whoever makes it.
        let new = connect(&cluster, Replicas::default()).await;
        named(&new, "HOSTS_test").await;
        stream = context.get_stream("KV_HOSTS_test").await.expect("it is there");
        assert_eq!(stream.cached_info().config.num_replicas, 3);
    });
}
