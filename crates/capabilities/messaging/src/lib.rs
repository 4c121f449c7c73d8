//! `wasmcloud:messaging` and `wasi:messaging` for components: what they publish, and the messages that they are called with.
//!
//! One link carries both directions. What a component publishes goes to the link's [`Exchange`]; where it exports the handler,
//! each message on the link's subscriptions is one call of it.
//!
//! ```text
//! component ── consumer, producer ── guest ── Way ──┐
//!                                                   ├─ Exchange ── dyn Carrier ── bus, in process or NATS | stream of NATS | MQTT | provider
//! component ◀─ handler ───────────── serve ─────────┘
//! ```
//!
//! # Invariants
//!
//! 1. A component neither says nor hears anything on the subjects of the platform or of a server: see [`subjects`].
//! 2. It may answer to the reply subject of a message for as long as it handles that message, and to no other inbox. Where a
//!    provider is its broker, to which inboxes is that provider's to decide.
//! 3. What it cannot keep up with waits in a bounded queue; what that has no room for is dropped, counted and said.
//!
//! # Not here
//!
//! Which component is linked to what, and how it is called (`host`). How messages get there (`bus`).

mod backends;
mod carrier;
mod exchange;
mod guest;
mod held;
mod mqtt;
mod provider;
mod serve;
mod stream;
pub mod subjects;
mod way;

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use bus::Bus;
use capability::{BackendInfo, Callable, Capability, Duty, Linking, OpenError, OpenLink, Opened, Service, Settings};
use model::{ComponentName, Contract};
use wire::Peers;

pub use exchange::Exchange;

/// The capability `messaging`.
pub struct Messaging {
    /// These change when the host joins a lattice or leaves it.
    beyond: Mutex<(Bus, Option<Peers>)>,
}

// === impl Messaging ===

impl Messaging {
    /// The backend `bus` carries messages on `bus`.
    pub fn new(bus: Bus) -> Self {
        Self { beyond: Mutex::new((bus, None)) }
    }

    /// The same, where providers are among these.
    pub fn with_peers(self, peers: Option<Peers>) -> Self {
        let (bus, _) = self.beyond();
        self.face(bus, peers);
        self
    }

    /// What is opened from now on carries messages on `bus`, and finds providers among these.
    pub fn face(&self, bus: Bus, peers: Option<Peers>) {
        *self.beyond.lock().unwrap_or_else(PoisonError::into_inner) = (bus, peers);
    }

    fn beyond(&self) -> (Bus, Option<Peers>) {
        self.beyond.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Capability for Messaging {
    fn name(&self) -> &'static str {
        "messaging"
    }

    fn contracts(&self) -> Vec<Contract> {
        capability::contracts(&guest::CONTRACTS)
    }

    fn backends(&self) -> Vec<BackendInfo> {
        backends::infos().chain([provider::INFO]).collect()
    }

    fn by_default(&self) -> String {
        "the bus of this host".into()
    }

    async fn open(&self, backend: &str, settings: &Settings) -> Result<Opened, OpenError> {
        let (bus, peers) = self.beyond();
        match backend == provider::INFO.name {
            true => provider::open(settings, peers.as_ref()).map(Opened::new),
            false => backends::open(backend, settings, &bus).await.map(Opened::new),
        }
    }

    fn define(&self, linking: &mut Linking<'_>) -> wasmtime::Result<()> {
        guest::define(linking)
    }

    fn bind(&self, component: &ComponentName, links: &[OpenLink], bound: &mut engine::Bound) {
        bound.insert(way::Binding::new(component, links));
    }

    fn calls(&self) -> Vec<Contract> {
        capability::contracts(&guest::HANDLERS.map(|(contract, _)| contract))
    }

    fn serve(&self, component: &dyn Callable, link: &OpenLink, duty: Duty) -> Option<Service> {
        serve::serve(component, link, duty)
    }
}

#[cfg(test)]
mod suite;
