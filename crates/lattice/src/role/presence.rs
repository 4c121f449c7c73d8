//! That a host is there: said at its beginning, again and again, and at its end, with what there is to say of it.
//!
//! # Invariants
//!
//! 1. What is said of a host is read when it is said: who asks, and who listens, hears the same.
//! 2. The last words take a bounded time, whether anybody hears them or not.

use std::sync::Arc;
use std::time::Duration;

use bus::{BucketError, FlushError, patiently};
use model::fact::Fact;
use model::lattice::{Host, HostInventory, Labels};
use stdx::Chain;
use tokio::time::MissedTickBehavior;

use super::Shared;

/// The shortest time between two beats.
const BEAT_MIN: Duration = Duration::from_millis(10);

/// How long the last words of a host may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// A host could not say that it is not there any more.
#[derive(Debug, thiserror::Error)]
enum Unheard {
    #[error(transparent)]
    Bus(#[from] FlushError),
    #[error(transparent)]
    Bucket(#[from] BucketError),
}

/// Says that the host is not there any more, and gives its lease back.
pub(super) async fn farewell(shared: &Shared) {
    let labels = shared.state().labels.clone();
    let last_words = async {
        shared.voice.say(Fact::HostStopped { labels }).await;
        shared.bus.flush().await?;
        Ok::<_, Unheard>(shared.leave().await?)
    };
    match rt::within(Some(FAREWELL), last_words).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(error = %Chain(&error), "this host stops, and its lattice does not know it"),
        Err(late) => tracing::warn!(error = %late, "this host stops, and its lattice does not know it"),
    }
}

/// Says that the host has begun as soon as there is a bus to say it on, and then again and again that it is there.
pub(super) async fn beat(shared: Arc<Shared>) {
    patiently("the host is not in its lattice yet", || shared.bus.flush()).await;
    shared.voice.say(shared.begun()).await;
    let mut beat = tokio::time::interval(shared.beat());
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        // The first one is at once: with it the host gets its lease.
        beat.tick().await;
        shared.voice.say(Fact::HostHeartbeat(shared.inventory())).await;
        if let Some(leasing) = &shared.leasing {
            shared.renew_and_look(leasing).await;
        }
    }
}

/// What a host knows of its machine.
pub(super) fn own_labels() -> Labels {
    let labels =
        [("arch", std::env::consts::ARCH), ("os", std::env::consts::OS), ("osfamily", std::env::consts::FAMILY)];
    labels.map(|(name, value)| (format!("hostcore.{name}"), value.to_owned())).into()
}

// === impl Shared ===

impl Shared {
    /// Gives back what says that this host is there.
    async fn leave(&self) -> Result<(), BucketError> {
        match &self.leasing {
            Some(leasing) => leasing.leave(&self.id).await,
            None => Ok(()),
        }
    }

    pub(crate) fn host(&self) -> Host {
        let uptime = self.uptime();
        Host {
            id: self.id.clone(),
            friendly_name: self.friendly_name.clone(),
            lattice: self.config.name.clone(),
            labels: self.state().labels.clone(),
            uptime_seconds: uptime.as_secs(),
            uptime_human: humantime::format_duration(uptime).to_string(),
            version: env!("CARGO_PKG_VERSION").into(),
            ctl_host: self.address.clone(),
            rpc_host: self.address.clone(),
            js_domain: self.domain.clone(),
            capacity: Some(self.capacity),
            acknowledged: Some(self.keeping.acknowledged()),
        }
    }

    pub(crate) fn inventory(&self) -> HostInventory {
        let uptime = self.uptime();
        let state = self.state();
        HostInventory {
            host_id: self.id.clone(),
            friendly_name: self.friendly_name.clone(),
            labels: state.labels.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
            uptime_human: humantime::format_duration(uptime).to_string(),
            uptime_seconds: uptime.as_secs(),
            components: state.components.iter().map(|(id, runs)| runs.describe(id)).collect(),
            providers: state.providers.iter().map(|(id, runs)| runs.describe(id, self.hands.look(id))).collect(),
            capacity: Some(self.capacity),
        }
    }

    /// The fact that it is there.
    pub(crate) fn begun(&self) -> Fact {
        Fact::HostStarted {
            friendly_name: self.friendly_name.clone(),
            labels: self.state().labels.clone(),
            uptime_seconds: 0,
            version: env!("CARGO_PKG_VERSION").into(),
        }
    }

    /// The time between two beats.
    pub(crate) fn beat(&self) -> Duration {
        self.config.heartbeat.max(BEAT_MIN)
    }

    fn uptime(&self) -> Duration {
        Duration::from_secs(self.age().as_secs())
    }

    /// How long it has been there, by a clock that only goes on.
    pub(crate) fn age(&self) -> Duration {
        self.started.elapsed()
    }
}
