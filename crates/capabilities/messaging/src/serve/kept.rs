//! Calls a component with the messages of a stream: each until it was handled well.
//!
//! # Invariants
//!
//! 1. One message at most is taken while the component has no place for it. What was brought with it and is not begun when it is
//!    over is given back at once.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::Message as Kept;
use capability::{Calls, Duty, Seat};
use futures::{FutureExt, StreamExt};
use stdx::Chain;
use tokio::task::JoinSet;
use tracing::{debug, warn};

use super::{Handling, PAUSE, Server};
use crate::stream::{Messages, Stream, consumer_name};

impl Server {
    /// Handles what the stream brings, from one connection to the next.
    pub(crate) async fn run_stream(self, stream: Stream, mut duty: Duty) {
        let mut running = JoinSet::new();
        loop {
            let messages = tokio::select! {
                messages = self.read(&stream) => messages,
                () = duty.over() => break,
            };
            duty.begin();
            if self.take_from(messages, (&stream, &mut running), &mut duty).await {
                break;
            }
            // Something went wrong with the connection: what comes again meanwhile is not begun too early.
            tokio::time::sleep(PAUSE).await;
        }
        while running.join_next().await.is_some() {}
    }

    /// Asks for messages, again and again until it works.
    async fn read(&self, stream: &Stream) -> Messages {
        let name = consumer_name(&self.component, &self.link, &self.exchange.sharing);
        let mut is_said = false;
        loop {
            match stream.read(&name, &self.exchange.subscriptions).await {
                Ok(messages) => return messages,
                Err(error) if !is_said => {
                    warn!(component = %self.component, stream = stream.name, error = %Chain(&*error), "cannot read; it is tried again");
                    is_said = true;
                }
                Err(_) => {}
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Handles messages until it is over, which is answered with, or something goes wrong.
    async fn take_from(
        &self,
        mut messages: Messages,
        (stream, running): (&Stream, &mut JoinSet<()>),
        duty: &mut Duty,
    ) -> bool {
        let mut waiting: Option<Kept> = None;
        let is_over = loop {
            tokio::select! {
                () = duty.over() => break true,
                next = messages.next(), if waiting.is_none() => match next {
                    Some(Ok(message)) => waiting = Some(message),
                    Some(Err(error)) => {
                        debug!(component = %self.component, error = %Chain(&error), "the stream is read anew");
                        break false;
                    }
                    None => break false,
                },
                seat = self.handler.place(), if waiting.is_some() => {
                    if let Some(message) = waiting.take() {
                        running.spawn(self.handle(message, stream.clone(), seat));
                    }
                }
                Some(_ended) = running.join_next() => {}
            }
        };
        let others = std::iter::from_fn(|| messages.next().now_or_never().flatten());
        for message in waiting.into_iter().chain(others.filter_map(Result::ok).collect::<Vec<_>>()) {
            said(Stream::give_back(&message).await);
        }
        is_over
    }

    fn handle(&self, message: Kept, stream: Stream, seat: Seat) -> impl Future<Output = ()> + Send + use<> {
        let (handler, timeout, ack_wait) = (self.handler.clone(), self.timeout, stream.ack_wait);
        let handling = crate::stream::message(&message).map(|message| self.handling(message));
        async move {
            let working = say_working(&message, ack_wait / 2);
            let is_done = tokio::select! {
                is_done = handled(handling, (handler, seat), timeout) => is_done,
                () = working => false,
            };
            said(stream.settle_message(&message, is_done).await);
        }
    }
}

/// Whether a message was handled well. One that is none to a component is done with: it would be none the next time.
async fn handled(
    handling: Result<Handling, stdx::BoxError>,
    (handler, seat): (Arc<dyn Calls>, Seat),
    timeout: Option<Duration>,
) -> bool {
    match handling {
        Ok(handling) => handling.run(handler, seat, timeout).await,
        Err(error) => {
            warn!(error = %Chain(&*error), "a message of the stream cannot be read, and is left out");
            true
        }
    }
}

/// Tells the server, again and again, that a message is still worked on.
async fn say_working(message: &Kept, pause: Duration) {
    loop {
        tokio::time::sleep(pause.max(Duration::from_millis(100))).await;
        said(Stream::still_working(message).await);
    }
}

/// What the server was not told, it finds out: the message comes again.
fn said(outcome: Result<(), stdx::BoxError>) {
    if let Err(error) = outcome {
        debug!(error = %Chain(&*error), "the server was not told how a message ended");
    }
}
