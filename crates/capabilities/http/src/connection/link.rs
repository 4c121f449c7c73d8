//! What the core sees of a connection, or of one request among others on it: how far it is, and since when nothing has moved.
//!
//! Timers for each request would cost more than the request. A connection notes ticks instead, and the core looks at all of
//! its connections every [`CARE`](crate::core::CARE).
//!
//! # Invariants
//!
//! 1. A client that sends its head slowly, reads its answer slowly or sends nothing at all is disconnected.
//! 2. While a component works on a request, only the component's deadline counts.

use std::cell::{Cell, RefCell};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rt::Tick;

/// A client has so long for the head of a request, from its first byte.
const HEAD_TIME: Duration = Duration::from_secs(10);

/// A connection on which nothing moves is closed after so long.
const IDLE_TIME: Duration = Duration::from_secs(75);

/// What the core sees of a connection.
#[derive(Debug)]
pub(crate) struct Link {
    /// Where it came in.
    pub(super) listener: Option<Arc<str>>,
    pub(super) phase: Cell<Phase>,
    pub(super) since: Cell<Tick>,
    pub(super) is_closing: Cell<bool>,
    is_cut: Cell<bool>,
    /// Whether it is one request among others: then it has to end soon after its deadline, read or not.
    pub(super) is_one_of_many: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

/// How far a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Between requests, or sending what is left of an answer.
    Open,
    /// A head has begun to arrive, or an answer whose time is over is taken: that has to end soon.
    Head,
    /// A component works, until this deadline.
    Working(Tick),
}

// === impl Link ===

impl Link {
    pub(super) fn new(listener: Option<Arc<str>>) -> Self {
        Self {
            listener,
            phase: Cell::new(Phase::Open),
            since: Cell::new(Tick::now()),
            is_closing: Cell::new(false),
            is_cut: Cell::new(false),
            is_one_of_many: Cell::new(false),
            waker: RefCell::default(),
        }
    }

    /// Lets `poll` run until it is ready or the connection is cut.
    pub(super) async fn until_cut<T>(&self, mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Option<T> {
        std::future::poll_fn(|cx| {
            self.remember(cx);
            if self.is_cut.get() { Poll::Ready(None) } else { poll(cx).map(Some) }
        })
        .await
    }

    /// Drives a connection to its end, or until it is cut. `wind_down` tells it once that nothing further shall begin on it.
    pub(super) async fn drive<C: Future>(&self, connection: C, wind_down: impl Fn(Pin<&mut C>)) -> Option<C::Output> {
        let mut connection = pin!(connection);
        let mut is_closing = false;
        self.until_cut(|cx| {
            if self.is_closing.get() && !is_closing {
                is_closing = true;
                wind_down(connection.as_mut());
            }
            connection.as_mut().poll(cx)
        })
        .await
    }

    /// Ends the connection after the request that runs on it.
    pub(crate) fn close(&self) {
        self.is_closing.set(true);
        self.wake();
    }

    /// Looks whether the client or the component has taken too long.
    pub(crate) fn check(&self, now: Tick) {
        let quiet = now.since(self.since.get());
        match self.phase.get() {
            // The exchange finds out itself what its deadline means.
            Phase::Working(deadline) if now >= deadline => {
                // Once a streamed answer is cut off the connection is an open one again.
                self.open();
                if self.is_one_of_many.get() {
                    self.phase.set(Phase::Head);
                }
                self.wake();
            }
            Phase::Head if quiet >= HEAD_TIME => self.cut(),
            Phase::Open if quiet >= IDLE_TIME => self.cut(),
            _ => {}
        }
    }

    fn cut(&self) {
        self.is_cut.set(true);
        self.wake();
    }

    pub(super) fn open(&self) {
        self.phase.set(Phase::Open);
        self.since.set(Tick::now());
    }

    fn remember(&self, cx: &Context<'_>) {
        let mut waker = self.waker.borrow_mut();
        match &mut *waker {
            Some(waker) => waker.clone_from(cx.waker()),
            None => *waker = Some(cx.waker().clone()),
        }
    }

    fn wake(&self) {
        self.waker.borrow().iter().for_each(Waker::wake_by_ref);
    }

    pub(super) fn received(&self) {
        if self.phase.get() == Phase::Open {
            self.phase.set(Phase::Head);
            self.since.set(Tick::now());
        }
    }
}

#[cfg(test)]
mod tests;
