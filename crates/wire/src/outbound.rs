//! Says what is larger than a message may be: piece by piece, and then the end.
//!
//! # Invariants
//!
//! 1. Only the end is empty.
//! 2. Whatever is said on a path is said by one [`Saying`], which numbers it: see [`numbers`](crate::numbers).

use bus::{Bus, Headers, Message, PublishError, Subject};
use bytes::Bytes;

use crate::numbers::{NUMBER_MAX, Said};

/// What is said on one path.
#[derive(Debug)]
pub(crate) struct Saying {
    bus: Bus,
    subject: Subject,
    said: Said,
}

// === impl Saying ===

impl Saying {
    /// Nothing yet.
    pub(crate) fn new(bus: &Bus, subject: Subject) -> Self {
        Self { bus: bus.clone(), subject, said: Said::default() }
    }

    /// The most that one message of it may have: 1 at least.
    pub(crate) fn piece_max(&self) -> usize {
        self.bus.payload_max().as_usize().saturating_sub(NUMBER_MAX).max(1)
    }

    /// Says one message. Given up on the way, or refused by the bus, it is missing where the others are heard.
    pub(crate) async fn publish(&mut self, payload: Bytes) -> Result<(), PublishError> {
        let headers = self.said.next();
        self.bus.publish(Message { headers, ..Message::new(self.subject.clone(), payload) }).await
    }

    /// Says all of `bytes`.
    pub(crate) async fn say(&mut self, mut bytes: Bytes) -> Result<(), PublishError> {
        let most = self.piece_max();
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(most));
            self.publish(piece).await?;
        }
        Ok(())
    }

    /// Says that it was all.
    pub(crate) async fn end(&mut self) -> Result<(), PublishError> {
        self.publish(Bytes::new()).await
    }
}

/// As much of `bytes` as one message with these headers may have.
pub(crate) fn first_piece(bus: &Bus, headers: &Headers, bytes: &mut Bytes) -> Bytes {
    let room = bus.payload_max().as_usize().saturating_sub(headers.as_bytes().len());
    bytes.split_to(bytes.len().min(room))
}

/// Says all of `bytes`, and that it was all.
pub(crate) async fn say_whole(bus: &Bus, subject: Subject, bytes: Bytes) -> Result<(), PublishError> {
    let mut saying = Saying::new(bus, subject);
    saying.say(bytes).await?;
    saying.end().await
}

/// A subject below another: `Rs.params`.
///
/// # Errors
///
/// Where a stranger's subject has no room for it.
pub(crate) fn below(subject: &Subject, word: &str) -> Result<Subject, bus::SubjectError> {
    subject.below(word)
}
