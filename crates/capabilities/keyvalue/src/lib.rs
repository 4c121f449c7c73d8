//! `wasi:keyvalue` for components, kept in any [`Store`].
//!
//! Each version of the contract is implemented once, in `guest`. A backend knows nothing of Wasm, links or buckets: it keeps
//! bytes under keys, and the conformance suite proves that it does.
//!
//! ```text
//! component ── wasi:keyvalue ── guest ── dyn Store ── memory | disk
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
//! Which component is linked to which store (`host`).

mod guest;
mod limits;
mod number;
mod scope;
mod store;

pub mod disk;
pub mod memory;

use std::sync::Arc;

use capability::Capability;
use model::{ComponentName, Contract};
use wasmtime::component::Linker;

pub use guest::{CONTRACTS, add_to_linker};
pub use limits::Limits;
pub use number::{Addend, Sum};
pub use scope::{Key, Scope};
pub use store::{Change, Page, Stamp, Store, StoreError, Swap};

/// The capability `keyvalue` on one store.
pub struct KeyValue {
    store: Arc<dyn Store>,
    limits: Limits,
}

// === impl KeyValue ===

impl KeyValue {
    /// All components keep their pairs in `store`, each its own.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, limits: Limits::default() }
    }

    /// The same with other limits.
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }
}

impl Capability for KeyValue {
    fn name(&self) -> &'static str {
        "keyvalue"
    }

    fn contracts(&self) -> Vec<Contract> {
        capability::contracts(&guest::CONTRACTS)
    }

    fn backend(&self) -> String {
        self.store.describe()
    }

    fn add_to_linker(&self, linker: &mut Linker<engine::State>) -> wasmtime::Result<()> {
        guest::add_to_linker(linker)
    }

    fn bind(&self, component: &ComponentName, bound: &mut engine::Bound) {
        bound.insert(guest::Binding::new(component.clone(), self.store.clone(), self.limits));
    }
}

#[cfg(test)]
mod suite;
#[cfg(test)]
mod tests;
