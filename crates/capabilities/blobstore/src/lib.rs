//! `wasi:blobstore` for components, kept in any place for objects.
//!
//! The contract is implemented once, in `guest`. A backend knows nothing of Wasm or links: it keeps [`Blobs`], and the
//! conformance suite proves that it does.
//!
//! ```text
//! component ── wasi:blobstore ── guest ── link ── dyn Blobs ── folder | memory | bucket | nats | provider | another component
//! elsewhere ── wrpc:blobstore ─ serve ───────────────────────────────────────────────────────────┘
//! ```
//!
//! # Invariants
//!
//! 1. A component reaches only its own containers: an [`Object`] is only made by a [`Container`], and a [`Container`] holds its
//!    component's name.
//! 2. No backend's words reach a component. A failure is logged whole and answered by its class.
//! 3. Objects pass through, whatever their size: what the host holds of one is bounded on the way in and on the way out.
//!
//! # Not here
//!
//! Which component is linked to which store, and which components here keep objects for others (`host`).

mod aborts;
mod backends;
mod blobs;
mod component;
mod guest;
mod limits;
mod provider;
mod scope;
mod serve;

pub mod bucket;
pub mod folder;
pub mod memory;
pub mod nats;

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use capability::{
    BackendInfo, Callable, Capability, Duty, Linking, OpenError, OpenLink, Opened, Place, Service, Settings,
};
use model::{ComponentName, Contract};
use wire::Peers;

pub use backends::BACKENDS;
pub use blobs::{Blob, Blobs, BlobsError, Facts, Page, Pieces, Span, Upload};
pub use guest::CONTRACTS;
pub use limits::Limits;
pub use scope::{Container, Object};

/// The capability `blobstore`.
pub struct Blobstore {
    place: Place,
    limits: Limits,
    /// They change when the host joins a lattice or leaves it.
    peers: Mutex<Option<Peers>>,
}

// === impl Blobstore ===

impl Blobstore {
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
impl Capability for Blobstore {
    fn name(&self) -> &'static str {
        "blobstore"
    }

    fn contracts(&self) -> Vec<Contract> {
        capability::contracts(&guest::CONTRACTS)
    }

    fn backends(&self) -> Vec<BackendInfo> {
        BACKENDS.infos().into_iter().chain([provider::INFO]).collect()
    }

    fn tries_again(&self) -> bool {
        true
    }

    fn by_default(&self) -> String {
        format!("folder {}", self.place.folder.display())
    }

    async fn open(&self, backend: &str, settings: &Settings) -> Result<Opened, OpenError> {
        match backend == provider::INFO.name {
            true => Ok(Opened::new(provider::open(settings, self.peers().as_ref())?)),
            false => BACKENDS.open(backend, settings, &self.place).await,
        }
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
        let kept: Arc<dyn Blobs> = Arc::new(component::Kept::new(component::Component::of(component)?));
        Some(Opened::new(kept))
    }

    fn reach(&self, component: &dyn Callable, duty: Duty) -> Option<Service> {
        serve::reach(component, &self.peers()?, duty)
    }
}

#[cfg(test)]
mod suite;
#[cfg(test)]
mod tests;
