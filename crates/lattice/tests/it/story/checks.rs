//! What has to be true at the end of a story.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use bus::sim::Weather;
use bus::{Bus, Keep};
use model::lattice::{ComponentSpec, CtlResponse, HostInventory, Labels, LatticeLink};
use model::record::HostRecord;
use model::{Briefing, LinkDefinition};

use super::observer::Observer;
use super::people::{Answered, Promise};
use super::{HOSTS, Silence, lone};
use crate::hosts::{Host, LEASE, records};

/// A host is silent for so much longer than it is kept from its bus, in milliseconds: a beat before, and a beat and the patience for
/// an answer that is lost after.
const SLACK: u64 = 11_000;

/// Longer than that, in milliseconds, no host is kept from its bus that is not lost.
const SURE: u64 = 40_000;

/// Facts of several hosts may come in another order, so much apart.
const OVERTAKEN: u64 = 1_000;

/// What a lattice keeps.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) settings: BTreeMap<String, Labels>,
    /// By source, where there are any.
    pub(super) links: BTreeMap<String, Vec<LatticeLink>>,
}

/// Who was lost, and who may have been.
pub(super) struct Losses<'a> {
    pub(super) trace: &'a str,
    pub(super) silences: BTreeMap<&'a str, Vec<Silence>>,
    /// Who may not have been able to say that it leaves.
    pub(super) leaver: Option<&'a str>,
    /// Who was said to be lost, once for each time.
    pub(super) said: Vec<&'a str>,
    /// What is lost on the way may make a host miss its time.
    pub(super) is_stormy: bool,
    /// Whether everybody was there to notice it and to say it.
    pub(super) is_exact: bool,
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

/// Where no message comes twice, no question is answered twice; where it is sure to reach who answers, each is.
pub(super) fn answers(answers: &[Answered], weather: Weather, is_sure: impl Fn(&str) -> bool) -> Vec<String> {
    let is_wrong = |answered: &&Answered| match answered.count {
        0 => is_sure(&answered.what),
        1 => false,
        _ => weather.doubled == 0,
    };
    let text = |Answered { what, count, .. }: &Answered| format!("{what} was answered {count} times");
    answers.iter().filter(is_wrong).map(text).collect()
}

/// What was acknowledged, and nobody took back, the lattice keeps.
pub(super) fn promise(answered: &Answered, kept: &Kept) -> Option<String> {
    let promise = answered.promise.as_ref()?;
    let is_kept = match promise {
        Promise::Settings(name, settings) => kept.settings.get(name) == Some(settings),
        Promise::Link(link) => kept.links.get(&link.source_id).is_some_and(|links| links.contains(link)),
    };
    (!is_kept).then(|| format!("{} was acknowledged, and is not kept: {promise:?}", answered.what))
}

/// A host knows what its lattice keeps, and has done it.
pub(super) fn known(host: &Host, kept: &Kept) -> Vec<String> {
    let (id, done, holdings) = (host.role.id(), host.hands.done(), host.role.holdings());
    let mut links = BTreeMap::new();
    for link in kept.links.get("till").into_iter().flatten() {
        for interface in &link.interfaces {
            links.insert(format!("till {} demo:shop/{interface}", link.name), link.target.clone());
        }
    }
    let told = done.settings.get("till").cloned().unwrap_or_default();
    let settings = kept.settings.get("s").cloned().unwrap_or_default();
    let known = holdings.components.into_iter().filter(|(_, spec)| !spec.links.is_empty());
    let known: BTreeMap<_, _> = known.map(|(source, spec)| (source, spec.links)).collect();
    let briefed = done.providers.into_iter().map(|(name, provider)| {
        differs((id, &format!("{name}, which is to know")), &provider.briefing, &kept.briefing(&name))
    });
    let checks = [
        differs((id, "the links"), &done.links, &links),
        differs((id, "the settings"), &told, &settings),
        differs((id, "as settings of the lattice"), &holdings.settings, &kept.settings),
        differs((id, "as links of the lattice"), &known, &kept.links),
    ];
    checks.into_iter().chain(briefed).flatten().collect()
}

fn differs<T: Debug + PartialEq>((id, what): (&str, &str), is: &T, should: &T) -> Option<String> {
    (is != should).then(|| format!("{id} has {what} {is:?} and not {should:?}"))
}

/// What a host says that it runs is what it runs, and what was heard of it is that.
pub(super) async fn view(people: &Bus, host: &Host, observer: &Observer) -> Vec<String> {
    let id = host.role.id();
    let subject = format!("wasmbus.ctl.v1.default.host.get.{id}").parse().expect("a subject");
    let asked = people.request(subject, "".into(), Duration::from_secs(5)).await;
    let answer: CtlResponse<HostInventory> =
        serde_json::from_slice(&asked.expect("it answers").payload).expect("an answer");
    let (said, done) = (answer.response.expect("an inventory"), host.hands.done());
    let heard = &observer.lattice.hosts()[id];
    let mut does: Vec<_> = done.components.iter().map(|(id, (count, from))| format!("{id} {count} {from}")).collect();
    for (name, provider) in &done.providers {
        let place = provider.image_ref.trim_start_matches("file://");
        does.push(format!("{name} {place} {:?}", Some(provider.condition())));
    }
    let mut problems = Vec::new();
    let (says, heard_of) = (runs(&said), runs(&heard.inventory(id)));
    if (&says, &says) != (&does, &heard_of) {
        problems.push(format!("{id} says {says:?}, runs {does:?}, and {heard_of:?} was heard"));
    }
    if heard.labels != said.labels {
        problems.push(format!("{id} carries {:?}, and {:?} was heard", said.labels, heard.labels));
    }
    for (name, provider) in &done.providers {
        let heard = observer.health(id, name);
        if heard != Some(provider.is_well) {
            problems.push(format!("{name} on {id} {}, and {heard:?} was heard", provider.condition()));
        }
    }
    problems
}

/// What a host runs, a text each.
fn runs(inventory: &HostInventory) -> Vec<String> {
    let components = inventory.components.iter().map(|it| format!("{} {} {}", it.id, it.max_instances, it.image_ref));
    let providers = inventory.providers.iter().map(|it| format!("{} {} {:?}", it.id, it.image_ref, it.condition));
    components.chain(providers).collect()
}

/// A host that is there, and was said to be lost, has said since that it is there.
pub(super) fn returned(host: &Host, observer: &Observer) -> Option<String> {
    let (lost, begun) = observer.signs(host.role.id());
    let lost = lost?;
    let has_said_so = begun.is_some_and(|begun| begun + OVERTAKEN >= lost);
    (!has_said_so).then(|| format!("{} was said to be lost at {lost}, and begun at {begun:?}", host.role.id()))
}

/// The lattice knows all of these hosts in one of the ways that are expected, and no others.
pub(super) async fn there(people: &Bus, expected: &BTreeMap<&str, &[&str]>) -> Vec<String> {
    let records = records(people).await;
    let mut problems: Vec<_> = records
        .keys()
        .filter(|id| !expected.contains_key(id.as_str()))
        .map(|id| format!("in the end there is {id}"))
        .collect();
    for (id, expected) in expected {
        let is = match records.get(*id) {
            Some(HostRecord::Present(_)) => "present",
            Some(HostRecord::Lost(_)) => "lost",
            None => "absent",
        };
        if !expected.contains(&is) {
            problems.push(format!("in the end {id} is {is}, and not {expected:?}"));
        }
    }
    problems
}

/// Who was lost, once for each time.
pub(super) fn losses(trace: &str) -> Vec<&str> {
    touches(trace).filter(|touch| touch.deed == Deed::Lose).map(|touch| touch.key).collect()
}

/// When something was changed last that `till` has, in milliseconds.
pub(super) fn changed(trace: &str) -> u64 {
    let is_change = |touch: &Touch<'_>| {
        let place = (touch.bucket, touch.key);
        touch.deed != Deed::Read
            && [("CONFIGDATA_default", "s"), ("LATTICEDATA_default", "COMPONENT_till")].contains(&place)
    };
    touches(trace).filter(is_change).last().map(|touch| touch.at).unwrap_or_default()
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

/// How often a host is lost at least and at most that was kept from its bus in these times. Where nobody was there to notice it, it
/// need not be lost by its return.
fn bounds(mut silences: Vec<Silence>, is_exact: bool) -> (usize, usize) {
    silences.sort_by_key(|silence| silence.from);
    // Those between which it may not have been heard are one, and so many.
    let mut groups: Vec<(Silence, usize)> = Vec::new();
    for silence in silences {
        match groups.last_mut() {
            Some((group, count)) if group.to.is_none_or(|to| to + SLACK > silence.from) => {
                group.to = group.to.zip(silence.to).map(|(one, other)| one.max(other));
                *count += 1;
            }
            _ => groups.push((silence, 1)),
        }
    }
    let lasts = |group: &Silence| group.to.map_or(u64::MAX - SLACK, |to| to - group.from);
    let is_lost = |group: &Silence| group.to.is_none() || (is_exact && lasts(group) > SURE);
    let may_be_lost = |group: &Silence| lasts(group) + SLACK >= LEASE.as_millis() as u64;
    let min = groups.iter().filter(|(group, _)| is_lost(group)).count();
    let max = groups.iter().filter(|(group, _)| may_be_lost(group)).map(|(_, count)| count).sum();
    (min, max)
}

// === impl Kept ===

impl Kept {
    pub(super) async fn read(bus: &Bus) -> Self {
        let entries = async |bucket: &str| {
            let bucket = bus.bucket(bucket.parse().expect("a name"), Keep::default()).await.expect("a bucket");
            bucket.entries().await.expect("it is there")
        };
        let mut kept = Self::default();
        for (key, entry) in entries("CONFIGDATA_default").await {
            kept.settings.insert(key.to_string(), serde_json::from_slice(&entry.value).expect("settings"));
        }
        for (key, entry) in entries("LATTICEDATA_default").await {
            let source = key.as_str().strip_prefix("COMPONENT_").expect("nothing here is signed");
            let spec: ComponentSpec = serde_json::from_slice(&entry.value).expect("a spec");
            if !spec.links.is_empty() {
                kept.links.insert(source.to_owned(), spec.links);
            }
        }
        kept
    }

    /// What a provider is to know: `p2` has settings of its own.
    fn briefing(&self, provider: &str) -> Briefing {
        let of = |names: &[String]| -> Labels {
            let settings = names.iter().filter_map(|name| self.settings.get(name)).flatten();
            settings.map(|(name, value)| (name.clone(), value.clone())).collect()
        };
        let is_its = |link: &&LatticeLink| link.source_id == provider || link.target == provider;
        let links = self.links.values().flatten().filter(is_its);
        let links = links.map(|link| LinkDefinition::new(link, of(&link.source_config), of(&link.target_config)));
        let config = if provider == "p2" { of(&["s".to_owned()]) } else { Labels::new() };
        Briefing { links: links.collect(), config }
    }
}

// === impl Losses ===

impl Losses<'_> {
    /// Nobody is lost who renewed its lease in time. Who was kept from its bus for longer is lost, once, and that is said once; nobody
    /// else is.
    pub(super) fn check(&self) -> Vec<String> {
        let mut problems = check_leases(self.trace);
        if self.is_stormy {
            return problems;
        }
        let losses = losses(self.trace);
        for host in HOSTS.into_iter().chain([lone::ID]) {
            let silences = self.silences.get(host).cloned().unwrap_or_default();
            let (min, max) = bounds(silences, self.is_exact);
            let max = max + usize::from(self.leaver == Some(host));
            let lost = losses.iter().filter(|lost| **lost == host).count();
            let said = self.said.iter().filter(|said| **said == host).count();
            if lost < min || lost > max || said > lost || (self.is_exact && said < lost) {
                problems.push(format!("{host} was lost {lost} times, said {said} times, and not {min} to {max} times"));
            }
        }
        problems
    }
}
