//! What a capability is, and the conformance kit.
//!
//! A capability offers contracts to components and keeps its promises on a backend. One `Linker` serves all components of an
//! engine: an idle one costs nothing; what differs between them is found at the time of the call, in what each is bound to.
//!
//! ```text
//! define, once an engine:          contract ─▶ function of the capability
//! bind, once a component:          component ─▶ part of engine::Bound
//! a call:                          function ─▶ state.bound().part::<Part>() ─▶ backend
//! ```
//!
//! A link names a backend and what it is told. The host checks that ([`settings::check`]), opens it ([`Capability::open`]), and
//! binds the component anew: what ran before keeps what it was bound to.
//!
//! # Invariants
//!
//! 1. A function that was linked works for every component: one that is bound to nothing is refused, never mixed up.
//! 2. Knows no contract and no backend: those are the crates above.

mod backend;
mod cause;
#[cfg(feature = "conformance")]
pub mod conformance;
mod duty;
mod form;
pub mod jetstream;
mod keeper;
mod linking;
mod opened;
pub mod provider;
pub mod settings;
mod terms;
pub mod tls;

use async_trait::async_trait;
use engine::Bound;
use model::{ComponentName, Contract, LinkName, Terms};

pub use backend::{Backend, Backends, OpenError, Place};
pub use cause::Cause;
pub use duty::{CallFailed, Callable, Calls, Duty, Job, Seat, Service, Watch, together};
pub use form::{Form, Laid, laid, reach, refusal, seat_within};
pub use keeper::{Instance, Keeper, Said, Trouble};
pub use linking::Linking;
pub use opened::Opened;
pub use settings::{Setting, Settings};
pub use terms::KeptTerms;

/// A family of contracts that is implemented inside the host, on interchangeable backends.
#[async_trait]
pub trait Capability: Send + Sync {
    /// What it is called: `keyvalue`.
    fn name(&self) -> &'static str;

    /// What it offers, each in its exact version.
    fn contracts(&self) -> Vec<Contract>;

    /// The backends that a link can name. The first is what a component gets that has no link.
    fn backends(&self) -> Vec<BackendInfo>;

    /// The backend that a component without a link gets, in a few words: `disk /var/lib/wattle/keyvalue`.
    fn by_default(&self) -> String;

    /// Opens a backend for links. Called within the control plane's runtime.
    async fn open(&self, backend: &str, settings: &Settings) -> Result<Opened, OpenError>;

    /// Whether what a target read when it was opened has changed since. Such a target is opened anew: what runs keeps what it
    /// has. Asked about once a second for each target of a link.
    async fn has_changed(&self, _: &Opened) -> bool {
        false
    }

    /// Defines its functions for all components of one engine, with concurrency support or without.
    fn define(&self, linking: &mut Linking<'_>) -> wasmtime::Result<()>;

    /// Puts its part into what a component is bound to: by its own links, one of each name, to what [`Capability::open`] opened.
    fn bind(&self, component: &ComponentName, links: &[OpenLink], bound: &mut Bound);

    /// Whether it asks again what changes nothing, as often as the terms of a link say. Where it does not, such terms are refused.
    fn tries_again(&self) -> bool {
        false
    }

    /// Whether components that export what is offered here can be the targets of links for it.
    fn is_kept_by_components(&self) -> bool {
        false
    }

    /// What a link leads to whose target is this component; nothing where the component does not export all that this takes.
    fn kept_by(&self, _: &dyn Callable) -> Option<Opened> {
        None
    }

    /// What it calls of its own accord where a component exports it, each in its exact version.
    fn calls(&self) -> Vec<Contract> {
        Vec::new()
    }

    /// Calls the component for as long as it has this link; nothing where the link or the component gives no reason to.
    fn serve(&self, component: &dyn Callable, link: &OpenLink, duty: Duty) -> Option<Service> {
        drop((component, link, duty));
        None
    }

    /// Lets those outside of the host call the component in a form of their own, for as long as it is there; nothing where it
    /// exports nothing of that kind.
    fn reach(&self, component: &dyn Callable, duty: Duty) -> Option<Service> {
        drop((component, duty));
        None
    }
}

/// A backend as it is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackendInfo {
    /// What a link calls it: `redis`.
    pub name: &'static str,
    /// What it is.
    pub about: &'static str,
    /// What it may be told.
    pub settings: &'static [Setting],
}

/// A link whose target is open, or was not to be opened.
#[derive(Clone)]
pub struct OpenLink {
    /// Which of the component's links for these contracts it is.
    pub name: LinkName,
    /// How long a call may take, and how often it is tried.
    pub terms: Terms,
    /// What it leads to; nothing where that could not be opened yet.
    pub target: Option<Opened>,
}

/// Contracts from their names, which the caller knows to be well formed.
///
/// # Panics
///
/// Where one of them is no contract: they are constants of the program.
pub fn contracts(names: &[&str]) -> Vec<Contract> {
    names.iter().map(|name| name.parse().expect("a capability names its contracts in full")).collect()
}
