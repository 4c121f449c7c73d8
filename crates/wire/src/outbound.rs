//! Says what is larger than a message may be: piece by piece, and then the end.
//!
//! # Invariants
//!
//! 1. Only the end is empty.
//! 2. Whatever is said on a path is said by one [`Saying`].

use bus::{Bus, Headers, Message, PublishError, Subject};
use bytes::Bytes;

/// What is said on one path.
#[derive(Debug)]
pub(crate) struct Saying {
    bus: Bus,
    subject: Subject,
}

// === impl Saying ===

impl Saying {
    /// Nothing yet.
    pub(crate) fn new(bus: &Bus, subject: Subject) -> Self {
        Self { bus: bus.clone(), subject }
    }

    /// The most that one message of it may have: 1 at least.
    pub(crate) fn piece_max(&self) -> usize {
        self.bus.payload_max().as_usize().max(1)
    }

    /// Says one message.
    pub(crate) async fn publish(&mut self, payload: Bytes) -> Result<(), PublishError> {
        self.bus.publish(Message::new(self.subject.clone(), payload)).await
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
    format!("{subject}.{word}").parse()
}
