//! Those of a lattice who are called by what they are called there: components on other hosts, and providers.
//!
//! ```text
//! link (source, name) ─▶ Peer ─▶ Call { source-id, link-name, time } ─▶ wire
//! ```
//!
//! # Invariants
//!
//! 1. Whoever is called by a [`Peer`] is told which component calls, and by which link: providers keep by that what they know
//!    of a link.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bus::{Subject, SubjectError};
use stdx::Trace;

use crate::Wire;
use crate::address::{Address, Function};
use crate::invoke::{Call, InvokeError};
use crate::lanes::Lanes;
use crate::origin::Origin;
use crate::typed::{Decode, Encode};

/// All who can be called in a lattice. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Peers {
    lanes: Lanes,
    lattice: Arc<str>,
}

/// One of them, as a link leads there.
#[derive(Debug, Clone)]
pub struct Peer {
    lanes: Lanes,
    address: Address,
    link_name: String,
    timeout: Duration,
}

// === impl Peers ===

impl Peers {
    /// Those whom these wires lead to, in this lattice.
    pub fn new(lanes: impl Into<Lanes>, lattice: &str) -> Self {
        Self { lanes: lanes.into(), lattice: lattice.into() }
    }

    /// What leads to them.
    pub fn lanes(&self) -> &Lanes {
        &self.lanes
    }

    /// What leads to them from this thread.
    pub fn wire(&self) -> &Wire {
        self.lanes.here()
    }

    /// The lattice.
    pub fn lattice(&self) -> &str {
        &self.lattice
    }

    /// Where somebody is called, whichever hosts that is on.
    pub fn address(&self, id: &str) -> Address {
        Address { lattice: self.lattice.to_string(), id: id.to_owned() }
    }

    /// The one of that id, as a link of this name leads there; each call may take `timeout`.
    pub fn peer(&self, id: &str, link_name: &str, timeout: Duration) -> Peer {
        Peer { lanes: self.lanes.clone(), address: self.address(id), link_name: link_name.to_owned(), timeout }
    }
}

// === impl Peer ===

impl Peer {
    /// What leads there from this thread.
    pub fn wire(&self) -> &Wire {
        self.lanes.here()
    }

    /// Where it is called.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// How long a call may take.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// One of its functions, which a call is sent to.
    pub fn function(&self, instance: &str, name: &str) -> Result<Subject, SubjectError> {
        self.address.subject(&Function::of(instance, name))
    }

    /// A call by a component, within a trace where it is in one.
    pub fn call(&self, (source, trace): (&str, Option<Trace>)) -> Call {
        let (source, link_name) = (Some(source.to_owned()), Some(self.link_name.clone()));
        Call::new(Origin { source, link_name, trace, ..Origin::default() }, self.timeout)
    }

    /// Lets a component call one of its functions, within a trace where it is in one.
    pub async fn ask<R: Decode>(
        &self,
        caller: (&str, Option<Trace>),
        function: &Subject,
        values: &impl Encode,
    ) -> Result<R, InvokeError> {
        self.wire().ask(function, values, self.call(caller)).await
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address.id)
    }
}
