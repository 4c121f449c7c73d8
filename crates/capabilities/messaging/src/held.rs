//! Counts what a component's messages take of the host's memory while it has handles of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes of the messages that a component may have handles of, in all of its instances together.
pub(crate) const HELD_MAX: usize = 64 << 20;

/// What a message takes beside its bytes.
const OVERHEAD: usize = 256;

/// What the messages of a component take.
#[derive(Debug, Default)]
pub(crate) struct Held(AtomicUsize);

/// What one message takes, until it is dropped.
#[derive(Debug)]
pub(crate) struct Room {
    held: Arc<Held>,
    bytes: usize,
}

// === impl Held ===

impl Held {
    /// Room for a message of so many bytes, if there is that much.
    pub(crate) fn take(self: &Arc<Self>, bytes: usize) -> Option<Room> {
        let bytes = bytes.saturating_add(OVERHEAD);
        let more = |taken: usize| taken.checked_add(bytes).filter(|sum| *sum <= HELD_MAX);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(Room { held: self.clone(), bytes })
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.held.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_limited_and_given_back() {
        let held = Arc::<Held>::default();
        assert!(held.take(HELD_MAX).is_none() && held.take(usize::MAX).is_none());
        let room = held.take(HELD_MAX - OVERHEAD).expect("it fits");
        assert!(held.take(0).is_none());
        drop(room);
        assert!(held.take(0).is_some());
    }
}
