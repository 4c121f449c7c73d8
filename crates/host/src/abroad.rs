//! The way to components on other hosts of the lattice, and the way from there to those of this host.
//!
//! ```text
//! caller's import ─▶ shim ─▶ Distant ─▶ wire ═▶ bus ═▶ wire ─▶ Reached ─▶ Slot ─▶ Callee (on the host that is called)
//! ```
//!
//! # Invariants
//!
//! 1. A call ends within its caller's time, on both sides: what is left of it goes along.
//! 2. What may have run is not called again, unless the link's terms say that it may be.
//! 3. Who may not be called for lack of room says so at once, and somebody else is asked.
//!
//! # Not here
//!
//! How calls travel (`wire`). Which host is asked is the bus's choice among all that serve the component. How deep components of
//! several hosts call one another is not counted: their time ends it.

mod reached;

use std::sync::Arc;
use std::time::Duration;

use model::{ComponentName, LinkName, Terms};
use rt::Tick;
use stdx::Chain;
use wire::{Address, Call, Function, InvokeError, Origin, Remote, Signature, Wire};

use crate::callee::{CallError, Caller, DEPTH_MAX, Values};

pub(crate) use reached::{Reached, Target};

/// How often a call is made again that was surely not begun, such as where a host is full.
const TRIES_MAX: u32 = 3;

/// Before the first repetition so long is waited; before each further one, twice as long.
const PAUSE: Duration = Duration::from_millis(5);

/// The longest that anybody waits for an answer.
const TIME_MAX: Duration = Duration::from_secs(3_600);

/// What is beyond this host: the other hosts of its lattice.
#[derive(Debug, Clone)]
pub(crate) struct Abroad {
    wire: Wire,
    lattice: Arc<str>,
}

/// The way that a link leads to a component on other hosts.
pub(crate) struct Road {
    abroad: Abroad,
    source: ComponentName,
    link: LinkName,
    target: ComponentName,
}

/// One function of a component on other hosts.
pub(crate) struct Distant {
    wire: Wire,
    remote: Result<Remote, String>,
    source: ComponentName,
    link: LinkName,
    target: ComponentName,
    retry: u32,
}

// === impl Abroad ===

impl Abroad {
    /// The hosts that this wire leads to, in this lattice.
    pub(crate) fn new(wire: Wire, lattice: &str) -> Self {
        Self { wire, lattice: lattice.into() }
    }

    /// Where a component is called, whichever hosts it runs on.
    fn address(&self, name: &ComponentName) -> Address {
        Address { lattice: self.lattice.to_string(), id: name.to_string() }
    }

    /// The way from a component by one of its links to another.
    pub(crate) fn road(&self, source: &ComponentName, link: &LinkName, target: &ComponentName) -> Road {
        Road { abroad: self.clone(), source: source.clone(), link: link.clone(), target: target.clone() }
    }
}

// === impl Road ===

impl Road {
    /// A function of an interface there, by the terms of the link.
    pub(crate) fn to(&self, (interface, name): (&str, &str), signature: Signature, terms: &Terms) -> Distant {
        let address = self.abroad.address(&self.target);
        let remote = Remote::new(&address, &Function::of(interface, name), signature);
        Distant {
            wire: self.abroad.wire.clone(),
            remote: remote.map_err(|error| Chain(&error).to_string()),
            source: self.source.clone(),
            link: self.link.clone(),
            target: self.target.clone(),
            retry: u32::from(terms.retry),
        }
    }
}

// === impl Distant ===

impl Distant {
    /// Calls it with dynamic values.
    pub(crate) async fn call(&self, caller: &Caller, values: Values<'_>) -> wasmtime::Result<()> {
        if caller.depth >= DEPTH_MAX {
            return Err(CallError::TooDeep(self.target.clone()).into());
        }
        let now = Tick::now();
        let deadline = caller.timeout.map_or(caller.deadline, |timeout| caller.deadline.min(now.after(timeout)));
        let mut tries = 0;
        loop {
            let left = deadline.since(Tick::now()).min(TIME_MAX);
            let error = match self.invoke(&values, left).await {
                Ok(results) => {
                    values.results.iter_mut().zip(results).for_each(|(place, result)| *place = result);
                    return Ok(());
                }
                Err(error) => error,
            };
            let pause = PAUSE * 2_u32.pow(tries.min(8));
            if !self.may_try_again(&error, tries) || deadline.since(Tick::now()) <= pause {
                return Err(self.failed(&error, caller));
            }
            tokio::time::sleep(pause).await;
            tries += 1;
        }
    }

    async fn invoke(&self, values: &Values<'_>, left: Duration) -> Result<Vec<wasmtime::component::Val>, Failed> {
        let remote = self.remote.as_ref().map_err(|why| Failed::Unnamed(why.clone()))?;
        let (source, link_name) = (Some(self.source.to_string()), Some(self.link.as_str().to_owned()));
        let origin = Origin { source, link_name, ..Origin::default() };
        self.wire.invoke(remote, values.params, Call::new(origin, left)).await.map_err(Failed::Invoked)
    }

    fn may_try_again(&self, error: &Failed, tries: u32) -> bool {
        match error {
            Failed::Invoked(InvokeError::Refused { refusal, .. }) if refusal.reason == wire::Reason::Busy => {
                tries < self.retry.max(TRIES_MAX)
            }
            Failed::Invoked(InvokeError::Refused { .. }) => false,
            Failed::Invoked(_) => tries < self.retry,
            Failed::Unnamed(_) => false,
        }
    }

    /// What that is for the caller.
    fn failed(&self, error: &Failed, caller: &Caller) -> wasmtime::Error {
        match error {
            // The caller's own time is over: it is the caller that is stopped.
            Failed::Invoked(InvokeError::Late { .. } | InvokeError::Unheard { .. })
                if Tick::now() >= caller.deadline =>
            {
                engine::OutOfTime.into()
            }
            Failed::Invoked(error) => CallError::Away(self.target.clone(), Chain(error).to_string()).into(),
            Failed::Unnamed(why) => CallError::Away(self.target.clone(), why.clone()).into(),
        }
    }
}

/// Why a call abroad gave nothing.
enum Failed {
    /// There is no subject of that name.
    Unnamed(String),
    Invoked(InvokeError),
}
