//! This is what comes beside the values of one side of an invocation: streams, and values that come later.
//!
//! What is read of a stream makes room for more of it, and who writes is told so: see [`allowance`].
//!
//! # Invariants
//!
//! 1. What was cut ends as an error: the end of a path without the end of its stream is no end. So does that of which a piece was
//!    lost, behind what came before it: see [`numbers`](crate::numbers).
//! 2. What comes and is not read waits within the limits of the wire; where it is more, it ends as an error.
//! 3. Giving up the wait for something loses nothing of it.

use std::fmt;
use std::pin::pin;
use std::task::{Context, Poll, ready};

use bus::{Bus, Message, Subject};
use bytes::{Buf, Bytes, BytesMut};
use futures::future::{BoxFuture, Either, select};
use stdx::ByteSize;

use crate::allowance::{self, Allowance, Receipts};
use crate::inbound::{Fault, Inbound};
use crate::inbox::Mailbox;
use crate::patience::Patience;
use crate::pieces::{Next, Pieces};
use crate::shapes::{DecodeError, Reader};
use crate::typed::Decode;

/// The number of the path of a stream, where there is one: the first.
pub(crate) const STREAM: usize = 0;

/// The most that a value which comes by itself may take: one of a stream, or one that comes later.
const VALUE_MAX: ByteSize = ByteSize::mib(1);

/// The most that the values of a stream may take which have come in one message.
const VALUES_MAX: ByteSize = ByteSize::mib(64);

/// What comes for one side of an invocation, path by path.
pub(crate) struct Flow {
    mailbox: Mailbox,
    receipts: Receipts,
    silence: Silence,
}

/// How long nothing has come.
struct Silence {
    bus: Bus,
    patience: Patience,
    lasting: Option<BoxFuture<'static, rt::Late>>,
}

/// What comes beside values could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FlowError {
    /// Who sent it stopped before its end.
    #[error("what comes beside the values was cut")]
    Cut,
    /// Nothing came for too long.
    #[error("what comes beside the values does not come")]
    Idle(#[source] rt::Late),
    /// The bus did not carry all of its messages, or one of them twice or in another's place: a connection of either host, or between
    /// servers, was lost and came back.
    #[error("a piece of what comes beside the values was lost between two hosts")]
    PieceLost,
    /// It was not read as fast as it came.
    #[error("more came beside the values than was read, and there is no more room for it")]
    TooFast,
    /// What came is not of its type.
    #[error("what comes beside the values is not of its type")]
    Nonsense,
}

/// A stream of bytes. It may stand among the values as a whole.
#[derive(Debug, PartialEq, Eq)]
pub struct ByteStream(Data);

#[derive(Debug, PartialEq, Eq)]
enum Data {
    Whole(Bytes),
    Stream(Pieces),
    Read,
}

/// A stream of values. They may stand among the others as a whole.
#[derive(Debug)]
pub struct ItemStream<T>(Items<T>);

#[derive(Debug)]
enum Items<T> {
    Whole(Vec<T>),
    /// What has come and was not read yet, and how many values of the chunk are to come.
    Stream {
        here: BytesMut,
        left: u64,
    },
    Read,
}

/// A value that comes later. It may stand among the others already.
#[derive(Debug)]
pub struct Later<T> {
    here: Option<T>,
    /// What has come of it.
    coming: BytesMut,
}

// === impl Flow ===

impl Flow {
    /// What comes there. Who writes is told by `receipts` what was read, and is given up when nothing has come for as long as
    /// patience lasts.
    pub(crate) fn new(mailbox: Mailbox, receipts: Receipts, (bus, patience): (&Bus, Patience)) -> Self {
        Self { mailbox, receipts, silence: Silence { bus: bus.clone(), patience, lasting: None } }
    }

    /// What may be said in the other direction, to who reads there, with the same patience.
    pub(crate) fn allowance(&self, reader: Option<&Subject>) -> Allowance {
        Allowance::new((&self.silence.bus, self.silence.patience), &self.mailbox, reader)
    }

    /// Waits until all values are there, as long as whoever writes them is.
    pub(crate) async fn values(&mut self) -> Result<Bytes, Fault> {
        let question = self.receipts.again(&self.mailbox.subject);
        let there = allowance::silence(self.silence.bus.clone(), question, Patience::ENDLESS);
        match select(pin!(self.mailbox.values()), pin!(there)).await {
            Either::Left((values, _)) => values,
            Either::Right(_) => Err(Fault::Gone),
        }
    }

    /// Whether the values are there.
    pub(crate) fn has_values(&self) -> bool {
        self.mailbox.has_values()
    }

    /// Whether nothing more is to be waited for on the path with this number.
    pub(crate) fn has_all(&self, path: usize) -> bool {
        self.mailbox.has_all(path)
    }

    /// Goes on telling what was read. To be polled by who reads.
    pub(crate) fn drive(&mut self, cx: &mut Context<'_>) {
        self.receipts.poll(cx);
    }

    /// All was read: there is nothing more to tell.
    pub(crate) fn end(&mut self) {
        self.receipts.end();
    }

    /// The next piece on a path; nothing after the last.
    pub(crate) fn poll_piece(&mut self, path: usize, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, FlowError>> {
        match self.mailbox.poll_piece(path, cx) {
            Poll::Ready(piece) => {
                self.silence.lasting = None;
                let piece = piece.transpose().map_err(FlowError::from)?;
                if path == STREAM
                    && let Some(piece) = &piece
                {
                    self.receipts.take(Inbound::weight(piece));
                    self.receipts.poll(cx);
                }
                Poll::Ready(Ok(piece))
            }
            Poll::Pending => {
                let question = || self.receipts.again(&self.mailbox.subject);
                self.silence.poll(question, cx).map(|late| Err(FlowError::Idle(late)))
            }
        }
    }
}

impl fmt::Debug for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flow").field("subject", &self.mailbox.subject).finish_non_exhaustive()
    }
}

// === impl Silence ===

impl Silence {
    /// Whether nothing has come for as long as may be.
    fn poll(&mut self, question: impl FnOnce() -> Option<Message>, cx: &mut Context<'_>) -> Poll<rt::Late> {
        let lasting = self
            .lasting
            .get_or_insert_with(|| Box::pin(allowance::silence(self.bus.clone(), question(), self.patience)));
        let late = ready!(lasting.as_mut().poll(cx));
        // Whoever asks once more waits once more.
        self.lasting = None;
        Poll::Ready(late)
    }
}

// === impl FlowError ===

impl From<Fault> for FlowError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::NobodyThere | Fault::Gone | Fault::Refused(_) => Self::Cut,
            Fault::TooLarge | Fault::NoRoom => Self::TooFast,
            Fault::Nonsense => Self::Nonsense,
            Fault::PieceLost => Self::PieceLost,
        }
    }
}

// === impl ByteStream ===

impl ByteStream {
    /// One that comes by itself.
    pub(crate) fn pending() -> Self {
        Self(Data::Stream(Pieces::default()))
    }

    /// One that is these bytes.
    pub(crate) fn whole(bytes: Bytes) -> Self {
        Self(Data::Whole(bytes))
    }

    /// Nothing more of it is read.
    pub(crate) fn end(&mut self) {
        self.0 = Data::Read;
    }

    /// Whether all of it was read.
    pub(crate) fn is_read(&self) -> bool {
        self.0 == Data::Read
    }

    /// The next of it; nothing after the last.
    pub(crate) fn poll_next(
        &mut self,
        flow: &mut Flow,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, FlowError>> {
        loop {
            match &mut self.0 {
                Data::Read => return Poll::Ready(Ok(None)),
                Data::Whole(bytes) => {
                    let bytes = std::mem::take(bytes);
                    self.0 = Data::Read;
                    return Poll::Ready(Ok(Some(bytes)));
                }
                Data::Stream(pieces) => match pieces.next() {
                    Next::Data(data) => return Poll::Ready(Ok(Some(data))),
                    Next::End => self.0 = Data::Read,
                    Next::Nonsense => return Poll::Ready(Err(FlowError::Nonsense)),
                    Next::More => match ready!(flow.poll_piece(STREAM, cx))? {
                        None => return Poll::Ready(Err(FlowError::Cut)),
                        Some(piece) => pieces.put(piece),
                    },
                },
            }
        }
    }
}

impl Decode for ByteStream {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let bytes = Bytes::read(reader)?;
        Ok(if bytes.is_empty() { Self::pending() } else { Self::whole(bytes) })
    }
}

// === impl ItemStream ===

impl<T: Decode> ItemStream<T> {
    /// The next of it, never none of them; nothing after the last.
    pub(crate) fn poll_next(
        &mut self,
        flow: &mut Flow,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Vec<T>>, FlowError>> {
        loop {
            match &mut self.0 {
                Items::Read => return Poll::Ready(Ok(None)),
                Items::Whole(items) => {
                    let items = std::mem::take(items);
                    self.0 = Items::Read;
                    return Poll::Ready(Ok(Some(items)));
                }
                Items::Stream { here, left } => {
                    let (items, is_end) = items(here, left)?;
                    if is_end {
                        self.0 = Items::Read;
                    }
                    if !items.is_empty() {
                        return Poll::Ready(Ok(Some(items)));
                    }
                }
            }
            if let Items::Stream { here, .. } = &mut self.0 {
                match ready!(flow.poll_piece(STREAM, cx))? {
                    None => return Poll::Ready(Err(FlowError::Cut)),
                    Some(piece) => here.extend_from_slice(&piece),
                }
            }
        }
    }
}

impl<T: Decode> Decode for ItemStream<T> {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let items = reader.list(|reader| {
            reader.pay(size_of::<T>())?;
            T::read(reader)
        })?;
        let pending = Items::Stream { here: BytesMut::new(), left: 0 };
        Ok(Self(if items.is_empty() { pending } else { Items::Whole(items) }))
    }
}

/// Takes the values that have come whole, of chunks of which `left` are to come, and whether they are the last.
fn items<T: Decode>(here: &mut BytesMut, left: &mut u64) -> Result<(Vec<T>, bool), FlowError> {
    let (mut items, mut is_end, mut read) = (Vec::new(), false, 0);
    let mut reader = Reader::new(&here[..], VALUES_MAX);
    while !is_end {
        let step = if *left == 0 {
            reader.leb(32).map(|count| (*left, is_end) = (count, count == 0))
        } else {
            let item = reader.pay(size_of::<T>()).and_then(|()| T::read(&mut reader));
            item.map(|item| {
                items.push(item);
                *left -= 1;
            })
        };
        match step {
            Ok(()) => read = here.len() - reader.left(),
            Err(DecodeError::Incomplete) => break,
            Err(_) => return Err(FlowError::Nonsense),
        }
    }
    here.advance(read);
    // Only a value that has not come whole is left.
    if here.len() as u64 > VALUE_MAX.as_u64() { Err(FlowError::Nonsense) } else { Ok((items, is_end)) }
}

// === impl Later ===

impl<T> Later<T> {
    /// Whether it stood among the other values, and is to be had at once.
    pub fn is_here(&self) -> bool {
        self.here.is_some()
    }
}

impl<T: Decode> Later<T> {
    /// The value, once. It comes on the path with this number.
    pub(crate) fn poll(&mut self, path: usize, flow: &mut Flow, cx: &mut Context<'_>) -> Poll<Result<T, FlowError>> {
        if let Some(value) = self.here.take() {
            return Poll::Ready(Ok(value));
        }
        while let Some(piece) = ready!(flow.poll_piece(path, cx))? {
            self.coming.extend_from_slice(&piece);
            // Nobody may say one that never ends.
            if self.coming.len() as u64 > VALUE_MAX.as_u64() {
                return Poll::Ready(Err(FlowError::Nonsense));
            }
        }
        let bytes = std::mem::take(&mut self.coming);
        Poll::Ready(match Reader::all(&bytes, VALUE_MAX, T::read) {
            Ok(value) => Ok(value),
            Err(DecodeError::Incomplete) => Err(FlowError::Cut),
            Err(_) => Err(FlowError::Nonsense),
        })
    }
}

impl<T: Decode> Decode for Later<T> {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { here: Option::read(reader)?, coming: BytesMut::new() })
    }
}

#[cfg(test)]
mod tests;
