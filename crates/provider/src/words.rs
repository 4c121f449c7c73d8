//! Says to a provider over the bus what there is to say, on the subjects of wasmCloud 1.x.
//!
//! # Invariants
//!
//! 1. Links are addressed to the key that this one process was given: another one of the same id on another host has its own.
//! 2. What cannot be said is in the log, and said again with the next change or the next start.

use std::time::Duration;

use bus::{Bus, Message, Subject};
use serde::{Deserialize, Serialize};
use stdx::Chain;

use crate::health::Answer;
use crate::start::Place;
use crate::telling::Word;

/// What a provider is reached by.
pub(crate) struct Words {
    pub(crate) bus: Bus,
    /// `wasmbus.rpc.LATTICE`.
    prefix: String,
    host: String,
    pub(crate) id: String,
    key: String,
}

#[derive(Deserialize)]
struct HealthAnswer {
    #[serde(default)]
    healthy: bool,
}

#[derive(Serialize)]
struct Shutdown<'a> {
    host_id: &'a str,
}

// === impl Words ===

impl Words {
    pub(crate) fn new(bus: Bus, place: &Place, (id, key): (&str, &str)) -> Self {
        let prefix = format!("wasmbus.rpc.{}", place.lattice);
        Self { bus, prefix, host: place.host.clone(), id: id.to_owned(), key: key.to_owned() }
    }

    /// Asks how it is.
    pub(crate) async fn health(&self, answer_max: Duration) -> Answer {
        let answer = self.bus.request(self.subject(&self.id, "health"), bytes::Bytes::new(), answer_max).await;
        match answer.map(|answer| serde_json::from_slice(&answer.payload)) {
            Ok(Ok(HealthAnswer { healthy: true })) => Answer::Healthy,
            Ok(Ok(HealthAnswer { healthy: false }) | Err(_)) => Answer::Unhealthy,
            Err(_) => Answer::Silent,
        }
    }

    /// Asks it to end. Says whether it will.
    pub(crate) async fn shutdown(&self, answer_max: Duration) -> bool {
        let Some(payload) = json(&Shutdown { host_id: &self.host }) else { return false };
        self.bus.request(self.subject(&self.id, "default.shutdown"), payload, answer_max).await.is_ok()
    }

    /// Tells it something.
    pub(crate) async fn tell(&self, word: &Word) {
        let (subject, payload) = match word {
            Word::Put(link) => (self.subject(&self.key, "linkdefs.put"), json(link)),
            Word::Deleted(link) => (self.subject(&self.id, "linkdefs.del"), json(link)),
            Word::Configured(config) => (self.subject(&self.id, "config.update"), json(config)),
        };
        let Some(payload) = payload else { return };
        if let Err(error) = self.bus.publish(Message::new(subject, payload)).await {
            tracing::warn!(provider = self.id, error = %Chain(&error), "a provider could not be told of a change");
        }
    }

    fn subject(&self, whom: &str, what: &str) -> Subject {
        let subject = format!("{}.{whom}.{what}", self.prefix);
        subject.parse().expect("lattices, providers and keys are called by words, see Provider::start")
    }
}

fn json(value: &impl Serialize) -> Option<bytes::Bytes> {
    match serde_json::to_vec(value) {
        Ok(bytes) => Some(bytes.into()),
        Err(error) => {
            tracing::error!(%error, "a provider cannot be told of a change");
            None
        }
    }
}
