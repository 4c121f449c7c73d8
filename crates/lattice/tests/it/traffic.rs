//! What a host says and hears in a beat does not depend on how many hosts there are: counted, not timed.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bus::sim::Network;
use bus::{Bus, ConnectOptions, Subscription};
use testkit::Nats;

use crate::hosts::{BEAT, Host, records, simulate};

/// How many hosts there are.
const FEW: usize = 10;
const MANY: usize = 200;

/// How many beats of each host are counted at least.
const BEATS: usize = 4;

fn id(number: usize) -> String {
    // Spread over the ring as keys are.
    format!("N{:08x}", (number as u32).wrapping_mul(0x9e37_79b9))
}

async fn listen(bus: &Bus) -> Subscription {
    bus.subscribe("wasmbus.evt.default.host_heartbeat".parse().expect("a pattern"), None).await.expect("it listens")
}

/// Lines of the trace a host and beat: what is heard, read and changed.
fn simulated(count: usize) -> f64 {
    simulate(async {
        let network = Network::new(1);
        let people = network.bus("people");
        let mut hosts = Vec::new();
        for number in 0..count {
            hosts.push(Host::start(network.bus(&id(number)), &id(number), Duration::ZERO).await);
        }
        let _heard = listen(&people).await;
        tokio::time::sleep(BEAT * 4).await;
        assert_eq!(records(&people).await.len(), count);
        let before = network.trace().lines().count();
        tokio::time::sleep(BEAT * BEATS as u32).await;
        (network.trace().lines().count() - before) as f64 / (count * BEATS) as f64
    })
}

#[test]
fn on_a_simulated_bus_the_traffic_of_a_host_does_not_grow_with_its_lattice() {
    let (few, many) = (simulated(FEW), simulated(MANY));
    assert_eq!(few, many, "it is heard once, renews its lease once, and looks at two");
    assert_eq!(few, 4.0);
}

/// Messages and bytes of all hosts' connections so far.
fn carried(buses: &[Bus]) -> [f64; 2] {
    let of = |bus: &Bus| {
        let client = bus.client().expect("a server carries it");
        let statistics = client.statistics();
        let messages = statistics.in_messages.load(Relaxed) + statistics.out_messages.load(Relaxed);
        let bytes = statistics.in_bytes.load(Relaxed) + statistics.out_bytes.load(Relaxed);
        [messages as f64, bytes as f64]
    };
    buses.iter().map(of).fold([0.0; 2], |[messages, bytes], of| [messages + of[0], bytes + of[1]])
}

/// Messages and bytes that a host says and hears in a beat, on a real server.
async fn served(count: usize) -> [f64; 2] {
    let server = Nats::start();
    let people = Bus::connect(&server.url(), ConnectOptions::default()).await.expect("a bus");
    let mut heard = listen(&people).await;
    let (mut hosts, mut buses) = (Vec::new(), Vec::new());
    for number in 0..count {
        let bus = Bus::connect(&server.url(), ConnectOptions::default()).await.expect("a bus");
        buses.push(bus.clone());
        hosts.push(Host::start_with(bus, &id(number), (Duration::ZERO, Duration::from_secs(2))).await);
    }
    while records(&people).await.len() < count {
        heard.next().await.expect("it listens");
    }
    // What came with their coming is over when all have beaten twice since.
    hear(&mut heard, count * 2).await;
    let before = carried(&buses);
    hear(&mut heard, count * BEATS).await;
    let after = carried(&buses);
    [0, 1].map(|which| (after[which] - before[which]) / (count * BEATS) as f64)
}

async fn hear(heard: &mut Subscription, beats: usize) {
    for _ in 0..beats {
        heard.next().await.expect("it listens");
    }
}

#[test]
fn on_a_real_bus_the_traffic_of_a_host_does_not_grow_with_its_lattice() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let [few, many] = [FEW, MANY].map(|count| runtime.block_on(served(count)));
    for (few, many) in few.into_iter().zip(many) {
        assert!((many - few).abs() < few / 4.0, "{FEW} hosts: {few} a host and beat, {MANY} hosts: {many}");
    }
}
