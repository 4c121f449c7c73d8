//! How much may be on its way to who reads it: the protocol has no word for that, so this is ours.
//!
//! ```text
//! call      wattle-window: N    the answer may have N bytes that the caller has not taken
//! "heard"   wattle-window: N    and so may the parameters
//! Rc.taken, Rs.taken            so much was taken until now; an empty message: nothing more is wanted
//! Rc.asked, Rs.asked            is there anybody who reads? It is answered at the other's `taken`, with none or with nothing
//! ```
//!
//! Who waits for room asks that now and then: a reader who is not asked says nothing until he reads. Strangers say no window, and
//! nothing of this is said to them: what they do not take waits within the limits of the wire.
//!
//! # Invariants
//!
//! 1. What was taken is said as a total: a message that is lost costs time and nothing else.
//! 2. Where nothing is on its way something may always be said, however large.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bus::{Bus, Headers, Message, Subject};
use bytes::Bytes;
use futures::FutureExt;
use futures::future::{BoxFuture, Either, select};
use stdx::Chain;

use crate::inbox::{Mailbox, Post};
use crate::limits::Limits;
use crate::outbound;
use crate::patience::{Over, Patience};

/// Our own: so many bytes may be on their way.
const NAME: &str = "wattle-window";

/// What a reader lets be on its way, with what it takes to keep the pieces. A thousand of them fit into what may wait.
const WINDOW: u64 = 256 << 10;

/// The most that a piece of a body has: several are on their way at once.
const PIECE_MAX: u64 = WINDOW / 4;

/// What is below the subject of an invocation where it is said how much was taken.
pub(crate) const TAKEN: &str = ".taken";

/// And where it is asked whether anybody reads.
pub(crate) const ASKED: &str = ".asked";

/// The answer that he is there: it takes nothing back, however much he has taken.
pub(crate) const HERE: &[u8] = b"0";

/// The answer that nothing more is wanted.
pub(crate) const UNWANTED: &[u8] = b"";

/// What the reader of the other side allows.
#[derive(Debug, Default)]
pub(crate) struct Allowed {
    /// As much as one likes where there is none.
    window: Option<u64>,
    taken: u64,
    is_unwanted: bool,
    /// Whether anything was heard of him since that was asked last.
    has_spoken: bool,
    waker: Option<Waker>,
}

/// What may be said by one side of an invocation.
pub(crate) struct Allowance {
    post: Arc<Post>,
    sent: u64,
    bus: Bus,
    /// Where the reader is asked whether he is there; nothing where it is not known.
    reader: Option<Subject>,
    /// Where he answers.
    here: Subject,
    patience: Patience,
}

/// Why nothing more is to be said.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Halt {
    /// Nobody wants it.
    #[error("nobody wants the rest")]
    Unwanted,
    /// Nobody takes it, though there may be somebody.
    #[error("nobody takes it")]
    Stuck(#[source] rt::Late),
    /// Nothing is heard of whoever was to take it.
    #[error("nothing is heard of who was to take it")]
    Silent(#[source] rt::Late),
}

/// Tells who writes how much was taken. Dropped before the end, it tells that nothing more is wanted.
pub(crate) struct Receipts {
    bus: Bus,
    /// Nothing where the writer is a stranger, or has heard the last word.
    subject: Option<Subject>,
    taken: u64,
    told: u64,
    /// So much may be taken without a word.
    step: u64,
    telling: Option<BoxFuture<'static, ()>>,
}

/// What is let be on its way to one whose limits are these.
fn window(limits: &Limits) -> u64 {
    WINDOW.min(limits.size_max.as_u64() / 2)
}

/// The same headers, with what their sayer lets be on its way to him.
pub(crate) fn with_window(headers: Headers, limits: &Limits) -> Headers {
    headers.clone().with(NAME, &window(limits).to_string()).unwrap_or(headers)
}

/// Ready when nothing came for as long as patience lasts. Until then it asks now and then whether the writer is there, if that can
/// be asked.
pub(crate) async fn silence(bus: Bus, question: Option<Message>, patience: Patience) -> rt::Late {
    let ask = || pose(bus.clone(), question.clone());
    patience.run_out(ask, || false).await.late()
}

async fn pose(bus: Bus, question: Option<Message>) {
    if let Some(question) = question {
        say(bus, question).await;
    }
}

// === impl Allowed ===

impl Allowed {
    /// What these headers allow.
    pub(crate) fn by(headers: &Headers) -> Self {
        let window = headers.get(NAME).and_then(|text| text.parse().ok());
        Self { window, ..Self::default() }
    }

    /// Whether the reader tells what he takes.
    pub(crate) fn is_told(&self) -> bool {
        self.window.is_some()
    }

    /// Hears how much was taken.
    pub(crate) fn hear(&mut self, said: &[u8]) -> Option<Waker> {
        match std::str::from_utf8(said).ok().and_then(|text| text.parse::<u64>().ok()) {
            Some(taken) => self.taken = self.taken.max(taken),
            None if said.is_empty() => self.is_unwanted = true,
            None => return None,
        }
        self.has_spoken = true;
        self.waker.take()
    }

    /// Whether anything was heard since this was asked last.
    fn has_spoken(&mut self) -> bool {
        std::mem::take(&mut self.has_spoken)
    }

    fn poll_room(&mut self, (sent, more): (u64, u64), cx: &Context<'_>) -> Poll<Result<(), Halt>> {
        if self.is_unwanted {
            return Poll::Ready(Err(Halt::Unwanted));
        }
        let underway = sent.saturating_sub(self.taken);
        if underway == 0 || self.window.is_none_or(|window| underway.saturating_add(more) <= window) {
            return Poll::Ready(Ok(()));
        }
        self.wake_later(cx)
    }

    fn poll_unwanted(&mut self, cx: &Context<'_>) -> Poll<()> {
        if self.is_unwanted { Poll::Ready(()) } else { self.wake_later(cx) }
    }

    fn wake_later<T>(&mut self, cx: &Context<'_>) -> Poll<T> {
        if !self.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            self.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}

// === impl Allowance ===

impl Allowance {
    /// What may be said to who reads at `reader`, in the invocation that this is the mailbox of.
    pub(crate) fn new((bus, patience): (&Bus, Patience), mailbox: &Mailbox, reader: Option<&Subject>) -> Self {
        let (post, here) = (mailbox.post(), mailbox.subject.clone());
        Self { post, sent: 0, bus: bus.clone(), reader: reader.cloned(), here, patience }
    }

    /// Whether the reader tells what he takes, as one of us does.
    pub(crate) fn is_told(&self) -> bool {
        self.post.ask(|allowed| allowed.is_told())
    }

    /// The most that a piece may have.
    pub(crate) fn piece_max(&self) -> usize {
        self.post.ask(|allowed| allowed.window.map_or(PIECE_MAX, |window| PIECE_MAX.min(window / 4))) as usize
    }

    /// Waits until a message of that weight may be said, and counts it.
    pub(crate) async fn wait(&mut self, weight: usize) -> Result<(), Halt> {
        let more = weight as u64;
        let is_free =
            self.post.ask(|allowed| allowed.poll_room((self.sent, more), &Context::from_waker(Waker::noop())));
        if let Poll::Ready(outcome) = is_free {
            self.sent += more;
            return outcome;
        }
        let room = std::future::poll_fn(|cx| self.post.ask(|allowed| allowed.poll_room((self.sent, more), cx)));
        match select(pin!(room), pin!(self.given_up())).await {
            Either::Left((room, _)) => room?,
            Either::Right((halt, _)) => return Err(halt),
        }
        self.sent += more;
        Ok(())
    }

    /// Ready when the reader is not waited for any more. Until then he is asked now and then whether he is there.
    async fn given_up(&self) -> Halt {
        let ask = || pose(self.bus.clone(), self.question());
        let has_spoken = || self.post.ask(Allowed::has_spoken);
        match self.patience.run_out(ask, has_spoken).await {
            Over::Still(late) => Halt::Stuck(late),
            Over::Silent(late) => Halt::Silent(late),
        }
    }

    fn question(&self) -> Option<Message> {
        let subject = outbound::below(self.reader.as_ref()?, &ASKED[1..]).ok()?;
        let here = outbound::below(&self.here, &TAKEN[1..]).ok()?;
        Some(Message { reply: Some(here), ..Message::new(subject, Bytes::new()) })
    }

    /// What is worked out, as long as anybody wants it; nothing after that.
    pub(crate) async fn while_wanted<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        std::future::poll_fn(|cx| match self.post.ask(|allowed| allowed.poll_unwanted(cx)) {
            Poll::Ready(()) => Poll::Ready(None),
            Poll::Pending => work.as_mut().poll(cx).map(Some),
        })
        .await
    }
}

// === impl Receipts ===

impl Receipts {
    /// Tells the writer who listens at `writer`, which is nobody where he is a stranger.
    pub(crate) fn to(bus: &Bus, limits: &Limits, writer: Option<&Subject>) -> Self {
        let subject = writer.and_then(|writer| outbound::below(writer, &TAKEN[1..]).ok());
        Self { bus: bus.clone(), subject, taken: 0, told: 0, step: window(limits) / 4, telling: None }
    }

    /// Notes that so much was taken, and tells it where that is due.
    pub(crate) fn take(&mut self, weight: usize) {
        self.taken += weight as u64;
        let Some(subject) = &self.subject else { return };
        if self.telling.is_none() && self.taken - self.told >= self.step {
            self.told = self.taken;
            self.telling = Some(Box::pin(say(self.bus.clone(), Message::new(subject.clone(), self.total()))));
        }
    }

    /// Goes on telling. To be polled by who reads.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) {
        if self.telling.as_mut().is_some_and(|telling| telling.poll_unpin(cx).is_ready()) {
            self.telling = None;
        }
    }

    /// The same once more, with an answer to `here` where the writer is not there any more.
    pub(crate) fn again(&self, here: &Subject) -> Option<Message> {
        let subject = self.subject.clone()?;
        Some(Message { reply: Some(here.clone()), ..Message::new(subject, self.total()) })
    }

    /// All was taken: there is nothing more to tell.
    pub(crate) fn end(&mut self) {
        self.subject = None;
    }

    fn total(&self) -> Bytes {
        self.taken.to_string().into()
    }
}

impl Drop for Receipts {
    fn drop(&mut self) {
        let Some(subject) = self.subject.take() else { return };
        // Where the bus does not take it at once, limits of time do what this would have done.
        let unwanted = Message::new(subject, Bytes::from_static(UNWANTED));
        if say(self.bus.clone(), unwanted).now_or_never().is_none() {
            tracing::debug!("a writer was not told that nothing more is wanted");
        }
    }
}

async fn say(bus: Bus, message: Message) {
    if let Err(error) = bus.publish(message).await {
        tracing::debug!(error = %Chain(&error), "a writer was not told what was taken");
    }
}

#[cfg(test)]
mod tests;
