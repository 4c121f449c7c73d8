//! `wasi:keyvalue` for components, kept in any [`Store`].
//!
//! Each version of the contract is implemented once, in `guest`. A backend knows nothing of Wasm, links or buckets: it keeps
//! bytes under keys, and the conformance suite proves that it does.
//!
//! ```text
//! component ── wasi:keyvalue ── guest ── link ──┬─ dyn Store ── memory | disk | redis | nats | provider | another component
//! component ◀─ watcher ──────── serve ──────────┘ (and from a provider, over the wire)
//! elsewhere ══ wrpc:keyvalue ══ component::offered ── a component that keeps keys
//! ```
//!
//! # Invariants
//!
//! 1. A component reaches only its own keys: a [`Key`] is only made by a [`Scope`], and a [`Scope`] holds its component's name.
//! 2. No backend's words reach a component. A failure is logged whole and answered by its class.
//! 3. What a component can make the host hold is bounded by [`Limits`]: a value, a page, a batch, a handle.
//!
//! # Not here
//!
//! Which component is linked to which store, and which components here keep keys for others (`host`).

mod backends;
mod batch;
mod component;
mod guest;
mod limits;
mod linked;
mod number;
mod provider;
mod scope;
mod serve;
mod store;
mod watch;

pub mod disk;
pub mod memory;
pub mod nats;
pub mod redis;

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use capability::{Callable, Capability, Duty, Linking, OpenError, OpenLink, Opened, Place, Service, Settings};
use model::{ComponentName, Contract};
use wire::Peers;

pub use backends::BACKENDS;
pub use guest::CONTRACTS;
pub use limits::Limits;
pub(crate) use linked::Linked;
pub use number::{Addend, Sum};
pub use scope::{Key, Scope};
pub(crate) use serve::Watched;
pub use store::{Change, Changes, Page, Refusal, Stamp, Store, StoreError, Swap};

/// The capability `keyvalue`.
pub struct KeyValue {
    place: Place,
    limits: Limits,
    /// They change when the host joins a lattice or leaves it.
    peers: Mutex<Option<Peers>>,
}

// === impl KeyValue ===

impl KeyValue {
    /// What is kept on this machine is kept at `place`.
    pub fn new(place: Place) -> Self {
        Self { place, limits: Limits::default(), peers: Mutex::default() }
    }

    /// The same, where providers are among these.
    pub fn with_peers(self, peers: Option<Peers>) -> Self {
        self.face(peers);
        self
    }

    /// The same with other limits.
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }
}

#[async_trait]
impl Capability for KeyValue {
    fn name(&self) -> &'static str {
        "keyvalue"
    }

    fn contracts(&self) -> Vec<Contract> {
        capability::contracts(&guest::CONTRACTS)
    }

    fn backends(&self) -> Vec<capability::BackendInfo> {
        BACKENDS.infos().into_iter().chain([provider::INFO]).collect()
    }

    fn tries_again(&self) -> bool {
        true
    }

    fn by_default(&self) -> String {
        format!("disk {}", self.place.folder.display())
    }

    async fn open(&self, backend: &str, settings: &Settings) -> Result<Opened, OpenError> {
        let watched = Watched::from_settings(settings).map_err(|error| OpenError::refused(backend, error))?;
        let store = match backend == provider::INFO.name {
            true => provider::open(settings, self.peers().as_ref())?,
            false => BACKENDS.open_typed(backend, settings, &self.place).await?,
        };
        Ok(Opened::new(Arc::new(Linked::open(backend, store, watched).await?)))
    }

    fn define(&self, linking: &mut Linking<'_>) -> wasmtime::Result<()> {
        guest::define(linking)
    }

    fn bind(&self, component: &ComponentName, links: &[OpenLink], bound: &mut engine::Bound) {
        bound.insert(guest::Binding::new(component, links, self.limits));
    }

    fn is_kept_by_components(&self) -> bool {
        true
    }

    fn kept_by(&self, component: &dyn Callable) -> Option<Opened> {
        Some(Opened::new(Arc::new(Linked::kept_by(component)?)))
    }

    fn calls(&self) -> Vec<Contract> {
        capability::contracts(&guest::WATCHERS)
    }

    fn serve(&self, component: &dyn Callable, link: &OpenLink, duty: Duty) -> Option<Service> {
        serve::serve(component, link, self.limits, duty)
    }

    fn reach(&self, component: &dyn Callable, duty: Duty) -> Option<Service> {
        let peers = self.peers()?;
        let told = |duty| serve::reach(component, &peers, duty);
        let asked = |duty| component::reach(component, &peers, duty);
        capability::together(duty, &[&told, &asked])
    }
}

#[cfg(test)]
mod suite;
#[cfg(test)]
mod tests;
