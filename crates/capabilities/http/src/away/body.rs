//! The body of an answer that comes from another host, and what became of the request when it ends.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame};
use wasmtime_wasi_http::Error;
use wire::http::Incoming;

use super::Tally;
use crate::served::Outcome;

/// What comes of an answer. Dropped before its end, the request is abandoned here and there.
pub(crate) struct FarBody {
    body: Incoming,
    tally: Tally,
}

impl FarBody {
    pub(super) fn new(body: Incoming, tally: Tally) -> Self {
        Self { body, tally }
    }

    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(cx));
        Poll::Ready(match frame {
            Some(Ok(frame)) => {
                // Whoever has the last of it does not ask for more.
                if frame.is_trailers() || self.body.is_end_stream() {
                    self.tally.count(Outcome::Answered);
                }
                Some(Ok(frame))
            }
            Some(Err(error)) => {
                self.tally.log(&error);
                self.tally.count(Outcome::Failed);
                // The connection ends, so that the client sees that the answer is cut.
                Some(Err(Error::HttpResponseIncomplete))
            }
            None => {
                self.tally.count(Outcome::Answered);
                None
            }
        })
    }

    pub(crate) fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}
