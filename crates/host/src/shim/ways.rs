//! This is where a function leads that other components export: one way for each link of its import, of which the calling
//! instance chooses by name.

use std::sync::Arc;
use std::time::Duration;

use engine::{Part, State};
use wasmtime::component::Val;

use super::absent::{Absent, Answer};
use super::far::Destination;
use crate::callee::{Call, Callee, Caller, FunctionName, Slot};

/// The ways of one function, which lead to a `D` each: to the place of a component of this host, where all of them do.
pub(crate) struct Ways<D> {
    /// Who imports it.
    pub(super) part: Part,
    /// What is chosen for: `acme:shop/stock`.
    pub(super) interface: String,
    /// How it is told that nobody answers, where the function can say so.
    pub(super) absent: Option<Arc<Absent>>,
    /// By the link without a name.
    pub(super) first: Way<D>,
    /// By the others.
    pub(super) named: Vec<(String, Way<D>)>,
}

/// A way to one component.
pub(crate) struct Way<D> {
    pub(super) to: D,
    pub(super) function: Arc<FunctionName>,
    pub(super) timeout: Option<Duration>,
}

/// Where a way leads, as the invocations see it that take it.
pub(crate) trait Leading {
    /// What is called, as an invocation meets it; nothing where it is on another host, or gone.
    fn met_by(&self, state: &mut State) -> Option<Arc<Callee>>;
}

/// A call that is about to be made.
pub(super) struct Chosen<'a, D> {
    pub(super) to: &'a D,
    pub(super) call: Call<'a>,
}

// === impl Ways ===

impl<D> Ways<D> {
    /// What the function is called.
    pub(super) fn name(&self) -> &str {
        &self.first.function.function
    }

    /// The same, as ways to whatever these are.
    pub(super) fn to<E: From<D>>(&self) -> Ways<E>
    where
        D: Clone,
    {
        let to = |way: &Way<D>| Way { to: way.to.clone().into(), function: way.function.clone(), timeout: way.timeout };
        Ways {
            part: self.part,
            interface: self.interface.clone(),
            absent: self.absent.clone(),
            first: to(&self.first),
            named: self.named.iter().map(|(name, way)| (name.clone(), to(way))).collect(),
        }
    }

    /// The way that an instance has chosen, and who calls.
    pub(super) fn choose(&self, state: &mut State) -> (usize, Caller)
    where
        D: Leading,
    {
        let number = if self.named.is_empty() { 0 } else { self.number(state.chosen_by(self.part, &self.interface)) };
        let Way { to, timeout, .. } = self.way(number);
        let met = to.met_by(state);
        (number, Caller { met, ..Caller::of(state, *timeout) })
    }

    /// What was chosen, as a call.
    pub(super) fn call(&self, (number, caller): (usize, Caller)) -> Chosen<'_, D> {
        let way = self.way(number);
        Chosen { to: &way.to, call: Call { function: &way.function, caller } }
    }

    /// What a call came to, as the caller is told.
    pub(super) fn told(&self, outcome: wasmtime::Result<()>, results: &mut [Val]) -> wasmtime::Result<()> {
        match &self.absent {
            Some(absent) => absent.told(outcome, results),
            None => outcome,
        }
    }

    /// The same for an answer of a type that is known here.
    pub(super) fn told_typed<R: Answer>(&self, outcome: wasmtime::Result<R>) -> wasmtime::Result<R> {
        match &self.absent {
            Some(absent) => absent.told_typed(outcome),
            None => outcome,
        }
    }

    /// A name that is chosen has a link: see `choice::Names`. So any other is that of the first.
    fn number(&self, name: &str) -> usize {
        self.named.iter().position(|(known, _)| known == name).map_or(0, |place| place + 1)
    }

    fn way(&self, number: usize) -> &Way<D> {
        number.checked_sub(1).map_or(&self.first, |place| &self.named[place].1)
    }
}

// === impl Leading ===

impl Leading for Arc<Slot> {
    fn met_by(&self, state: &mut State) -> Option<Arc<Callee>> {
        Slot::met_by(self, state)
    }
}

impl Leading for Destination {
    fn met_by(&self, state: &mut State) -> Option<Arc<Callee>> {
        match self {
            Self::Here(slot) => Slot::met_by(slot, state),
            Self::Abroad(_) => None,
        }
    }
}
