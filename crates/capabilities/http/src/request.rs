//! This is the body of a request, held to its limit on the way to the component.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use wasmtime_wasi_http::Error;
use wire::http::IncomingError;

/// A request's body, from wherever it comes.
pub(crate) enum Body {
    Client(hyper::body::Incoming),
    /// Boxed, so that bodies of clients stay as small as they are.
    Wire(Box<wire::http::Incoming>),
    None,
}

/// A request's body that fails once it is larger than it may be.
pub(crate) struct LimitedBody {
    body: Body,
    left: u64,
    limit: u64,
    overflow: Overflow,
}

/// Tells the host that a body was too large, which the component may not have said.
#[derive(Debug, Clone, Default)]
pub(crate) struct Overflow(Option<Arc<AtomicBool>>);

impl Overflow {
    pub(crate) fn happened(&self) -> bool {
        self.0.as_ref().is_some_and(|happened| happened.load(Ordering::Relaxed))
    }
}

/// Holds `body` to `limit` bytes. `None` where it already says that it is larger.
pub(crate) fn limited(body: Body, limit: u64) -> Option<(LimitedBody, Overflow)> {
    let size = body.size_hint();
    if size.lower() > limit {
        return None;
    }
    // A body that announced its size keeps to it: hyper sees to that. Only the others have to be watched.
    let is_announced = size.exact().is_some();
    let overflow = Overflow((!is_announced).then(Arc::default));
    Some((LimitedBody { body, left: limit, limit, overflow: overflow.clone() }, overflow))
}

impl LimitedBody {
    /// A body of which it is known how large it is.
    pub(crate) fn unlimited(body: Body) -> Self {
        Self { body, left: u64::MAX, limit: u64::MAX, overflow: Overflow::default() }
    }
}

impl http_body::Body for LimitedBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(cx));
        Poll::Ready(match frame {
            Some(Ok(frame)) => {
                let length = frame.data_ref().map_or(0, |data| data.len() as u64);
                match self.left.checked_sub(length) {
                    Some(left) => {
                        self.left = left;
                        Some(Ok(frame))
                    }
                    None => {
                        self.overflow.0.iter().for_each(|happened| happened.store(true, Ordering::Relaxed));
                        Some(Err(Error::HttpRequestBodySize(Some(self.limit))))
                    }
                }
            }
            Some(Err(error)) => Some(Err(error)),
            None => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match &mut *self {
            Self::Client(body) => Pin::new(body).poll_frame(cx).map_err(Error::Hyper),
            Self::Wire(body) => Pin::new(body).poll_frame(cx).map_err(|error| match error {
                IncomingError::Idle(_) => Error::ConnectionReadTimeout,
                IncomingError::Cut
                | IncomingError::PieceLost
                | IncomingError::TooFast
                | IncomingError::Nonsense
                | IncomingError::Trailers(_) => Error::ConnectionTerminated,
            }),
            Self::None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Client(body) => body.is_end_stream(),
            Self::Wire(body) => body.is_end_stream(),
            Self::None => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Client(body) => body.size_hint(),
            Self::Wire(_) => SizeHint::default(),
            Self::None => SizeHint::with_exact(0),
        }
    }
}
