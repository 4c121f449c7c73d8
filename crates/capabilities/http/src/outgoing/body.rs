//! This is the body of an answer as it arrives: counted, and given up when nothing comes for too long.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep};
use wasmtime_wasi_http::Error;

use super::OutgoingCounts;
use super::connection::Tasks;
use super::sent::Place;

/// A body that arrives, piece by piece and never held whole.
pub(super) struct Received {
    incoming: Incoming,
    patience: Duration,
    /// Set at the first wait: most bodies never wait.
    alarm: Option<Pin<Box<Sleep>>>,
    is_waiting: bool,
    counts: Arc<OutgoingCounts>,
    _held: (Place, Tasks),
}

// === impl Received ===

impl Received {
    /// The body of an answer to a request that has that place, on the connection of those tasks.
    pub(super) fn new(
        incoming: Incoming,
        patience: Duration,
        counts: Arc<OutgoingCounts>,
        held: (Place, Tasks),
    ) -> Self {
        Self { incoming, patience, alarm: None, is_waiting: false, counts, _held: held }
    }

    /// Ready when nothing has come for too long.
    fn poll_alarm(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let patience = self.patience;
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep(patience)));
        if !self.is_waiting {
            self.is_waiting = true;
            alarm.as_mut().reset(Instant::now() + patience);
        }
        alarm.as_mut().poll(context)
    }
}

impl Body for Received {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match Pin::new(&mut self.incoming).poll_frame(context) {
            Poll::Ready(frame) => {
                self.is_waiting = false;
                let bytes = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()).map_or(0, Bytes::len);
                self.counts.add_received(bytes as u64);
                Poll::Ready(frame.map(|frame| frame.map_err(Error::from)))
            }
            Poll::Pending => {
                ready!(self.poll_alarm(context));
                Poll::Ready(Some(Err(Error::ConnectionReadTimeout)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
