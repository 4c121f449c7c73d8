//! A line to one server for each thread of the data plane, beside one that all others share.
//!
//! A call by a connection that lives on another thread wakes that one to be sent, and is woken by it when the answer is there: against a
//! server nearby that is a third of the call.
//!
//! # Invariants
//!
//! 1. The line of a thread is opened by the first call there, and none waits for it: until it is up, and while it is not, calls go by
//!    the shared one.

use std::sync::{Arc, OnceLock};

use stdx::BoxError;

use crate::line::{Dial, Line, Loss, NoConnection};

/// Threads that have a line of their own, at most: so many connections a server is asked for, however large the machine is.
const THREADS_MAX: usize = 16;

/// Lines to one server.
pub struct Lines<D: Dial> {
    shared: Line<D::Connection>,
    dial: Arc<D>,
    own: Box<[OnceLock<Line<D::Connection>>]>,
}

impl<D: Dial> Lines<D> {
    /// Connects the shared one, once: who opens lines wants to know why the server is not to be had. Must be called within a runtime.
    pub async fn open(dial: D) -> Result<Self, BoxError> {
        let dial = Arc::new(dial);
        let own = (0..rt::cores_available().min(THREADS_MAX)).map(|_| OnceLock::new()).collect();
        Ok(Self { shared: Line::open(dial.clone()).await?, dial, own })
    }

    /// A connection, on this thread where it is of the data plane, and the way to say that it is lost.
    pub async fn connection(&self) -> Result<(D::Connection, Loss<D::Connection>), NoConnection> {
        match self.own().and_then(Line::up) {
            Some(up) => Ok(up),
            None => self.shared.connection().await,
        }
    }

    fn own(&self) -> Option<&Line<D::Connection>> {
        let own = self.own.get(rt::this_core()?)?;
        Some(own.get_or_init(|| Line::begin(self.dial.clone())))
    }
}

#[cfg(test)]
mod tests;
