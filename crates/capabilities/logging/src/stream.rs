//! Makes whole lines of what a component writes to a standard stream.
//!
//! # Invariants
//!
//! 1. Holds at most 16 KiB of an unfinished line; a longer one is said in pieces, and nothing of it is lost.
//! 2. Costs an instance that writes nothing one pointer.

use std::io;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use crate::{Kind, Voice};

/// Bytes of an unfinished line.
const LINE_MAX: usize = 16 * 1024;

/// Bytes that one write may bring.
const PERMIT: usize = 64 * 1024;

/// A standard stream of one instance, which says what is written to it line by line.
pub struct LineWriter {
    voice: Arc<Voice>,
    kind: Kind,
    lines: OnceLock<Lines>,
}

/// All handles of one stream write to the same lines.
#[derive(Clone)]
struct Lines(Arc<Mutex<Unfinished>>);

/// The line that has not ended yet. It is said when it is full, or when the last handle is gone.
struct Unfinished {
    voice: Arc<Voice>,
    kind: Kind,
    bytes: Vec<u8>,
}

// === impl LineWriter ===

impl LineWriter {
    /// Standard output.
    pub fn stdout(voice: Arc<Voice>) -> Self {
        Self { voice, kind: Kind::Stdout, lines: OnceLock::new() }
    }

    /// Standard error.
    pub fn stderr(voice: Arc<Voice>) -> Self {
        Self { voice, kind: Kind::Stderr, lines: OnceLock::new() }
    }

    fn lines(&self) -> Lines {
        let make = || {
            Lines(Arc::new(Mutex::new(Unfinished { voice: self.voice.clone(), kind: self.kind, bytes: Vec::new() })))
        };
        self.lines.get_or_init(make).clone()
    }
}

impl IsTerminal for LineWriter {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for LineWriter {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.lines())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.lines())
    }
}

// === impl Lines ===

impl Lines {
    fn take(&self, bytes: &[u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take(bytes);
    }
}

impl OutputStream for Lines {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.take(&bytes);
        Ok(())
    }

    /// An unfinished line stays: a program that flushes after each character still writes lines.
    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(PERMIT)
    }
}

#[async_trait::async_trait]
impl Pollable for Lines {
    async fn ready(&mut self) {}
}

impl AsyncWrite for Lines {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let bytes = &bytes[..bytes.len().min(PERMIT)];
        self.take(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

// === impl Unfinished ===

impl Unfinished {
    fn take(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            match piece.strip_suffix(b"\n") {
                Some(end) => {
                    self.extend(end);
                    self.say();
                }
                None => self.extend(piece),
            }
        }
    }

    /// Adds to the line, and says it in pieces where it becomes too long.
    fn extend(&mut self, mut bytes: &[u8]) {
        while self.bytes.len() + bytes.len() > LINE_MAX {
            let (fits, rest) = bytes.split_at(LINE_MAX - self.bytes.len());
            self.bytes.extend_from_slice(fits);
            self.say();
            bytes = rest;
        }
        self.bytes.extend_from_slice(bytes);
    }

    fn say(&mut self) {
        let line = mem::take(&mut self.bytes);
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        self.voice.say(self.kind, "", &String::from_utf8_lossy(line));
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.bytes.is_empty() {
            self.say();
        }
    }
}
