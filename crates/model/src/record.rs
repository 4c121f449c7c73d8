//! This is what a lattice keeps of its hosts, so that everybody knows which there are, and which of them are there no more.
//!
//! ```text
//! HOSTS_{lattice}   a HostRecord for each host: changes when a host comes, goes, is lost or is otherwise; all hosts watch it
//! LEASES_{lattice}  a Lease for each host: changes with each of its beats; the next hosts look at it
//! ```
//!
//! # Invariants
//!
//! 1. Times of day are those of who wrote them, and for people to read: nothing is decided by them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::lattice::{Capacity, HostInventory, Labels};

/// How a lattice knows a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum HostRecord {
    /// It is there, for as long as it renews its lease.
    Present(HostCard),
    /// Its lease has expired.
    Lost(Box<HostLoss>),
}

/// What a host says of itself when it comes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostCard {
    /// What people call it.
    pub friendly_name: String,
    /// What it carries.
    pub labels: Labels,
    /// The version of its program.
    pub version: String,
    /// What it has for what it runs.
    #[serde(flatten)]
    pub capacity: Capacity,
    /// How long its lease holds when it is not renewed, in milliseconds.
    pub lease_millis: u64,
}

/// What is known of a host that is lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostLoss {
    /// What it said of itself when it came.
    pub card: HostCard,
    /// When it was heard last, as RFC 3339 has it, by the clock of the host that lost it.
    pub heard: String,
    /// The host that lost it.
    pub noticed_by: String,
    /// What it ran then, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ran: Option<HostInventory>,
}

/// What a host renews for as long as it is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// When, as RFC 3339 has it, by its own clock.
    pub renewed: String,
    /// What it runs.
    pub runs: HostInventory,
}

// === impl HostRecord ===

impl HostRecord {
    /// What the host said of itself when it came.
    pub fn card(&self) -> &HostCard {
        match self {
            Self::Present(card) => card,
            Self::Lost(loss) => &loss.card,
        }
    }
}

// === impl HostCard ===

impl HostCard {
    /// How long its lease holds when it is not renewed.
    pub fn lease(&self) -> Duration {
        Duration::from_millis(self.lease_millis)
    }
}
