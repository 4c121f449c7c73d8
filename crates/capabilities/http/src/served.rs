//! This is a component that is being served: what every core needs to answer for it, and what it counts.
//!
//! # Invariants
//!
//! 1. Nothing here changes after it was made but the counts: the data plane reads it without a lock.
//! 2. Each counter has one writer, the core that it belongs to; whoever reads adds them up.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use engine::{Account, Limits, State};
use model::ComponentName;
use wasmtime::component::InstancePre;
use wasmtime_wasi_http::p2::bindings::ProxyPre;
use wasmtime_wasi_http::p3::bindings::ServicePre;

/// A component with all that serving it takes.
pub struct Served {
    /// What it is called in messages.
    pub name: ComponentName,
    /// What it exports.
    pub handler: Handler,
    /// What it may use.
    pub limits: Arc<Limits>,
    /// Whether and how often an instance answers more than one request.
    pub reuse: Option<Reuse>,
    /// Makes the host's side of a new instance.
    pub new_state: NewState,
    /// What it has in use, whatever it is linked to.
    pub(crate) account: Arc<Account>,
    /// What happened to its requests, one set for each core, whatever it is linked to.
    counts: Arc<[Counts]>,
}

/// Makes the host's side of a new instance.
pub type NewState = Box<dyn Fn() -> State + Send + Sync>;

/// The handler that a component exports, ready to be instantiated.
pub enum Handler {
    /// `wasi:http/incoming-handler@0.2.x`: an instance answers one request at a time.
    P2(ProxyPre<State>),
    /// `wasi:http/handler@0.3.x`: an instance can answer several at once.
    P3(ServicePre<State>),
}

/// How an instance is used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reuse {
    /// Requests after which an instance is retired.
    pub requests_max: u32,
    /// Requests that a WASI 0.3 instance answers at once.
    pub at_once_max: usize,
}

/// The component cannot be served.
#[derive(Debug, thiserror::Error)]
#[error("it does not export an HTTP handler that this host can call")]
pub struct NotAHandler(#[source] wasmtime::Error);

/// What happened to the requests of a component on one core.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Counts {
    answered: AtomicU64,
    full: AtomicU64,
    out_of_time: AtomicU64,
    too_large: AtomicU64,
    out_of_memory: AtomicU64,
    failed: AtomicU64,
    abandoned: AtomicU64,
}

/// What happened to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The component answered.
    Answered,
    /// There were as many invocations as there may be.
    Full,
    /// The component ran past its deadline.
    OutOfTime,
    /// The request's body was larger than it may be.
    TooLarge,
    /// The component wanted more memory than it may have.
    OutOfMemory,
    /// The component trapped or gave no answer.
    Failed,
    /// The client went away first.
    Abandoned,
}

// === impl Handler ===

impl Handler {
    /// The engine that runs it.
    pub(crate) fn engine(&self) -> &wasmtime::Engine {
        match self {
            Self::P2(pre) => pre.engine(),
            Self::P3(pre) => pre.engine(),
        }
    }
}

// === impl Served ===

impl Served {
    /// What happened to its requests on one core.
    pub(crate) fn counts(&self, core: usize) -> &Counts {
        &self.counts[core]
    }
}

/// Makes a [`Served`].
pub struct ServedParts {
    /// What it is called in messages.
    pub name: ComponentName,
    /// Whether and how often an instance answers more than one request.
    pub reuse: Option<Reuse>,
    /// Makes the host's side of a new instance.
    pub new_state: NewState,
    /// What it has in use, and what it may use.
    pub account: Arc<Account>,
    /// What happened to its requests: as many as there are cores.
    pub counts: Arc<[Counts]>,
}

impl ServedParts {
    /// The component made of `pre`, whose exports decide how it is called.
    pub fn with(self, pre: InstancePre<State>) -> Result<Served, NotAHandler> {
        let handler = match ServicePre::new(pre.clone()) {
            Ok(service) => Handler::P3(service),
            Err(_) => Handler::P2(ProxyPre::new(pre).map_err(NotAHandler)?),
        };
        let Self { name, reuse, new_state, account, counts } = self;
        Ok(Served { name, handler, limits: account.limits(), reuse, new_state, account, counts })
    }
}

// === impl Counts ===

impl Counts {
    /// One set for each of so many cores.
    pub fn for_cores(cores: usize) -> Arc<[Self]> {
        (0..cores).map(|_| Self::default()).collect()
    }

    /// The counts of all cores, with the names they are reported under.
    pub fn totals(all: &[Self]) -> [(&'static str, u64); 7] {
        let total =
            |count: fn(&Counts) -> &AtomicU64| all.iter().map(|counts| count(counts).load(Ordering::Relaxed)).sum();
        [
            ("answered", total(|counts| &counts.answered)),
            ("full", total(|counts| &counts.full)),
            ("out_of_time", total(|counts| &counts.out_of_time)),
            ("too_large", total(|counts| &counts.too_large)),
            ("out_of_memory", total(|counts| &counts.out_of_memory)),
            ("failed", total(|counts| &counts.failed)),
            ("abandoned", total(|counts| &counts.abandoned)),
        ]
    }

    /// Adds one. Only the core that the counts belong to may do this.
    pub(crate) fn add(&self, outcome: Outcome) {
        let counter = match outcome {
            Outcome::Answered => &self.answered,
            Outcome::Full => &self.full,
            Outcome::OutOfTime => &self.out_of_time,
            Outcome::TooLarge => &self.too_large,
            Outcome::OutOfMemory => &self.out_of_memory,
            Outcome::Failed => &self.failed,
            Outcome::Abandoned => &self.abandoned,
        };
        counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }
}
