//! This is an object of an object store that is being read.
//!
//! Its messages are asked for by number, a few at once. Those that an object is written with mostly follow each other without
//! a gap, so the next number is a good guess; where other messages stand between, the server gives the next one of the object.

use std::collections::VecDeque;
use std::sync::Arc;

use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::object_store::ObjectInfo;
use async_nats::jetstream::stream::RawMessageErrorKind;
use bytes::Bytes;
use data_encoding::BASE64URL;
use futures::{StreamExt, TryStreamExt, stream};
use line::jetstream::Connected;
use ring::digest::{Context, SHA256};

use super::Store;
use super::failure::Failure;
use super::writing::OFFSET;
use crate::blobs::{Blob, BlobsError, Span};

/// Messages that are asked for at once.
const AT_ONCE: u64 = 4;

/// How often a better place to begin is asked for.
const SEEKS: usize = 8;

/// An object between two of its pieces.
struct Reading {
    store: Arc<Store>,
    /// Where its messages are.
    subject: String,
    /// The number of the message before the next one.
    before: u64,
    /// Where in the object the next message begins.
    at: u64,
    /// What is read: from the first number to before the second.
    span: std::ops::Range<u64>,
    /// How many bytes each of its messages has, but the last; other clients choose for themselves.
    chunk: u64,
    fetched: VecDeque<Bytes>,
    check: Option<Check>,
}

/// What is known of all bytes together, and what they are so far.
struct Check {
    digest: String,
    seen: Context,
}

/// Begins to read a part of a version.
pub(super) async fn begin(store: Arc<Store>, info: ObjectInfo, span: Span) -> Result<Blob, BlobsError> {
    let size = info.size as u64;
    let span = span.within(size);
    let is_whole = span == (0..size);
    let read = span.end - span.start;
    if read == 0 {
        return Ok(Blob { size: 0, pieces: stream::empty().boxed() });
    }
    let digest = info.digest.filter(|_| is_whole);
    let check = digest.map(|digest| Check { digest, seen: Context::new(&SHA256) });
    let subject = store.bucket.bytes(&info.nuid);
    let chunk = info.options.and_then(|options| options.max_chunk_size).filter(|chunk| *chunk > 0);
    let chunk = chunk.map_or(size, |chunk| chunk as u64);
    let mut reading = Reading { store, subject, before: 0, at: 0, span, chunk, fetched: VecDeque::new(), check };
    if reading.span.start >= chunk {
        reading.seek().await?;
    }
    let pieces =
        stream::try_unfold(
            reading,
            |mut reading| async move { Ok(reading.next().await?.map(|piece| (piece, reading))) },
        );
    Ok(Blob { size: read, pieces: pieces.boxed() })
}

// === impl Reading ===

impl Reading {
    /// Goes to the message that the span begins in, or not far before it. Where an object's messages do not say where in the
    /// object they are, that is its beginning.
    async fn seek(&mut self) -> Result<(), BlobsError> {
        let mut from = 1;
        for _ in 0..SEEKS {
            let message = self.fetch(from).await?;
            let Some(at) = offset(&message) else { return Ok(()) };
            self.before = message.sequence - 1;
            self.at = at;
            // Each message before the wanted one has a number of its own: it cannot be sooner.
            match self.span.start.saturating_sub(at) / self.chunk {
                0 => break,
                missing => from = message.sequence + missing,
            }
        }
        Ok(())
    }

    /// The message with that number, or the next one after it.
    async fn fetch(&self, from: u64) -> Result<StreamMessage, BlobsError> {
        self.store.call(async |connected| message(&connected, &self.subject, from).await).await
    }

    async fn next(&mut self) -> Result<Option<Bytes>, BlobsError> {
        while self.at < self.span.end {
            let Some(bytes) = self.fetched.pop_front() else {
                self.fetch_more().await?;
                continue;
            };
            let begin = self.at;
            self.at += bytes.len() as u64;
            if let Some(check) = &mut self.check {
                check.seen.update(&bytes);
            }
            if self.at >= self.span.end {
                self.finish()?;
            }
            let within = |number: u64| number.saturating_sub(begin).min(bytes.len() as u64) as usize;
            let piece = bytes.slice(within(self.span.start)..within(self.span.end));
            if !piece.is_empty() {
                return Ok(Some(piece));
            }
        }
        Ok(None)
    }

    /// Asks for the next messages: for as many as there are at least, so that none is asked for that is not there.
    async fn fetch_more(&mut self) -> Result<(), BlobsError> {
        let left = (self.span.end - self.at).div_ceil(self.chunk);
        let count = left.min(AT_ONCE);
        let this = &*self;
        let asked = stream::iter(1..=count).map(|guess| this.fetch(this.before + guess)).buffered(AT_ONCE as usize);
        let messages: Vec<StreamMessage> = asked.try_collect().await?;
        for message in messages {
            // Two guesses lead to one message where others stand between.
            if message.sequence > self.before {
                self.before = message.sequence;
                self.fetched.push_back(message.payload);
            }
        }
        Ok(())
    }

    /// Whether all bytes were those that it was written with.
    fn finish(&mut self) -> Result<(), BlobsError> {
        let Some(Check { digest, seen }) = self.check.take() else { return Ok(()) };
        let found = digest_text(seen);
        if found == digest { Ok(()) } else { Err(self.store.damaged(Failure::OtherBytes)) }
    }
}

/// A digest as every client writes it.
pub(super) fn digest_text(seen: Context) -> String {
    format!("SHA-256={}", BASE64URL.encode(seen.finish().as_ref()))
}

/// Where in the object a message of it begins, if it says so.
fn offset(message: &StreamMessage) -> Option<u64> {
    message.headers.get(OFFSET)?.as_str().parse().ok()
}

/// The message of a subject that has that number, or the next one after it: of any server, or of the leader where that one does
/// not have it yet.
async fn message(connected: &Connected, subject: &str, from: u64) -> Result<StreamMessage, Failure> {
    if let Ok(message) = connected.stream.direct_get_next_for_subject(subject, Some(from)).await {
        return Ok(message);
    }
    match connected.stream.get_first_raw_message_by_subject(subject, from).await {
        Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => Err(Failure::Gone),
        outcome => Ok(outcome?),
    }
}
