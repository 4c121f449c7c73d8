//! This is the body of a request as it leaves, which tells at its end whether all of it was taken.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use wasmtime_wasi_http::{Error, WasiBody};

/// A request's place among those of its component, held until neither its body nor that of its answer is left.
pub(super) type Place = Arc<OwnedSemaphorePermit>;

/// A body that leaves, piece by piece and never held whole.
pub(super) struct Sent {
    body: WasiBody,
    /// Bytes that are still to come, where the length was told beforehand. Whoever has them all may not ask for the end.
    left: Option<u64>,
    ended: Option<oneshot::Sender<Result<(), Error>>>,
    place: Place,
}

// === impl Sent ===

impl Sent {
    /// The body, and what becomes of it.
    pub(super) fn new(body: WasiBody, place: Place) -> (Self, oneshot::Receiver<Result<(), Error>>) {
        let (ended, outcome) = oneshot::channel();
        (Self { left: body.size_hint().exact(), body, ended: Some(ended), place }, outcome)
    }

    /// Another body at the same place, whose end is told to nobody.
    pub(super) fn twin(&self, body: WasiBody) -> Self {
        Self::new(body, self.place.clone()).0
    }

    fn tell(&mut self, outcome: Result<(), Error>) {
        if let Some(ended) = self.ended.take() {
            // Whoever does not wait for it does not want to know.
            drop(ended.send(outcome));
        }
    }
}

impl Body for Sent {
    type Data = Bytes;
    type Error = Aborted;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Aborted>>> {
        let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(context));
        match frame {
            Some(Ok(frame)) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
                self.left = self.left.map(|left| left.saturating_sub(bytes));
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(error)) => {
                self.tell(Err(error));
                Poll::Ready(Some(Err(Aborted)))
            }
            None => {
                self.tell(Ok(()));
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        let is_whole = self.left == Some(0) || self.body.is_end_stream();
        self.tell(if is_whole { Ok(()) } else { Err(Error::ConnectionTerminated) });
    }
}

/// The component gave its body up. Why, is told to the component itself.
#[derive(Debug, thiserror::Error)]
#[error("the component gave up the body of its request")]
pub(super) struct Aborted;
