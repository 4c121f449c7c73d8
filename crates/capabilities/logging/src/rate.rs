//! Counts lines by the second, and decides which are one too many.
//!
//! # Invariants
//!
//! 1. No lock and no clock: the second is an argument, and the count one atomic number.

use std::sync::atomic::{AtomicU64, Ordering};

/// Lines that one component may say in a second.
pub const LINES_PER_SECOND: u64 = 1_000;

/// The lines of one component.
#[derive(Debug, Default)]
pub(crate) struct Rate {
    /// The second in the upper half, the lines in it in the lower.
    window: AtomicU64,
    dropped: AtomicU64,
    reported: AtomicU64,
}

/// What to do with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Say it.
    Say,
    /// Say how many were left out before, then say it.
    SayAfter { dropped: u64 },
    /// Leave it out, and say that more may be.
    BeginToDrop,
    /// Leave it out.
    Drop,
}

// === impl Rate ===

impl Rate {
    /// Counts one more line in that second.
    pub(crate) fn admit(&self, second: u64) -> Verdict {
        let count = self.count(second);
        if count > LINES_PER_SECOND {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return if count == LINES_PER_SECOND + 1 { Verdict::BeginToDrop } else { Verdict::Drop };
        }
        let dropped = self.dropped();
        match dropped - self.reported.swap(dropped, Ordering::Relaxed).min(dropped) {
            0 => Verdict::Say,
            dropped => Verdict::SayAfter { dropped },
        }
    }

    /// Lines that were left out so far.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// How many lines the second has now, this one included.
    fn count(&self, second: u64) -> u64 {
        let next = |window: u64| if window >> 32 == second { window.saturating_add(1) } else { (second << 32) | 1 };
        match self.window.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |window| Some(next(window))) {
            Ok(before) | Err(before) => next(before) & u64::from(u32::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_so_many_lines_and_the_next_says_what_was_left_out() {
        let rate = Rate::default();
        let of = |second, count: u64| (0..count).map(|_| rate.admit(second)).collect::<Vec<_>>();
        assert!(of(0, LINES_PER_SECOND).iter().all(|verdict| *verdict == Verdict::Say));
        assert_eq!(of(0, 3), [Verdict::BeginToDrop, Verdict::Drop, Verdict::Drop]);
        assert_eq!(of(7, 2), [Verdict::SayAfter { dropped: 3 }, Verdict::Say]);
        assert_eq!(rate.dropped(), 3);
    }
}
