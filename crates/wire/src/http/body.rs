//! These are bodies on the wire: what comes, as HTTP libraries know bodies, and what goes.
//!
//! # Invariants
//!
//! 1. A body that was cut ends as an error, on both sides: the end of its path without the end of its stream is no end.
//! 2. What comes and is not read waits within the limits of the wire; where it is more, the body ends as an error. One of us
//!    does not send more than is read: see [`allowance`].

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bus::{Bus, Message, PublishError, Subject, SubjectError};
use bytes::{Buf, Bytes};
use futures::future::BoxFuture;
use http::HeaderMap;
use http_body::{Body, Frame};
use stdx::BoxError;

use super::head::{self, Beside, HeadError, Rest};
use super::pieces::{Next, Pieces};
use crate::allowance::{self, Allowance, Halt, Receipts};
use crate::inbound::{Fault, Inbound, Path};
use crate::inbox::Mailbox;
use crate::outbound;
use crate::shapes::write_leb;

/// Where the body and the trailers of the only parameter or result are.
pub(super) const PATHS: [Path; 2] = [&[0, 0], &[0, 1]];
const BODY: usize = 0;
const TRAILERS: usize = 1;

/// The bytes of the count of a chunk.
const COUNT_MAX: usize = 5;

/// A body that comes over the bus.
pub struct Incoming {
    mailbox: Mailbox,
    body: Data,
    trailers: Beside<Option<HeaderMap>>,
    pieces: Vec<Bytes>,
    receipts: Receipts,
    silence: Silence,
    /// What goes the other way meanwhile, driven by whoever reads.
    outgoing: Option<BoxFuture<'static, ()>>,
}

/// What of the data of a body is to come.
enum Data {
    Whole(Bytes),
    Stream(Pieces),
    Read,
}

/// How long nothing has come.
struct Silence {
    bus: Bus,
    limit: Duration,
    lasting: Option<BoxFuture<'static, rt::Late>>,
}

/// A body could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IncomingError {
    /// Who sent it stopped before its end.
    #[error("the body was cut")]
    Cut,
    /// Nothing came for too long.
    #[error("the body does not come")]
    Idle(#[source] rt::Late),
    /// It was not read as fast as it came.
    #[error("the body came faster than it was read, and there is no more room for it")]
    TooFast,
    /// What came is no body.
    #[error("what came is no body")]
    Nonsense,
    /// Its trailers are none.
    #[error("the trailers of the body are none")]
    Trailers(#[source] HeadError),
}

/// A body could not be sent.
#[derive(Debug, thiserror::Error)]
pub enum OutgoingError {
    /// It ended as an error itself, and was cut.
    #[error("the body could not be read")]
    Read(#[source] BoxError),
    /// The bus did not take it.
    #[error("the body could not be sent")]
    NotSent(#[source] PublishError),
    /// A stranger's address has no room for the path.
    #[error("the body could not be sent")]
    Address(#[source] SubjectError),
    /// Whoever read it does not want the rest.
    #[error("nobody wants the rest of the body")]
    Unwanted,
    /// Nobody reads it.
    #[error("nobody reads the body")]
    Stuck(#[source] rt::Late),
}

// === impl Incoming ===

impl Incoming {
    /// What comes after a head, on this bus.
    pub(super) fn new(mailbox: Mailbox, rest: Rest, (receipts, bus, idle_max): (Receipts, &Bus, Duration)) -> Self {
        let body = match rest.body {
            Beside::Pending => Data::Stream(Pieces::default()),
            Beside::Whole(body) => Data::Whole(body),
        };
        let silence = Silence { bus: bus.clone(), limit: idle_max, lasting: None };
        Self { mailbox, body, trailers: rest.trailers, pieces: Vec::new(), receipts, silence, outgoing: None }
    }

    /// The same, and meanwhile something goes the other way.
    pub(super) fn beside(self, outgoing: Option<BoxFuture<'static, ()>>) -> Self {
        Self { outgoing, ..self }
    }

    /// The next piece on a path; nothing after the last.
    fn poll_piece(&mut self, path: usize, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, IncomingError>> {
        match self.mailbox.poll_piece(path, cx) {
            Poll::Ready(piece) => {
                self.silence.lasting = None;
                let piece = piece.transpose().map_err(IncomingError::from)?;
                if path == BODY
                    && let Some(piece) = &piece
                {
                    self.receipts.take(Inbound::weight(piece));
                    self.receipts.poll(cx);
                }
                Poll::Ready(Ok(piece))
            }
            Poll::Pending => {
                let question = || self.receipts.again(&self.mailbox.subject);
                self.silence.poll(question, cx).map(|late| Err(IncomingError::Idle(late)))
            }
        }
    }

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, IncomingError>> {
        loop {
            match &mut self.body {
                Data::Read => return Poll::Ready(Ok(None)),
                Data::Whole(body) => {
                    let body = std::mem::take(body);
                    self.body = Data::Read;
                    return Poll::Ready(Ok(Some(body)));
                }
                Data::Stream(pieces) => match pieces.next() {
                    Next::Data(data) => return Poll::Ready(Ok(Some(data))),
                    Next::End => self.body = Data::Read,
                    Next::Nonsense => return Poll::Ready(Err(IncomingError::Nonsense)),
                    Next::More => match ready!(self.poll_piece(BODY, cx))? {
                        None => return Poll::Ready(Err(IncomingError::Cut)),
                        Some(piece) => {
                            if let Data::Stream(pieces) = &mut self.body {
                                pieces.put(piece);
                            }
                        }
                    },
                },
            }
        }
    }

    fn poll_trailers(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<HeaderMap>, IncomingError>> {
        if let Beside::Whole(trailers) = &mut self.trailers {
            return Poll::Ready(Ok(trailers.take()));
        }
        while let Some(piece) = ready!(self.poll_piece(TRAILERS, cx))? {
            self.pieces.push(piece);
        }
        self.trailers = Beside::Whole(None);
        let bytes = std::mem::take(&mut self.pieces).concat();
        // Who sends no trailers at all may just end.
        match bytes.is_empty() {
            true => Poll::Ready(Ok(None)),
            false => Poll::Ready(head::read_trailers(&bytes, super::HEAD_MAX).map_err(IncomingError::Trailers)),
        }
    }
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = IncomingError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, IncomingError>>> {
        if let Some(outgoing) = &mut self.outgoing
            && outgoing.as_mut().poll(cx).is_ready()
        {
            self.outgoing = None;
        }
        self.receipts.poll(cx);
        let read = match ready!(self.poll_data(cx)) {
            Ok(Some(data)) => return Poll::Ready(Some(Ok(Frame::data(data)))),
            Ok(None) => ready!(self.poll_trailers(cx)),
            Err(error) => Err(error),
        };
        match &read {
            Ok(_) => self.receipts.end(),
            // It is said once, and then there is nothing more.
            Err(_) => (self.body, self.trailers) = (Data::Read, Beside::Whole(None)),
        }
        Poll::Ready(read.map(|trailers| trailers.map(Frame::trailers)).transpose())
    }

    fn is_end_stream(&self) -> bool {
        matches!((&self.body, &self.trailers), (Data::Read, Beside::Whole(None))) && self.outgoing.is_none()
    }
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming").finish_non_exhaustive()
    }
}

// === impl Silence ===

impl Silence {
    /// Whether nothing has come for as long as may be.
    fn poll(&mut self, question: impl FnOnce() -> Option<Message>, cx: &mut Context<'_>) -> Poll<rt::Late> {
        let lasting = self
            .lasting
            .get_or_insert_with(|| Box::pin(allowance::silence(self.bus.clone(), question(), Some(self.limit))));
        lasting.as_mut().poll(cx)
    }
}

// === impl IncomingError ===

impl From<Fault> for IncomingError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::NobodyThere | Fault::Gone | Fault::Refused(_) => Self::Cut,
            Fault::TooLarge | Fault::NoRoom => Self::TooFast,
            Fault::Nonsense => Self::Nonsense,
        }
    }
}

/// Says a body and its trailers below `root`, which is where the values of its side go, as fast as they are taken. Where the body
/// ends as an error, its stream ends without the mark of its end.
pub(super) async fn say<B>(
    bus: &Bus,
    root: &Subject,
    mut body: B,
    mut allowance: Allowance,
) -> Result<(), OutgoingError>
where
    B: Body<Data: Buf, Error: Into<BoxError>> + Unpin,
{
    let [data, last] = ["0.0", "0.1"].map(|path| outbound::below(root, path));
    let (data, last) = (data.map_err(OutgoingError::Address)?, last.map_err(OutgoingError::Address)?);
    let said = say_data(bus, &data, &mut body, &mut allowance).await;
    if let Ok(trailers) = &said {
        publish(bus, &data, vec![0]).await?;
        let trailers = head::write_trailers(trailers.as_ref()).unwrap_or_else(|| vec![0]);
        outbound::say(bus, &last, trailers.into()).await.map_err(OutgoingError::NotSent)?;
    }
    publish(bus, &data, Vec::new()).await?;
    publish(bus, &last, Vec::new()).await?;
    said.map(drop)
}

/// Says what is in a body; gives its trailers, if it has some.
async fn say_data<B>(
    bus: &Bus,
    subject: &Subject,
    body: &mut B,
    allowance: &mut Allowance,
) -> Result<Option<HeaderMap>, OutgoingError>
where
    B: Body<Data: Buf, Error: Into<BoxError>> + Unpin,
{
    let most = bus.payload_max().as_usize().min(allowance.piece_max()).saturating_sub(COUNT_MAX).max(1);
    while let Some(frame) = next_frame(body, allowance).await? {
        let mut data = match frame.into_data() {
            Ok(data) => data,
            // Trailers are the last of a body.
            Err(frame) => return Ok(frame.into_trailers().ok()),
        };
        while data.has_remaining() {
            let count = data.remaining().min(most);
            let mut chunk = Vec::with_capacity(count + COUNT_MAX);
            write_leb(&mut chunk, count as u64);
            let start = chunk.len();
            chunk.resize(start + count, 0);
            data.copy_to_slice(&mut chunk[start..]);
            let chunk = Bytes::from(chunk);
            allowance.wait(Inbound::weight(&chunk)).await?;
            publish(bus, subject, chunk).await?;
        }
    }
    Ok(None)
}

/// The next frame of a body, as long as anybody wants it.
async fn next_frame<B>(body: &mut B, allowance: &Allowance) -> Result<Option<Frame<B::Data>>, OutgoingError>
where
    B: Body<Error: Into<BoxError>> + Unpin,
{
    let frame = std::future::poll_fn(|cx| match allowance.poll_unwanted(cx) {
        Poll::Ready(()) => Poll::Ready(Err(OutgoingError::Unwanted)),
        Poll::Pending => Pin::new(&mut *body).poll_frame(cx).map(Ok),
    });
    frame.await?.transpose().map_err(|error| OutgoingError::Read(error.into()))
}

async fn publish(bus: &Bus, subject: &Subject, payload: impl Into<Bytes>) -> Result<(), OutgoingError> {
    bus.publish(Message::new(subject.clone(), payload.into())).await.map_err(OutgoingError::NotSent)
}

impl From<Halt> for OutgoingError {
    fn from(halt: Halt) -> Self {
        match halt {
            Halt::Unwanted => Self::Unwanted,
            Halt::Stuck(late) => Self::Stuck(late),
        }
    }
}
