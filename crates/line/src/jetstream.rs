//! Streams of a NATS server, as buckets of one kind or another are kept in them.
//!
//! A connection is used until it is lost, and then a new one is made: the client's own way to reconnect keeps what it was
//! asked to send, and would send a write long after its caller was told that nobody knows of it.
//!
//! # Invariants
//!
//! 1. What is printed of an address has no login in it.
//! 2. A stream without a leader looks empty. That is a failure, and never a list without subjects.

mod servers;
mod subjects;

use std::path::PathBuf;
use std::time::Duration;

use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::stream::{Config, DiscardPolicy, Stream};
use async_nats::jetstream::{Context, ErrorCode};
use stdx::ByteSize;

use crate::line::{ConnectError, Line, NoConnection};

use servers::Servers;

pub use streams::is_full;
pub use subjects::{SUBJECTS_MAX, SubjectsError, subjects};

/// Where a server is, and who connects.
#[derive(Clone)]
pub struct Reach {
    /// `nats://` or `tls://`; several with commas between them. A user and a password, or a token, may stand in the first.
    pub url: String,
    /// A file of credentials, read anew for each connection.
    pub credentials: Option<PathBuf>,
    /// For one call, and for one attempt to connect.
    pub timeout: Duration,
}

/// What a bucket is called: letters, digits, `-` and `_`, at most 64 of them.
#[derive(Debug, Clone)]
pub struct BucketName(String);

/// The text cannot name a bucket.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no name of a bucket: letters, digits, '-' and '_' make one, at most 64 of them")]
pub struct BadBucket(String);

/// How a bucket is made.
#[derive(Debug, Clone, Copy)]
pub struct NewBucket {
    /// On how many servers it is.
    pub replicas: usize,
    /// How much it may hold.
    pub limit: Option<ByteSize>,
}

/// A bucket of any kind: the stream that keeps it.
pub struct Kept {
    /// What the bucket is called.
    pub name: BucketName,
    /// The stream as it is made. One that is there has to have its name and its subjects.
    pub config: Config,
}

/// A connection and the stream on it.
#[derive(Clone)]
pub struct Connected {
    /// The connection.
    pub context: Context,
    /// The stream.
    pub stream: Stream<()>,
}

/// An open bucket.
pub struct Opened {
    line: Line<Connected>,
    timeout: Duration,
    /// How much it may hold, where it was told.
    limit: Option<ByteSize>,
}

/// There is no such bucket.
#[derive(Debug, thiserror::Error)]
#[error("there is no bucket {0}; with create=true it is made")]
struct NoBucket(String);

/// The server keeps nothing.
#[derive(Debug, thiserror::Error)]
#[error("JetStream is not enabled on the server, which keeps no buckets without it")]
struct NoJetStream;

/// The bucket is there, and is of no use.
#[derive(Debug, thiserror::Error)]
#[error("the bucket {0} is a mirror, is sealed, lets nothing be purged or holds other subjects; name another one")]
struct UnfitBucket(String);

// === impl Reach ===

impl Reach {
    /// Where the servers are, without who logs in.
    pub fn addresses(&self) -> String {
        servers::addresses(&self.url)
    }
}

// === impl BucketName ===

impl BucketName {
    /// The name, if it is one.
    pub fn new(name: &str) -> Result<Self, BadBucket> {
        let is_legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let fits = !name.is_empty() && name.len() <= 64 && name.chars().all(is_legal);
        if fits { Ok(Self(name.into())) } else { Err(BadBucket(name.into())) }
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

// === impl NewBucket ===

impl NewBucket {
    /// The stream of a new bucket: on disk, and full rather than forgetful.
    pub fn config(self) -> Config {
        Config {
            max_bytes: self.limit.and_then(|limit| i64::try_from(limit.as_u64()).ok()).unwrap_or(-1),
            max_messages: -1,
            max_consumers: -1,
            max_message_size: -1,
            num_replicas: self.replicas,
            discard: DiscardPolicy::New,
            allow_rollup: true,
            ..Config::default()
        }
    }
}

// === impl Kept ===

impl Kept {
    /// Connects, and answers once the bucket is there; one that is not is made, or refused. Must be called within the runtime
    /// that the connection is to live on.
    pub async fn open(&self, reach: &Reach, is_made: bool) -> Result<Opened, ConnectError> {
        let servers = Servers::new(reach, self.config.name.clone()).map_err(ConnectError::Refused)?;
        let line = Line::open(servers).await.map_err(servers::classify)?;
        let (connected, _) = line.connection().await.map_err(|error| ConnectError::Unavailable(error.into()))?;
        let limit = self.settle(&connected.context, is_made).await?;
        Ok(Opened { line, timeout: reach.timeout, limit })
    }

    /// Finds the bucket, or makes it; how much it may hold.
    async fn settle(&self, context: &Context, is_made: bool) -> Result<Option<ByteSize>, ConnectError> {
        let name = self.name.as_str();
        let found = match context.get_stream(&self.config.name).await {
            Ok(stream) => stream,
            Err(error) => match error.kind() {
                GetStreamErrorKind::JetStream(answer)
                    if answer.error_code() == ErrorCode::STREAM_NOT_FOUND && is_made =>
                {
                    let made = context.create_stream(self.config.clone()).await;
                    made.map_err(|error| ConnectError::Refused(error.into()))?
                }
                GetStreamErrorKind::JetStream(answer) if answer.error_code() == ErrorCode::STREAM_NOT_FOUND => {
                    return Err(ConnectError::Refused(NoBucket(name.into()).into()));
                }
                GetStreamErrorKind::JetStream(answer) if answer.code() < 500 => {
                    return Err(ConnectError::Refused(error.into()));
                }
                GetStreamErrorKind::Request if !context.client().server_info().jetstream => {
                    return Err(ConnectError::Refused(NoJetStream.into()));
                }
                _ => return Err(ConnectError::Unavailable(error.into())),
            },
        };
        let there = &found.cached_info().config;
        let sorted = |config: &Config| {
            let mut subjects = config.subjects.clone();
            subjects.sort_unstable();
            subjects
        };
        let holds_other = sorted(there) != sorted(&self.config);
        if there.mirror.is_some() || there.sealed || there.deny_purge || holds_other {
            return Err(ConnectError::Refused(UnfitBucket(name.into()).into()));
        }
        Ok(u64::try_from(there.max_bytes).ok().filter(|limit| *limit > 0).map(ByteSize::bytes))
    }
}

// === impl Opened ===

impl Opened {
    /// The connection of now.
    pub async fn connected(&self) -> Result<Connected, NoConnection> {
        Ok(self.line.connection().await?.0)
    }

    /// For one call.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// How much the bucket may hold, or the account where the bucket was told nothing.
    pub async fn limit(&self) -> Option<ByteSize> {
        if self.limit.is_some() {
            return self.limit;
        }
        let asked = async { self.connected().await.ok()?.context.query_account().await.ok() };
        let account = rt::within(Some(self.timeout), asked).await.ok()??;
        Some(ByteSize::bytes(account.storage.max(account.memory)))
    }
}
