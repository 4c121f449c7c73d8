//! This is a stream from a server on which no message is longer than it may be.
//!
//! A message is a byte that tells its kind and four that tell its length, which counts itself but not the first byte
//! (PostgreSQL's protocol 3.0, "Message Formats"). The client gathers a message before it hands it over, whatever length the
//! server claims.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that tell of a message what it is and how long.
const HEAD: usize = 5;

/// A stream whose messages are bounded on their way in.
pub(super) struct Bounded<S> {
    stream: S,
    messages: Messages,
    /// Whether it ended for a message that was too long.
    is_exceeded: Arc<AtomicBool>,
}

/// Follows messages as their bytes come by.
#[derive(Debug)]
struct Messages {
    max: usize,
    head: [u8; HEAD],
    /// How much of the head has come.
    filled: usize,
    /// How much of the body is still to come.
    left: usize,
}

/// A message is longer than it may be.
#[derive(Debug, thiserror::Error)]
#[error("the server sent a message of {length} bytes, and {max} are taken")]
struct TooLong {
    length: usize,
    max: usize,
}

// === impl Bounded ===

impl<S> Bounded<S> {
    /// Messages of up to `max` bytes are taken.
    pub(super) fn new(stream: S, max: usize, is_exceeded: Arc<AtomicBool>) -> Self {
        Self { stream, messages: Messages { max, head: [0; HEAD], filled: 0, left: 0 }, is_exceeded }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        let outcome = self.messages.pass(&buffer.filled()[before..]);
        Poll::Ready(outcome.map_err(|error| {
            self.is_exceeded.store(true, Ordering::Relaxed);
            io::Error::new(io::ErrorKind::InvalidData, error)
        }))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Bounded<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

// === impl Messages ===

impl Messages {
    /// Takes the next bytes of the stream.
    fn pass(&mut self, mut bytes: &[u8]) -> Result<(), TooLong> {
        while !bytes.is_empty() {
            let body = self.left.min(bytes.len());
            self.left -= body;
            bytes = &bytes[body..];
            let head = (HEAD - self.filled).min(bytes.len());
            self.head[self.filled..self.filled + head].copy_from_slice(&bytes[..head]);
            self.filled += head;
            bytes = &bytes[head..];
            if self.filled == HEAD {
                let [_, length @ ..] = self.head;
                // A length below four is nonsense, which the client finds for itself.
                let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX).saturating_sub(4);
                if length > self.max {
                    return Err(TooLong { length, max: self.max });
                }
                (self.filled, self.left) = (0, length);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(max: usize) -> Messages {
        Messages { max, head: [0; HEAD], filled: 0, left: 0 }
    }

    #[test]
    fn messages_are_followed_however_their_bytes_come() {
        let stream =
            [b"Z\0\0\0\x05I".as_slice(), b"1\0\0\0\x04", b"D\0\0\0\x0ehelloworld", b"D\0\0\0\x08four"].concat();
        for step in 1..=stream.len() {
            let mut messages = messages(10);
            assert!(stream.chunks(step).all(|bytes| messages.pass(bytes).is_ok()), "in steps of {step}");
            assert_eq!((messages.filled, messages.left), (0, 0), "in steps of {step}");
        }
    }

    #[test]
    fn a_message_that_is_too_long_is_known_by_its_head() {
        let stream = [b"Z\0\0\0\x05I".as_slice(), b"D\0\0\0\x0f"].concat();
        for step in 1..=stream.len() {
            let mut messages = messages(10);
            let outcome: Result<(), TooLong> = stream.chunks(step).try_for_each(|bytes| messages.pass(bytes));
            assert!(outcome.is_err(), "in steps of {step}");
        }
        assert!(messages(10).pass(b"D\xff\xff\xff\xff").is_err());
    }
}
