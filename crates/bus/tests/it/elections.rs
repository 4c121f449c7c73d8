//! Three servers that keep a bucket together, and the one that leads is killed while it is written, read and watched.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::time::Duration;

use async_nats::jetstream;
use bus::{Bucket, Bus, ConnectOptions, Keep, Told, Watch};
use futures::future::join;

use crate::keeping::key;
use crate::server::{Server, quiet_port};
use crate::{eventually, run, soon};

const STREAM: &str = "KV_LATTICEDATA_test";

/// Writes that have to be acknowledged after a leader was killed.
const ENOUGH: usize = 100;

/// Before something is tried again that was not acknowledged.
const BREATH: Duration = Duration::from_millis(5);

/// Three servers that are one.
struct Cluster {
    servers: Vec<Server>,
}

/// What was acknowledged.
#[derive(Default)]
struct History {
    acknowledged: RefCell<BTreeSet<String>>,
    failed: Cell<usize>,
    is_over: Cell<bool>,
}

// === impl Cluster ===

impl Cluster {
    fn start() -> Self {
        let ports = [quiet_port(), quiet_port(), quiet_port()];
        let routes = ports.map(|port| format!("\"nats://127.0.0.1:{port}\"")).join(", ");
        let lines = |index: usize| {
            format!(
                "server_name: n{index}\njetstream {{ store_dir: FOLDER }}\n\
                 cluster {{ name: c, listen: \"127.0.0.1:{}\", routes: [ {routes} ] }}",
                ports[index]
            )
        };
        Self { servers: (0..3).map(|index| Server::configured(&lines(index))).collect() }
    }

    async fn connect(&self) -> Bus {
        let urls: Vec<_> = self.servers.iter().map(Server::url).collect();
        Bus::connect(&urls.join(","), ConnectOptions::default()).await.expect("they let us in")
    }

    /// Which server leads the bucket, once all of them have what it has.
    async fn leader(&self, bus: &Bus) -> usize {
        let mut leader = None;
        eventually("all of them are one again", async || {
            let context = jetstream::new(bus.client().expect("servers carry it"));
            let Ok(mut stream) = context.get_stream(STREAM).await else { return false };
            let Some(cluster) = stream.info().await.ok().and_then(|info| info.cluster.clone()) else { return false };
            let are_current = cluster.replicas.len() == 2 && cluster.replicas.iter().all(|replica| replica.current);
            leader = cluster.leader.filter(|_| are_current);
            leader.is_some()
        })
        .await;
        let leader = leader.expect("it was found");
        leader.strip_prefix('n').and_then(|index| index.parse().ok()).expect("a name of ours")
    }
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
    async fn kill_leaders(&self, cluster: &mut Cluster, bus: &Bus) {
        self.grow().await;
        for _ in 0..2 {
            let leader = cluster.leader(bus).await;
            cluster.servers[leader].kill();
            self.grow().await;
            cluster.servers[leader].restart();
        }
        self.is_over.set(true);
    }

    /// Waits for more acknowledgements.
    async fn grow(&self) {
        let before = self.acknowledged.borrow().len();
        eventually("more is acknowledged", async || self.acknowledged.borrow().len() >= before + ENOUGH).await;
    }
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
        let mut cluster = Cluster::start();
        let (bus, other) = (cluster.connect().await, cluster.connect().await);
        let keep = Keep { replicas: 3, ..Keep::default() };
        let mut bucket = None;
        eventually("the three have found each other", async || {
            bucket = bus.bucket("LATTICEDATA_test".parse().expect("a name"), keep).await.ok();
            bucket.is_some()
        })
        .await;
        let bucket = bucket.expect("it was made");
        let mut watch = crate::keeping::bucket(&other, keep).await.watch();
        let history = History::default();
        let using = join(history.write(&bucket), history.read(&bucket));
        join(using, history.kill_leaders(&mut cluster, &other)).await;
        let acknowledged = history.acknowledged.take();
        println!("{} writes were acknowledged, {} were not", acknowledged.len(), history.failed.get());
        tells_of(&mut watch, acknowledged).await;
    });
}
