//! This is a call of a component that a capability makes, until it is known how it ended.
//!
//! # Invariants
//!
//! 1. Each is counted once, whoever ends it: itself, its own limit, or whoever waits for it and does so no longer.
//! 2. One that failed or came late is said once. Who gives one up before its time is over has enough, or says why himself.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use model::ComponentName;
use rt::{Late, within};
use stdx::Trace;
use tokio::time::Instant;

use super::GRACE;

/// What became of the calls that capabilities made to a component.
#[derive(Debug, Default)]
pub(crate) struct CallCounts {
    ended: AtomicU64,
    failed: AtomicU64,
    abandoned: AtomicU64,
}

/// A call that is made.
pub(super) struct Attempt<'a> {
    component: &'a ComponentName,
    /// Where what is called is.
    interface: &'a str,
    trace: Option<Trace>,
    counts: &'a CallCounts,
    begun: Instant,
    /// How long it may take.
    time: Duration,
    has_ended: bool,
}

// === impl CallCounts ===

impl CallCounts {
    pub(crate) fn count(&self, is_ok: bool) {
        let count = if is_ok { &self.ended } else { &self.failed };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// Each count with what it is called in reports.
    pub(crate) fn totals(&self) -> [(&'static str, u64); 3] {
        let total = |count: &AtomicU64| count.load(Ordering::Relaxed);
        [
            ("calls", total(&self.ended)),
            ("calls_failed", total(&self.failed)),
            ("calls_abandoned", total(&self.abandoned)),
        ]
    }
}

// === impl Attempt ===

impl<'a> Attempt<'a> {
    /// One that begins now and may take so long.
    pub(super) fn begin(
        (component, interface): (&'a ComponentName, &'a str),
        counts: &'a CallCounts,
        trace: Option<Trace>,
        time: Duration,
    ) -> Self {
        Self { component, interface, trace, counts, begun: Instant::now(), time, has_ended: false }
    }

    /// Does this, in its time. What waits for something outside of itself is ended a little later than by its clock.
    pub(super) async fn make(mut self, call: impl Future<Output = wasmtime::Result<()>>) -> wasmtime::Result<()> {
        let ended = within(Some(self.time.saturating_add(GRACE)), call).await;
        let outcome = ended.unwrap_or_else(|_late| Err(self.late()));
        self.end(outcome.as_ref().err());
        outcome
    }

    fn late(&self) -> wasmtime::Error {
        wasmtime::Error::new(Late(self.time))
    }

    fn end(&mut self, error: Option<&wasmtime::Error>) {
        self.has_ended = true;
        self.counts.count(error.is_none());
        if let Some(error) = error {
            let trace = self.trace.as_ref().map(Trace::id);
            tracing::warn!(component = %self.component, function = %self.interface, trace, "a call failed: {error:#}");
        }
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if self.has_ended {
            return;
        }
        // Whoever waits as long as it may take is often a little earlier than its own limit.
        if self.begun.elapsed().saturating_add(GRACE) >= self.time {
            return self.end(Some(&self.late()));
        }
        self.counts.abandoned.fetch_add(1, Ordering::Relaxed);
        tracing::debug!(component = %self.component, function = %self.interface, "nobody waits for a call any more");
    }
}

#[cfg(test)]
mod tests;
