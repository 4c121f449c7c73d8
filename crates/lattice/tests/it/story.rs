//! A story under a seed: four hosts and people who tell them things, in bad weather, some of them cut off for a while; and what has
//! to be true of it when the weather is calm again.

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use bus::sim::{Network, Weather};
use bus::{Bus, Keep, Message, Subscription};
use model::fact::Event;
use model::lattice::{ComponentSpec, CtlResponse, HostInventory, Labels};
use serde_json::json;
use tokio::time::{Instant, sleep};
use view::{Lattice, News};

use crate::hosts::{Host, LEASE, known};

pub(crate) const HOSTS: [&str; 4] = ["NA", "NB", "NC", "ND"];

/// So long after the weather is calm again everything has settled: what waits for an answer has given up, and a lease is over.
const SETTLED: Duration = Duration::from_secs(75);

/// What a story is made to get wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// Who folds facts loses those that repeat what there is: it believes that it has heard everything.
    LostBeats,
    /// A host loses one thing that it was told to do.
    LostLink,
}

/// How a story ended.
pub(crate) struct Ending {
    pub(crate) trace: String,
    /// What is not as it has to be.
    pub(crate) problems: Vec<String>,
    /// How many hosts were lost.
    pub(crate) losses: usize,
}

/// Numbers from a seed (SplitMix64).
struct Dice(u64);

/// Who is cut off, and for how long.
struct Cut {
    hosts: Vec<&'static str>,
    lasts: Duration,
    /// Whether they know it.
    is_known: bool,
}

/// Something that was done to a bucket.
struct Touch<'a> {
    /// In milliseconds.
    at: u64,
    by: &'a str,
    deed: Deed,
    key: &'a str,
    bucket: &'a str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    Read,
    Put,
    /// Nothing is left there.
    Take,
    /// What is put says that a host is lost.
    Lose,
}

/// What was heard of a lattice from the outside.
struct Observer {
    heard: Subscription,
    begun: Instant,
    lattice: Lattice,
    /// Who was said to be lost.
    lost: Vec<String>,
    loses_beats: bool,
}

/// The story of a seed.
pub(crate) async fn story(seed: u64, fault: Fault) -> Ending {
    let mut dice = Dice(seed);
    let network = Network::new(seed);
    let people = network.bus("people");
    let mut observer = Observer::listen(&network.bus("observer")).await;
    let mut hosts = Vec::new();
    for id in HOSTS {
        hosts.push(Host::start(network.bus(id), id, Duration::from_secs(dice.below(7_200))).await);
    }
    observer.listen_for(12).await;
    match fault {
        Fault::None => {}
        Fault::LostBeats => observer.loses_beats = true,
        Fault::LostLink => hosts[dice.below(4) as usize].hands.forget_one(),
    }
    let is_stormy = dice.below(3) > 0;
    let weather = if is_stormy { Weather::STORM } else { Weather::BREEZE };
    network.set_weather(weather);
    let cut = Cut::of(&mut dice);
    let mut told = dice.fork();
    let answers = tokio::join!(tell(&people, &mut told), cut.take(&network, &mut dice), observer.listen_for(60)).0;
    network.heal();
    network.set_weather(Weather::CALM);
    observer.listen_for(SETTLED.as_secs()).await;

    let trace = network.trace();
    let mut problems = check_answers(&answers, weather);
    problems.extend(check_known(&people, &hosts).await);
    problems.extend(check_view(&people, &hosts, &observer.lattice).await);
    problems.extend(check_losses(&trace, &cut, (is_stormy, observer.lost.as_slice())));
    let there = known(&people).await;
    if there != "NA present NB present NC present ND present" {
        problems.push(format!("in the end there is: {there}"));
    }
    Ending { losses: losses(&trace).len(), trace, problems }
}

/// Tells hosts things at times, and gives how often each was answered.
async fn tell(people: &Bus, dice: &mut Dice) -> Vec<(String, usize)> {
    let mut questions = Vec::new();
    for number in 0..12 {
        sleep(Duration::from_millis(dice.below(4_000))).await;
        let (what, payload) = command(dice);
        let answers = format!("answers.{number}");
        let heard = people.subscribe(answers.parse().expect("a pattern"), None).await.expect("it listens");
        let subject = format!("wasmbus.ctl.v1.default.{what}").parse().expect("a subject");
        let reply = Some(answers.parse().expect("a subject"));
        people.publish(Message { reply, ..Message::new(subject, payload.into()) }).await.expect("it is taken");
        questions.push((what, heard));
    }
    sleep(Duration::from_secs(15)).await;
    let mut counted = Vec::new();
    for (what, mut heard) in questions {
        let mut count = 0;
        while tokio::time::timeout(Duration::from_millis(1), heard.next()).await.is_ok() {
            count += 1;
        }
        counted.push((what, count));
    }
    counted
}

/// Something that a host is told.
fn command(dice: &mut Dice) -> (String, String) {
    let host = dice.one_of(&HOSTS);
    let id = dice.one_of(&["c1", "c2"]);
    match dice.below(8) {
        0 | 1 => ("link.put".into(), link(dice).to_string()),
        2 => {
            let wanted = json!({ "source_id": "till", "wit_namespace": "demo", "wit_package": "shop" });
            ("link.del".into(), wanted.to_string())
        }
        3 | 4 => ("config.put.s".into(), json!({ "k": dice.below(1_000).to_string() }).to_string()),
        5 => ("config.del.s".into(), String::new()),
        6 => {
            let count = dice.below(4);
            let command = json!({ "component_id": id, "component_ref": "file:///c", "count": count, "config": [] });
            (format!("component.scale.{host}"), command.to_string())
        }
        _ => (format!("label.put.{host}"), json!({ "key": "k", "value": dice.below(9).to_string() }).to_string()),
    }
}

fn link(dice: &mut Dice) -> serde_json::Value {
    let interfaces = dice.one_of(&[&["tag"][..], &["shape"][..], &["tag", "shape"][..]]);
    json!({
        "source_id": "till", "target": dice.one_of(&["price-1", "price-2"]), "name": "default",
        "wit_namespace": "demo", "wit_package": "shop", "interfaces": interfaces,
        "source_config": [], "target_config": [],
    })
}

/// Where no message comes twice, no question is answered twice.
fn check_answers(answers: &[(String, usize)], weather: Weather) -> Vec<String> {
    let is_wrong = |(_, count): &&(String, usize)| weather.doubled == 0 && *count > 1;
    answers.iter().filter(is_wrong).map(|(what, count)| format!("{what} was answered {count} times")).collect()
}

/// Every host has done what the lattice keeps.
async fn check_known(people: &Bus, hosts: &[Host]) -> Vec<String> {
    let value = async |bucket: &str, key: &str| {
        let bucket = people.bucket(bucket.parse().expect("a name"), Keep::default()).await.expect("a bucket");
        bucket.get(&key.parse().expect("a key")).await.expect("it is there").map(|entry| entry.value)
    };
    let spec = value("LATTICEDATA_default", "COMPONENT_till").await;
    let spec: ComponentSpec = spec.map(|spec| serde_json::from_slice(&spec).expect("a spec")).unwrap_or_default();
    let settings = value("CONFIGDATA_default", "s").await;
    let settings: Labels = settings.map(|kept| serde_json::from_slice(&kept).expect("settings")).unwrap_or_default();
    let mut links = BTreeMap::new();
    for link in &spec.links {
        for interface in &link.interfaces {
            links.insert(format!("till default demo:shop/{interface}"), link.target.clone());
        }
    }
    let mut problems = Vec::new();
    for host in hosts {
        let done = host.hands.done();
        if done.links != links {
            problems.push(format!("{} has the links {:?} and not {links:?}", host.role.id(), done.links));
        }
        let told = done.settings.get("till").cloned().unwrap_or_default();
        if told != settings {
            problems.push(format!("{} has the settings {told:?} and not {settings:?}", host.role.id()));
        }
    }
    problems
}

/// What a host says that it runs is what it runs, and what was heard of it is that.
async fn check_view(people: &Bus, hosts: &[Host], lattice: &Lattice) -> Vec<String> {
    let mut problems = Vec::new();
    for host in hosts {
        let subject = format!("wasmbus.ctl.v1.default.host.get.{}", host.role.id());
        let asked = people.request(subject.parse().expect("a subject"), "".into(), Duration::from_secs(5)).await;
        let answer: CtlResponse<HostInventory> =
            serde_json::from_slice(&asked.expect("it answers").payload).expect("an answer");
        let said = answer.response.expect("an inventory");
        let runs = |id: &str, count: u32, from: &str| format!("{id} {count} {from}");
        let says: Vec<_> = said.components.iter().map(|it| runs(&it.id, it.max_instances, &it.image_ref)).collect();
        let does: Vec<_> =
            host.hands.done().components.iter().map(|(id, (count, from))| runs(id, *count, from)).collect();
        let view = &lattice.hosts()[host.role.id()];
        let heard: Vec<_> = view.components.iter().map(|(id, it)| runs(id, it.max_instances, &it.image_ref)).collect();
        if (&says, &says) != (&does, &heard) {
            problems.push(format!("{} says {says:?}, runs {does:?}, and {heard:?} was heard", host.role.id()));
        }
        if view.labels != said.labels {
            problems.push(format!("{} carries {:?}, and {:?} was heard", host.role.id(), said.labels, view.labels));
        }
    }
    problems
}

/// What was done to the buckets, in order.
fn touches(trace: &str) -> impl Iterator<Item = Touch<'_>> {
    trace.lines().filter_map(|line| {
        let mut words = line.splitn(5, ' ');
        let (at, by, what) = (words.next()?.parse().ok()?, words.next()?, words.next()?);
        let (key, rest) = (words.next()?, words.next()?);
        let (rest, bucket) = rest.rsplit_once("in ")?;
        let deed = match what {
            "reads" => Deed::Read,
            "changes" if !rest.contains(": Ok(") => return None,
            "changes" if rest.starts_with("None") => Deed::Take,
            "changes" if rest.contains(r#"\"state\":\"lost\""#) => Deed::Lose,
            "changes" => Deed::Put,
            _ => return None,
        };
        Some(Touch { at, by, deed, key, bucket })
    })
}

/// Who was lost, once for each time.
fn losses(trace: &str) -> Vec<&str> {
    touches(trace).filter(|touch| touch.deed == Deed::Lose).map(|touch| touch.key).collect()
}

/// Who is lost had not renewed its lease for its time when that was seen: when who lost it took the lease or, where it was gone, looked
/// for it. One that comes back between that and the change of its record is lost all the same, since no change is made in two buckets;
/// it finds its record and says that it is there.
fn check_leases(trace: &str) -> Vec<String> {
    let lease = LEASE.as_millis() as u64;
    let mut renewed: BTreeMap<&str, u64> = BTreeMap::new();
    // For how long it had not been renewed, by who saw that and whose it is.
    let mut seen: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    let mut problems = Vec::new();
    for Touch { at, by, deed, key, bucket } in touches(trace) {
        match (deed, bucket) {
            (Deed::Put, "LEASES_default") => drop(renewed.insert(key, at)),
            (Deed::Read | Deed::Take, "LEASES_default") => {
                seen.insert((by, key), at - renewed.get(key).copied().unwrap_or_default());
            }
            (Deed::Lose, _) if seen.get(&(by, key)).is_none_or(|age| *age < lease) => {
                problems.push(format!("{by} lost {key} at {at}, and had seen {:?}", seen.get(&(by, key))));
            }
            _ => {}
        }
    }
    problems
}

/// Who was cut off for longer than its lease is lost, once, and that is said once; nobody else is.
fn check_losses(trace: &str, cut: &Cut, (is_stormy, said): (bool, &[String])) -> Vec<String> {
    let mut problems = check_leases(trace);
    let losses = losses(trace);
    if is_stormy {
        // What is lost on the way may make a host miss its time.
        return problems;
    }
    let is_long = cut.lasts > LEASE && cut.hosts.len() < HOSTS.len();
    for host in HOSTS {
        let expected = usize::from(is_long && cut.hosts.contains(&host));
        let lost = losses.iter().filter(|lost| **lost == host).count();
        let said = said.iter().filter(|said| *said == host).count();
        if (lost, said) != (expected, expected) {
            problems.push(format!("{host} was lost {lost} times, and that was said {said} times, not {expected}"));
        }
    }
    problems
}

// === impl Dice ===

impl Dice {
    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.draw() % limit
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize]
    }

    fn fork(&mut self) -> Self {
        Self(self.draw())
    }
}

// === impl Cut ===

impl Cut {
    fn of(dice: &mut Dice) -> Self {
        let count = dice.below(3) as usize;
        let first = dice.below(HOSTS.len() as u64) as usize;
        Self {
            hosts: HOSTS.into_iter().cycle().skip(first).take(count).collect(),
            lasts: Duration::from_secs(dice.one_of(&[7, 50])),
            is_known: dice.below(2) == 0,
        }
    }

    async fn take(&self, network: &Network, dice: &mut Dice) {
        sleep(Duration::from_millis(dice.below(8_000))).await;
        match self.is_known {
            true => self.hosts.iter().for_each(|host| network.disconnect(host)),
            false => network.part(&self.hosts),
        }
        sleep(self.lasts).await;
        network.heal();
    }
}

// === impl Observer ===

impl Observer {
    async fn listen(bus: &Bus) -> Self {
        let heard = bus.subscribe("wasmbus.evt.default.*".parse().expect("a pattern"), None).await.expect("it listens");
        Self { heard, begun: Instant::now(), lattice: Lattice::default(), lost: Vec::new(), loses_beats: false }
    }

    async fn listen_for(&mut self, seconds: u64) {
        let end = Instant::now() + Duration::from_secs(seconds);
        while let Ok(Some(message)) = tokio::time::timeout_at(end, self.heard.next()).await {
            let event: Event = serde_json::from_slice(&message.payload).expect("an event");
            let is_beat = event.fact.name() == "host_heartbeat";
            if let model::fact::Fact::HostLost { host_id, .. } = &event.fact {
                self.lost.push(host_id.clone());
            }
            if !(is_beat && self.loses_beats) {
                self.lattice.apply(UNIX_EPOCH + self.begun.elapsed(), News::Said(&event));
            }
        }
    }
}
