//! This is what a component reads: an object as an `input-stream`.
//!
//! # Invariants
//!
//! 1. One piece is held, and the next is asked for when a component waits and has read that one.

use std::sync::Arc;
use std::task::Poll;

use bytes::{Bytes, BytesMut};
use futures::TryStreamExt;
use wasmtime::format_err;
use wasmtime_wasi::p2::{InputStream, Pollable, StreamError, StreamResult};

use super::Failure;
use super::link::Link;
use crate::blobs::{Blob, Pieces};

/// The resource `incoming-value`.
#[expect(unreachable_pub, reason = "the generated bindings export it again")]
pub struct Incoming {
    link: Arc<Link>,
    blob: Blob,
}

/// An object, as an `input-stream`.
pub(super) struct Reader {
    link: Arc<Link>,
    pieces: Pieces,
    /// What was not read of the last piece; nothing between two pieces.
    held: Bytes,
    end: End,
}

enum End {
    /// More may come.
    Open,
    Whole,
    Failed(String),
}

// === impl Incoming ===

impl Incoming {
    pub(super) fn new(link: Arc<Link>, blob: Blob) -> Self {
        Self { link, blob }
    }

    pub(super) fn size(&self) -> u64 {
        self.blob.size
    }

    pub(super) fn into_stream(self) -> Reader {
        Reader { link: self.link, pieces: self.blob.pieces, held: Bytes::new(), end: End::Open }
    }

    /// All of it, where that is not too much.
    pub(super) async fn whole(mut self) -> Result<Vec<u8>, Failure> {
        self.link.limits().check_whole(self.blob.size)?;
        let mut bytes = BytesMut::new();
        while let Some(piece) = self.link.check(self.blob.pieces.try_next().await)? {
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes.into())
    }
}

// === impl Reader ===

impl Reader {
    async fn fill(&mut self) {
        while self.held.is_empty() && matches!(self.end, End::Open) {
            match self.link.check(self.pieces.try_next().await) {
                Ok(Some(piece)) => self.held = piece,
                Ok(None) => self.end = End::Whole,
                Err(Failure::Told(text)) => self.end = End::Failed(text),
                Err(Failure::Trap(error)) => self.end = End::Failed(error.to_string()),
            }
        }
    }
}

#[async_trait::async_trait]
impl InputStream for Reader {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        if self.held.is_empty() {
            // What is there already needs no waiting.
            let mut fill = std::pin::pin!(self.fill());
            let waker = std::task::Waker::noop();
            let _: Poll<()> = fill.as_mut().poll(&mut std::task::Context::from_waker(waker));
        }
        match &self.end {
            _ if !self.held.is_empty() => Ok(self.held.split_to(size.min(self.held.len()))),
            End::Open => Ok(Bytes::new()),
            End::Whole => Err(StreamError::Closed),
            End::Failed(text) => {
                let text = format_err!("{text}");
                self.end = End::Whole;
                Err(StreamError::LastOperationFailed(text))
            }
        }
    }
}

#[async_trait::async_trait]
impl Pollable for Reader {
    async fn ready(&mut self) {
        self.fill().await;
    }
}
