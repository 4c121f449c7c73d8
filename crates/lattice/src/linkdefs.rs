//! Tells providers of links on the subjects of their own ids, as hosts of wasmCloud 1.x do.
//!
//! A provider that a host runs is told of its links by that host, under a key that it was given. One that somebody started by
//! hand has no such key, and nobody who knows of it: it hears of its links here or not at all.
//!
//! # Invariants
//!
//! 1. What is said here everybody on the bus may hear: a link that names a secret, or has settings of its own, is not told.
//! 2. Who was answered that a link is put or gone knows that it was told: of two changes the later is told later.

use bus::{Message, Subject};
use bytes::Bytes;
use model::LinkDefinition;
use model::lattice::LatticeLink;
use stdx::Chain;

use crate::role::Shared;
use crate::rules;

impl Shared {
    /// Tells both ends of a link that it is put, and with which settings.
    async fn announce(&self, link: &LatticeLink) {
        let definition = rules::announced(&self.state(), link);
        if let Some(definition) = definition {
            self.tell_both("put", &definition).await;
        }
    }

    /// Tells both ends of a link that it is put, and before that those of the links that led any of the same elsewhere that
    /// they are gone.
    pub(crate) async fn announce_in_place(&self, displaced: &[LatticeLink], link: &LatticeLink) {
        for link in displaced {
            self.withdraw(link).await;
        }
        self.announce(link).await;
    }

    /// Tells both ends of a link that it is gone, or what is left of it: to them it is one link with all of its interfaces.
    pub(crate) async fn withdraw(&self, link: &LatticeLink) {
        if let Some(definition) = rules::withdrawn(link) {
            self.tell_both("del", &definition).await;
        }
        let left = rules::left_beside(&self.state(), link);
        if let Some(left) = left {
            self.announce(&left).await;
        }
    }

    async fn tell_both(&self, what: &str, link: &LinkDefinition) {
        let payload = Bytes::from(serde_json::to_vec(link).expect("text and maps of text have JSON"));
        for id in [&link.source_id, &link.target] {
            let subject = format!("wasmbus.rpc.{}.{id}.linkdefs.{what}", self.config.name).parse::<Subject>();
            // Whose id is no word of a subject is no provider.
            let Ok(subject) = subject else { continue };
            if let Err(error) = self.bus.publish(Message::new(subject, payload.clone())).await {
                tracing::warn!(id, error = %Chain(&error), "a provider could not be told of its link");
            }
        }
    }
}
