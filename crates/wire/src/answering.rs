//! This is the answer of a call that has something beside its values: streams that flow as fast as they are read, and values that come
//! later.
//!
//! # Invariants
//!
//! 1. A call is answered or refused once, also where it is dropped.
//! 2. A stream that was not said to its end is cut, and a value that was announced and not said does not come: whoever reads is told
//!    so, and takes neither for a whole one.

use std::fmt;

use bytes::{Buf, Bytes};
use futures::FutureExt;
use stdx::Chain;

use crate::allowance::Allowance;
use crate::caller::Caller;
use crate::outbound::{self, Saying};
use crate::refusal::{Reason, Refusal};
use crate::served::AnswerError;
use crate::shapes::EncodeError;
use crate::writer::{WriteError, Writer};

/// Where the answer of such a call goes. Dropped without one, the call is refused as [`Reason::Silent`].
pub struct Answering {
    caller: Caller,
    allowance: Allowance,
}

/// What follows the values of an answer: where, as numbers on the way there. Among the values it is [`Pending`](crate::Pending).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Following {
    /// A stream.
    pub stream: Option<&'static [u32]>,
    /// A value that comes later.
    pub later: Option<&'static [u32]>,
}

/// An answer whose values were said.
pub struct Answered {
    /// Nothing where there is no stream, or its reader cannot listen to it.
    writer: Option<Writer>,
    /// The value that comes later, until it was said.
    later: Option<Saying>,
    /// It counts as running until all was said.
    _caller: Caller,
}

// === impl Answering ===

impl Answering {
    pub(crate) fn new(caller: Caller, allowance: Allowance) -> Self {
        Self { caller, allowance }
    }

    /// Works for an answer as long as anybody wants one.
    pub async fn while_wanted<T>(&self, work: impl Future<Output = T>) -> Result<T, WriteError> {
        self.allowance.while_wanted(work).await.ok_or(WriteError::Unwanted)
    }

    /// Answers with values that nothing follows, laid out by [`encode`](crate::encode).
    pub async fn answer(self, values: Result<Bytes, EncodeError>) -> Result<(), AnswerError> {
        self.begin(values, Following::default()).await.map(drop)
    }

    /// Answers with values, laid out by [`encode`](crate::encode), that something follows.
    pub async fn begin(
        mut self,
        values: Result<Bytes, EncodeError>,
        following: Following,
    ) -> Result<Answered, AnswerError> {
        let bytes = match values {
            Ok(bytes) => bytes,
            Err(error) => {
                self.refuse(&Refusal::new(Reason::Failed, "its answer is not of its type")).await;
                return Err(AnswerError::Values(error));
            }
        };
        let bus = self.caller.wire().bus().clone();
        let Some(root) = self.caller.results() else {
            return Ok(Answered { writer: None, later: None, _caller: self.caller });
        };
        outbound::say_whole(&bus, root.clone(), bytes).await.map_err(AnswerError::NotSent)?;
        // Below a stranger's subject there may be no room for more: then he cannot listen there.
        let writer =
            following.stream.and_then(|path| Writer::new(&bus, (&root, written(path).as_str()), self.allowance).ok());
        let later = following.later.and_then(|path| outbound::below(&root, &written(path)).ok());
        let later = later.map(|subject| Saying::new(&bus, subject));
        Ok(Answered { writer, later, _caller: self.caller })
    }

    /// Says that there will be no answer, and why.
    pub async fn refuse(mut self, refusal: &Refusal) {
        self.caller.refuse(refusal).await;
    }
}

impl fmt::Debug for Answering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answering").field("caller", &self.caller).finish_non_exhaustive()
    }
}

/// Numbers on a way as a subject has them.
fn written(path: &[u32]) -> String {
    path.iter().map(u32::to_string).collect::<Vec<_>>().join(".")
}

// === impl Answered ===

impl Answered {
    /// Says the next bytes of a stream of bytes, as soon as there is room for them where it is read.
    pub async fn say(&mut self, bytes: impl Buf) -> Result<(), WriteError> {
        match &mut self.writer {
            Some(writer) => writer.say(bytes).await,
            None => Err(WriteError::Unwanted),
        }
    }

    /// Says the next values of a stream of values, as soon as there is room for them: laid out by [`encode`](crate::encode) as a list
    /// of one at least.
    pub async fn say_items(&mut self, items: Bytes) -> Result<(), WriteError> {
        match &mut self.writer {
            Some(writer) => writer.say_items(items).await,
            None => Err(WriteError::Unwanted),
        }
    }

    /// Says that the stream was all.
    pub async fn end(&mut self) -> Result<(), WriteError> {
        match &mut self.writer {
            Some(writer) => writer.end().await,
            None => Ok(()),
        }
    }

    /// Says the value that comes later, laid out by [`encode`](crate::encode), once.
    pub async fn later(&mut self, value: Bytes) -> Result<(), WriteError> {
        let Some(saying) = &mut self.later else { return Ok(()) };
        saying.say(value).await.map_err(WriteError::NotSent)?;
        let ended = saying.end().await;
        self.later = None;
        ended.map_err(WriteError::NotSent)
    }

    /// Works for what is said next, as long as anybody wants it.
    pub async fn while_wanted<T>(&self, work: impl Future<Output = T>) -> Result<T, WriteError> {
        let Some(writer) = &self.writer else { return Ok(work.await) };
        writer.allowance().while_wanted(work).await.ok_or(WriteError::Unwanted)
    }
}

impl Drop for Answered {
    /// What was announced and not said does not come: the end of its path says so. A stream is cut by its `Writer`.
    fn drop(&mut self) {
        let Some(saying) = &mut self.later else { return };
        // Where the bus does not take it at once, limits of time do what this would have done.
        match saying.end().now_or_never() {
            Some(Ok(())) => {}
            Some(Err(error)) => tracing::debug!(error = %Chain(&error), "a caller was not told that no more comes"),
            None => tracing::debug!("a caller was not told that no more comes"),
        }
    }
}

impl fmt::Debug for Answered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answered").field("later", &self.later).finish_non_exhaustive()
    }
}
