//! This is a bucket in JetStream: a key-value bucket as any client of NATS knows it, in a stream of our own making.
//!
//! The client's own way to make a bucket lets any replica answer a read, and that may be one that has not heard of the last
//! change. Here a read is a question to the stream's leader, and what must be right is decided by the number of a message.
//!
//! # Invariants
//!
//! 1. What changes something is acknowledged by the server, or an error. It is sent once, and again only where the server has said
//!    that it has no such bucket.
//! 2. A stream without a leader looks empty. That is a failure, and never an empty bucket.

use std::sync::Arc;
use std::time::Duration;

use async_nats::connection::State;
use async_nats::jetstream::context::{CreateStreamErrorKind, GetStreamErrorKind, PublishError, PublishErrorKind};
use async_nats::jetstream::message::{PublishMessage, StreamMessage};
use async_nats::jetstream::stream::{
    Config, DiscardPolicy, Info, LastRawMessageError, LastRawMessageErrorKind, StorageType, Stream,
};
use async_nats::jetstream::{self, Context, Error as Said, ErrorCode};
use async_nats::{Client, HeaderMap};
use futures::future::BoxFuture;
use stdx::{BoxError, ByteSize, Chain};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use super::NotConnected;
use super::following::{self, Followed, Following};
use super::keeper::Kept;
use super::replicas;
use super::seen::Seen;
use crate::bucket::{
    Backing, BucketError, BucketKey, BucketName, Change, Condition, Domain, Durability, Entry, Feed, Keep, Mark,
    Replicas, Revision,
};

/// What a message says that leaves nothing under its key.
const OPERATION: &str = "KV-Operation";
const DELETED: &str = "DEL";
const PURGED: &str = "PURGE";

/// What a message says that takes away those that were there before.
const ROLLUP: &str = "Nats-Rollup";
const OF_ITS_SUBJECT: &str = "sub";

/// What the server puts into a message that it leaves where it removed the last one.
const MARKER: &str = "Nats-Marker-Reason";

/// Events that wait at most for one watch.
const WAITING_MAX: usize = 256;

/// The server that keeps buckets, and the way to it.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) clients: Kept,
    /// What it is called in an error.
    pub(super) bus: String,
    pub(super) patience: Duration,
    /// Whose JetStream is meant, if not that of the server itself.
    pub(super) domain: Option<Domain>,
    pub(super) replicas: Replicas,
    /// Where what belongs to the connection runs.
    pub(super) runtime: Handle,
}

/// A bucket in JetStream.
#[derive(Clone)]
pub(super) struct NatsBucket {
    pub(super) server: Server,
    pub(super) name: BucketName,
    keep: Keep,
    durability: Durability,
    /// Whether several servers may keep it, of which one leads at a time: others may put it on more than it was found on.
    is_clustered: bool,
    pub(super) seen: Arc<Seen>,
    /// Puts it on more servers, where it is on fewer than it is to be.
    _growing: Option<Arc<rt::Task>>,
}

/// Why a call came to nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Classed(#[from] BucketError),
    /// Nobody knows.
    #[error(transparent)]
    Unknown(BoxError),
    /// The server has no such bucket any more.
    #[error("the server has no such bucket")]
    NoBucket,
}

/// The bucket is there, and is of no use.
#[derive(Debug, thiserror::Error)]
#[error("the stream {0} is a mirror, is sealed, or holds other subjects")]
struct Unfit(String);

/// While a leader is elected a stream looks empty.
#[derive(Debug, thiserror::Error)]
#[error("the bucket has no leader at present")]
struct NoLeader;

// === impl Server ===

impl Server {
    /// The client of now.
    pub(super) fn client(&self) -> Arc<Client> {
        self.clients.current()
    }

    /// What streams are asked with. What that needs to run runs where the connection does.
    pub(super) fn context(&self, client: &Client) -> Context {
        let _entered = self.runtime.enter();
        let mut context = match &self.domain {
            Some(domain) => jetstream::with_domain(client.clone(), domain.as_str()),
            None => jetstream::new(client.clone()),
        };
        context.set_timeout(self.patience);
        context
    }

    fn unavailable(&self, source: impl Into<BoxError>) -> BucketError {
        BucketError::Unavailable { bus: self.bus.clone(), source: source.into() }
    }

    fn no_buckets(&self) -> BucketError {
        BucketError::NoBuckets { bus: self.bus.clone() }
    }
}

// === impl NatsBucket ===

impl NatsBucket {
    /// The bucket of that name, which is made where there is none.
    pub(super) async fn open(
        server: Server,
        name: BucketName,
        keep: Keep,
        promised: Durability,
    ) -> Result<Arc<dyn Backing>, BucketError> {
        let (durability, seen) = (Durability::Memory, Arc::default());
        let mut bucket = Self { server, name, keep, durability, is_clustered: false, seen, _growing: None };
        let patience = bucket.server.patience;
        let found = bucket.call(patience, |context| bucket.settled(context)).await?;
        bucket.is_clustered = is_clustered(&found);
        if found.config.storage == StorageType::File {
            bucket.durability = promised;
        } else {
            tracing::warn!(bucket = %bucket.name, "the bucket is in memory: its server forgets all of it when it ends");
        }
        tracing::info!(bucket = %bucket.name, survives = %bucket.durability, "what its server acknowledges");
        bucket._growing = replicas::growing(&bucket, &found).map(Arc::new);
        Ok(Arc::new(bucket))
    }

    /// What its leader says of it, if that can be believed.
    async fn settled(&self, context: Context) -> Result<Info, Failure> {
        let info = self.settle(&context).await?.cached_info().clone();
        self.compare(&info)?;
        Ok(info)
    }

    /// How far it has come, where that is not less than was seen before.
    pub(super) fn compare(&self, info: &Info) -> Result<Mark, Failure> {
        // A time before 1970 or after 2554 is none that a server has.
        let made = u64::try_from(info.created.unix_timestamp_nanos()).unwrap_or_default();
        let found = Mark { made, last: Revision::new(info.state.last_sequence) };
        self.seen.compare(found).map_err(|behind| Failure::Unknown(behind.into()))?;
        Ok(found)
    }

    pub(super) fn stream(&self) -> String {
        format!("KV_{}", self.name)
    }

    /// What the subjects of its keys begin with.
    pub(super) fn prefix(&self) -> String {
        format!("$KV.{}.", self.name)
    }

    /// The subject of what is under a key.
    fn subject(&self, key: &BucketKey) -> String {
        format!("{}{key}", self.prefix())
    }

    /// Where that is said. Servers of other domains do not pass on a bucket's own subjects, only questions to its JetStream.
    fn door(&self, key: &BucketKey) -> String {
        match &self.server.domain {
            Some(domain) => format!("$JS.{domain}.API.{}", self.subject(key)),
            None => self.subject(key),
        }
    }

    /// What is said on these is its own.
    fn subjects(&self) -> Vec<String> {
        vec![format!("{}>", self.prefix())]
    }

    /// The stream of a new bucket. A stock client that makes one says `allow_direct` and is otherwise the same.
    fn config(&self, replicas: usize) -> Config {
        Config {
            name: self.stream(),
            subjects: self.subjects(),
            max_bytes: self.keep.bytes_max.and_then(|max| i64::try_from(max.as_u64()).ok()).unwrap_or(-1),
            max_messages: -1,
            max_messages_per_subject: 1,
            max_consumers: -1,
            max_message_size: -1,
            num_replicas: replicas,
            storage: StorageType::File,
            discard: DiscardPolicy::New,
            allow_direct: false,
            allow_rollup: true,
            deny_delete: true,
            ..Config::default()
        }
    }

    /// Makes one call, of however many questions, within its time. A bucket that the server has not any more is made again.
    pub(super) async fn call<T, F: Future<Output = Result<T, Failure>>>(
        &self,
        patience: Duration,
        call: impl Fn(Context) -> F,
    ) -> Result<T, BucketError> {
        let client = self.server.client();
        if client.connection_state() != State::Connected {
            return Err(self.server.unavailable(NotConnected));
        }
        let context = self.server.context(&client);
        let whole = async {
            match call(context.clone()).await {
                Err(Failure::NoBucket) => {
                    self.settle(&context).await?;
                    call(context).await
                }
                outcome => outcome,
            }
        };
        let whole = rt::within(Some(patience), whole);
        let outcome = tokio::select! {
            outcome = whole => outcome.unwrap_or_else(|late| Err(Failure::Unknown(late.into()))),
            // Its answer will not come.
            () = following::lost(&client) => Err(Failure::Unknown(NotConnected.into())),
        };
        outcome.map_err(|failure| match failure {
            Failure::Classed(error) => error,
            Failure::Unknown(source) => self.server.unavailable(source),
            Failure::NoBucket => self.server.unavailable(failure),
        })
    }

    /// Whether one server alone keeps the stream, and answers. One that could not write to its disk does, and never writes again
    /// before it is restarted, without a word to who waits for an acknowledgement. Where there are more, another may lead by now.
    async fn answers_alone(&self, patience: Duration) -> bool {
        let found = self.call(patience, move |context| async move {
            let stream = self.find(&context).await?;
            self.check(stream.cached_info())?;
            Ok(stream.cached_info().config.num_replicas)
        });
        found.await.is_ok_and(|replicas| replicas == 1)
    }

    /// The stream, which is made where there is none.
    pub(super) async fn settle(&self, context: &Context) -> Result<Stream, Failure> {
        let stream = match self.find(context).await {
            Err(Failure::NoBucket) => self.create(context).await?,
            found => found?,
        };
        self.check(stream.cached_info())?;
        Ok(stream)
    }

    /// The stream of a bucket that was not there: on as many servers as it is to be on or, where it may be, on one.
    async fn create(&self, context: &Context) -> Result<Stream, Failure> {
        let replicas = self.server.replicas;
        match self.create_on(context, replicas.wanted()).await {
            Err(Failure::Classed(why)) if replicas.may_be_fewer() => {
                tracing::debug!(bucket = %self.name, error = %Chain(&why), "the bucket is made on one server");
                self.create_on(context, 1).await
            }
            outcome => outcome,
        }
    }

    async fn create_on(&self, context: &Context, replicas: usize) -> Result<Stream, Failure> {
        let error = match context.create_stream(self.config(replicas)).await {
            Ok(stream) => return Ok(stream),
            Err(error) => error,
        };
        match error.kind() {
            // Somebody else made it meanwhile, not quite as we would have.
            CreateStreamErrorKind::JetStream(said) if said.error_code() == ErrorCode::STREAM_NAME_EXIST => {
                self.find(context).await
            }
            CreateStreamErrorKind::JetStream(said) => Err(self.said(said, error)),
            _ => Err(Failure::Unknown(error.into())),
        }
    }

    async fn find(&self, context: &Context) -> Result<Stream, Failure> {
        let error = match context.get_stream(self.stream()).await {
            Ok(stream) => return Ok(stream),
            Err(error) => error,
        };
        match error.kind() {
            GetStreamErrorKind::JetStream(said) => Err(self.said(said, error)),
            // Nobody listens to such questions.
            GetStreamErrorKind::Request if !context.client().server_info().jetstream => {
                Err(self.server.no_buckets().into())
            }
            _ => Err(Failure::Unknown(error.into())),
        }
    }

    fn check(&self, info: &Info) -> Result<(), Failure> {
        if !has_leader(info) {
            return Err(Failure::Unknown(NoLeader.into()));
        }
        let config = &info.config;
        let is_fit = config.mirror.is_none() && !config.sealed && config.subjects == self.subjects();
        match is_fit {
            true => Ok(()),
            false => Err(self.refused(Unfit(config.name.clone()))),
        }
    }

    /// What the server said, by its class.
    pub(super) fn said(&self, said: Said, error: impl Into<BoxError>) -> Failure {
        match said.error_code() {
            ErrorCode::STREAM_NOT_FOUND => Failure::NoBucket,
            ErrorCode::JETSTREAM_NOT_ENABLED | ErrorCode::JETSTREAM_NOT_ENABLED_FOR_ACCOUNT => {
                self.server.no_buckets().into()
            }
            _ if streams::is_full(&said) => {
                Failure::Classed(BucketError::Full { bucket: self.name.clone(), source: error.into() })
            }
            ErrorCode::STREAM_REPLICAS_NOT_SUPPORTED => self.refused(error),
            _ if said.code() < 500 => self.refused(error),
            _ => Failure::Unknown(error.into()),
        }
    }

    fn refused(&self, source: impl Into<BoxError>) -> Failure {
        Failure::Classed(BucketError::Refused { bucket: self.name.clone(), source: source.into() })
    }

    /// The last message of a key, whatever it says.
    async fn last(&self, context: &Context, key: &BucketKey) -> Result<Option<StreamMessage>, Failure> {
        let stream = context.get_stream_no_info(self.stream()).await.map_err(|error| Failure::Unknown(error.into()))?;
        match stream.get_last_raw_message_by_subject(&self.subject(key)).await {
            Ok(message) => Ok(Some(message)),
            Err(error) => self.without_last(error).map(|()| None),
        }
    }

    fn without_last(&self, error: LastRawMessageError) -> Result<(), Failure> {
        match error.kind() {
            LastRawMessageErrorKind::NoMessageFound => Ok(()),
            LastRawMessageErrorKind::JetStream(said) => Err(self.said(said, error)),
            _ => Err(Failure::Unknown(error.into())),
        }
    }

    async fn read(&self, context: Context, key: &BucketKey) -> Result<Option<Entry>, Failure> {
        if self.is_clustered {
            self.settled(context.clone()).await?;
        }
        let last = self.last(&context, key).await?;
        let entry = last.filter(|message| !is_deletion(&message.headers)).map(|message| {
            let value = message.payload;
            Entry { value, revision: Revision::new(message.sequence) }
        });
        Ok(entry)
    }

    async fn make(&self, context: Context, change: &Change) -> Result<Revision, Failure> {
        let conflict = || BucketError::Conflict { bucket: self.name.clone(), key: change.key.clone() }.into();
        let last = match change.only_if {
            Condition::Always => None,
            Condition::Is(seen) => Some(seen.as_u64()),
            Condition::Absent => Some(0),
        };
        if let Some(revision) = self.write(&context, change, last).await? {
            return Ok(revision);
        }
        if change.only_if != Condition::Absent {
            return Err(conflict());
        }
        // What says that there is nothing is a message, too.
        match self.last(&context, &change.key).await? {
            Some(message) if is_deletion(&message.headers) => {
                self.write(&context, change, Some(message.sequence)).await?.ok_or_else(conflict)
            }
            _ => Err(conflict()),
        }
    }

    /// Writes a message; nothing where the last one of its key is not the one of that number.
    async fn write(&self, context: &Context, change: &Change, last: Option<u64>) -> Result<Option<Revision>, Failure> {
        let mut message = match &change.to {
            Some(value) => PublishMessage::build().payload(value.clone()),
            None if change.is_purge => PublishMessage::build().header(OPERATION, PURGED).header(ROLLUP, OF_ITS_SUBJECT),
            None => PublishMessage::build().header(OPERATION, DELETED),
        };
        if let Some(last) = last {
            message = message.expected_last_subject_sequence(last);
        }
        let sent = async { context.send_publish(self.door(&change.key), message).await?.await };
        match sent.await {
            Ok(acknowledged) => Ok(Some(Revision::new(acknowledged.sequence))),
            Err(error) => self.unwritten(change, context, error).map(|()| None),
        }
    }

    /// Why nothing was written; that a race was lost is no failure.
    fn unwritten(&self, change: &Change, context: &Context, error: PublishError) -> Result<(), Failure> {
        match error.kind() {
            PublishErrorKind::WrongLastSequence => Ok(()),
            PublishErrorKind::StreamNotFound if !context.client().server_info().jetstream => {
                Err(self.server.no_buckets().into())
            }
            PublishErrorKind::StreamNotFound => Err(Failure::NoBucket),
            PublishErrorKind::MaxPayloadExceeded => {
                let size = ByteSize::bytes(change.to.as_ref().map_or(0, |value| value.len() as u64));
                let limit = ByteSize::bytes(context.client().max_payload() as u64);
                Err(BucketError::TooLarge { key: change.key.clone(), size, limit }.into())
            }
            _ => match streams::said(&error).cloned() {
                Some(said) => Err(self.said(said, error)),
                None => Err(Failure::Unknown(error.into())),
            },
        }
    }
}

impl Backing for NatsBucket {
    fn describe(&self) -> String {
        self.server.bus.clone()
    }

    fn durability(&self) -> Durability {
        self.durability
    }

    fn patience(&self) -> Duration {
        self.server.patience
    }

    fn get<'a>(&'a self, key: &'a BucketKey) -> BoxFuture<'a, Result<Option<Entry>, BucketError>> {
        Box::pin(self.call(self.server.patience, move |context| self.read(context, key)))
    }

    fn change(&self, change: Change) -> BoxFuture<'_, Result<Revision, BucketError>> {
        Box::pin(async move {
            // What is left is for the question why there is no answer.
            let patience = self.server.patience * 3 / 4;
            match self.call(patience, |context| self.make(context, &change)).await {
                Ok(revision) => {
                    self.seen.raise(revision);
                    Ok(revision)
                }
                Err(BucketError::Unavailable { source, .. })
                    if self.answers_alone(self.server.patience - patience).await =>
                {
                    Err(BucketError::Stuck { bucket: self.name.clone(), source })
                }
                outcome => outcome,
            }
        })
    }

    fn feed(&self, before: Option<Mark>) -> Box<dyn Feed> {
        let (events, told) = mpsc::channel(WAITING_MAX);
        let (done, has_ended) = oneshot::channel();
        let following = Following::new(self.clone(), events, before);
        let _entered = self.server.runtime.enter();
        let task = rt::Task::spawn(async move {
            following.run().await;
            // Nobody may wait for the end.
            done.send(()).ok();
        });
        Box::new(Followed { told, has_ended, patience: self.server.patience, task })
    }
}

/// Whether what is said of a stream is said by its leader: without one it has no messages, whatever was put.
fn has_leader(info: &Info) -> bool {
    info.cluster.as_ref().is_none_or(|cluster| cluster.leader.as_ref().is_some_and(|leader| !leader.is_empty()))
}

/// Whether a server has it that belongs to others: more of them may keep it.
pub(super) fn is_clustered(info: &Info) -> bool {
    info.cluster.as_ref().is_some_and(|cluster| cluster.name.as_ref().is_some_and(|name| !name.is_empty()))
}

/// Whether a message leaves nothing under its key.
pub(super) fn is_deletion(headers: &HeaderMap) -> bool {
    headers.get(MARKER).is_some()
        || headers.get(OPERATION).is_some_and(|operation| matches!(operation.as_str(), DELETED | PURGED))
}

#[cfg(test)]
mod tests;
