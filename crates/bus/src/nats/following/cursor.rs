//! This is how far a consumer has been heard, and what each of its messages means.
//!
//! Pure: from a message to what is to be done about it.

use async_nats::HeaderMap;
use async_nats::{Message, StatusCode, Subject};
use bytes::Bytes;

use crate::bucket::{BucketKey, Entry, Event, Revision};
use crate::nats::bucket::is_deletion;

/// The number of the last message that the server has sent, in what it says when it has nothing to say.
const LAST: &str = "Nats-Last-Consumer";

/// Where to answer, in what a server says that waits for an answer before it says more.
const STALLED: &str = "Nats-Consumer-Stalled";

/// How far a consumer has been heard.
#[derive(Debug)]
pub(super) struct Cursor {
    prefix: String,
    /// How many of its messages came.
    heard: u64,
    /// The highest number of a message in the stream.
    last: Revision,
    /// How many messages have to come until all is told that was there when it was made; nothing when that was said.
    until: Option<u64>,
    /// The number of the last message in the stream when it was made, as its leader said.
    reach: Revision,
    is_caught_up: bool,
}

/// What is to be done about a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// This is to be told.
    Tell(Event),
    /// The server waits for an answer.
    Answer(Subject),
    /// Nothing.
    Nothing,
    /// Something was missed.
    Missed(&'static str),
}

// === impl Cursor ===

impl Cursor {
    /// A consumer of which nothing was heard, and which so many messages waited for when it was made: as it says itself, and a server
    /// that is behind the stream's leader may have it. So all is told only when the leader's last message has come, too.
    pub(super) fn new(prefix: String, waiting: u64, reach: Revision) -> Self {
        let is_caught_up = waiting == 0 && reach == Revision::new(0);
        Self { prefix, heard: 0, last: Revision::new(0), until: Some(waiting), reach, is_caught_up }
    }

    /// The highest number of a message in the stream that was heard of.
    pub(super) fn last(&self) -> Revision {
        self.last
    }

    /// Whether all has been told that was there. Says so once.
    pub(super) fn catches_up(&mut self) -> bool {
        self.is_caught_up && self.until.take().is_some()
    }

    /// What is to be done about the next message.
    pub(super) fn step(&mut self, message: &Message) -> Step {
        match message.status {
            Some(StatusCode::IDLE_HEARTBEAT) => self.hear_nothing(message),
            Some(_) => Step::Missed("the server gave the consumer up"),
            None => self.hear(message),
        }
    }

    /// What a server says when it has nothing to say, or wants to know whether what it said has come.
    fn hear_nothing(&mut self, message: &Message) -> Step {
        if let Some(reply) = &message.reply {
            return Step::Answer(reply.clone());
        }
        let header = |name: &str| message.headers.as_ref().and_then(|headers| headers.get(name));
        if header(LAST).and_then(|last| last.as_str().parse().ok()).is_some_and(|last: u64| last != self.heard) {
            return Step::Missed("a message that the server had sent before it was silent");
        }
        match header(STALLED) {
            Some(subject) => Step::Answer(subject.as_str().into()),
            None => {
                // Who has more to say is not idle.
                self.is_caught_up = true;
                Step::Nothing
            }
        }
    }

    fn hear(&mut self, message: &Message) -> Step {
        let Some(numbers) = Numbers::of(message) else { return Step::Nothing };
        if numbers.delivered != self.heard + 1 {
            return Step::Missed("a message between two others");
        }
        self.heard = numbers.delivered;
        let revision = Revision::new(numbers.sequence);
        self.last = self.last.max(revision);
        let has_all = self.last >= self.reach && self.until.is_some_and(|until| self.heard >= until);
        self.is_caught_up |= numbers.pending == 0 && has_all;
        let key = message.subject.strip_prefix(self.prefix.as_str()).and_then(|key| key.parse().ok());
        key.map_or(Step::Nothing, |key| Step::Tell(event(key, message, revision)))
    }
}

fn event(key: BucketKey, message: &Message, revision: Revision) -> Event {
    match message.headers.as_ref().is_some_and(is_gone) {
        true => Event::Gone(key, revision),
        // It does not hold on to the buffer that it was read into.
        false => Event::Set(key, Entry { value: Bytes::copy_from_slice(&message.payload), revision }),
    }
}

fn is_gone(headers: &HeaderMap) -> bool {
    is_deletion(headers)
}

/// The numbers of a message that a consumer brings, from where it could be acknowledged.
#[derive(Debug, Clone, Copy)]
struct Numbers {
    /// In the stream.
    sequence: u64,
    /// Among what the consumer has brought.
    delivered: u64,
    /// How many wait.
    pending: u64,
}

// === impl Numbers ===

impl Numbers {
    /// `$JS.ACK.stream.consumer.tries.sequence.delivered.time.pending`, or the same with two words more before the stream.
    fn of(message: &Message) -> Option<Self> {
        let words: Vec<&str> = message.reply.as_ref()?.strip_prefix("$JS.ACK.")?.split('.').collect();
        let first = if words.len() >= 9 { 5 } else { 3 };
        let number = |at: usize| words.get(first + at)?.parse().ok();
        Some(Self { sequence: number(0)?, delivered: number(1)?, pending: number(3)? })
    }
}

#[cfg(test)]
mod tests;
