//! Counts messages that were dropped, and says so once a second at most.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How often it is said that messages were dropped, at most.
const EVERY: Duration = Duration::from_secs(1);

/// All messages that a bus dropped because a subscriber did not keep up.
#[derive(Debug)]
pub(crate) struct Drops {
    count: AtomicU64,
    started: Instant,
    /// When it may be said again, in milliseconds since the start.
    silent_until: AtomicU64,
}

// === impl Drops ===

impl Drops {
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Counts one message that was dropped for a subscriber, named by its pattern.
    pub(crate) fn add(&self, whose: &dyn fmt::Display) {
        let count = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        if self.may_speak(self.started.elapsed()) {
            tracing::warn!(%whose, count, "a subscriber does not keep up; messages are dropped");
        }
    }

    /// Whether it is time to say it again. To one caller a second it is.
    fn may_speak(&self, now: Duration) -> bool {
        let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        let next = now.saturating_add(EVERY.as_millis() as u64);
        let claim = |silent_until: u64| (silent_until <= now).then_some(next);
        self.silent_until.fetch_update(Ordering::Relaxed, Ordering::Relaxed, claim).is_ok()
    }
}

impl Default for Drops {
    fn default() -> Self {
        Self { count: AtomicU64::new(0), started: Instant::now(), silent_until: AtomicU64::new(0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_once_a_second_and_counted_each_time() {
        let drops = Drops::default();
        let at = |millis| drops.may_speak(Duration::from_millis(millis));
        assert_eq!([0, 1, 999, 1_000, 1_500, 5_000].map(at), [true, false, false, true, false, true]);

        (0..3).for_each(|_| drops.add(&"a.>"));
        assert_eq!(drops.count(), 3);
    }
}
