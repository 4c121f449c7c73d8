//! The simulated bus: the same seed is the same story, what is promised holds under many seeds, and what is broken is seen.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bus::sim::{Network, Weather};
use bus::{Bucket, BucketError, BucketKey, Bus, Keep, PublishError, RequestError, Revision, Told, Watch};
use bytes::Bytes;
use futures::future::join_all;

use crate::keeping::{bucket, key};
use crate::suite::message;

/// How many seeds are tried.
const SEEDS: u64 = 300;

const HOSTS: [&str; 3] = ["a", "b", "c"];

/// Runs a story on a runtime of its own, whose clock goes on when nothing else does.
fn simulate<T>(story: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(story)
}

async fn wait(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}

/// Adds one to the number in the bucket so many times; how often that was acknowledged, and how often nobody knows.
async fn count(bucket: &Bucket, times: u32) -> (u64, u64) {
    let (mut acknowledged, mut unknown) = (0, 0);
    for _ in 0..times {
        match add_one(bucket).await {
            Ok(_) => acknowledged += 1,
            Err(BucketError::Unavailable { .. }) => unknown += 1,
            Err(BucketError::Conflict { .. }) => {}
            Err(error) => panic!("{error:?}"),
        }
        wait(70).await;
    }
    (acknowledged, unknown)
}

async fn add_one(bucket: &Bucket) -> Result<Revision, BucketError> {
    match bucket.get(&key("count")).await? {
        None => bucket.create(&key("count"), number(1)).await,
        Some(entry) => bucket.update(&key("count"), number(read(&entry.value) + 1), entry.revision).await,
    }
}

fn number(number: u64) -> Bytes {
    number.to_string().into()
}

fn read(value: &[u8]) -> u64 {
    std::str::from_utf8(value).expect("text").parse().expect("a number")
}

/// What a watch has told, folded, and the rules that hold while it does.
struct Seen {
    watch: Watch,
    values: BTreeMap<BucketKey, (Bytes, Revision)>,
}

impl Seen {
    fn of(bucket: &Bucket) -> Self {
        Self { watch: bucket.watch(), values: BTreeMap::new() }
    }

    async fn fold_next(&mut self) {
        match self.watch.next().await.expect("the network is there") {
            Told::Set { key, entry } => {
                let before = self.values.insert(key, (entry.value, entry.revision));
                assert!(before.is_none_or(|(_, revision)| revision < entry.revision), "it went back");
            }
            Told::Gone { key } => assert!(self.values.remove(&key).is_some(), "it was not there"),
            Told::Anew { .. } => panic!("the bucket is the same"),
            Told::Current(_) | Told::Away => {}
        }
    }
}

/// The weather of a seed: what changes and when.
async fn weather(network: &Network, seed: u64) {
    network.set_weather(Weather::STORM);
    wait(400 + seed % 500).await;
    network.part(&HOSTS[..1 + (seed % 2) as usize]);
    wait(3_000).await;
    network.disconnect(HOSTS[(seed % 3) as usize]);
    wait(3_000).await;
    network.heal();
}

/// Three hosts count in one bucket, say what they do, and watch, while the weather is bad.
async fn story(seed: u64) -> String {
    let network = Network::new(seed);
    let buses: Vec<Bus> = HOSTS.iter().map(|name| network.bus(name)).collect();
    let buckets = join_all(buses.iter().map(|bus| bucket(bus, Keep::default()))).await;
    let mut seen: Vec<Seen> = buckets.iter().map(Seen::of).collect();
    let mut heard = buses[0].subscribe("said.*".parse().expect("a pattern"), None).await.expect("it listens");
    let work = async {
        let counting = join_all(buckets.iter().map(|bucket| count(bucket, 8)));
        let saying = join_all(buses.iter().zip(HOSTS).map(async |(bus, host)| {
            for _ in 0..20 {
                // Who is offline is refused.
                bus.publish(message(&format!("said.{host}"), "x")).await.ok();
                wait(100).await;
            }
        }));
        tokio::join!(counting, saying, weather(&network, seed)).0
    };
    let watching = join_all(seen.iter_mut().map(async |seen| {
        loop {
            seen.fold_next().await;
        }
    }));
    let counted = tokio::select! {
        biased;
        counted = work => counted,
        never = watching => panic!("{never:?}"),
    };
    network.set_weather(Weather::CALM);
    while tokio::time::timeout(Duration::from_secs(10), heard.next()).await.is_ok() {}
    check(&buckets[0], &mut seen, &counted).await;
    network.trace()
}

/// What was acknowledged is there, what nobody knows of at most besides, and every watch knows all of it.
async fn check(bucket: &Bucket, seen: &mut [Seen], counted: &[(u64, u64)]) {
    let entries = bucket.entries().await.expect("the weather is calm");
    let count = entries.get(&key("count")).map_or(0, |entry| read(&entry.value));
    let acknowledged: u64 = counted.iter().map(|(acknowledged, _)| acknowledged).sum();
    let unknown: u64 = counted.iter().map(|(_, unknown)| unknown).sum();
    assert!((acknowledged..=acknowledged + unknown).contains(&count), "{count}: {counted:?}");
    let there: BTreeMap<_, _> = entries.into_iter().map(|(key, entry)| (key, (entry.value, entry.revision))).collect();
    for seen in seen {
        let caught_up = async {
            while seen.values != there {
                seen.fold_next().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), caught_up).await.expect("a watch catches up");
    }
}

#[test]
fn what_a_bucket_promises_holds_in_every_weather() {
    let traces: BTreeSet<String> = (0..SEEDS).map(|seed| simulate(story(seed))).collect();
    assert_eq!(traces.len() as u64, SEEDS, "each seed is another story");
    let some = |what: &str| traces.iter().filter(|trace| trace.contains(what)).count() as u64;
    for what in ["lost on the way", "a hears said.b", "offline", "apart", "is not as it was seen any more"] {
        assert!(some(what) > SEEDS / 2, "{what} is in {} stories only", some(what));
    }
}

#[test]
fn the_same_seed_is_the_same_story() {
    for seed in (0..40).chain([u64::MAX]) {
        assert_eq!(simulate(story(seed)), simulate(story(seed)), "seed {seed}");
    }
}

/// A planted fault: a host that counts what it hears and believes that it heard everything, once.
async fn counts_what_it_hears(seed: u64, weather: Weather) -> (u32, String) {
    let network = Network::new(seed);
    let (speaker, listener) = (network.bus("speaker"), network.bus("listener"));
    let mut heard = listener.subscribe("work".parse().expect("a pattern"), None).await.expect("it listens");
    network.set_weather(weather);
    for _ in 0..100 {
        speaker.publish(message("work", "x")).await.expect("it is taken");
    }
    let mut count = 0;
    while tokio::time::timeout(Duration::from_secs(10), heard.next()).await.is_ok() {
        count += 1;
    }
    (count, network.trace())
}

#[test]
fn a_lost_and_a_doubled_message_show_what_does_not_expect_them() {
    let lossy = Weather { lost: 20, ..Weather::BREEZE };
    let doubling = Weather { doubled: 20, ..Weather::BREEZE };
    let mut differs = [0, 0];
    for seed in 0..40 {
        assert_eq!(simulate(counts_what_it_hears(seed, Weather::BREEZE)).0, 100, "in a breeze it works");
        let (count, trace) = simulate(counts_what_it_hears(seed, lossy));
        let lost = trace.lines().filter(|line| line.contains("lost on the way")).count();
        assert_eq!(count as usize + lost, 100, "what does not arrive is in the trace");
        differs[0] += usize::from(count < 100);
        differs[1] += usize::from(simulate(counts_what_it_hears(seed, doubling)).0 > 100);
    }
    assert!(differs.iter().all(|differs| *differs > 20), "{differs:?} of 40 seeds show it");
}

#[test]
fn messages_keep_their_order_unless_they_may_be_overtaken() {
    let numbers = async |weather: Weather| {
        let network = Network::new(3);
        let (speaker, listener) = (network.bus("speaker"), network.bus("listener"));
        let mut heard = listener.subscribe("n".parse().expect("a pattern"), None).await.expect("it listens");
        network.set_weather(weather);
        for count in 0..50 {
            speaker.publish(message("n", number(count))).await.expect("it is taken");
            wait(1).await;
        }
        let mut numbers = Vec::new();
        while let Ok(Some(message)) = tokio::time::timeout(Duration::from_secs(1), heard.next()).await {
            numbers.push(read(&message.payload));
        }
        numbers
    };
    assert_eq!(simulate(numbers(Weather::BREEZE)), (0..50).collect::<Vec<_>>());
    let overtaken = simulate(numbers(Weather { overtaken: 500, ..Weather::BREEZE }));
    assert!(overtaken.len() == 50 && !overtaken.is_sorted(), "{overtaken:?}");
}

#[test]
fn members_of_a_group_share_the_work_whatever_else_they_listen_to() {
    simulate(async {
        let network = Network::new(5);
        let (speaker, listener) = (network.bus("speaker"), network.bus("listener"));
        let mut members = Vec::new();
        for pattern in ["work.*", "work.new"] {
            let group = Some("workers".parse().expect("a group"));
            members.push(listener.subscribe(pattern.parse().expect("a pattern"), group).await.expect("it listens"));
        }
        for _ in 0..100 {
            speaker.publish(message("work.new", "x")).await.expect("it is taken");
        }
        let mut counts = Vec::new();
        for mut member in members {
            let mut count = 0_u32;
            while tokio::time::timeout(Duration::from_secs(10), member.next()).await.is_ok() {
                count += 1;
            }
            counts.push(count);
        }
        assert!(counts.iter().sum::<u32>() == 100 && counts.iter().all(|count| *count > 20), "{counts:?}");
    });
}

#[test]
fn who_is_apart_hears_its_own_side_and_who_is_offline_nothing() {
    simulate(async {
        let network = Network::new(1);
        let [a, b, c] = HOSTS.map(|name| network.bus(name));
        let mut heard = b.subscribe("q".parse().expect("a pattern"), None).await.expect("it listens");
        let subject = || "q".parse().expect("a subject");
        let patience = Duration::from_secs(1);
        let kept = bucket(&a, Keep::default()).await;

        network.part(&["a", "b"]);
        a.publish(message("q", "1")).await.expect("it is taken");
        assert_eq!(heard.next().await.expect("its own side hears it").payload, "1");
        let refused = c.request(subject(), Bytes::new(), patience).await.expect_err("it is on the other side");
        assert!(matches!(refused, RequestError::NoResponders { .. }), "{refused:?}");
        let refused = kept.put(&key("x"), Bytes::new()).await.expect_err("the buckets are on the other side");
        assert!(matches!(refused, BucketError::Unavailable { .. }), "{refused:?}");

        network.disconnect("a");
        let refused = a.publish(message("q", "2")).await.expect_err("it is offline");
        assert!(!a.is_connected() && matches!(refused, PublishError::Unavailable { .. }), "{refused:?}");

        network.heal();
        let asking = c.request(subject(), "3".into(), patience);
        let answering = async {
            let asked = heard.next().await.expect("the bus is there");
            b.publish(asked.answer("4".into()).expect("an answer is expected")).await.expect("it is taken");
        };
        assert_eq!(tokio::join!(asking, answering).0.expect("it is answered").payload, "4");
        kept.put(&key("x"), Bytes::new()).await.expect("the buckets are there");
    });
}

#[test]
fn buckets_that_are_lost_are_told_anew() {
    simulate(async {
        let network = Network::new(1);
        let kept = bucket(&network.bus("a"), Keep::default()).await;
        kept.put(&key("x"), Bytes::new()).await.expect("it is put");
        let mut watch = kept.watch();
        while !matches!(watch.next().await, Some(Told::Current(_))) {}
        network.part(&["a"]);
        assert_eq!(watch.next().await, Some(Told::Away));
        network.lose_buckets();
        network.heal();
        assert!(matches!(watch.next().await, Some(Told::Anew { .. })));
        assert!(
            matches!(watch.next().await, Some(Told::Current(_))),
            "nothing is there, and nothing is said to be gone"
        );
    });
}
