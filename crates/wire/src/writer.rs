//! This is a stream that goes beside the values of an invocation, as fast as whoever reads it takes it.
//!
//! # Invariants
//!
//! 1. A stream that was not said to its end ends within the count of a chunk: no reader takes it for a whole one, whoever made
//!    him. Dropping it cuts it.

use bus::{Bus, PublishError, Subject, SubjectError};
use bytes::{Buf, Bytes};
use futures::FutureExt;
use stdx::Chain;

use crate::allowance::{Allowance, Halt};
use crate::inbound::Inbound;
use crate::outbound::{self, Saying};
use crate::shapes::write_leb;

/// The bytes of the count of a chunk.
const COUNT_MAX: usize = 5;

/// The count of no more bytes: the mark of the end.
const END: &[u8] = &[0];

/// The beginning of a count that does not go on.
const CUT: &[u8] = &[0x80];

/// A stream of bytes on its way.
pub(crate) struct Writer {
    saying: Saying,
    allowance: Allowance,
    is_over: bool,
}

/// The next bytes of a stream were not said.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The bus did not take them.
    #[error("the stream could not be sent")]
    NotSent(#[source] PublishError),
    /// Whoever read it does not want the rest.
    #[error("nobody wants the rest of the stream")]
    Unwanted,
    /// Nobody reads it, though there may be somebody.
    #[error("nobody reads the stream")]
    Stuck(#[source] rt::Late),
    /// Nothing is heard of whoever was to read it.
    #[error("nothing is heard of who was to read the stream")]
    Silent(#[source] rt::Late),
}

// === impl Writer ===

impl Writer {
    /// A stream at `path` below `root`, which is where the values of its side go.
    ///
    /// # Errors
    ///
    /// Where a stranger's subject has no room for it.
    pub(crate) fn new(bus: &Bus, (root, path): (&Subject, &str), allowance: Allowance) -> Result<Self, SubjectError> {
        Ok(Self { saying: Saying::new(bus, outbound::below(root, path)?), allowance, is_over: false })
    }

    /// Says the next bytes: returns when all of them were taken by the bus.
    pub(crate) async fn say(&mut self, mut data: impl Buf) -> Result<(), WriteError> {
        let most = self.piece_max().saturating_sub(COUNT_MAX).max(1);
        while data.has_remaining() {
            let count = data.remaining().min(most);
            let mut chunk = Vec::with_capacity(count + COUNT_MAX);
            write_leb(&mut chunk, count as u64);
            let start = chunk.len();
            chunk.resize(start + count, 0);
            data.copy_to_slice(&mut chunk[start..]);
            let chunk = Bytes::from(chunk);
            self.allowance.wait(Inbound::weight(&chunk)).await?;
            self.publish(chunk).await?;
        }
        Ok(())
    }

    /// Says the next of a stream of values, where this is a count of them, not 0, and so many.
    pub(crate) async fn say_items(&mut self, mut chunk: Bytes) -> Result<(), WriteError> {
        let most = self.piece_max().max(1);
        while !chunk.is_empty() {
            let piece = chunk.split_to(chunk.len().min(most));
            self.allowance.wait(Inbound::weight(&piece)).await?;
            self.publish(piece).await?;
        }
        Ok(())
    }

    fn piece_max(&self) -> usize {
        self.saying.piece_max().min(self.allowance.piece_max())
    }

    /// What is waited for, or that nobody wants it any more.
    pub(crate) fn allowance(&self) -> &Allowance {
        &self.allowance
    }

    /// Says that it was all.
    pub(crate) async fn end(&mut self) -> Result<(), WriteError> {
        self.close(END).await
    }

    /// Says that nothing more comes, though it was not all.
    pub(crate) async fn cut(&mut self) -> Result<(), WriteError> {
        self.close(CUT).await
    }

    async fn close(&mut self, last: &'static [u8]) -> Result<(), WriteError> {
        if self.is_over {
            return Ok(());
        }
        self.publish(Bytes::from_static(last)).await?;
        // Not before: what was given up on the way there is no end, and is cut when this is dropped.
        self.is_over = true;
        self.publish(Bytes::new()).await
    }

    async fn publish(&mut self, payload: Bytes) -> Result<(), WriteError> {
        self.saying.publish(payload).await.map_err(WriteError::NotSent)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Where the bus does not take it at once, limits of time do what this would have done.
        match self.cut().now_or_never() {
            Some(Ok(())) => {}
            Some(Err(error)) => tracing::debug!(error = %Chain(&error), "a reader was not told that its stream is cut"),
            None => tracing::debug!("a reader was not told that its stream is cut"),
        }
    }
}

// === impl WriteError ===

impl From<Halt> for WriteError {
    fn from(halt: Halt) -> Self {
        match halt {
            Halt::Unwanted => Self::Unwanted,
            Halt::Stuck(late) => Self::Stuck(late),
            Halt::Silent(late) => Self::Silent(late),
        }
    }
}
