//! Says what is larger than a message may be: piece by piece, and then the end.
//!
//! # Invariants
//!
//! 1. Only the end is empty.

use bus::{Bus, Headers, Message, PublishError, Subject};
use bytes::Bytes;

/// As much of `bytes` as one message with these headers may have.
pub(crate) fn first_piece(bus: &Bus, headers: &Headers, bytes: &mut Bytes) -> Bytes {
    let room = bus.payload_max().as_usize().saturating_sub(headers.as_bytes().len());
    bytes.split_to(bytes.len().min(room))
}

/// Says all of `bytes`.
pub(crate) async fn say(bus: &Bus, subject: &Subject, mut bytes: Bytes) -> Result<(), PublishError> {
    let most = bus.payload_max().as_usize().max(1);
    while !bytes.is_empty() {
        let piece = bytes.split_to(bytes.len().min(most));
        bus.publish(Message::new(subject.clone(), piece)).await?;
    }
    Ok(())
}

/// Says all of `bytes`, and that it was all.
pub(crate) async fn say_whole(bus: &Bus, subject: Subject, bytes: Bytes) -> Result<(), PublishError> {
    say(bus, &subject, bytes).await?;
    bus.publish(Message::new(subject, Bytes::new())).await
}

/// A subject below another: `Rs.params`.
///
/// # Errors
///
/// Where a stranger's subject has no room for it.
pub(crate) fn below(subject: &Subject, word: &str) -> Result<Subject, bus::SubjectError> {
    format!("{subject}.{word}").parse()
}
