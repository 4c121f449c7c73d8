//! A line to one server for each thread of the data plane, beside one that all others share.
//!
//! # Invariants
//!
//! 1. No call waits for its thread's own line: until that is up, and while it is not, calls go by the shared one.

use std::sync::Arc;

use stdx::BoxError;

use crate::line::{Dial, Line, Loss, NoConnection};

/// Lines to one server.
pub struct Lanes<D: Dial> {
    lines: rt::Lanes<Line<D::Connection>>,
}

impl<D: Dial> Lanes<D> {
    /// Connects the shared one, once: who opens lines wants to know why the server is not to be had. Must be called within a runtime.
    pub async fn open(dial: D) -> Result<Self, BoxError> {
        let dial = Arc::new(dial);
        let shared = Line::open(dial.clone()).await?;
        Ok(Self { lines: rt::Lanes::new(shared, move |_| Line::begin(dial.clone())) })
    }

    /// A connection, on this thread where it is of the data plane, and the way to say that it is lost.
    pub async fn connection(&self) -> Result<(D::Connection, Loss<D::Connection>), NoConnection> {
        match self.lines.own().and_then(Line::up) {
            Some(up) => Ok(up),
            None => self.lines.common().connection().await,
        }
    }
}

#[cfg(test)]
mod tests;
