//! This is what a component has in use, against what it may use: invocations that run, and instances that exist.
//!
//! # Invariants
//!
//! 1. One account holds for as long as a component is there, however it is reached and whatever it is linked to.
//! 2. An instance is counted for as long as its guard lives.
//! 3. Who begins sees one set of limits: other ones take the place of all of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::Notify;

use crate::meter::Limits;

/// What a component has in use.
#[derive(Debug)]
pub struct Account {
    limits: ArcSwap<Limits>,
    /// Invocations that may run at once: what the limits say, until another number is allowed.
    concurrency: AtomicUsize,
    in_flight: AtomicUsize,
    instances: AtomicUsize,
    room: Arc<Room>,
    /// How many wait for a place among the invocations.
    waiting: AtomicUsize,
    freed: Notify,
}

/// Somebody who waits for a place, counted until it is dropped.
struct Waiting<'a>(&'a Account);

/// The instances of all components together.
#[derive(Debug)]
pub struct Room {
    alive: AtomicUsize,
    total: usize,
}

/// An instance that exists. Dropping it says that it is gone.
#[derive(Debug)]
pub struct Alive(Arc<Account>);

// === impl Account ===

impl Account {
    /// An account of a component with these limits, in the room of all.
    pub fn new(limits: Arc<Limits>, room: Arc<Room>) -> Self {
        let zero = || AtomicUsize::new(0);
        let concurrency = AtomicUsize::new(limits.concurrency);
        let limits = ArcSwap::new(limits);
        Self { limits, concurrency, in_flight: zero(), instances: zero(), room, waiting: zero(), freed: Notify::new() }
    }

    /// What the component may use.
    pub fn limits(&self) -> Arc<Limits> {
        self.limits.load_full()
    }

    /// The time of one invocation.
    pub fn timeout(&self) -> Duration {
        self.limits.load().timeout
    }

    /// From now on the component may use that. What runs goes on with what it began with.
    pub fn hold_to(&self, limits: Arc<Limits>) {
        self.limits.store(limits);
    }

    /// From now on so many invocations may run at once, and never more than the limits say. Those that run go on.
    pub fn allow(&self, concurrency: usize) {
        self.concurrency.store(concurrency.min(self.limits.load().concurrency), Ordering::SeqCst);
        self.freed.notify_waiters();
    }

    /// How many invocations run now.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Takes a place among the invocations that run at once, where one is free; [`leave`](Self::leave) gives it back.
    pub fn enter(&self) -> bool {
        let is_free = self.in_flight.fetch_add(1, Ordering::SeqCst) < self.concurrency.load(Ordering::Relaxed);
        if !is_free {
            self.leave();
        }
        is_free
    }

    /// Takes a place among the invocations that run at once as soon as one is free.
    pub async fn wait_and_enter(&self) {
        if self.enter() {
            return;
        }
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let _waiting = Waiting(self);
        loop {
            // Before it is looked again: who leaves afterwards wakes this one.
            let freed = self.freed.notified();
            if self.enter() {
                return;
            }
            freed.await;
        }
    }

    /// Gives a place back that was taken with [`enter`](Self::enter) or [`wait_and_enter`](Self::wait_and_enter).
    pub fn leave(&self) {
        // In one order with `waiting`: who leaves sees who waits, or who waits sees that there is a place.
        let before = self.in_flight.fetch_sub(1, Ordering::SeqCst);
        // One that was refused a place frees none.
        if before <= self.concurrency.load(Ordering::Relaxed) && self.waiting.load(Ordering::SeqCst) > 0 {
            self.freed.notify_one();
        }
    }

    /// One more instance, where there may be one more.
    pub fn instance(self: &Arc<Self>) -> Option<Alive> {
        let alive = Alive(self.clone());
        self.room.alive.fetch_add(1, Ordering::Relaxed);
        let before = self.instances.fetch_add(1, Ordering::Relaxed);
        (before < self.limits.load().instances).then_some(alive)
    }

    /// Whether an instance may be made ahead of need: while half of what there may be is free for those that are needed.
    pub fn may_have_spare(&self) -> bool {
        let is_half = |alive: &AtomicUsize, limit: usize| alive.load(Ordering::Relaxed).saturating_mul(2) >= limit;
        !is_half(&self.instances, self.limits.load().instances) && !is_half(&self.room.alive, self.room.total)
    }
}

// === impl Waiting ===

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
        // It may have been woken for a place that it did not take.
        self.0.freed.notify_one();
    }
}

// === impl Room ===

impl Room {
    /// Room for so many instances.
    pub fn new(total: usize) -> Self {
        Self { alive: AtomicUsize::new(0), total }
    }
}

// === impl Alive ===

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.room.alive.fetch_sub(1, Ordering::Relaxed);
        self.0.instances.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_is_given_back() {
        let limits = Limits { concurrency: 1, instances: 2, ..Limits::default() };
        let account = Arc::new(Account::new(Arc::new(limits), Arc::new(Room::new(100))));
        assert!(account.enter() && !account.enter());
        account.leave();
        assert_eq!(account.in_flight(), 0);

        assert!(account.may_have_spare());
        let first = account.instance();
        assert!(!account.may_have_spare(), "half of them are there");
        let second = account.instance();
        assert!(first.is_some() && second.is_some() && account.instance().is_none());
        drop(first);
        assert!(account.instance().is_some());
    }
}
