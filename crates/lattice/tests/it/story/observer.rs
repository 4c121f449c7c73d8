//! Who listens to a lattice from the outside, and folds what it hears.

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use bus::{Bus, Subscription};
use model::fact::{Event, Fact};
use tokio::time::Instant;
use view::{Lattice, News};

use super::Clock;

/// What was heard of a lattice.
pub(super) struct Observer {
    heard: Subscription,
    clock: Clock,
    pub(super) lattice: Lattice,
    /// Who was said to be lost, and when that was heard.
    losses: Vec<(String, u64)>,
    /// Who said that it has begun, and when that was heard.
    beginnings: Vec<(String, u64)>,
    /// Whether a provider was well when that was heard last, by host and provider.
    health: BTreeMap<(String, String), bool>,
    loses_beats: bool,
}

// === impl Observer ===

impl Observer {
    pub(super) async fn listen(bus: &Bus, clock: Clock) -> Self {
        let heard = bus.subscribe("wasmbus.evt.default.*".parse().expect("a pattern"), None).await.expect("it listens");
        Self {
            heard,
            clock,
            lattice: Lattice::default(),
            losses: Vec::new(),
            beginnings: Vec::new(),
            health: BTreeMap::new(),
            loses_beats: false,
        }
    }

    /// From now on it does not hear what repeats what there is.
    pub(super) fn loses_beats(&mut self) {
        self.loses_beats = true;
    }

    /// Whoever was said to be lost, once for each time.
    pub(super) fn lost(&self) -> Vec<&str> {
        self.losses.iter().map(|(host, _)| host.as_str()).collect()
    }

    /// When it was heard last that a host is lost, and that it has begun.
    pub(super) fn signs(&self, id: &str) -> (Option<u64>, Option<u64>) {
        let last = |heard: &[(String, u64)]| heard.iter().rev().find(|(host, _)| host == id).map(|(_, at)| *at);
        (last(&self.losses), last(&self.beginnings))
    }

    /// Whether a provider was well when that was heard last.
    pub(super) fn health(&self, host: &str, provider: &str) -> Option<bool> {
        self.health.get(&(host.to_owned(), provider.to_owned())).copied()
    }

    pub(super) async fn listen_until(&mut self, is_over: impl Fn() -> bool) {
        while !is_over() {
            self.listen_for(Duration::from_secs(1)).await;
        }
    }

    pub(super) async fn listen_for(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while let Ok(Some(message)) = tokio::time::timeout_at(end, self.heard.next()).await {
            let event: Event = serde_json::from_slice(&message.payload).expect("an event");
            self.note(&event);
            if !(self.loses_beats && event.fact.name() == "host_heartbeat") {
                self.lattice.apply(UNIX_EPOCH + Duration::from_millis(self.clock.now()), News::Said(&event));
            }
        }
    }

    fn note(&mut self, event: &Event) {
        let now = self.clock.now();
        match &event.fact {
            Fact::HostLost { host_id, .. } => self.losses.push((host_id.clone(), now)),
            Fact::HostStarted { .. } => self.beginnings.push((event.source.clone(), now)),
            Fact::HealthCheckPassed(it) => {
                self.health.insert((it.host_id.clone(), it.provider_id.clone()), true);
            }
            Fact::HealthCheckFailed(it) => {
                self.health.insert((it.host_id.clone(), it.provider_id.clone()), false);
            }
            _ => {}
        }
    }
}
