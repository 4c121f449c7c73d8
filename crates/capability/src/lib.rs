//! What a capability is, and the conformance kit.
//!
//! A capability offers contracts to components and keeps its promises on a backend. One `Linker` serves all components of an
//! engine, so that an idle component costs nothing; what differs between components is found at the time of the call, as a
//! part of what the component is bound to.
//!
//! ```text
//! add_to_linker, once an engine:   contract ─▶ function of the capability
//! bind, once a component:          component ─▶ part of engine::Bound
//! a call:                          function ─▶ state.bound().part::<Part>() ─▶ backend
//! ```
//!
//! # Invariants
//!
//! 1. A function that was linked works for every component: one that is bound to nothing is refused, never mixed up.
//! 2. Knows no contract and no backend: those are the crates above.

#[cfg(feature = "conformance")]
pub mod conformance;

use engine::{Bound, State};
use model::{ComponentName, Contract};
use wasmtime::component::Linker;

/// A family of contracts that is implemented inside the host, on some backend.
pub trait Capability: Send + Sync {
    /// What it is called: `keyvalue`.
    fn name(&self) -> &'static str;

    /// What it offers, each in its exact version.
    fn contracts(&self) -> Vec<Contract>;

    /// The backend in a few words, as a link is printed: `memory`, `disk /var/lib/wattle/keyvalue`.
    fn backend(&self) -> String;

    /// Defines its functions for all components of one engine, with concurrency support or without.
    fn add_to_linker(&self, linker: &mut Linker<State>) -> wasmtime::Result<()>;

    /// Puts its part into what a component is bound to.
    fn bind(&self, component: &ComponentName, bound: &mut Bound);
}

/// Contracts from their names, which the caller knows to be well formed.
///
/// # Panics
///
/// Where one of them is no contract: they are constants of the program.
pub fn contracts(names: &[&str]) -> Vec<Contract> {
    names.iter().map(|name| name.parse().expect("a capability names its contracts in full")).collect()
}
