//! This is what a component is asked something for: which trace it is a part of, how deep components have called one another for it,
//! and until when anybody waits for it.

use std::time::Duration;

use engine::State;
use rt::{Tick, Ticker};
use stdx::Trace;

/// What something is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// The trace that it is a part of, where it is in one.
    pub trace: Option<Trace>,
    /// How deep components have called one another for it: 0 where none did.
    pub depth: u16,
    /// When nobody waits for it any more.
    pub deadline: Tick,
}

// === impl Cause ===

impl Cause {
    /// What an invocation of the component whose state this is asks something for.
    pub fn of(state: &State) -> Self {
        Self { trace: state.trace().cloned(), depth: state.depth, deadline: state.deadline }
    }

    /// What somebody elsewhere asks something for, so deep, who waits for so long from now on.
    pub fn elsewhere(trace: Option<Trace>, depth: u16, time: Duration) -> Self {
        // The clock may have been napping until he came.
        Ticker::wake();
        Self { trace, depth, deadline: Tick::now().after(time) }
    }

    /// For how long somebody still waits.
    pub fn time(&self) -> Duration {
        self.deadline.since(Tick::now())
    }
}

impl Default for Cause {
    /// For nothing that anybody said, and for as long as it takes.
    fn default() -> Self {
        Self { trace: None, depth: 0, deadline: Tick::NEVER }
    }
}
