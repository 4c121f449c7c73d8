//! Numbers instances and invocations, so that what is said for one of them can be told from what is said for the others.
//!
//! # Invariants
//!
//! 1. A number is given to one instance, or one invocation, of all in this process.
//! 2. It is taken when somebody asks for it: what nobody asks about has none, and costs nothing.

use std::sync::atomic::{AtomicU64, Ordering};

static INSTANCES: AtomicU64 = AtomicU64::new(0);
static INVOCATIONS: AtomicU64 = AtomicU64::new(0);

/// Which instance it is, and which invocation runs in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbers {
    /// The instance, from 1 on.
    pub instance: u64,
    /// The invocation, from 1 on; none while several run in the instance at once.
    pub invocation: Option<u64>,
}

/// The numbers of an instance that somebody asked for already.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    instance: Option<u64>,
    invocation: Current,
}

#[derive(Debug, Default)]
enum Current {
    /// Nobody has asked for its number.
    #[default]
    Unasked,
    Asked(u64),
    Several,
}

// === impl Asked ===

impl Asked {
    /// Another invocation begins.
    pub(crate) fn begin(&mut self) {
        self.invocation = Current::Unasked;
    }

    /// Another invocation begins beside one that runs.
    pub(crate) fn begin_beside(&mut self) {
        self.invocation = Current::Several;
    }

    /// The numbers, which are given now where there are none yet.
    pub(crate) fn numbers(&mut self) -> Numbers {
        let instance = *self.instance.get_or_insert_with(|| next(&INSTANCES));
        if let Current::Unasked = self.invocation {
            self.invocation = Current::Asked(next(&INVOCATIONS));
        }
        let invocation = match self.invocation {
            Current::Asked(number) => Some(number),
            Current::Unasked | Current::Several => None,
        };
        Numbers { instance, invocation }
    }
}

fn next(given: &AtomicU64) -> u64 {
    given.fetch_add(1, Ordering::Relaxed) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invocation_has_one_number_and_the_next_one_another() {
        let (mut asked, mut other) = (Asked::default(), Asked::default());
        let first = asked.numbers();
        assert_eq!(asked.numbers(), first);
        asked.begin();
        let second = asked.numbers();
        assert_eq!(second.instance, first.instance);
        assert!(second.invocation.is_some() && second.invocation != first.invocation);
        let elsewhere = other.numbers();
        assert_ne!(elsewhere.instance, first.instance);
        assert!(![first.invocation, second.invocation].contains(&elsewhere.invocation));
    }

    #[test]
    fn what_is_said_for_several_at_once_is_said_for_none_of_them() {
        let mut asked = Asked::default();
        let first = asked.numbers();
        asked.begin_beside();
        assert_eq!(asked.numbers(), Numbers { invocation: None, ..first });
        asked.begin();
        assert!(asked.numbers().invocation.is_some());
    }
}
