//! These are bodies on the wire: what comes, as HTTP libraries know bodies, and what goes.
//!
//! # Invariants
//!
//! 1. A body that was cut ends as an error, on both sides: the end of its path without the end of its stream is no end. So does one
//!    of which a piece was lost, trailers included.
//! 2. What comes and is not read waits within the limits of the wire; where it is more, the body ends as an error. One of us
//!    does not send more than is read: see [`allowance`](crate::allowance).

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bus::{Bus, PublishError, Subject, SubjectError};
use bytes::{Buf, Bytes, BytesMut};
use futures::future::BoxFuture;
use http::HeaderMap;
use http_body::{Body, Frame};
use stdx::BoxError;

use super::head::{self, Beside, HeadError, Rest};
use crate::allowance::Allowance;
use crate::flow::{ByteStream, Flow, FlowError};
use crate::inbound::Path;
use crate::outbound::{self, Saying};
use crate::writer::{WriteError, Writer};

/// Where the body and the trailers of the only parameter or result are.
pub(super) const PATHS: [Path; 2] = [&[0, 0], &[0, 1]];
const TRAILERS: usize = 1;

/// A body that comes over the bus.
pub struct Incoming {
    flow: Flow,
    body: ByteStream,
    trailers: Beside<Option<HeaderMap>>,
    /// What has come of the trailers.
    coming: BytesMut,
    /// What goes the other way meanwhile, driven by whoever reads.
    outgoing: Option<BoxFuture<'static, ()>>,
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
    /// The bus did not carry all of its messages, or one of them twice or in another's place: a connection of either host, or between
    /// servers, was lost and came back.
    #[error("a piece of the body was lost between two hosts")]
    PieceLost,
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
    /// Nobody reads it, though there may be somebody: a client that takes nothing.
    #[error("nobody reads the body")]
    Stuck(#[source] rt::Late),
    /// Nothing is heard of whoever was to read it.
    #[error("nothing is heard of who was to read the body")]
    Silent(#[source] rt::Late),
}

// === impl Incoming ===

impl Incoming {
    /// What comes after a head.
    pub(super) fn new(flow: Flow, rest: Rest) -> Self {
        let body = match rest.body {
            Beside::Pending => ByteStream::pending(),
            Beside::Whole(body) => ByteStream::whole(body),
        };
        Self { flow, body, trailers: rest.trailers, coming: BytesMut::new(), outgoing: None }
    }

    /// The same, and meanwhile something goes the other way.
    pub(super) fn beside(self, outgoing: Option<BoxFuture<'static, ()>>) -> Self {
        Self { outgoing, ..self }
    }

    fn poll_trailers(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<HeaderMap>, IncomingError>> {
        if let Beside::Whole(trailers) = &mut self.trailers {
            return Poll::Ready(Ok(trailers.take()));
        }
        while let Some(piece) = ready!(self.flow.poll_piece(TRAILERS, cx))? {
            self.coming.extend_from_slice(&piece);
            // Nobody may say some that never end.
            if self.coming.len() as u64 > super::HEAD_MAX.as_u64() {
                return Poll::Ready(Err(IncomingError::Nonsense));
            }
        }
        self.trailers = Beside::Whole(None);
        let bytes = std::mem::take(&mut self.coming);
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
        let this = &mut *self;
        this.flow.drive(cx);
        let read = match ready!(this.body.poll_next(&mut this.flow, cx)) {
            Ok(Some(data)) => return Poll::Ready(Some(Ok(Frame::data(data)))),
            Ok(None) => ready!(this.poll_trailers(cx)),
            Err(error) => Err(error.into()),
        };
        match &read {
            Ok(_) => this.flow.end(),
            // It is said once, and then there is nothing more.
            Err(_) => {
                this.body.end();
                this.trailers = Beside::Whole(None);
            }
        }
        Poll::Ready(read.map(|trailers| trailers.map(Frame::trailers)).transpose())
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_read() && matches!(self.trailers, Beside::Whole(None)) && self.outgoing.is_none()
    }
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming").finish_non_exhaustive()
    }
}

// === impl IncomingError ===

impl From<FlowError> for IncomingError {
    fn from(error: FlowError) -> Self {
        match error {
            FlowError::Cut => Self::Cut,
            FlowError::Idle(late) => Self::Idle(late),
            FlowError::PieceLost => Self::PieceLost,
            FlowError::TooFast => Self::TooFast,
            FlowError::Nonsense => Self::Nonsense,
        }
    }
}

/// Says a body and its trailers below `root`, which is where the values of its side go, as fast as they are taken.
pub(super) async fn say<B>(bus: &Bus, root: &Subject, body: B, allowance: Allowance) -> Result<(), OutgoingError>
where
    B: Body<Data: Buf, Error: Into<BoxError>> + Unpin,
{
    let mut writer = Writer::new(bus, (root, "0.0"), allowance).map_err(OutgoingError::Address)?;
    let mut last = Saying::new(bus, outbound::below(root, "0.1").map_err(OutgoingError::Address)?);
    let said = say_data(&mut writer, body).await;
    if let Ok(trailers) = &said {
        writer.end().await?;
        let trailers = head::write_trailers(trailers.as_ref()).unwrap_or_else(|| vec![0]);
        last.say(trailers.into()).await.map_err(OutgoingError::NotSent)?;
    } else {
        writer.cut().await?;
    }
    last.end().await.map_err(OutgoingError::NotSent)?;
    said.map(drop)
}

/// Says what is in a body; gives its trailers, if it has some. Whoever makes it is done with when this is over, however it ends.
async fn say_data<B>(writer: &mut Writer, mut body: B) -> Result<Option<HeaderMap>, OutgoingError>
where
    B: Body<Data: Buf, Error: Into<BoxError>> + Unpin,
{
    while let Some(frame) = next_frame(&mut body, writer.allowance()).await? {
        match frame.into_data() {
            Ok(data) => writer.say(data).await?,
            // Trailers are the last of a body.
            Err(frame) => return Ok(frame.into_trailers().ok()),
        }
    }
    Ok(None)
}

/// The next frame of a body, as long as anybody wants it.
async fn next_frame<B>(body: &mut B, allowance: &Allowance) -> Result<Option<Frame<B::Data>>, OutgoingError>
where
    B: Body<Error: Into<BoxError>> + Unpin,
{
    let frame = std::future::poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx));
    let frame = allowance.while_wanted(frame).await.ok_or(OutgoingError::Unwanted)?;
    frame.transpose().map_err(|error| OutgoingError::Read(error.into()))
}

impl From<WriteError> for OutgoingError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::NotSent(source) => Self::NotSent(source),
            WriteError::Unwanted => Self::Unwanted,
            WriteError::Stuck(late) => Self::Stuck(late),
            WriteError::Silent(late) => Self::Silent(late),
        }
    }
}
