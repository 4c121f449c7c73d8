//! Gives messages to a function as they come, with no queue in between.
//!
//! Whoever can put a message where it belongs without waiting needs no queue that could overflow, and no task that empties it.
//!
//! # Invariants
//!
//! 1. What the function gives back was heard by nobody: it counts as such where an answer is expected.

use std::fmt;

use crate::carrier::{Hold, Reason, Refused, Sink};
use crate::message::Message;
use crate::subject::Pattern;

/// Messages that go to a function, until this is dropped.
pub struct Listening {
    pattern: Pattern,
    _hold: Hold,
}

/// The function. What it gives back, nobody wants.
pub(crate) struct Ear<F>(pub(crate) F);

// === impl Listening ===

impl Listening {
    pub(crate) fn new(pattern: Pattern, hold: Hold) -> Self {
        Self { pattern, _hold: hold }
    }
}

impl fmt::Debug for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listening").field("pattern", &self.pattern).finish_non_exhaustive()
    }
}

// === impl Ear ===

impl<F: Fn(Message) -> Result<(), Message> + Send + Sync> Sink for Ear<F> {
    fn accept(&self, message: Message) -> Result<(), Refused> {
        (self.0)(message).map_err(|message| Refused { message, reason: Reason::Ended })
    }

    /// It is never full.
    fn missed(&self) {}
}
