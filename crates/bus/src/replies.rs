//! Brings answers to those who asked.
//!
//! A bus subscribes once to all answers, and tells them apart by the last word of their subject. So asking costs no
//! subscription, and an answer that comes too late finds nobody and is dropped.
//!
//! # Invariants
//!
//! 1. Whoever no longer waits is forgotten: see the drop of [`Expected`].
//! 2. The lock of a shard is held to look one number up, never while a message is read or somebody waits.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::carrier::{Reason, Refused, Sink};
use crate::limits::Limits;
use crate::message::Message;
use crate::queue::{self, Receiver, Sender};
use crate::subject::{Interest, Subject};

/// Askers on different cores rarely meet in one of so many.
const SHARDS: usize = 16;

/// Those who wait for answers. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Replies {
    shared: Arc<Shared>,
}

/// One who waits. Dropping it ends the waiting.
pub(crate) struct Expected {
    replies: Replies,
    number: u64,
    /// Where the answer is to be sent.
    pub(crate) subject: Subject,
}

struct Shared {
    /// `_INBOX`, and a word that nobody can guess.
    inbox: String,
    numbers: AtomicU64,
    waiting: [Mutex<HashMap<u64, Waiting>>; SHARDS],
}

enum Waiting {
    ForOne(oneshot::Sender<Message>),
    ForMany(Sender),
}

// === impl Replies ===

impl Replies {
    pub(crate) fn new() -> Self {
        let inbox = format!("_INBOX.{}", nuid::next());
        Self { shared: Arc::new(Shared { inbox, numbers: AtomicU64::new(0), waiting: Default::default() }) }
    }

    /// What a bus subscribes to, so that answers reach it.
    pub(crate) fn interest(&self) -> Interest {
        let pattern = format!("{}.*", self.shared.inbox).parse().expect("an inbox is words of letters and digits");
        Interest { pattern, group: None }
    }

    /// Waits for one answer.
    pub(crate) fn expect_one(&self) -> (Expected, oneshot::Receiver<Message>) {
        let (sender, receiver) = oneshot::channel();
        (self.expect(Waiting::ForOne(sender)), receiver)
    }

    /// Waits for many answers, as many as these limits let wait.
    pub(crate) fn expect_many(&self, limits: &Limits) -> (Expected, Receiver) {
        let (sender, receiver) = queue::queue(limits);
        (self.expect(Waiting::ForMany(sender)), receiver)
    }

    fn expect(&self, waiting: Waiting) -> Expected {
        let number = self.shared.numbers.fetch_add(1, Ordering::Relaxed);
        self.shard(number).insert(number, waiting);
        let subject =
            format!("{}.{number}", self.shared.inbox).parse().expect("an inbox is words of letters and digits");
        Expected { replies: self.clone(), number, subject }
    }

    fn shard(&self, number: u64) -> MutexGuard<'_, HashMap<u64, Waiting>> {
        self.shared.waiting[number as usize % SHARDS].lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        (0..SHARDS as u64).map(|shard| self.shard(shard).len()).sum()
    }
}

impl Sink for Replies {
    fn accept(&self, message: Message) -> Result<(), Refused> {
        let number = message.subject.tokens().last().and_then(|word| word.parse().ok());
        let Some(number) = number else { return Err(Refused { message, reason: Reason::Ended }) };
        let mut shard = self.shard(number);
        if let Some(Waiting::ForMany(sender)) = shard.get(&number) {
            return sender.accept(message);
        }
        match shard.remove(&number) {
            Some(Waiting::ForOne(sender)) => {
                sender.send(message).map_err(|message| Refused { message, reason: Reason::Ended })
            }
            _ => Err(Refused { message, reason: Reason::Ended }),
        }
    }

    /// The bus counts it; who gathers answers has said how many it wants.
    fn missed(&self) {}
}

// === impl Expected ===

impl Drop for Expected {
    fn drop(&mut self) {
        self.replies.shard(self.number).remove(&self.number);
    }
}

#[cfg(test)]
mod tests;
