//! `wasmcloud:secrets` for components: what a link says that they may know.
//!
//! ```text
//! get(name)    ─▶ links, one after the other ─▶ Keep ─▶ Secret, behind a handle
//! reveal(it)   ─▶ its bytes
//! ```
//!
//! # Invariants
//!
//! 1. Deny by default: a component without a link knows no secret.
//! 2. A secret is in no message, no log and no `Debug`; its memory is wiped when it is let go.
//! 3. A secret is read when it is asked for: one that was changed is known to whoever asks next.
//!
//! # Not here
//!
//! The secrets that links themselves are told (`capability::settings`).

mod backends;
mod encrypted;
mod guest;
mod keep;

use async_trait::async_trait;
use capability::{BackendInfo, Capability, Linking, OpenError, OpenLink, Opened, Place, Settings};
use model::{ComponentName, Contract};

pub use encrypted::{Encrypted, Key, StoreError};
pub use keep::{Keep, KeepError, Name, NotASecretName, Secret};

/// The capability `secrets`.
#[derive(Debug)]
pub struct Secrets {
    place: Place,
}

impl Secrets {
    /// Those that this machine keeps itself are in `place`.
    pub fn new(place: Place) -> Self {
        Self { place }
    }
}

#[async_trait]
impl Capability for Secrets {
    fn name(&self) -> &'static str {
        "secrets"
    }

    fn contracts(&self) -> Vec<Contract> {
        capability::contracts(&guest::CONTRACTS)
    }

    fn backends(&self) -> Vec<BackendInfo> {
        backends::ALL.infos()
    }

    fn by_default(&self) -> String {
        "no secrets (a link gives some)".into()
    }

    async fn open(&self, backend: &str, settings: &Settings) -> Result<Opened, OpenError> {
        backends::ALL.open(backend, settings, &self.place).await
    }

    fn define(&self, linking: &mut Linking<'_>) -> wasmtime::Result<()> {
        guest::define(linking)
    }

    fn bind(&self, component: &ComponentName, links: &[OpenLink], bound: &mut engine::Bound) {
        bound.insert(guest::Binding::new(component, links));
    }
}

#[cfg(test)]
mod suite;
#[cfg(test)]
mod tests;
