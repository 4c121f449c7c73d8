//! This is what a component writes: an `outgoing-value` with its `output-stream`, on its way to the object that `write-data`
//! chose.
//!
//! A component may write before it says where to, as far as there is room; or say where to first, and then any amount passes.
//!
//! # Invariants
//!
//! 1. A value holds at most [`ROOM`] bytes that are not on their way, and as many that are.
//! 2. Only `finish` makes an object of a value, and only when all of it was taken by the store.
//! 3. A step of the upload that began is kept, whoever stops to wait for it.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures::TryStreamExt;
use futures::future::BoxFuture;
use wasmtime::format_err;
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use super::Failure;
use super::link::Link;
use crate::blobs::{Blob, Upload};

/// So many bytes wait at most to be taken.
const ROOM: usize = 512 << 10;

/// So many bytes are worth a step of the upload.
const PIECE: usize = 128 << 10;

/// The resource `outgoing-value`.
#[expect(unreachable_pub, reason = "the generated bindings export it again")]
pub struct Outgoing {
    value: Value,
    is_taken: bool,
}

/// The component's end, as an `output-stream`.
pub(super) struct Writer(Value);

/// Where a value goes.
pub(super) struct Target {
    pub(super) link: Arc<Link>,
    pub(super) upload: Box<dyn Upload>,
}

#[derive(Clone, Default)]
struct Value(Arc<Mutex<Buffer>>);

#[derive(Default)]
struct Buffer {
    waiting: BytesMut,
    way: Way,
    has_writer: bool,
}

#[derive(Default)]
enum Way {
    /// Nobody said where to.
    #[default]
    Unknown,
    Idle(Target),
    Busy(BoxFuture<'static, Result<Target, Failure>>),
    /// The store does not take it, for this reason.
    Failed(String),
}

// === impl Target ===

impl Target {
    async fn write(mut self, bytes: Bytes) -> Result<Self, Failure> {
        self.link.step(self.upload.write(bytes)).await?;
        Ok(self)
    }

    async fn finish(self) -> Result<(), Failure> {
        self.link.step(self.upload.finish()).await
    }

    /// Writes all of an object here.
    pub(super) async fn pour(mut self, mut blob: Blob) -> Result<(), Failure> {
        while let Some(piece) = self.link.check(blob.pieces.try_next().await)? {
            self = self.write(piece).await?;
        }
        self.finish().await
    }
}

// === impl Outgoing ===

impl Outgoing {
    pub(super) fn new() -> Self {
        Self { value: Value::default(), is_taken: false }
    }

    /// The stream, once.
    pub(super) fn stream(&mut self) -> Option<Writer> {
        if std::mem::replace(&mut self.is_taken, true) {
            return None;
        }
        self.value.buffer().has_writer = true;
        Some(Writer(self.value.clone()))
    }

    pub(super) fn has_target(&self) -> bool {
        !matches!(self.value.buffer().way, Way::Unknown)
    }

    /// Says where to.
    pub(super) fn send_to(&self, target: Target) {
        self.value.buffer().way = Way::Idle(target);
    }

    /// Whether the stream is still there.
    pub(super) fn has_stream(&self) -> bool {
        self.value.buffer().has_writer
    }

    /// All was written: answers when the object is there.
    pub(super) async fn finish(self) -> Result<(), Failure> {
        let target = poll_fn(|cx| self.value.buffer().poll_empty(cx)).await?;
        target.finish().await
    }
}

// === impl Value ===

impl Value {
    fn buffer(&self) -> MutexGuard<'_, Buffer> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Buffer ===

impl Buffer {
    /// Moves bytes on, as far as the store takes them now: until fewer than `least` wait.
    fn advance(&mut self, cx: &mut Context<'_>, least: usize) {
        loop {
            self.way = match std::mem::take(&mut self.way) {
                Way::Idle(target) if self.waiting.len() >= least => {
                    Way::Busy(Box::pin(target.write(self.waiting.split().freeze())))
                }
                Way::Busy(mut step) => match step.as_mut().poll(cx) {
                    Poll::Ready(Ok(target)) => Way::Idle(target),
                    Poll::Ready(Err(failure)) => Way::Failed(failure.text()),
                    Poll::Pending => {
                        self.way = Way::Busy(step);
                        return;
                    }
                },
                way => {
                    self.way = way;
                    return;
                }
            };
        }
    }

    /// The way that nothing waits for any more.
    fn poll_empty(&mut self, cx: &mut Context<'_>) -> Poll<Result<Target, Failure>> {
        self.advance(cx, 1);
        match std::mem::take(&mut self.way) {
            Way::Idle(target) => Poll::Ready(Ok(target)),
            Way::Unknown => Poll::Ready(Err(Failure::Told("write-data did not say where the value goes".into()))),
            Way::Failed(text) => Poll::Ready(Err(Failure::Told(text))),
            busy @ Way::Busy(_) => {
                self.way = busy;
                Poll::Pending
            }
        }
    }

    /// How many bytes may be written now.
    fn room(&self) -> StreamResult<usize> {
        let room = ROOM - self.waiting.len();
        match &self.way {
            Way::Failed(text) => Err(StreamError::LastOperationFailed(format_err!("{text}"))),
            // Waiting would be for ever: whoever writes is who has to say it.
            Way::Unknown if room == 0 => Err(StreamError::LastOperationFailed(format_err!(
                "write-data has to say where the value goes before more than {ROOM} bytes of it are written"
            ))),
            Way::Unknown | Way::Idle(_) | Way::Busy(_) => Ok(room),
        }
    }

    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.advance(cx, PIECE);
        if matches!(self.room(), Ok(0)) { Poll::Pending } else { Poll::Ready(()) }
    }
}

// === impl Writer ===

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.buffer().has_writer = false;
    }
}

#[async_trait::async_trait]
impl OutputStream for Writer {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let mut buffer = self.0.buffer();
        if bytes.len() > buffer.room()? {
            return Err(StreamError::Trap(format_err!("more was written than `check-write` allowed")));
        }
        buffer.waiting.extend_from_slice(&bytes);
        Ok(())
    }

    /// What is written shows when the value is finished: there is nothing to hurry.
    fn flush(&mut self) -> StreamResult<()> {
        self.check_write().map(drop)
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.0.buffer().room()
    }
}

#[async_trait::async_trait]
impl Pollable for Writer {
    async fn ready(&mut self) {
        poll_fn(|cx| self.0.buffer().poll_room(cx)).await;
    }
}
