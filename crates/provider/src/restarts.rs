//! Decides how long a process that ended waits for its next start.

use std::time::Duration;

/// Who lived so long has begun well: what came before does not count.
const CALM: Duration = Duration::from_secs(60);

/// The shortest pause that is one.
const PAUSE_MIN: Duration = Duration::from_secs(5);

/// The longest.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// How often a process has ended soon after its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Restarts {
    in_a_row: u32,
}

// === impl Restarts ===

impl Restarts {
    /// It has ended after so long. Gives the pause before it is started again: none the first time, then twice as long each time.
    pub fn after(&mut self, lived: Duration) -> Duration {
        let before = if lived >= CALM { 0 } else { self.in_a_row };
        self.in_a_row = before.saturating_add(1);
        let Some(doublings) = before.checked_sub(1) else { return Duration::ZERO };
        let factor = 2u32.checked_pow(doublings).unwrap_or(u32::MAX);
        PAUSE_MIN.saturating_mul(factor).min(PAUSE_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_ends_again_and_again_waits_longer_and_longer_up_to_a_minute() {
        let mut restarts = Restarts::default();
        let pauses: Vec<_> = (0..7).map(|_| restarts.after(Duration::from_millis(3)).as_secs()).collect();
        assert_eq!(pauses, [0, 5, 10, 20, 40, 60, 60]);
        let mut restarts = Restarts { in_a_row: u32::MAX };
        assert_eq!(restarts.after(Duration::ZERO), PAUSE_MAX);
    }

    #[test]
    fn who_lived_long_starts_again_at_once() {
        let mut restarts = Restarts { in_a_row: 9 };
        assert_eq!(restarts.after(CALM), Duration::ZERO);
        assert_eq!(restarts.after(Duration::ZERO), PAUSE_MIN);
    }
}
