//! How far a bucket is known to have come, so that a leader that has not caught up is not believed.
//!
//! A server that was just elected has all that was acknowledged in its log, and may not have applied it yet: for a moment it lists,
//! reads and counts as if the last writes had never been. To whoever was told that they are kept that is a failure. A bucket
//! that stays behind has indeed gone back, and is believed after [`BEHIND_MAX`].

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::bucket::{Mark, Revision};

/// How long a leader may be behind.
const BEHIND_MAX: Duration = Duration::from_secs(4);

/// What was seen of a bucket, by all who use it in this process through one value.
#[derive(Default)]
pub(super) struct Seen(Mutex<State>);

#[derive(Default)]
struct State {
    mark: Option<Mark>,
    behind_since: Option<Instant>,
}

/// The bucket has less than was seen of it.
#[derive(Debug, thiserror::Error)]
#[error("the bucket's leader has not caught up with what was acknowledged")]
pub(super) struct Behind;

// === impl Seen ===

impl Seen {
    /// A change was acknowledged, or told of.
    pub(super) fn raise(&self, last: Revision) {
        if let Some(mark) = &mut self.state().mark {
            mark.last = mark.last.max(last);
        }
    }

    /// It had come that far when it was seen before. What is known of it here counts first.
    pub(super) fn remember(&self, before: Mark) {
        self.state().mark.get_or_insert(before);
    }

    /// Whether what a leader says of the bucket is to be believed.
    pub(super) fn compare(&self, found: Mark) -> Result<(), Behind> {
        self.state().compare(found, Instant::now())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl State ===

impl State {
    fn compare(&mut self, found: Mark, now: Instant) -> Result<(), Behind> {
        let is_behind = self.mark.is_some_and(|seen| seen.made == found.made && found.last < seen.last);
        let since = *self.behind_since.get_or_insert(now);
        if is_behind && now.duration_since(since) < BEHIND_MAX {
            return Err(Behind);
        }
        *self = Self { mark: Some(found), behind_since: None };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(made: u64, last: u64) -> Mark {
        Mark { made, last: Revision::new(last) }
    }

    #[test]
    fn who_is_behind_is_believed_only_if_it_stays_so() {
        let (mut state, start) = (State::default(), Instant::now());
        let mut believes = |found, seconds| state.compare(found, start + Duration::from_secs(seconds)).is_ok();
        assert!(believes(mark(1, 10), 0));
        assert!(believes(mark(1, 12), 1));
        assert!(!believes(mark(1, 11), 10));
        assert!(!believes(mark(1, 11), 13));
        assert!(believes(mark(1, 12), 13), "it has caught up");
        assert!(!believes(mark(1, 5), 20));
        assert!(believes(mark(1, 5), 24), "it has gone back");
        assert!(believes(mark(1, 6), 25));
        assert!(believes(mark(2, 1), 26), "it is another one");
    }

    #[test]
    fn what_was_acknowledged_has_to_be_there() {
        let seen = Seen::default();
        seen.raise(Revision::new(7));
        assert!(seen.compare(mark(1, 1)).is_ok(), "which bucket that was is not known");
        seen.raise(Revision::new(3));
        seen.raise(Revision::new(2));
        assert!(seen.compare(mark(1, 2)).is_err());
        assert!(seen.compare(mark(1, 3)).is_ok());
        let other = Seen::default();
        other.remember(mark(1, 5));
        assert!(other.compare(mark(1, 4)).is_err());
    }
}
