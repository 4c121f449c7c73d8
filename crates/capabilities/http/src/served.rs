//! This is a component that is being served: what every core needs to answer for it, and what it counts.
//!
//! # Invariants
//!
//! 1. Nothing here changes after it was made but the counts: the data plane reads it without a lock.
//! 2. Each counter has one writer, the core that it belongs to; whoever reads adds them up.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use engine::{Limits, State};
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
    pub new_state: Box<dyn Fn() -> State + Send + Sync>,
    /// What happened to its requests, one set for each core.
    pub counts: Box<[Counts]>,
    in_flight: AtomicUsize,
    instances: AtomicUsize,
    room: Arc<Room>,
}

/// The instances of all components together.
#[derive(Debug)]
pub struct Room {
    alive: AtomicUsize,
    total: usize,
}

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
    /// How many invocations run now.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// The counts of all cores, with the names they are reported under.
    pub fn totals(&self) -> [(&'static str, u64); 7] {
        let total = |count: fn(&Counts) -> &AtomicU64| {
            self.counts.iter().map(|counts| count(counts).load(Ordering::Relaxed)).sum()
        };
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

    /// Takes a place among the invocations that run at once, where one is free.
    pub(crate) fn enter(&self) -> bool {
        let is_free = self.in_flight.fetch_add(1, Ordering::Relaxed) < self.limits.concurrency;
        if !is_free {
            self.leave();
        }
        is_free
    }

    /// Whether an instance may be made ahead of need: while half of what there may be is free for those that are needed.
    pub(crate) fn may_have_spare(&self) -> bool {
        let is_half = |alive: &AtomicUsize, limit: usize| alive.load(Ordering::Relaxed).saturating_mul(2) >= limit;
        !is_half(&self.instances, self.limits.instances) && !is_half(&self.room.alive, self.room.total)
    }

    /// Counts a new instance, where there may be one more.
    pub(crate) fn count_instance(&self) -> bool {
        self.room.alive.fetch_add(1, Ordering::Relaxed);
        let may_be = self.instances.fetch_add(1, Ordering::Relaxed) < self.limits.instances;
        if !may_be {
            self.forget_instance();
        }
        may_be
    }

    /// An instance that was counted is gone.
    pub(crate) fn forget_instance(&self) {
        self.room.alive.fetch_sub(1, Ordering::Relaxed);
        self.instances.fetch_sub(1, Ordering::Relaxed);
    }

    /// Gives a place back that was taken with [`enter`](Self::enter).
    pub(crate) fn leave(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Makes a [`Served`]; `cores` is how many cores will serve it.
pub struct ServedParts {
    /// What it is called in messages.
    pub name: ComponentName,
    /// What it may use.
    pub limits: Arc<Limits>,
    /// Whether and how often an instance answers more than one request.
    pub reuse: Option<Reuse>,
    /// Makes the host's side of a new instance.
    pub new_state: Box<dyn Fn() -> State + Send + Sync>,
    /// How many cores serve it.
    pub cores: usize,
    /// What it shares with all other components.
    pub room: Arc<Room>,
}

impl Room {
    /// Room for so many instances.
    pub fn new(total: usize) -> Self {
        Self { alive: AtomicUsize::new(0), total }
    }
}

impl ServedParts {
    /// The component made of `pre`, whose exports decide how it is called.
    pub fn with(self, pre: InstancePre<State>) -> Result<Served, NotAHandler> {
        let handler = match ServicePre::new(pre.clone()) {
            Ok(service) => Handler::P3(service),
            Err(_) => Handler::P2(ProxyPre::new(pre).map_err(NotAHandler)?),
        };
        let counts = (0..self.cores).map(|_| Counts::default()).collect();
        let Self { name, limits, reuse, new_state, room, .. } = self;
        Ok(Served {
            name,
            handler,
            limits,
            reuse,
            new_state,
            counts,
            in_flight: AtomicUsize::new(0),
            instances: AtomicUsize::new(0),
            room,
        })
    }
}

// === impl Counts ===

impl Counts {
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
