//! These are the bodies that a component of WASI 0.2 writes: of its answers and of its requests.
//!
//! They take the place of the engine library's own in `wasi:http/types`. Those pass each piece through a channel that holds
//! two, which costs a component of many small writes a switch for each, and every answer a dozen allocations. Here a body is
//! one buffer of [`ROOM`] bytes that one side fills and the other empties.
//!
//! ```text
//! outgoing-body ── write ──► output-stream ──► Pipe ──► Written, read by the HTTP connection
//!       └──────── finish ───────────────────────┘
//! ```
//!
//! # Invariants
//!
//! 1. A body never holds more than [`ROOM`] bytes that were not read.
//! 2. A body with a `content-length` is whole only with exactly that many bytes; all others end as an error.
//! 3. A body that is dropped without being finished ends as an error: a cut body never looks whole.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use wasmtime::component::{Linker, Resource, ResourceType};
use wasmtime::{StoreContextMut, bail, format_err};
use wasmtime_wasi::p2::{DynOutputStream, OutputStream, Pollable, StreamError, StreamResult};
use wasmtime_wasi_http::p2::bindings::http::types::ErrorCode;
use wasmtime_wasi_http::p2::types::{HostOutgoingRequest, HostOutgoingResponse};
use wasmtime_wasi_http::{Error, FieldMap};

use crate::state::State;
use crate::wasi::P2;

/// So many bytes wait at most to be read: enough for most answers to be written without a pause.
const ROOM: usize = 128 << 10;

/// The resource `outgoing-body`.
struct OutgoingBody {
    pipe: Pipe,
    is_taken: bool,
}

/// The component's end, as an `output-stream`.
struct Writer(Pipe);

/// The other end: a body as HTTP libraries know them.
struct Written(Pipe);

#[derive(Clone)]
struct Pipe(Arc<Mutex<Buffer>>);

struct Buffer {
    // Most bodies are one piece: those need no queue.
    first: Option<Bytes>,
    rest: VecDeque<Bytes>,
    length: usize,
    written: u64,
    expected: Option<u64>,
    too_large: fn(Option<u64>) -> ErrorCode,
    end: End,
    has_writer: bool,
    has_reader: bool,
    /// Who waits for bytes, and who waits for room.
    reader: Option<Waker>,
    writer: Option<Waker>,
    /// Whom the change that is being made wakes, once the lock is free.
    woken: Option<Waker>,
}

enum End {
    /// More may come.
    Open,
    Whole(Option<HeaderMap>),
    Cut,
    /// Its reader was told how it ended.
    Told,
}

/// Takes the place of the library's functions for outgoing bodies.
pub(crate) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let mut types = linker.instance(&format!("wasi:http/types@{P2}"))?;
    types.resource("outgoing-body", ResourceType::host::<OutgoingBody>(), |mut store, rep| {
        let body = store.data_mut().table.delete(Resource::<OutgoingBody>::new_own(rep))?;
        body.pipe.end(End::Cut)
    })?;
    types.func_wrap(
        "[method]outgoing-response.body",
        |mut store: StoreContextMut<'_, State>, (response,): (Resource<HostOutgoingResponse>,)| {
            let table = &mut store.data_mut().table;
            let response = table.get_mut(&response)?;
            let made = begin(&response.headers, &mut response.body, ErrorCode::HttpResponseBodySize);
            Ok((made.map(|body| table.push(body)).transpose()?.ok_or(()),))
        },
    )?;
    types.func_wrap(
        "[method]outgoing-request.body",
        |mut store: StoreContextMut<'_, State>, (request,): (Resource<HostOutgoingRequest>,)| {
            let table = &mut store.data_mut().table;
            let request = table.get_mut(&request)?;
            let made = begin(&request.headers, &mut request.body, ErrorCode::HttpRequestBodySize);
            Ok((made.map(|body| table.push(body)).transpose()?.ok_or(()),))
        },
    )?;
    types.func_wrap(
        "[method]outgoing-body.write",
        |mut store: StoreContextMut<'_, State>, (body,): (Resource<OutgoingBody>,)| {
            let table = &mut store.data_mut().table;
            let body = table.get_mut(&body)?;
            if std::mem::replace(&mut body.is_taken, true) {
                return Ok((Err(()),));
            }
            let stream: DynOutputStream = Box::new(Writer::new(&body.pipe));
            Ok((Ok(table.push(stream)?),))
        },
    )?;
    types.func_wrap(
        "[static]outgoing-body.finish",
        |mut store: StoreContextMut<'_, State>,
         (body, trailers): (Resource<OutgoingBody>, Option<Resource<FieldMap>>)| {
            let table = &mut store.data_mut().table;
            let body = table.delete(body)?;
            let trailers = trailers.map(|trailers| table.delete(trailers)).transpose()?;
            Ok((body.pipe.finish(trailers.map(HeaderMap::from))?,))
        },
    )?;
    linker.allow_shadowing(false);
    Ok(())
}

/// Lets a dropped `output-stream` end at once. The library's own way waits for bytes on their way into a file or a socket, as
/// a call that may be suspended: a price that every answer would pay. This is for components that are given neither.
pub fn drop_streams_at_once(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    linker.instance(&format!("wasi:io/streams@{P2}"))?.resource(
        "output-stream",
        ResourceType::host::<DynOutputStream>(),
        |mut store, rep| {
            drop(store.data_mut().table.delete(Resource::<DynOutputStream>::new_own(rep))?);
            Ok(())
        },
    )?;
    linker.allow_shadowing(false);
    Ok(())
}

/// The body of a message, once: `None` where it has one, or where its `content-length` is no length.
fn begin(
    headers: &HeaderMap,
    body: &mut Option<wasmtime_wasi_http::p2::body::HyperOutgoingBody>,
    too_large: fn(Option<u64>) -> ErrorCode,
) -> Option<OutgoingBody> {
    if body.is_some() {
        return None;
    }
    let expected = match headers.get(CONTENT_LENGTH) {
        Some(length) => Some(length.to_str().ok()?.parse().ok()?),
        None => None,
    };
    let pipe = Pipe::new(expected, too_large);
    *body = Some(Written(pipe.clone()).boxed_unsync());
    Some(OutgoingBody { pipe, is_taken: false })
}

// === impl OutgoingBody ===

impl Drop for OutgoingBody {
    /// The instance is gone before the body was finished.
    fn drop(&mut self) {
        self.pipe.change(|buffer| {
            if matches!(buffer.end, End::Open) {
                buffer.end(End::Cut);
            }
        });
    }
}

// === impl Pipe ===

impl Pipe {
    fn new(expected: Option<u64>, too_large: fn(Option<u64>) -> ErrorCode) -> Self {
        Self(Arc::new(Mutex::new(Buffer {
            first: None,
            rest: VecDeque::new(),
            length: 0,
            written: 0,
            expected,
            too_large,
            end: End::Open,
            has_writer: false,
            has_reader: true,
            reader: None,
            writer: None,
            woken: None,
        })))
    }

    /// Makes a change, and then wakes who waited for it.
    fn change<T>(&self, change: impl FnOnce(&mut Buffer) -> T) -> T {
        let (changed, woken) = {
            let mut buffer = self.buffer();
            (change(&mut buffer), buffer.woken.take())
        };
        woken.into_iter().for_each(Waker::wake);
        changed
    }

    fn buffer(&self) -> MutexGuard<'_, Buffer> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the body as the component wishes, where it wrote what it announced.
    fn finish(&self, trailers: Option<HeaderMap>) -> wasmtime::Result<Result<(), ErrorCode>> {
        let wrong = {
            let buffer = self.buffer();
            buffer
                .expected
                .filter(|expected| *expected != buffer.written)
                .map(|_| (buffer.too_large)(Some(buffer.written)))
        };
        self.end(if wrong.is_some() { End::Cut } else { End::Whole(trailers) })?;
        Ok(wrong.map_or(Ok(()), Err))
    }

    /// Ends the body. A stream that is still there would be one without a body, which `wasi:http` forbids.
    fn end(&self, end: End) -> wasmtime::Result<()> {
        let has_writer = self.change(|buffer| {
            buffer.end(if buffer.has_writer { End::Cut } else { end });
            buffer.has_writer
        });
        if has_writer {
            bail!("the output-stream of an outgoing-body has to be dropped before the body is finished or dropped");
        }
        Ok(())
    }
}

// === impl Buffer ===

impl Buffer {
    fn push(&mut self, bytes: Bytes) {
        if bytes.is_empty() {
            return;
        }
        self.length += bytes.len();
        if self.first.is_none() && self.rest.is_empty() {
            self.first = Some(bytes);
        } else {
            self.rest.push_back(bytes);
        }
        self.woken = self.reader.take();
    }

    fn pop(&mut self) -> Option<Bytes> {
        let bytes = self.first.take().or_else(|| self.rest.pop_front())?;
        self.length -= bytes.len();
        self.woken = self.writer.take();
        Some(bytes)
    }

    fn end(&mut self, end: End) {
        self.end = end;
        self.woken = self.reader.take();
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if let Some(bytes) = self.pop() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        match std::mem::replace(&mut self.end, End::Told) {
            End::Whole(trailers) => Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers)))),
            End::Cut => Poll::Ready(Some(Err(Error::HttpProtocolError))),
            End::Told => Poll::Ready(None),
            End::Open => {
                self.end = End::Open;
                self.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Bytes that may be written now.
    fn room(&self) -> StreamResult<usize> {
        if self.has_reader { Ok(ROOM - self.length) } else { Err(StreamError::Closed) }
    }

    /// Takes bytes for which there is room.
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if bytes.len() > self.room()? {
            return Err(StreamError::Trap(format_err!("more was written than `check-write` allowed")));
        }
        self.written += bytes.len() as u64;
        // What is too much is not sent: the body ends as an error when it is finished.
        if self.expected.is_some_and(|expected| self.written > expected) {
            return Err(StreamError::LastOperationFailed(format_err!((self.too_large)(Some(self.written)))));
        }
        self.push(bytes);
        Ok(())
    }
}

// === impl Writer ===

impl Writer {
    fn new(pipe: &Pipe) -> Self {
        pipe.buffer().has_writer = true;
        Self(pipe.clone())
    }

    fn poll_room(&self, cx: &mut Context<'_>) -> Poll<StreamResult<usize>> {
        let mut buffer = self.0.buffer();
        match buffer.room() {
            Ok(0) => {
                buffer.writer = Some(cx.waker().clone());
                Poll::Pending
            }
            room => Poll::Ready(room),
        }
    }

    async fn write_all(&mut self, mut bytes: Bytes) -> StreamResult<()> {
        while !bytes.is_empty() {
            let room = poll_fn(|cx| self.poll_room(cx)).await?;
            self.write(bytes.split_to(room.min(bytes.len())))?;
        }
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.buffer().has_writer = false;
    }
}

/// All was written. A future without a size, for which a box allocates nothing.
struct Accepted;

impl Future for Accepted {
    type Output = StreamResult<()>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<StreamResult<()>> {
        Poll::Ready(Ok(()))
    }
}

/// There is nothing to wait for.
struct Nothing;

impl Future for Nothing {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}

// The futures are boxed by hand: those of an answer that fits are ready and need no allocation.
impl OutputStream for Writer {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.0.change(|buffer| buffer.write(bytes))
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.check_write().map(drop)
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.0.buffer().room()
    }

    fn blocking_write_and_flush<'a, 'b>(
        &'a mut self,
        bytes: Bytes,
    ) -> Pin<Box<dyn Future<Output = StreamResult<()>> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        let written = match self.check_write() {
            Ok(room) if room < bytes.len() => return Box::pin(self.write_all(bytes)),
            Ok(_) => self.write(bytes),
            Err(error) => Err(error),
        };
        match written {
            Ok(()) => Box::pin(Accepted),
            error => Box::pin(std::future::ready(error)),
        }
    }

    fn cancel<'a, 'b>(&'a mut self) -> Pin<Box<dyn Future<Output = ()> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(Nothing)
    }
}

impl Pollable for Writer {
    fn ready<'a, 'b>(&'a mut self) -> Pin<Box<dyn Future<Output = ()> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        match self.check_write() {
            Ok(0) => Box::pin(async { drop(poll_fn(|cx| self.poll_room(cx)).await) }),
            _ => Box::pin(Nothing),
        }
    }
}

// === impl Written ===

impl Body for Written {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.0.change(|buffer| buffer.poll_frame(cx))
    }

    fn is_end_stream(&self) -> bool {
        let buffer = self.0.buffer();
        buffer.length == 0 && matches!(buffer.end, End::Whole(None) | End::Told)
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        self.0.change(|buffer| {
            buffer.has_reader = false;
            buffer.first = None;
            buffer.rest.clear();
            buffer.woken = buffer.writer.take();
        });
    }
}

#[cfg(test)]
mod tests;
