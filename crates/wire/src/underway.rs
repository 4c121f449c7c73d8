//! This is a call with something beside its values: a stream of bytes that goes with the parameters, streams and later values that
//! come with the answer.
//!
//! ```text
//! begin ─▶ heard ─┬─▶ say, say, … end          the stream among the parameters
//!                 └─▶ answer ─▶ bytes, … later  what is beside the answer
//! ```
//!
//! # Invariants
//!
//! 1. Each wait ends within the time of the call, and all of them together last as long as bytes flow.
//! 2. There is no task: who holds it drives it. Dropping it cuts the stream that was not ended, and forgets what still comes.
//!
//! # Not here
//!
//! Serving such functions ([`streamed`](crate::streamed)), and HTTP ([`http`](crate::http)).

use std::fmt;
use std::future::poll_fn;
use std::time::Duration;

use bus::Subject;
use bytes::Bytes;

use crate::Wire;
use crate::allowance::{self, Receipts};
use crate::asked::Asked;
use crate::flow::{ByteStream, Flow, FlowError, ItemStream, Later};
use crate::inbound::Path;
use crate::inbox;
use crate::invoke::{Call, InvokeError, Opening};
use crate::origin;
use crate::patience::Patience;
use crate::typed::{self, Decode, Encode};
use crate::writer::{WriteError, Writer};

/// What a call has beside its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beside {
    /// The number of the parameter that is a stream of bytes, where one is. Among the values it is [`Pending`].
    pub stream: Option<u32>,
    /// Where in the answer streams and later values are, as numbers on the way there. A stream is the first.
    pub answer: &'static [Path],
}

/// What stands among the parameters for a stream that comes by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pending;

/// A call that was heard.
pub struct Underway {
    wire: Wire,
    asked: Asked,
    timeout: Duration,
    flow: Flow,
    /// Nothing where no stream goes with the parameters, or nobody listens to it.
    writer: Option<Writer>,
}

// === impl Wire ===

impl Wire {
    /// Calls a function that has something beside its values; returns when it was heard. To be called where there is a runtime that
    /// has timers.
    pub async fn begin(
        &self,
        (remote, beside): (&Subject, Beside),
        values: &impl Encode,
        Call { letterhead, timeout, roster, again }: Call,
    ) -> Result<Underway, InvokeError> {
        let params = self.laid_out(remote, typed::encode(values))?;
        // Who writes for long is answered when all was written.
        let remaining = Some(timeout).filter(|_| beside.stream.is_none());
        let headers = letterhead.headers((origin::REMAINING, remaining));
        let asked = Asked::one_of(roster.as_ref(), remote, again);
        let opened = self.open_flow(&asked, Opening { params, headers }, (beside.answer, Patience::each(timeout)));
        let opened = rt::within(Some(timeout), opened).await;
        let (peer, flow) = opened.map_err(|late| InvokeError::Late { remote: remote.clone(), late })??;
        let path = beside.stream.map(|number| format!("params.{number}"));
        let writer = peer.zip(path).and_then(|(peer, path)| {
            // A peer whose address has no room for a word was told so, see `open_call`.
            Writer::new(self.bus(), (&peer, path.as_str()), flow.allowance(Some(&peer))).ok()
        });
        Ok(Underway { wire: self.clone(), asked, timeout, flow, writer })
    }

    /// Calls, and gives who has taken it, unless there is an answer already, with what comes of it beside the values on these paths.
    pub(crate) async fn open_flow(
        &self,
        asked: &Asked,
        Opening { params, headers }: Opening,
        (paths, patience): (&[Path], Patience),
    ) -> Result<(Option<Subject>, Flow), InvokeError> {
        let opening = Opening { params, headers: allowance::with_window(headers, self.limits()) };
        let mailbox = self.inbox().expect(inbox::RESULTS, paths);
        let peer = self.open_call(asked, opening, &mailbox).await.map_err(|error| asked.failed(error))?;
        let is_told = mailbox.post().ask(|allowed| allowed.is_told());
        let receipts = Receipts::to(self.bus(), self.limits(), peer.as_ref().filter(|_| is_told));
        let patience = if is_told { patience } else { patience.with_stranger() };
        Ok((peer, Flow::new(mailbox, receipts, (self.bus(), patience))))
    }
}

// === impl Underway ===

impl Underway {
    /// Says the next bytes of the stream, as soon as there is room for them where it is read.
    pub async fn say(&mut self, bytes: Bytes) -> Result<(), WriteError> {
        match &mut self.writer {
            Some(writer) => writer.say(bytes).await,
            None => Err(WriteError::Unwanted),
        }
    }

    /// Says that it was all.
    pub async fn end(&mut self) -> Result<(), WriteError> {
        match &mut self.writer {
            Some(writer) => writer.end().await,
            None => Err(WriteError::Unwanted),
        }
    }

    /// Says that nothing more comes, though it was not all.
    pub async fn cut(&mut self) -> Result<(), WriteError> {
        match &mut self.writer {
            Some(writer) => writer.cut().await,
            None => Ok(()),
        }
    }

    /// Whether [`answer`](Self::answer) has nothing to wait for.
    pub fn is_answered(&self) -> bool {
        self.flow.has_values()
    }

    /// The values of the answer, once.
    pub async fn answer<R: Decode>(&mut self) -> Result<R, InvokeError> {
        let remote = &self.asked.remote;
        let answer = rt::within(Some(self.timeout), self.flow.values()).await;
        let answer = answer.map_err(|late| InvokeError::Late { remote: remote.clone(), late })?;
        let bytes = answer.map_err(|fault| self.asked.failed(self.wire.fault(remote, fault)))?;
        self.wire.read(remote, &bytes, R::read)
    }

    /// The next bytes of the stream in the answer; nothing after the last.
    pub async fn bytes(&mut self, stream: &mut ByteStream) -> Result<Option<Bytes>, FlowError> {
        let read = poll_fn(|cx| {
            self.flow.drive(cx);
            stream.poll_next(&mut self.flow, cx)
        });
        read.await
    }

    /// The next values of the stream in the answer; nothing after the last.
    pub async fn items<T: Decode>(&mut self, stream: &mut ItemStream<T>) -> Result<Option<Vec<T>>, FlowError> {
        let read = poll_fn(|cx| {
            self.flow.drive(cx);
            stream.poll_next(&mut self.flow, cx)
        });
        read.await
    }

    /// Whether [`later`](Self::later) has nothing to wait for on the path with this number.
    pub fn has_come(&self, path: usize) -> bool {
        self.flow.has_all(path)
    }

    /// The value that comes later on the path with this number, once.
    pub async fn later<T: Decode>(&mut self, path: usize, value: &mut Later<T>) -> Result<T, FlowError> {
        poll_fn(|cx| value.poll(path, &mut self.flow, cx)).await
    }
}

impl fmt::Debug for Underway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Underway").field("remote", &self.asked.remote).finish_non_exhaustive()
    }
}

// === impl Pending ===

impl Encode for Pending {
    fn write(&self, out: &mut Vec<u8>) -> Option<()> {
        out.push(0);
        Some(())
    }
}
