//! This is what is between hosts, and what a test can do to it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rt::Task;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::carrier::SimCarrier;
use super::changes::{Changes, Watching};
use super::dice::Dice;
use super::disk::Disk;
use super::flight::{Flight, Flights};
use super::weather::Weather;
use crate::bucket::Shelves;
use crate::bus::Bus;
use crate::carrier::{Carrier, Sink};
use crate::limits::Limits;
use crate::message::Message;
use crate::subject::{Interest, Subject};

/// Bytes of a trace at most. What is past them is not written.
const TRACE_MAX: usize = 16 << 20;

/// Several hosts' buses in one process, with weather between them. Cheap to clone.
#[derive(Clone)]
pub struct Network {
    shared: Arc<Shared>,
    _landing: Arc<Task>,
}

pub(super) struct Shared {
    state: Mutex<State>,
    /// Told when something was sent.
    sent: Notify,
    /// Counts what a test did to the network.
    changes: Arc<Changes>,
    limits: Limits,
}

pub(super) struct State {
    pub(super) dice: Dice,
    pub(super) weather: Weather,
    begun: Instant,
    flights: Flights,
    subscriptions: BTreeMap<u64, Subscription>,
    count: u64,
    /// Who is on the side where the buckets are not.
    apart: BTreeSet<String>,
    /// Who has no connection at all.
    offline: BTreeSet<String>,
    pub(super) shelves: Shelves,
    trace: String,
}

struct Subscription {
    node: String,
    interest: Interest,
    sink: Arc<dyn Sink>,
}

// === impl Network ===

impl Network {
    /// A network on which nobody is yet, in calm weather. To be made within a runtime of one thread whose clock is paused.
    pub fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let limits = Limits::default();
        let state = State {
            shelves: Shelves::seeded(limits.payload_max, dice.draw()),
            dice,
            weather: Weather::CALM,
            begun: Instant::now(),
            flights: Flights::default(),
            subscriptions: BTreeMap::new(),
            count: 0,
            apart: BTreeSet::new(),
            offline: BTreeSet::new(),
            trace: String::new(),
        };
        let (state, changes) = (Mutex::new(state), Arc::default());
        let shared = Arc::new(Shared { state, sent: Notify::new(), changes, limits });
        let landing = Task::spawn(land(shared.clone()));
        Self { shared, _landing: Arc::new(landing) }
    }

    /// The bus of a host of that name.
    pub fn bus(&self, name: &str) -> Bus {
        let carrier = SimCarrier { network: self.clone(), node: name.into() };
        Bus::over(self.shared.limits, |replies| {
            let hold = carrier.hold(replies.interest(), Box::new(replies.clone()));
            (Box::new(carrier) as Box<dyn Carrier>, hold)
        })
    }

    /// A disk for a host of that name. There is nothing on it.
    pub fn disk(&self, name: &str) -> Disk {
        Disk::new(self.clone(), name)
    }

    /// From now on messages fare like that.
    pub fn set_weather(&self, weather: Weather) {
        self.change(|state| {
            state.weather = weather;
            state.note(&format_args!("weather {weather:?}"));
        });
    }

    /// From now on these hosts hear each other and nobody else, and reach no bucket.
    pub fn part(&self, names: &[&str]) {
        self.change(|state| {
            state.apart = names.iter().map(|name| (*name).to_owned()).collect();
            state.note(&format_args!("apart {names:?}"));
        });
    }

    /// From now on this host has no connection, and knows that.
    pub fn disconnect(&self, name: &str) {
        self.change(|state| {
            state.offline.insert(name.into());
            state.note(&format_args!("offline {name}"));
        });
    }

    /// From now on this host has a connection again.
    pub fn reconnect(&self, name: &str) {
        self.change(|state| {
            state.offline.remove(name);
            state.note(&format_args!("online {name}"));
        });
    }

    /// Everybody reaches everybody again.
    pub fn heal(&self) {
        self.change(|state| {
            state.apart.clear();
            state.offline.clear();
            state.note(&"healed");
        });
    }

    /// All buckets are lost, as with a server whose disk has lied.
    pub fn lose_buckets(&self) {
        self.change(|state| {
            state.shelves = Shelves::seeded(Limits::default().payload_max, state.dice.draw());
            state.note(&"buckets lost");
        });
    }

    /// Writes a line into the trace: something that a test has done.
    pub fn note(&self, what: &str) {
        self.shared.lock().note(&what);
    }

    /// What happened so far: a line each, with the milliseconds since the beginning.
    pub fn trace(&self) -> String {
        self.shared.lock().trace.clone()
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.shared.lock());
        self.shared.changes.tell();
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network").finish_non_exhaustive()
    }
}

// === impl Shared ===

impl Shared {
    /// A panic cannot leave it half changed in a way that a test would survive.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells when a test has done something to the network.
    pub(super) fn changes(&self) -> Watching {
        self.changes.watch()
    }

    /// Sends a message to all who subscribed to its subject, each in its own weather.
    pub(super) fn publish(&self, from: &str, message: &Message) {
        let mut state = self.lock();
        let hearers = state.hearers(from, &message.subject);
        if hearers.is_empty()
            && let Some(reply) = &message.reply
        {
            let nobody = Message::no_responders(reply.clone());
            for subscription in state.hearers(from, reply) {
                state.send(from, subscription, &nobody);
            }
        }
        for subscription in hearers {
            state.send(from, subscription, message);
        }
        drop(state);
        self.sent.notify_one();
    }

    pub(super) fn subscribe(&self, node: &str, interest: Interest, sink: Box<dyn Sink>) -> u64 {
        let mut state = self.lock();
        state.count += 1;
        let number = state.count;
        state.subscriptions.insert(number, Subscription { node: node.into(), interest, sink: sink.into() });
        number
    }

    pub(super) fn unsubscribe(&self, number: u64) {
        // Dropped when the lock is free: what is in it may do what it likes.
        let _gone = self.lock().subscriptions.remove(&number);
    }

    pub(super) fn limits(&self) -> Limits {
        self.limits
    }

    /// Gives what has arrived to those who subscribed, if they still can be reached.
    fn land_all(&self) {
        loop {
            let mut state = self.lock();
            let Some(flight) = state.flights.land(Instant::now()) else { return };
            let Some((sink, node)) = state.receiver(&flight) else { continue };
            state.note(&format_args!("{node} hears {}", shown(&flight.message)));
            drop(state);
            if let Err(refused) = sink.accept(flight.message)
                && refused.reason == crate::carrier::Reason::Full
            {
                sink.missed();
            }
        }
    }
}

/// Lets messages arrive, one after the other.
async fn land(shared: Arc<Shared>) {
    loop {
        let next = shared.lock().flights.next();
        let arrival = async {
            match next {
                Some(arrival) => tokio::time::sleep_until(arrival).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = shared.sent.notified() => {}
            () = arrival => shared.land_all(),
        }
    }
}

// === impl State ===

impl State {
    /// Whether the one hears the other.
    fn reaches(&self, one: &str, other: &str) -> bool {
        one == other || (self.is_online(one) && self.is_online(other) && self.is_apart(one) == self.is_apart(other))
    }

    /// Whether it has a connection.
    pub(super) fn is_online(&self, name: &str) -> bool {
        !self.offline.contains(name)
    }

    /// Whether it reaches the buckets.
    pub(super) fn is_at_buckets(&self, name: &str) -> bool {
        self.is_online(name) && !self.is_apart(name)
    }

    fn is_apart(&self, name: &str) -> bool {
        self.apart.contains(name)
    }

    /// The subscriptions that a message is meant for: all without a group that are reached, and of each group one.
    fn hearers(&mut self, from: &str, subject: &Subject) -> Vec<u64> {
        // A group is its name, whatever patterns its members have.
        let mut groups: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
        let mut alone = Vec::new();
        for (number, subscription) in &self.subscriptions {
            let Interest { pattern, group } = &subscription.interest;
            if !pattern.matches(subject) || !self.reaches(from, &subscription.node) {
                continue;
            }
            match group {
                None => alone.push(*number),
                Some(group) => groups.entry(group.as_str()).or_default().push(*number),
            }
        }
        for members in groups.into_values() {
            let chosen = self.dice.below(members.len() as u64);
            alone.extend(usize::try_from(chosen).ok().and_then(|chosen| members.get(chosen)));
        }
        alone
    }

    /// Sends a message off to one subscription, or loses it.
    fn send(&mut self, from: &str, subscription: u64, message: &Message) {
        let weather = self.weather;
        if self.dice.falls(weather.lost) {
            self.note(&format_args!("lost on the way from {from}: {}", shown(message)));
            return;
        }
        let copies = if self.dice.falls(weather.doubled) { 2 } else { 1 };
        for _ in 0..copies {
            let arrival = Instant::now() + self.dice.between(weather.delay_min, weather.delay_max);
            let may_overtake = self.dice.falls(weather.overtaken);
            let flight = Flight { from: from.into(), subscription, message: message.clone() };
            self.flights.send(flight, arrival, may_overtake);
        }
    }

    /// Who hears a message that has arrived, if anybody still does.
    fn receiver(&self, flight: &Flight) -> Option<(Arc<dyn Sink>, String)> {
        let subscription = self.subscriptions.get(&flight.subscription)?;
        let is_reached = self.reaches(&flight.from, &subscription.node);
        is_reached.then(|| (subscription.sink.clone(), subscription.node.clone()))
    }

    /// Writes a line of the trace.
    pub(super) fn note(&mut self, what: &dyn Display) {
        let at = self.begun.elapsed().as_millis();
        if self.trace.len() < TRACE_MAX {
            // A text takes whatever is written to it.
            writeln!(self.trace, "{at} {what}").ok();
        }
    }
}

/// A message in a few characters. Where answers go has a name that differs each time.
fn shown(message: &Message) -> String {
    let subject = message.subject.as_str();
    let subject = if subject.starts_with("_INBOX.") { "an answer" } else { subject };
    format!("{subject} {:?}", message.payload)
}
