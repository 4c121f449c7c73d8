//! This is a store in a bucket of NATS JetStream: safe from a power cut only where the server has `sync_interval: always`.
//!
//! Each value is the last message of a subject (`names`). A change that depends on what was there names the number of the
//! message that it saw, and the server's leader refuses it where that is not the last one any more.
//!
//! ```text
//! get              STREAM.MSG.GET, from the leader                      1 round trip
//! put              a message and its acknowledgement                    1
//! delete           STREAM.PURGE of the subject: it leaves nothing       1
//! apply            as many at once as may be, in no order between keys  1 for each key
//! list             STREAM.INFO: all names of the bucket, for each page  1
//! increment, swap  get, then a message that names what was seen         2 for each attempt
//! ```
//!
//! # Invariants
//!
//! 1. Reads go to the leader: what was acknowledged is read, but for the moments in which an old leader does not know yet
//!    that it is none. What must be right is decided by the number of a message, never by what was read.
//! 2. A stream without a leader looks empty. That is a failure, and never a list without names.
//! 3. What changes something is sent once. After no answer nobody knows whether it was made, and it is not made again.
//!
//! # Not here
//!
//! An index: a page costs what the whole bucket costs, and more than [`jetstream::SUBJECTS_MAX`] keys are not listed. Several keys in one
//! step: `apply` may be seen half made. Values larger than the server's `max_payload`, 1 MiB where nobody set it.

mod backend;
mod failure;
mod names;
mod watching;

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::message::{PublishMessage, StreamMessage};
use async_nats::jetstream::stream::LastRawMessageErrorKind;
use async_trait::async_trait;
use bytes::Bytes;
use futures::{TryStreamExt, stream};
use line::jetstream::{self, Connected, Opened};
use rt::within;
use stdx::ByteSize;
use tokio::sync::Mutex;

use crate::number::{self, Addend, Sum};
use crate::scope::{Key, Scope};
use crate::store::{Change, Changes, Page, Stamp, Store, StoreError, Swap};

use self::failure::Failure;
use self::names::{Bucket, Meaning};

pub use self::backend::NatsBackend;
pub use line::ConnectError;
pub use line::jetstream::{NewBucket, Reach};

/// How many changes of a batch are on their way at once.
const CHANGES_AT_ONCE: usize = 64;

/// How often an addition is tried while others change the number, and how long is waited at most before the next attempt.
const ATTEMPTS: u32 = 64;
const PAUSE_MAX: Duration = Duration::from_millis(32);

/// Additions of this host to one number are made one after the other: they need not meet at the server.
type Turns = [Mutex<()>; 64];

/// Where the name of a key stands whose subject does not say it.
const NAME: &str = "Wattle-Name";

/// What other clients mark a key with that they deleted.
const OPERATION: &str = "KV-Operation";

/// Where a server is, and which bucket.
#[derive(Clone)]
pub struct Options {
    /// How the server is reached.
    pub reach: Reach,
    /// The bucket of the server.
    pub bucket: String,
    /// What to make where there is no such bucket; nothing.
    pub create: Option<NewBucket>,
}

/// Pairs in a bucket of NATS.
pub struct Nats {
    described: String,
    bucket: Bucket,
    opened: Opened,
    turns: Turns,
}

/// What is stored under a key, and the number of the message that said so.
#[derive(Default)]
struct Entry {
    sequence: u64,
    value: Option<Bytes>,
}

// === impl Nats ===

impl Nats {
    /// Connects, and answers once the bucket is there. Must be called within the runtime that the connection is to live on.
    pub async fn connect(options: &Options) -> Result<Self, ConnectError> {
        let bucket = Bucket::new(&options.bucket).map_err(|error| ConnectError::Refused(error.into()))?;
        let described = format!("nats {} {}", options.reach.addresses(), options.bucket);
        let opened = bucket.kept(options.create).open(&options.reach, options.create.is_some()).await?;
        let turns = std::array::from_fn(|_| Mutex::default());
        Ok(Self { described, bucket, opened, turns })
    }

    /// Makes one call, of however many questions, within its time.
    async fn call<T>(&self, call: impl AsyncFnOnce(Connected) -> Result<T, Failure>) -> Result<T, StoreError> {
        let whole = async { call(self.opened.connected().await?).await };
        match within(Some(self.opened.timeout()), whole).await.unwrap_or_else(|late| Err(late.into())) {
            Ok(answer) => Ok(answer),
            Err(failure) => Err(self.classify(failure).await),
        }
    }

    /// The failure by its class. How much a full account holds has to be asked.
    async fn classify(&self, failure: Failure) -> StoreError {
        let store = self.describe();
        if jetstream::is_full(&failure)
            && let Some(limit) = self.opened.limit().await
        {
            return StoreError::Full { store, limit };
        }
        if failure.is_damage() {
            StoreError::Damaged { store, source: failure.into() }
        } else {
            StoreError::Unavailable { store, source: failure.into() }
        }
    }

    /// Whose turn it is to add to that number.
    fn turn(&self, key: &Key) -> &Mutex<()> {
        let digest = blake3::hash(key.as_bytes());
        &self.turns[usize::from(digest.as_bytes()[0]) % self.turns.len()]
    }

    async fn read(&self, connected: &Connected, key: &Key) -> Result<Entry, Failure> {
        match connected.stream.get_last_raw_message_by_subject(&self.bucket.subject(key)).await {
            Ok(message) => Ok(Entry::of(message)),
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(Entry::default()),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes a value; whether the message of that number was still the last one, where it has to be.
    async fn write(
        &self,
        connected: &Connected,
        change: (&Key, Bytes),
        expected: Option<u64>,
    ) -> Result<bool, Failure> {
        let (key, value) = change;
        let size = value.len();
        let mut message = PublishMessage::build().payload(value);
        if let Some(name) = names::long_name(key) {
            message = message.header(NAME, name);
        }
        if let Some(sequence) = expected {
            message = message.expected_last_subject_sequence(sequence);
        }
        let sent = async { connected.context.send_publish(self.bucket.subject(key), message).await?.await };
        match sent.await {
            Ok(_) => Ok(true),
            Err(error) => match error.kind() {
                PublishErrorKind::WrongLastSequence => Ok(false),
                PublishErrorKind::MaxPayloadExceeded => {
                    let limit = connected.context.client().max_payload();
                    Err(Failure::TooLarge { size, limit: ByteSize::bytes(limit as u64) })
                }
                _ => Err(error.into()),
            },
        }
    }

    async fn change(&self, connected: &Connected, change: Change) -> Result<(), Failure> {
        match change {
            Change::Put(key, value) => self.write(connected, (&key, value), None).await.map(|_| ()),
            Change::Delete(key) => {
                connected.stream.purge().filter(self.bucket.subject(&key)).await?;
                self.announce_deletion(connected, &key).await;
                Ok(())
            }
        }
    }

    async fn add(&self, connected: &Connected, key: &Key, addend: Addend) -> Result<Sum, Failure> {
        let _turn = self.turn(key).lock().await;
        for attempt in 0..ATTEMPTS {
            let seen = self.read(connected, key).await?;
            let sum = addend.add_to(seen.value.as_deref());
            let Sum::Is(number) = sum else { return Ok(sum) };
            if self.write(connected, (key, number::print(number)), Some(seen.sequence)).await? {
                return Ok(sum);
            }
            tokio::time::sleep(pause(attempt)).await;
        }
        Err(Failure::Contended(ATTEMPTS))
    }

    /// All names of the scope that come after `after`, in no order.
    async fn names(&self, connected: &Connected, scope: &Scope, after: Option<&str>) -> Result<Vec<String>, Failure> {
        let subjects = jetstream::subjects(connected, &self.bucket.stream(), &self.bucket.subjects(scope)).await?;
        let mut names = Vec::new();
        for subject in subjects {
            let name = match names::meaning(&subject) {
                Meaning::Name(name) => Some(name),
                Meaning::Long => stored_name(connected, &subject).await?,
                Meaning::Nothing => None,
            };
            names.extend(name.filter(|name| after.is_none_or(|after| name.as_str() > after)));
        }
        Ok(names)
    }
}

#[async_trait]
impl Store for Nats {
    fn describe(&self) -> String {
        self.described.clone()
    }

    async fn get(&self, key: &Key) -> Result<Option<Bytes>, StoreError> {
        self.call(async |connected| Ok(self.read(&connected, key).await?.value)).await
    }

    /// Of several changes to one key the last is made. Those to different keys are seen one by one, in any order.
    async fn apply(&self, changes: Vec<Change>) -> Result<(), StoreError> {
        let mut last = std::collections::BTreeMap::new();
        for change in changes {
            last.insert(change.key().clone(), change);
        }
        self.call(async |connected| {
            let changes = stream::iter(last.into_values().map(Ok));
            changes.try_for_each_concurrent(CHANGES_AT_ONCE, |change| self.change(&connected, change)).await
        })
        .await
    }

    async fn list(&self, scope: &Scope, page: Page<'_>) -> Result<Vec<String>, StoreError> {
        if page.count_max == 0 {
            return Ok(Vec::new());
        }
        let mut names = self.call(async |connected| self.names(&connected, scope, page.after).await).await?;
        if names.len() > page.count_max {
            names.select_nth_unstable(page.count_max);
            names.truncate(page.count_max);
        }
        names.sort_unstable();
        Ok(names)
    }

    async fn increment(&self, key: &Key, addend: Addend) -> Result<Sum, StoreError> {
        self.call(async |connected| self.add(&connected, key, addend).await).await
    }

    async fn swap(&self, key: &Key, seen: Stamp, value: Bytes) -> Result<Swap, StoreError> {
        self.call(async |connected| {
            let now = self.read(&connected, key).await?;
            if Stamp::of(now.value.as_deref()) != seen {
                return Ok(Swap::ChangedMeanwhile);
            }
            let is_written = self.write(&connected, (key, value), Some(now.sequence)).await?;
            Ok(if is_written { Swap::Written } else { Swap::ChangedMeanwhile })
        })
        .await
    }

    async fn watch(&self, scope: &Scope) -> Result<Changes, StoreError> {
        self.call(async |connected| self.changes(&connected, scope).await).await
    }
}

// === impl Entry ===

impl Entry {
    fn of(message: StreamMessage) -> Self {
        let value = (!is_deletion(&message.headers)).then_some(message.payload);
        Self { sequence: message.sequence, value }
    }
}

/// Whether another client deleted the key in its way, which leaves a message.
fn is_deletion(headers: &HeaderMap) -> bool {
    headers.get(OPERATION).is_some_and(|operation| matches!(operation.as_str(), "DEL" | "PURGE"))
}

/// The name that is stored with the value; none where it has gone meanwhile.
async fn stored_name(connected: &Connected, subject: &str) -> Result<Option<String>, Failure> {
    match connected.stream.get_last_raw_message_by_subject(subject).await {
        Ok(message) => {
            let name = message.headers.get(NAME).and_then(|name| names::unescaped(name.as_str()));
            name.ok_or(Failure::NoName).map(Some)
        }
        Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Before the next attempt: longer each time, and not the same for two who met.
fn pause(attempt: u32) -> Duration {
    let longest = PAUSE_MAX.min(Duration::from_millis(1) * 2_u32.pow(attempt.min(8)));
    let share = RandomState::new().hash_one(attempt) % 1_000;
    longest * u32::try_from(share).unwrap_or(0) / 1_000
}

#[cfg(test)]
mod tests;
