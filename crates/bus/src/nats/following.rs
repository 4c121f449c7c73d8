//! Follows a bucket in JetStream, and begins again whenever something may have been missed.
//!
//! A stream is followed by a consumer, which the server has for as long as somebody listens to it. A server that is started again
//! has forgotten it, a connection that was lost has missed some of it, and neither is said to anybody. So each message is counted,
//! silence is measured, and a connection that is another one than before is noticed.
//!
//! # Invariants
//!
//! 1. There is one consumer at a time: the one before is taken away before the next is made, and the server takes away what nobody
//!    listens to after [`FORGOTTEN_AFTER`].
//! 2. A bucket that is not the one that was followed before is said to be another ([`Past::Another`]).

mod cursor;

use std::convert::Infallible;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use async_nats::connection::State;
use async_nats::jetstream::consumer::push::Config;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, Info as ConsumerInfo};
use async_nats::jetstream::stream::Stream;
use async_nats::{Client, Message, Subscriber};
use bytes::Bytes;
use futures::StreamExt;
use futures::future::BoxFuture;
use rt::Task;
use stdx::{BoxError, Chain};
use tokio::sync::{mpsc, oneshot};

use self::cursor::{Cursor, Step};
use super::bucket::{Failure, NatsBucket};
use crate::bucket::{Event, Feed, Mark, Past, Revision};

/// How often the server says that there is nothing to say.
const HEARTBEAT: Duration = Duration::from_secs(2);

/// A consumer that was silent for so long is taken for lost.
const SILENCE_MAX: Duration = Duration::from_secs(5);

/// How often it is looked whether the connection is still the same one.
const GLANCE: Duration = Duration::from_millis(250);

/// After so long the server takes away a consumer that nobody listens to.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(5);

/// Before one begins again after a failure: longer each time.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// What follows a bucket.
pub(super) struct Following {
    bucket: NatsBucket,
    events: mpsc::Sender<Event>,
    /// The consumer of now, if one may be there.
    consumer: Option<String>,
    past: Option<Mark>,
    /// Whether it was told that nothing is seen.
    is_away: bool,
}

/// What is told, at the other end.
pub(super) struct Followed {
    pub(super) told: mpsc::Receiver<Event>,
    pub(super) has_ended: oneshot::Receiver<()>,
    pub(super) patience: Duration,
    pub(super) task: Task,
}

/// Why following came to an end.
#[derive(Debug, thiserror::Error)]
enum Lost {
    /// Nobody listens any more.
    #[error("nobody listens any more")]
    Unwanted,
    /// Something may have been missed.
    #[error("something may have been missed: {0}")]
    Missed(&'static str),
    /// It could not begin.
    #[error("it could not begin")]
    NotBegun(#[source] BoxError),
}

/// A consumer, and what it brings.
struct Consumer {
    messages: Subscriber,
    cursor: Cursor,
    /// How often the client had connected when it was made.
    connects: u64,
}

// === impl Following ===

impl Following {
    /// Follows a bucket that had come so far, as far as that is known.
    pub(super) fn new(bucket: NatsBucket, events: mpsc::Sender<Event>, past: Option<Mark>) -> Self {
        if let Some(past) = past {
            bucket.seen.remember(past);
        }
        Self { bucket, events, consumer: None, past, is_away: false }
    }

    /// Follows until nobody listens any more.
    pub(super) async fn run(mut self) {
        let events = self.events.clone();
        tokio::select! {
            // Nobody listens any more.
            () = events.closed() => {}
            () = self.keep_following() => {}
        }
        let client = self.bucket.server.client();
        self.forget_consumer(&client).await;
    }

    async fn keep_following(&mut self) {
        let mut pause = PAUSE;
        loop {
            let begun = Instant::now();
            let client = self.bucket.server.client();
            let Err(lost) = self.follow(&client).await;
            tracing::debug!(stream = %self.bucket.stream(), error = %Chain(&lost), "a watch begins again");
            if !std::mem::replace(&mut self.is_away, true) && self.tell(Event::Away).await.is_err() {
                return;
            }
            pause = if begun.elapsed() > SILENCE_MAX { PAUSE } else { (pause * 2).min(PAUSE_MAX) };
            tokio::time::sleep(pause).await;
        }
    }

    /// Begins, and follows until something may have been missed.
    async fn follow(&mut self, client: &Client) -> Result<Infallible, Lost> {
        let begun = rt::within(Some(self.bucket.server.patience), self.begin(client)).await;
        let begun = begun.map_err(|late| Lost::NotBegun(late.into()))?;
        let (mut consumer, past) = begun.map_err(|failure| Lost::NotBegun(failure.into()))?;
        self.tell(Event::Begun(past)).await?;
        self.is_away = false;
        loop {
            if let (true, Some(mark)) = (consumer.cursor.catches_up(), self.past) {
                self.tell(Event::Current(mark)).await?;
            }
            let message = consumer.next(client).await?;
            let step = consumer.cursor.step(&message);
            self.bucket.seen.raise(consumer.cursor.last());
            self.past = self.past.map(|seen| Mark { last: seen.last.max(consumer.cursor.last()), ..seen });
            match step {
                Step::Tell(event) => self.tell(event).await?,
                // Where that fails the server goes on being silent, which is noticed.
                Step::Answer(subject) => drop(client.publish(subject, Bytes::new()).await),
                Step::Nothing => {}
                Step::Missed(what) => return Err(Lost::Missed(what)),
            }
        }
    }

    /// Makes a consumer of all that is there and all that comes.
    async fn begin(&mut self, client: &Client) -> Result<(Consumer, Past), Failure> {
        self.forget_consumer(client).await;
        let connects = connects(client);
        let context = self.bucket.server.context(client);
        let stream = self.bucket.settle(&context).await?;
        let found = self.bucket.compare(stream.cached_info())?;
        let past = Past::of(self.past.replace(found), found);
        let inbox = client.new_inbox();
        // Listened to before there is something to hear.
        let messages = client.subscribe(inbox.clone()).await.map_err(|error| Failure::Unknown(error.into()))?;
        let made = self.make_consumer(&stream, inbox).await?;
        let waiting = made.num_pending + made.delivered.consumer_sequence;
        let state = &stream.cached_info().state;
        let reach = Revision::new(if state.messages == 0 { 0 } else { state.last_sequence });
        let cursor = Cursor::new(self.bucket.prefix(), waiting, reach);
        Ok((Consumer { messages, cursor, connects }, past))
    }

    async fn make_consumer(&mut self, stream: &Stream, inbox: String) -> Result<ConsumerInfo, Failure> {
        let name = nuid::next().to_string();
        let config = Config {
            deliver_subject: inbox,
            name: Some(name.clone()),
            description: Some("a watch of wattle".into()),
            deliver_policy: DeliverPolicy::LastPerSubject,
            ack_policy: AckPolicy::None,
            filter_subject: format!("{}>", self.bucket.prefix()),
            max_deliver: 1,
            flow_control: true,
            idle_heartbeat: HEARTBEAT,
            inactive_threshold: FORGOTTEN_AFTER,
            memory_storage: true,
            num_replicas: 1,
            ..Config::default()
        };
        self.consumer = Some(name);
        let made = stream.create_consumer(config).await.map_err(|error| Failure::Unknown(error.into()))?;
        Ok(made.cached_info().clone())
    }

    async fn tell(&self, event: Event) -> Result<(), Lost> {
        self.events.send(event).await.map_err(|_gone| Lost::Unwanted)
    }

    /// Takes the consumer away, if there may be one. Where that fails the server does it, a little later.
    async fn forget_consumer(&mut self, client: &Client) {
        let Some(name) = self.consumer.take() else { return };
        let context = self.bucket.server.context(client);
        let forgotten =
            async { context.get_stream_no_info(self.bucket.stream()).await.ok()?.delete_consumer(&name).await.ok() };
        if !matches!(rt::within(Some(HEARTBEAT), forgotten).await, Ok(Some(_))) {
            tracing::debug!(consumer = %name, "a consumer was not there to be taken away, or the server does it");
        }
    }
}

// === impl Consumer ===

impl Consumer {
    /// The next message, or why there may be one that does not come.
    async fn next(&mut self, client: &Client) -> Result<Message, Lost> {
        let heard = Instant::now();
        loop {
            if connects(client) != self.connects {
                return Err(Lost::Missed("the connection is another one"));
            }
            match rt::within(Some(GLANCE), self.messages.next()).await {
                Ok(Some(message)) => return Ok(message),
                Ok(None) => return Err(Lost::Missed("the client has ended")),
                Err(_) if heard.elapsed() > SILENCE_MAX => return Err(Lost::Missed("the server is silent")),
                Err(_) => {}
            }
        }
    }
}

/// Waits until the connection of now is lost.
pub(super) async fn lost(client: &Client) {
    let before = connects(client);
    while connects(client) == before && client.connection_state() == State::Connected {
        tokio::time::sleep(GLANCE).await;
    }
}

/// How often a client has connected.
fn connects(client: &Client) -> u64 {
    client.statistics().connects.load(Ordering::Relaxed)
}

// === impl Followed ===

impl Feed for Followed {
    fn next(&mut self) -> BoxFuture<'_, Option<Event>> {
        Box::pin(self.told.recv())
    }

    fn end(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let Self { told, has_ended, patience, task } = *self;
            drop(told);
            // That it takes longer is a matter between it and the server.
            drop(rt::within(Some(patience), has_ended).await);
            drop(task);
        })
    }
}
