//! This is the carrier that a NATS server is.
//!
//! The connection is that of `async-nats`: it connects, connects again, and says again what was subscribed to. What it brings
//! is moved at once into the queues of this crate, so that limits and counts are those of every carrier.
//!
//! # Invariants
//!
//! 1. Nothing is kept to be sent later: what is said while there is no connection is refused at once.
//! 2. A message waits in a queue of ours only; it does not hold on to the buffer that it was read into.
//! 3. What a server does not take waits within fixed limits, and nobody waits for it longer than [`ConnectOptions::patience`].
//! 4. Whatever ends the client, another takes its place: see [`keeper`].

mod bucket;
mod complaints;
mod files;
mod following;
mod keeper;
mod login;
mod options;
mod replicas;
mod seen;
mod tls;
mod translate;

use std::sync::Arc;
use std::time::Duration;

use async_nats::connection::State;
use async_nats::{Client, Subscriber};
use bytes::Bytes;
use futures::future::{BoxFuture, Either};
use futures::{FutureExt, StreamExt};
use rt::Task;
use stdx::{BoxError, ByteSize};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::unconstrained;

use crate::bucket::{Backing, BucketError, BucketName, Domain, Durability, Keep, Replicas};
use crate::carrier::{Answer, Carrier, FlushError, Held, Hold, PublishError, Reason, Sink, SubscribeError};
use crate::drops::Drops;
use crate::message::Message;
use crate::subject::Interest;

use self::bucket::{NatsBucket, Server};
use self::keeper::{Keeper, Kept};

pub use self::files::BadFile;
pub use self::login::Login;
pub use self::options::{ConnectError, ConnectOptions, FirstTry};
pub use self::tls::{ClientCertificate, Tls};

/// A connection to a NATS server.
pub(crate) struct Nats {
    keeper: Keeper,
    name: String,
    payload_max: ByteSize,
    patience: Duration,
    durability: Durability,
    replicas: Replicas,
    domain: Option<Domain>,
    drops: Arc<Drops>,
    /// Where what comes is moved into queues, whatever runtime its subscriber is on.
    runtime: Handle,
}

/// A subscription, and where what it brings goes.
struct Mover {
    interest: Interest,
    sink: Box<dyn Sink>,
    drops: Arc<Drops>,
}

/// A subscription that is moved, until it is told to end.
struct Moving {
    task: Task,
    end: oneshot::Sender<()>,
}

/// There is no connection at the moment.
#[derive(Debug, thiserror::Error)]
#[error("there is no connection")]
struct NotConnected;

// === impl Nats ===

impl Nats {
    /// Connects, as the options say.
    pub(crate) async fn connect(url: &str, options: ConnectOptions) -> Result<Self, ConnectError> {
        let drops = Arc::<Drops>::default();
        let (payload_max, patience) = (options.limits.payload_max, options.patience);
        let durability = options.durability.unwrap_or(Durability::Process);
        let (domain, replicas) = (options.domain.clone(), options.replicas);
        let keeper = Keeper::connect(url, options, drops.clone()).await?;
        let (name, runtime) = (options::describe(url), Handle::current());
        Ok(Self { keeper, name, payload_max, patience, durability, replicas, domain, drops, runtime })
    }

    /// Does something that needs the connection, for as long as patience lasts.
    async fn attempt<T, E: Into<BoxError>>(&self, attempt: impl Future<Output = Result<T, E>>) -> Result<T, BoxError> {
        if !self.is_connected() {
            return Err(NotConnected.into());
        }
        rt::within(Some(self.patience), attempt).await?.map_err(Into::into)
    }

    /// Subscribes, and starts moving what comes, on the runtime of the connection. Without a connection too: it is subscribed
    /// to as soon as there is one.
    async fn start(&self, mover: Mover) -> Result<Moving, BoxError> {
        let mut clients = self.keeper.clients();
        let client = clients.current();
        let messages = rt::within(Some(self.patience), mover.subscribe(&client)).await??;
        let (end, ended) = oneshot::channel();
        let patience = self.patience;
        let _entered = self.runtime.enter();
        let task = Task::spawn(async move {
            let mut messages = messages;
            tokio::select! {
                () = mover.run(&mut messages, &mut clients) => return,
                told = ended => if told.is_err() { return },
            }
            mover.drain(&mut messages, &clients.current(), patience).await;
        });
        Ok(Moving { task, end })
    }

    fn name(&self) -> String {
        self.name.clone()
    }
}

impl Carrier for Nats {
    fn describe(&self) -> String {
        self.name()
    }

    fn is_connected(&self) -> bool {
        self.keeper.look(|client| client.connection_state() == State::Connected)
    }

    fn client(&self) -> Option<Client> {
        Some(Client::clone(&self.keeper.current()))
    }

    fn payload_max(&self) -> ByteSize {
        self.payload_max.min(ByteSize::bytes(self.keeper.look(Client::max_payload) as u64))
    }

    fn dropped(&self) -> u64 {
        self.drops.count()
    }

    fn publish(&self, message: Message) -> Answer<'_, Result<(), PublishError>> {
        let (subject, reply, headers, payload) = translate::outbound(message);
        Either::Right(Box::pin(async move {
            let client = self.keeper.current();
            let publish = async {
                match reply {
                    None => client.publish_with_headers(subject, headers, payload).await,
                    Some(reply) => client.publish_with_reply_and_headers(subject, reply, headers, payload).await,
                }
            };
            self.attempt(publish).await.map_err(|source| PublishError::Unavailable { bus: self.name(), source })
        }))
    }

    fn subscribe(&self, interest: Interest, sink: Box<dyn Sink>) -> Answer<'_, Result<Hold, SubscribeError>> {
        let mover = Mover { interest, sink, drops: self.drops.clone() };
        Either::Right(Box::pin(async move {
            let moving = self.start(mover).await;
            let moving = moving.map_err(|source| SubscribeError::Unavailable { bus: self.name(), source })?;
            Ok(Box::new(moving) as Hold)
        }))
    }

    fn bucket(&self, name: BucketName, keep: Keep) -> BoxFuture<'_, Result<Arc<dyn Backing>, BucketError>> {
        let (clients, runtime) = (self.keeper.clients(), self.runtime.clone());
        let (bus, patience, domain) = (self.name(), self.patience, self.domain.clone());
        let server = Server { clients, bus, patience, domain, replicas: self.replicas, runtime };
        Box::pin(async move { NatsBucket::open(server, name, keep, self.durability).await })
    }

    fn flush(&self) -> Answer<'_, Result<(), FlushError>> {
        Either::Right(Box::pin(async move {
            let client = self.keeper.current();
            let flushed = self.attempt(say_to_itself(&client)).await;
            flushed.map_err(|source| FlushError::Unavailable { bus: self.name(), source })
        }))
    }
}

// === impl Moving ===

impl Held for Moving {
    fn end(self: Box<Self>) -> Option<Task> {
        // Where the task has ended already, nobody hears it.
        self.end.send(()).ok();
        Some(self.task)
    }
}

// === impl Mover ===

impl Mover {
    async fn subscribe(&self, client: &Client) -> Result<Subscriber, async_nats::SubscribeError> {
        let pattern = self.interest.pattern.to_string();
        match &self.interest.group {
            None => client.subscribe(pattern).await,
            Some(group) => client.queue_subscribe(pattern, group.to_string()).await,
        }
    }

    /// Moves what comes, from one client after the other, until the bus is given up.
    async fn run(&self, messages: &mut Subscriber, clients: &mut Kept) {
        loop {
            while let Some(message) = messages.next().await {
                self.move_one(message);
            }
            *messages = loop {
                let Some(client) = clients.next().await else { return };
                // A client that ended too has a successor.
                if let Ok(messages) = self.subscribe(&client).await {
                    break messages;
                }
            };
        }
    }

    /// Unsubscribes, and moves what the server has sent before it heard of that.
    ///
    /// The drain of `async-nats` forgets the subscription at its next turn, whatever is on its way by then. So does every word
    /// for "unsubscribe" that it has but one: after so many messages. To the server a count of more than nine digits is none,
    /// which means at once, while the client goes on waiting for all of them.
    async fn drain(&self, messages: &mut Subscriber, client: &Client, patience: Duration) {
        let confirmed = async {
            messages.unsubscribe_after(u64::MAX).await?;
            say_to_itself(client).await
        };
        // What comes meanwhile waits in a queue that has room for all that is read at once.
        if !matches!(rt::within(Some(patience), confirmed).await, Ok(Ok(()))) {
            tracing::debug!(pattern = %self.interest.pattern, "given up before the server had confirmed the end");
        }
        // All is there, however much: a turn that is over is not the end.
        while let Some(Some(message)) = unconstrained(messages.next()).now_or_never() {
            self.move_one(message);
        }
    }

    fn move_one(&self, message: async_nats::Message) {
        let refused = match translate::inbound(message) {
            Some(message) => self.sink.accept(message).err().map(|refused| refused.reason),
            // It was meant for somebody, and is lost.
            None => Some(Reason::Full),
        };
        if refused == Some(Reason::Full) {
            self.sink.missed();
            self.drops.add(&self.interest.pattern);
        }
    }
}

/// Says something to itself: what comes back on a connection comes after all that was said on it before.
async fn say_to_itself(client: &Client) -> Result<(), BoxError> {
    let subject = client.new_inbox();
    let mut echo = client.subscribe(subject.clone()).await?;
    client.publish(subject, Bytes::new()).await?;
    echo.next().await.map(drop).ok_or_else(|| NotConnected.into())
}
