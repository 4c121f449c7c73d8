//! This is one host, as it was heard of last.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, SystemTime};

use model::lattice::{Capacity, ComponentDescription, Host, HostInventory, Labels, ProviderDescription};
use model::record::{HostCard, HostLoss};
use serde::Serialize;

/// How long a host may say nothing where it holds no lease: three beats of wasmCloud.
const PATIENCE: Duration = Duration::from_secs(90);

/// A host, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostView {
    /// What people call it.
    pub friendly_name: String,
    /// What it carries.
    pub labels: Labels,
    /// The version of its program.
    pub version: String,
    /// What it has for what it runs, where it says that.
    pub capacity: Option<Capacity>,
    /// How long it had run when it was heard last.
    pub uptime_seconds: u64,
    /// The same for people.
    pub uptime_human: String,
    /// What it runs, by name.
    pub components: BTreeMap<String, ComponentDescription>,
    /// The providers that it runs, by name.
    pub providers: BTreeMap<String, ProviderDescription>,
    lease: Option<Duration>,
    heard: Option<SystemTime>,
    renewed: Option<String>,
    lost: Option<(String, String)>,
}

/// Whether a host is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "presence", rename_all = "kebab-case")]
pub enum Presence {
    /// It was heard a moment ago.
    Present,
    /// It should have been heard, and its lattice has not lost it yet.
    Silent {
        /// When it renewed its lease last, by its own clock, where that is known.
        since: Option<String>,
    },
    /// Its lease has expired.
    Lost {
        /// When it was heard last, by the clock of who lost it.
        since: String,
        /// The host that lost it.
        noticed_by: String,
    },
}

// === impl HostView ===

impl HostView {
    /// Whether it is there, to who asks at that time.
    pub fn presence(&self, now: SystemTime) -> Presence {
        if let Some((since, noticed_by)) = self.lost.clone() {
            return Presence::Lost { since, noticed_by };
        }
        let patience = self.lease.unwrap_or(PATIENCE);
        // A clock that was set back makes nobody silent.
        let was_heard = |heard: SystemTime| now.duration_since(heard).map_or(true, |since| since <= patience);
        match self.heard.is_some_and(was_heard) {
            true => Presence::Present,
            false => Presence::Silent { since: self.renewed.clone() },
        }
    }

    /// What it runs or ran, as it would say it itself.
    pub fn inventory(&self, id: &str) -> HostInventory {
        HostInventory {
            host_id: id.to_owned(),
            friendly_name: self.friendly_name.clone(),
            labels: self.labels.clone(),
            version: self.version.clone(),
            uptime_human: self.uptime_human.clone(),
            uptime_seconds: self.uptime_seconds,
            components: self.components.values().cloned().collect(),
            providers: self.providers.values().cloned().collect(),
            capacity: self.capacity,
        }
    }

    /// When it was heard last, by the clock of who hears.
    pub fn heard(&self) -> Option<SystemTime> {
        self.heard
    }

    /// It has been heard.
    pub(crate) fn hear(&mut self, now: SystemTime) {
        self.heard = Some(now);
        self.lost = None;
    }

    /// It is there, whether it was heard here or not.
    pub(crate) fn come(&mut self) {
        self.lost = None;
    }

    /// It was heard last at that time, says another host.
    pub(crate) fn lose(&mut self, heard: &str, noticed_by: &str) {
        self.lost = Some((heard.to_owned(), noticed_by.to_owned()));
    }

    pub(crate) fn know_card(&mut self, card: &HostCard) {
        self.friendly_name.clone_from(&card.friendly_name);
        self.labels.clone_from(&card.labels);
        self.version.clone_from(&card.version);
        self.capacity = Some(card.capacity);
        self.lease = Some(card.lease());
    }

    pub(crate) fn know_loss(&mut self, loss: &HostLoss) {
        self.know_card(&loss.card);
        if let Some(ran) = &loss.ran {
            self.know_inventory(ran);
        }
        self.lose(&loss.heard, &loss.noticed_by);
    }

    pub(crate) fn know_renewal(&mut self, renewed: &str) {
        self.renewed = Some(renewed.to_owned());
    }

    pub(crate) fn know_inventory(&mut self, inventory: &HostInventory) {
        let HostInventory {
            friendly_name,
            labels,
            version,
            uptime_seconds,
            uptime_human,
            components,
            providers,
            capacity,
            ..
        } = inventory;
        self.friendly_name.clone_from(friendly_name);
        self.labels.clone_from(labels);
        self.version.clone_from(version);
        self.uptime_seconds = *uptime_seconds;
        self.uptime_human.clone_from(uptime_human);
        self.components = components.iter().map(|known| (known.id.clone(), known.clone())).collect();
        self.providers = providers.iter().map(|known| (known.id.clone(), known.clone())).collect();
        self.capacity = capacity.or(self.capacity);
    }

    pub(crate) fn know_answer(&mut self, host: &Host) {
        self.friendly_name.clone_from(&host.friendly_name);
        self.labels.clone_from(&host.labels);
        self.version.clone_from(&host.version);
        self.uptime_seconds = host.uptime_seconds;
        self.uptime_human.clone_from(&host.uptime_human);
        self.capacity = host.capacity.or(self.capacity);
    }
}

// === impl Presence ===

impl fmt::Display for Presence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Present => f.write_str("present"),
            Self::Silent { since: Some(since) } => write!(f, "silent since {since}"),
            Self::Silent { since: None } => f.write_str("silent"),
            Self::Lost { since, .. } => write!(f, "lost since {since}"),
        }
    }
}
