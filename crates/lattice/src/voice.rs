//! Says what happened on a host to everybody who listens.

use std::time::Duration;

use bus::{Bus, Message};
use model::fact::Fact;
use stdx::Chain;

use crate::event::{self, Stamps};

/// What a host says facts with. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Voice {
    bus: Bus,
    lattice: String,
    host: String,
    stamps: Stamps,
}

// === impl Voice ===

impl Voice {
    pub(crate) fn new(bus: Bus, lattice: String, host: String, stamps: Stamps) -> Self {
        Self { bus, lattice, host, stamps }
    }

    /// The time of day so long ago, as RFC 3339 has it.
    pub(crate) fn time_of_day(&self, ago: Duration) -> Option<String> {
        let time = self.stamps.stamp()?.time;
        Some(humantime::format_rfc3339_millis(time.checked_sub(ago).unwrap_or(time)).to_string())
    }

    /// Says it. What cannot be said is in the log: a fact is carried at most once, and nobody waits for it.
    pub async fn say(&self, fact: Fact) {
        let subject = format!("wasmbus.evt.{}.{}", self.lattice, fact.name());
        let subject = subject.parse().expect("the name of a lattice is a word, see RoleConfig");
        let Some(payload) = self.stamps.stamp().and_then(|stamp| event::bytes(&self.host, stamp, fact)) else { return };
        if let Err(error) = self.bus.publish(Message::new(subject, payload)).await {
            tracing::warn!(error = %Chain(&error), "a fact could not be said");
        }
    }
}
