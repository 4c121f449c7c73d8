//! A lattice that three servers keep goes on when one of them is killed, whichever that is.

use async_nats::jetstream;
use serde_json::json;
use testkit::{NatsCluster, Wattle, eventually};

use crate::lattice::{Stranger, host, is, tell};
use crate::wattle;

/// What a lattice is kept in.
const BUCKETS: [&str; 4] = ["CONFIGDATA", "LATTICEDATA", "HOSTS", "LEASES"];

/// Which server leads a bucket that all three have; none, while one of them has less of it.
fn leader(stranger: &Stranger, bucket: &str) -> Option<usize> {
    let stream = stranger.runtime.block_on(async {
        let context = jetstream::new(stranger.client.clone());
        context.get_stream(format!("KV_{bucket}_default")).await.ok()
    })?;
    let info = stream.cached_info();
    let cluster = info.cluster.as_ref()?;
    let are_current = cluster.replicas.len() == 2 && cluster.replicas.iter().all(|replica| replica.current);
    let leader = cluster.leader.as_ref().filter(|_| info.config.num_replicas == 3 && are_current)?;
    leader.strip_prefix('n')?.parse().ok()
}

/// Carries out a command, again and again until it is done.
fn done(wattle: &Wattle, bus: &str, words: &[&str]) {
    let words = [words, &["--nats", bus]].concat();
    eventually(&words.join(" "), || wattle.run(&words).code == Some(0));
}

#[test]
fn control_goes_on_when_any_of_three_servers_is_killed() {
    let (wattle, mut cluster) = (wattle(), NatsCluster::start());
    let bus = cluster.url();
    let up = host(&wattle, &["--nats", &bus, "--name", "ada", "--heartbeat", "1"]);
    done(&wattle, &bus, &["config", "put", "before", "k=v"]);
    done(&wattle, &bus, &["link", "put", "till", "price", "--contract", "demo:shop/tag"]);
    for round in 0..2 {
        let stranger = Stranger::new(&cluster.server(0).url());
        eventually("all buckets are on three servers", || {
            BUCKETS.iter().all(|bucket| leader(&stranger, bucket).is_some())
        });
        // Who leads first what links are kept in, and then what settings are: with one replica one of them would be gone.
        let bucket = BUCKETS[1 - round];
        let mut killed = None;
        eventually("somebody leads it", || {
            killed = leader(&stranger, bucket);
            killed.is_some()
        });
        let killed = killed.expect("it was found");
        cluster.server(killed).kill();
        let name = format!("after-{round}");
        done(&wattle, &bus, &["config", "put", &name, "k=v"]);
        done(&wattle, &bus, &["link", "put", "desk", &name, "--name", &name, "--contract", "demo:shop/tag"]);
        assert_eq!(tell(&wattle, &bus, &["config", "get", "before"])["settings"], json!({ "k": "v" }));
        let links = tell(&wattle, &bus, &["link", "query"])["links"].clone();
        assert_eq!(links.as_array().map(Vec::len), Some(2 + round), "{links}");
        eventually("the host is there", || is(&wattle, &bus, "ada", "present"));
        cluster.server(killed).restart();
    }
    assert_eq!(up.stop().code, Some(0));
}
