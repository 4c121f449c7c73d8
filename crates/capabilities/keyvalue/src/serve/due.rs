//! Keys that a component has to be told of. A value, without time or tasks.
//!
//! # Invariants
//!
//! 1. A key is in it once, however often it changes.
//! 2. A key that changes while the component is told of it is told again.

use std::collections::{HashMap, VecDeque};

use crate::watch::WAITING_MAX;

/// Keys that have to be told, and those that are being told.
#[derive(Debug, Default)]
pub(super) struct Due {
    waiting: VecDeque<String>,
    states: HashMap<String, State>,
    missed: u64,
    said: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It is told in its turn.
    Waiting,
    /// It is being told.
    Told,
    /// It is being told, and has changed since.
    ToldAndChanged,
}

// === impl Due ===

impl Due {
    /// Notes that a key changed. Where there is no room for it, how many were missed, each time that they have doubled.
    pub(super) fn note(&mut self, name: String) -> Option<u64> {
        match self.states.get_mut(&name) {
            Some(state @ State::Told) => *state = State::ToldAndChanged,
            Some(State::Waiting | State::ToldAndChanged) => {}
            None if self.waiting.len() < WAITING_MAX => {
                self.states.insert(name.clone(), State::Waiting);
                self.waiting.push_back(name);
            }
            None => {
                self.missed += 1;
                if self.missed > self.said * 2 {
                    self.said = self.missed;
                    return Some(self.missed);
                }
            }
        }
        None
    }

    /// Whether there is a key to tell.
    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// The key that has waited longest, which is told from now on.
    pub(super) fn next(&mut self) -> Option<String> {
        let name = self.waiting.pop_front()?;
        self.states.insert(name.clone(), State::Told);
        Some(name)
    }

    /// The telling of a key has ended. It is told again where it was not, or has changed.
    pub(super) fn end(&mut self, name: String, is_told: bool) {
        let is_due = self.states.remove(&name) == Some(State::ToldAndChanged) || !is_told;
        if is_due {
            self.states.insert(name.clone(), State::Waiting);
            self.waiting.push_back(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_waits_once_and_is_told_again_where_it_changed_meanwhile() {
        let mut due = Due::default();
        for name in ["a", "b", "a"] {
            assert_eq!(due.note(name.into()), None);
        }
        assert_eq!([due.next(), due.next(), due.next()], [Some("a".into()), Some("b".into()), None]);
        due.note("a".into());
        assert!(!due.is_waiting(), "one call for a key at a time");
        due.end("a".into(), true);
        due.end("b".into(), true);
        assert_eq!([due.next(), due.next()], [Some("a".into()), None]);
        due.end("a".into(), false);
        assert_eq!(due.next(), Some("a".into()), "what was not told is told again");
        due.end("a".into(), true);
        assert!(!due.is_waiting() && due.states.is_empty());
    }

    #[test]
    fn what_waits_is_bounded_and_what_is_missed_is_said_seldom() {
        let mut due = Due::default();
        let said: Vec<u64> = (0..WAITING_MAX + 100).filter_map(|index| due.note(index.to_string())).collect();
        assert_eq!(said, [1, 3, 7, 15, 31, 63]);
        assert_eq!(due.note("0".into()), None, "one that waits already has its room");
        assert_eq!(due.waiting.len(), WAITING_MAX);
    }
}
