//! This is what everyone says, asks and listens with.
//!
//! # Invariants
//!
//! 1. Nothing here depends on the carrier: sizes, answers, queues and limits are the same on each.
//! 2. A question ends in an answer or an error within its timeout, and leaves nothing behind when it is dropped.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use stdx::{ByteSize, Code, Explain};

use crate::broker::{Broker, Origin};
use crate::bucket::{Bucket, BucketError, BucketName, Keep};
use crate::carrier::{Carrier, FlushError, Hold, PublishError, SubscribeError};
use crate::ear::{Ear, Listening};
use crate::limits::Limits;
use crate::message::Message;
use crate::nats::{ConnectError, ConnectOptions, Nats};
use crate::queue::{self, Receiver, Subscription};
use crate::replies::Replies;
use crate::subject::{Interest, Pattern, QueueGroup, Subject};

/// What messages are said, asked and heard with. Cheap to clone, and used from any thread and any runtime.
#[derive(Clone)]
pub struct Bus {
    shared: Arc<Shared>,
    limits: Limits,
}

struct Shared {
    /// Dropped before the carrier.
    _replies: Hold,
    replies: Replies,
    carrier: Box<dyn Carrier>,
}

/// When enough answers have been gathered: whichever comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gather {
    /// So many answers.
    pub count_max: usize,
    /// So much time.
    pub time_max: Duration,
}

/// A question was not answered.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// It could not be asked.
    #[error("nobody could be asked about {subject}")]
    NotAsked {
        /// What it was about.
        subject: Subject,
        /// Why not.
        #[source]
        source: PublishError,
    },
    /// Nobody listens there: known at once, and nobody has heard the question.
    #[error("nobody listens to {subject}")]
    NoResponders {
        /// What the question was about.
        subject: Subject,
    },
    /// Nobody answered in time. The question may have been heard.
    #[error("nobody answered about {subject}")]
    Timeout {
        /// What the question was about.
        subject: Subject,
        /// How long was waited.
        #[source]
        late: rt::Late,
    },
}

// === impl Bus ===

impl Bus {
    /// A bus inside this process.
    pub fn in_process(broker: Broker) -> Self {
        Self::over(*broker.limits(), |replies| {
            let hold = broker.subscribe_sink(replies.interest(), Origin::HERE, Box::new(replies.clone()));
            (Box::new(broker), Box::new(hold))
        })
    }

    /// A bus over a carrier that subscribes to answers at once.
    pub(crate) fn over(limits: Limits, carrier: impl FnOnce(&Replies) -> (Box<dyn Carrier>, Hold)) -> Self {
        let replies = Replies::new();
        let (carrier, hold) = carrier(&replies);
        Self { shared: Arc::new(Shared { _replies: hold, replies, carrier }), limits }
    }

    /// A bus that a NATS server carries, or a [`Loopback`](crate::Loopback) somewhere. `url` is one address or more with commas
    /// between: `nats://127.0.0.1:4222`. What the connection needs to run runs on the runtime that this is called in.
    pub async fn connect(url: &str, options: ConnectOptions) -> Result<Self, ConnectError> {
        let limits = options.limits;
        let nats = Nats::connect(url, options).await?;
        let replies = Replies::new();
        let hold = nats.subscribe(replies.interest(), Box::new(replies.clone())).await;
        let hold =
            hold.map_err(|SubscribeError::Unavailable { bus, source }| ConnectError::Unavailable { bus, source })?;
        let shared = Shared { _replies: hold, replies, carrier: Box::new(nats) };
        Ok(Self { shared: Arc::new(shared), limits })
    }

    /// The same bus, whose subscribers from now on have these limits. The limit of a message stays that of the bus.
    pub fn with_queue_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// The connection of now, where a NATS server carries the bus: for what such servers have beside messages. Another may take its
    /// place, so it is asked for again whenever something goes wrong.
    pub fn client(&self) -> Option<async_nats::Client> {
        self.shared.carrier.client()
    }

    /// Says something. That it returned means that it was taken, not that anybody heard it.
    ///
    /// In process it never waits. Over NATS it waits for room in the connection, and refuses at once where there is none.
    pub async fn publish(&self, message: Message) -> Result<(), PublishError> {
        if message.headers.status().is_some() {
            return Err(PublishError::Status);
        }
        let (size, limit) = (ByteSize::bytes(message.size() as u64), self.payload_max());
        if size > limit {
            return Err(PublishError::TooLarge { size, limit });
        }
        self.shared.carrier.publish(message).await
    }

    /// Asks, and waits for one answer. To be called where there is a runtime that has timers, as all that waits here.
    pub async fn request(&self, subject: Subject, payload: Bytes, timeout: Duration) -> Result<Message, RequestError> {
        self.request_with(Message::new(subject, payload), timeout).await
    }

    /// Asks with headers, and waits for one answer. Where the answer goes is for the bus to say: `reply` is not kept.
    pub async fn request_with(&self, question: Message, timeout: Duration) -> Result<Message, RequestError> {
        let subject = question.subject.clone();
        let (expected, answer) = self.shared.replies.expect_one();
        let question = Message { reply: Some(expected.subject.clone()), ..question };
        let exchange = async {
            self.publish(question).await.map_err(|source| not_asked(&subject, source))?;
            // The sender is kept until it is used or `expected` is dropped.
            Ok(answer.await.expect("whoever is expected is waited for"))
        };
        let answered: Result<Message, RequestError> = match rt::within(Some(timeout), exchange).await {
            Ok(answered) => answered,
            Err(late) => return Err(RequestError::Timeout { subject, late }),
        };
        match answered? {
            answer if answer.is_no_responders() => Err(RequestError::NoResponders { subject }),
            answer => Ok(answer),
        }
    }

    /// Asks everybody who listens, and gathers what they answer until there is enough. It may be nothing.
    pub async fn request_many(&self, question: Message, gather: Gather) -> Result<Vec<Message>, RequestError> {
        let subject = question.subject.clone();
        let limits = Limits { queued_messages_max: gather.count_max, ..self.limits };
        let (expected, mut answers) = self.shared.replies.expect_many(&limits);
        let question = Message { reply: Some(expected.subject.clone()), ..question };
        let mut gathered = Vec::new();
        let exchange = async {
            self.publish(question).await.map_err(|source| not_asked(&subject, source))?;
            take_up_to(gather.count_max, &mut answers, &mut gathered).await;
            Ok(())
        };
        // That the time is over is how gathering ends.
        if let Ok(asked) = rt::within(Some(gather.time_max), exchange).await {
            asked?;
        }
        match gathered.first() {
            Some(answer) if answer.is_no_responders() => Err(RequestError::NoResponders { subject }),
            _ => Ok(gathered),
        }
    }

    /// Listens to what `pattern` means; as a member of `group`, shares it with the other members.
    ///
    /// What is said on this bus from now on is heard. What others say may be missed until [`flush`](Self::flush) has returned.
    pub async fn subscribe(&self, pattern: Pattern, group: Option<QueueGroup>) -> Result<Subscription, SubscribeError> {
        let (sender, receiver) = queue::queue(&self.limits);
        let interest = Interest { pattern: pattern.clone(), group };
        let hold = self.shared.carrier.subscribe(interest, Box::new(sender)).await?;
        Ok(Subscription::new(pattern, receiver, hold))
    }

    /// The bucket of that name, which is made as `keep` says where there is none.
    pub async fn bucket(&self, name: BucketName, keep: Keep) -> Result<Bucket, BucketError> {
        Ok(Bucket::new(name.clone(), self.shared.carrier.bucket(name, keep).await?))
    }

    /// Gives what `pattern` means to `ear` as it comes, on the thread of whoever brings it. No queue lies in between, so nothing
    /// is dropped; `ear` must not wait and say nothing on a bus, and gives back what nobody wants.
    pub async fn listen(
        &self,
        pattern: Pattern,
        ear: impl Fn(Message) -> Result<(), Message> + Send + Sync + 'static,
    ) -> Result<Listening, SubscribeError> {
        let interest = Interest { pattern: pattern.clone(), group: None };
        let hold = self.shared.carrier.subscribe(interest, Box::new(Ear(ear))).await?;
        Ok(Listening::new(pattern, hold))
    }

    /// Waits until what was said and subscribed to here before has reached the bus.
    pub async fn flush(&self) -> Result<(), FlushError> {
        self.shared.carrier.flush().await
    }

    /// The largest message that this bus takes, headers included.
    pub fn payload_max(&self) -> ByteSize {
        self.shared.carrier.payload_max()
    }

    /// Whether what is said now can get anywhere. In process it always can.
    pub fn is_connected(&self) -> bool {
        self.shared.carrier.is_connected()
    }

    /// How many messages were dropped on this bus because a subscriber did not keep up.
    pub fn dropped(&self) -> u64 {
        self.shared.carrier.dropped()
    }

    /// What carries it, for a log or a list: never with a password.
    pub fn describe(&self) -> String {
        self.shared.carrier.describe()
    }
}

impl fmt::Debug for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Bus").field(&self.describe()).finish()
    }
}

// === impl RequestError ===

impl Explain for RequestError {
    fn code(&self) -> Code {
        match self {
            Self::NotAsked { source, .. } => source.code(),
            Self::NoResponders { .. } => Code::E0701,
            Self::Timeout { .. } => Code::E0702,
        }
    }
}

fn not_asked(subject: &Subject, source: PublishError) -> RequestError {
    RequestError::NotAsked { subject: subject.clone(), source }
}

/// Takes answers until there are enough, or one says that there will be none.
async fn take_up_to(count: usize, answers: &mut Receiver, gathered: &mut Vec<Message>) {
    while gathered.len() < count && !gathered.first().is_some_and(Message::is_no_responders) {
        match std::future::poll_fn(|cx| answers.poll_next(cx)).await {
            Some(answer) => gathered.push(answer),
            None => break,
        }
    }
}

#[cfg(test)]
mod tests;
