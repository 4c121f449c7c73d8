//! This is what waits to be written to a client.
//!
//! Whoever publishes puts messages in, on its own thread; the connection takes them out in pieces and writes them. Small ones
//! are copied one behind the other; a large payload is not copied.
//!
//! # Invariants
//!
//! 1. No more than so many bytes wait, what is being written included. With the first byte more the client is slow: what waits
//!    is given up, and the last that it is told is that.
//! 2. A piece is whole lines and whole messages: what is given up begins and ends between two of them.
//! 3. The lock is held to copy at most [`PIECE`] bytes, never while anything is written.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use bytes::buf::Chain;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::sync::Notify;

use crate::message::Message;

/// Small messages are gathered up to so many bytes, and payloads from there on are not copied.
const PIECE: usize = 16 * 1_024;

/// The most that the line before a message has besides its words: a verb, two numbers, spaces and the end of two lines.
const HEAD_MAX: usize = 64;

const LINE_END: &[u8] = b"\r\n";
const SLOW: &str = "-ERR 'Slow Consumer'";

/// What is written in one go: text, a large payload, and the end of its line.
pub(super) type Piece = Chain<Bytes, Chain<Bytes, &'static [u8]>>;

/// What waits to be written to one client.
pub(super) struct Outbox {
    pending_max: usize,
    waiting: Mutex<Waiting>,
    /// Told when there is something to write, or there will be nothing more.
    has_more: Notify,
    /// Told when the client is slow.
    is_slow: Notify,
}

/// Nothing is written to this client any more.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Closed;

#[derive(Default)]
struct Waiting {
    pieces: VecDeque<Piece>,
    text: BytesMut,
    /// All that was put in and is not written yet.
    pending: usize,
    is_closed: bool,
}

// === impl Outbox ===

impl Outbox {
    pub(super) fn new(pending_max: usize) -> Self {
        Self { pending_max, waiting: Mutex::default(), has_more: Notify::new(), is_slow: Notify::new() }
    }

    /// Puts a line in.
    pub(super) fn put_line(&self, line: &str) -> Result<(), Closed> {
        self.put(line.len() + LINE_END.len(), |waiting| waiting.add_line(line))
    }

    /// Puts a message in, for the subscription `sid`; its headers only where the client knows of headers.
    pub(super) fn put_message(&self, sid: &[u8], message: &Message, with_headers: bool) -> Result<(), Closed> {
        let headers = if with_headers { message.headers.as_bytes() } else { b"" };
        let size = sid.len() + HEAD_MAX + message.weight();
        self.put(size, |waiting| {
            waiting.add_head(sid, message, headers);
            waiting.add(headers);
            waiting.add_payload(&message.payload);
        })
    }

    /// Puts the last line in, if there is one: nothing comes after it.
    pub(super) fn close(&self, line: Option<&str>) {
        let mut waiting = self.lock();
        if !waiting.is_closed {
            line.into_iter().for_each(|line| waiting.add_line(line));
        }
        waiting.is_closed = true;
        self.has_more.notify_one();
    }

    /// The next piece to be written, after `written` bytes were; nothing when there will be no more.
    pub(super) async fn next(&self, written: usize) -> Option<Piece> {
        self.lock().pending -= written;
        loop {
            match self.lock().take() {
                Poll::Ready(piece) => return piece,
                // What is put in from now on is noted, and the waiting ends at once.
                Poll::Pending => {}
            }
            self.has_more.notified().await;
        }
    }

    /// Waits until the client is slow.
    pub(super) async fn slow(&self) {
        self.is_slow.notified().await;
    }

    /// Puts something in that is at most so long.
    fn put(&self, size_max: usize, put: impl FnOnce(&mut Waiting)) -> Result<(), Closed> {
        let mut waiting = self.lock();
        if waiting.is_closed {
            return Err(Closed);
        }
        if waiting.pending + size_max > self.pending_max {
            waiting.give_up();
            self.is_slow.notify_one();
            return Err(Closed);
        }
        put(&mut waiting);
        drop(waiting);
        self.has_more.notify_one();
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Waiting ===

impl Waiting {
    fn add(&mut self, bytes: &[u8]) {
        self.text.put_slice(bytes);
        self.pending += bytes.len();
    }

    fn add_line(&mut self, line: &str) {
        self.add(line.as_bytes());
        self.add(LINE_END);
    }

    /// Adds the line before a message.
    fn add_head(&mut self, sid: &[u8], message: &Message, headers: &[u8]) {
        self.add(if headers.is_empty() { b"MSG " } else { b"HMSG " });
        self.add(message.subject.as_str().as_bytes());
        self.add(b" ");
        self.add(sid);
        self.add(b" ");
        if let Some(reply) = &message.reply {
            self.add(reply.as_str().as_bytes());
            self.add(b" ");
        }
        if !headers.is_empty() {
            self.add_number(headers.len());
            self.add(b" ");
        }
        self.add_number(headers.len() + message.payload.len());
        self.add(LINE_END);
    }

    fn add_payload(&mut self, payload: &Bytes) {
        if payload.len() < PIECE {
            self.add(payload);
            self.add(LINE_END);
            if self.text.len() >= PIECE {
                self.cut(Bytes::new(), b"");
            }
        } else {
            self.cut(payload.clone(), LINE_END);
            self.pending += payload.len() + LINE_END.len();
        }
    }

    /// Makes a piece of the text and what follows it.
    fn cut(&mut self, payload: Bytes, end: &'static [u8]) {
        self.pieces.push_back(self.text.split().freeze().chain(payload.chain(end)));
    }

    fn add_number(&mut self, number: usize) {
        let mut digits = [0; 20];
        let mut rest = &mut digits[..];
        // Twenty digits are enough for any number, so this does not fail.
        let is_written = write!(rest, "{number}").is_ok();
        let unused = rest.len();
        debug_assert!(is_written, "a number has at most twenty digits");
        self.add(&digits[..digits.len() - unused]);
    }

    /// The next piece; nothing when there will be no more.
    fn take(&mut self) -> Poll<Option<Piece>> {
        if self.pieces.is_empty() && !self.text.is_empty() {
            self.cut(Bytes::new(), b"");
        }
        match self.pieces.pop_front() {
            None if !self.is_closed => Poll::Pending,
            piece => Poll::Ready(piece),
        }
    }

    /// Gives up what waits: the client is slow.
    fn give_up(&mut self) {
        self.pieces = VecDeque::new();
        self.text = BytesMut::new();
        self.add_line(SLOW);
        self.is_closed = true;
    }
}

#[cfg(test)]
mod tests;
