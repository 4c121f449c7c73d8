//! These are the bodies of answers, and the answers that the host gives itself.
//!
//! # Invariants
//!
//! 1. A body that is complete when the head is sent carries its length, and leaves with the head in one write.
//! 2. A body whose component failed halfway ends the connection: a cut answer never looks whole.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use wasmtime_wasi_http::Error;

use crate::away::FarBody;
use crate::exchange::Stream;

/// The body of an answer.
pub(crate) enum AnswerBody {
    /// All of it.
    Whole(Chunks),
    /// What is there so far, and the component that makes the rest.
    Stream(Box<Stream>),
    /// What comes from another host.
    Far(Box<FarBody>),
}

/// Bytes in the pieces that they came in.
#[derive(Debug, Default)]
pub(crate) struct Chunks {
    first: Option<Bytes>,
    rest: VecDeque<Bytes>,
    length: usize,
}

// === impl Chunks ===

impl Chunks {
    pub(crate) fn push(&mut self, chunk: Bytes) {
        if chunk.is_empty() {
            return;
        }
        self.length += chunk.len();
        // Most answers are one piece: those need no queue.
        if self.first.is_none() && self.rest.is_empty() {
            self.first = Some(chunk);
        } else {
            self.rest.push_back(chunk);
        }
    }

    pub(crate) fn pop(&mut self) -> Option<Bytes> {
        let chunk = self.first.take().or_else(|| self.rest.pop_front())?;
        self.length -= chunk.len();
        Some(chunk)
    }

    pub(crate) fn len(&self) -> usize {
        self.length
    }
}

impl From<Bytes> for Chunks {
    fn from(bytes: Bytes) -> Self {
        let mut chunks = Self::default();
        chunks.push(bytes);
        chunks
    }
}

// === impl AnswerBody ===

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match &mut *self {
            Self::Whole(chunks) => Poll::Ready(chunks.pop().map(|chunk| Ok(Frame::data(chunk)))),
            Self::Stream(stream) => stream.poll_frame(cx),
            Self::Far(body) => body.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(chunks) => chunks.len() == 0,
            Self::Stream(_) => false,
            Self::Far(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(chunks) => SizeHint::with_exact(chunks.len() as u64),
            Self::Stream(_) | Self::Far(_) => SizeHint::default(),
        }
    }
}

/// An answer that the host gives itself, when there is none of a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    NoRoute,
    NoHost,
    Full,
    OutOfTime,
    TooLarge,
    OutOfMemory,
    Failed,
    Nowhere,
    NoBus,
    Lost,
    FailedAway,
}

impl Refusal {
    fn parts(self) -> (StatusCode, &'static str) {
        match self {
            Self::NoRoute => (StatusCode::NOT_FOUND, "no component is routed at this path\n"),
            Self::NoHost => (StatusCode::BAD_REQUEST, "the request names no host, or several\n"),
            Self::Full => (
                StatusCode::SERVICE_UNAVAILABLE,
                "as many requests are running as may run at once; try again in a moment\n",
            ),
            Self::OutOfTime => (StatusCode::GATEWAY_TIMEOUT, "the component did not answer in time\n"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "the body of the request is larger than is accepted\n"),
            Self::OutOfMemory => {
                (StatusCode::INTERNAL_SERVER_ERROR, "the component needed more memory than it may have\n")
            }
            Self::Failed => (StatusCode::INTERNAL_SERVER_ERROR, "the component failed\n"),
            Self::Nowhere => (StatusCode::SERVICE_UNAVAILABLE, "the component at this path runs on no host\n"),
            Self::NoBus => (
                StatusCode::SERVICE_UNAVAILABLE,
                "the component at this path runs on another host, and there is no way to it now\n",
            ),
            Self::Lost => (StatusCode::BAD_GATEWAY, "the host that the component was asked on is gone\n"),
            Self::FailedAway => (StatusCode::BAD_GATEWAY, "the component gave no answer on its host\n"),
        }
    }

    /// The answer that says so. What went wrong inside is for the log, not for the client.
    pub(crate) fn answer(self) -> Response<AnswerBody> {
        let (status, text) = self.parts();
        let mut response = Response::new(AnswerBody::Whole(Bytes::from_static(text.as_bytes()).into()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        if matches!(self, Self::Full | Self::Nowhere | Self::NoBus) {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
