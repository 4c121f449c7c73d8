//! This is the queue between who publishes and one subscriber.
//!
//! # Invariants
//!
//! 1. It holds at most so many messages, and so many bytes or a single message. Putting one in never waits.
//! 2. Bytes are counted before a message is put in and until it was taken out, so never too few.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use futures::Stream;
use rt::Task;
use tokio::sync::mpsc::{self, error::TrySendError};

use crate::carrier::{Hold, Reason, Refused, Sink};
use crate::limits::Limits;
use crate::message::Message;
use crate::subject::Pattern;

/// Messages on the subjects that were subscribed to, in the order of each publisher. Dropping it unsubscribes.
///
/// What comes while the queue is full is dropped and counted; the other subscribers and the publisher do not notice.
pub struct Subscription {
    pattern: Pattern,
    messages: Receiver,
    held: Holding,
}

/// Whether a subscription still hears something.
enum Holding {
    Listening(Hold),
    /// What was said before it ended is brought by the task, if that takes one.
    Ended {
        _bringing: Option<Task>,
    },
}

/// The end of a queue where messages are put in.
pub(crate) struct Sender {
    messages: mpsc::Sender<Message>,
    counts: Arc<Counts>,
    bytes_max: usize,
}

/// The end of a queue where messages are taken out.
pub(crate) struct Receiver {
    messages: mpsc::Receiver<Message>,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    bytes: AtomicUsize,
    dropped: AtomicU64,
}

/// A queue with these limits.
pub(crate) fn queue(limits: &Limits) -> (Sender, Receiver) {
    let (sender, receiver) = mpsc::channel(limits.queued_messages_max.max(1));
    let counts = Arc::new(Counts::default());
    let bytes_max = limits.queued_bytes_max.as_usize();
    (Sender { messages: sender, counts: counts.clone(), bytes_max }, Receiver { messages: receiver, counts })
}

// === impl Subscription ===

impl Subscription {
    pub(crate) fn new(pattern: Pattern, messages: Receiver, hold: Hold) -> Self {
        Self { pattern, messages, held: Holding::Listening(hold) }
    }

    /// The next message; none when there will be no more, because the bus is gone.
    pub async fn next(&mut self) -> Option<Message> {
        std::future::poll_fn(|cx| self.messages.poll_next(cx)).await
    }

    /// Hears nothing that is said from now on. What was said before still comes, and then nothing: so no message is lost that
    /// a server gave to this member of a group. To be called where there is a runtime.
    pub fn end(&mut self) {
        let held = std::mem::replace(&mut self.held, Holding::Ended { _bringing: None });
        self.held = match held {
            Holding::Listening(hold) => Holding::Ended { _bringing: hold.end() },
            ended @ Holding::Ended { .. } => ended,
        };
    }

    /// What was subscribed to.
    pub fn pattern(&self) -> &Pattern {
        &self.pattern
    }

    /// How many messages were dropped because this queue was full.
    pub fn dropped(&self) -> u64 {
        self.messages.counts.dropped.load(Ordering::Relaxed)
    }
}

impl Stream for Subscription {
    type Item = Message;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        self.messages.poll_next(cx)
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("pattern", &self.pattern).finish_non_exhaustive()
    }
}

// === impl Sender ===

impl Sender {
    /// Counts the bytes of a message, if there is room for them.
    fn claim(&self, weight: usize) -> bool {
        let claim = |bytes: usize| (bytes == 0 || bytes + weight <= self.bytes_max).then_some(bytes + weight);
        self.counts.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, claim).is_ok()
    }
}

impl Sink for Sender {
    fn accept(&self, message: Message) -> Result<(), Refused> {
        let weight = message.weight();
        if !self.claim(weight) {
            return Err(Refused { message, reason: Reason::Full });
        }
        self.messages.try_send(message).map_err(|error| {
            self.counts.bytes.fetch_sub(weight, Ordering::Relaxed);
            match error {
                TrySendError::Full(message) => Refused { message, reason: Reason::Full },
                TrySendError::Closed(message) => Refused { message, reason: Reason::Ended },
            }
        })
    }

    fn missed(&self) {
        self.counts.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

// === impl Receiver ===

impl Receiver {
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        let message = ready!(self.messages.poll_recv(cx));
        if let Some(message) = &message {
            self.counts.bytes.fetch_sub(message.weight(), Ordering::Relaxed);
        }
        Poll::Ready(message)
    }
}

#[cfg(test)]
mod tests;
