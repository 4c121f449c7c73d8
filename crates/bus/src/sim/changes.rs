//! Counts what a test does to the network, and wakes who waits for that in the order in which they came.
//!
//! `tokio::sync::watch` would do the same in an order that it draws each time, and not from this seed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

/// What was done so far.
#[derive(Debug, Default)]
pub(super) struct Changes {
    count: AtomicU64,
    told: Notify,
}

/// How much of it somebody has seen.
#[derive(Debug)]
pub(super) struct Watching {
    changes: Arc<Changes>,
    seen: u64,
}

// === impl Changes ===

impl Changes {
    /// Something was done.
    pub(super) fn tell(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.told.notify_waiters();
    }

    /// What is done from now on.
    pub(super) fn watch(self: &Arc<Self>) -> Watching {
        Watching { changes: self.clone(), seen: self.count() }
    }

    fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

// === impl Watching ===

impl Watching {
    /// Waits until something is done that was not seen. May be dropped and called again.
    pub(super) async fn changed(&mut self) {
        let changes = self.changes.clone();
        // Made before it is looked: it is told of what is done in between.
        let told = changes.told.notified();
        if self.seen == changes.count() {
            told.await;
        }
        self.see();
    }

    /// All that was done so far is seen.
    pub(super) fn see(&mut self) {
        self.seen = self.changes.count();
    }
}
