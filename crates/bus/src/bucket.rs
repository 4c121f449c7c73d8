//! What everyone above keeps things in that all must know: values under keys, on disk, and whoever watches is told of changes.
//!
//! A bucket is as durable as its carrier makes it, and says how durable that is. What changes something on a condition names
//! the revision that it saw: of two who saw the same one, one is faster and the other is told so.
//!
//! # Invariants
//!
//! 1. Nothing here depends on the carrier. What does is behind [`Backing`] and [`Feed`].
//! 2. Every call ends within [`PATIENCE`] or what the connection says. After no answer nobody knows whether a change was made.
//! 3. A watch is never silently behind: see [`watch`].
//!
//! # Not here
//!
//! What the values mean. Older values of a key: there is the last one only.

mod backing;
mod error;
mod folder;
mod mirror;
mod names;
mod pairs;
mod place;
mod shelf;
mod values;
mod watch;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

pub(crate) use self::backing::{Backing, Change, Condition, Event, Feed, Past};
pub use self::error::BucketError;
pub use self::folder::Folder;
pub use self::mirror::{Mirror, MirrorError, Standing};
pub use self::names::{BucketKey, BucketName, Domain, NameError};
pub(crate) use self::shelf::Shelves;
pub use self::values::{Durability, Entry, Keep, Known, Mark, NoDurability, NoReplicas, Replicas, Revision, Told};
pub use self::watch::Watch;

/// How long a call may take where nobody said otherwise.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// Values under keys, which all who share a bus see. Cheap to clone, and used from any thread; to be called where there is a
/// runtime that has timers.
#[derive(Clone)]
pub struct Bucket {
    name: BucketName,
    backing: Arc<dyn Backing>,
}

// === impl Bucket ===

impl Bucket {
    pub(crate) fn new(name: BucketName, backing: Arc<dyn Backing>) -> Self {
        Self { name, backing }
    }

    /// Its name.
    pub fn name(&self) -> &BucketName {
        &self.name
    }

    /// What an acknowledgement of a change survives.
    pub fn durability(&self) -> Durability {
        self.backing.durability()
    }

    /// What is under a key, if anything is.
    pub async fn get(&self, key: &BucketKey) -> Result<Option<Entry>, BucketError> {
        self.backing.get(key).await
    }

    /// Puts a value under a key, whatever was there.
    pub async fn put(&self, key: &BucketKey, value: Bytes) -> Result<Revision, BucketError> {
        self.change(key, Some(value), Condition::Always).await
    }

    /// Puts a value under a key that has none; where it has one, the race was lost.
    pub async fn create(&self, key: &BucketKey, value: Bytes) -> Result<Revision, BucketError> {
        self.change(key, Some(value), Condition::Absent).await
    }

    /// Puts a value in the place of the one that was seen; where another is there, the race was lost.
    pub async fn update(&self, key: &BucketKey, value: Bytes, seen: Revision) -> Result<Revision, BucketError> {
        self.change(key, Some(value), Condition::Is(seen)).await
    }

    /// Leaves nothing under a key, whatever was there. Gives which change that was; where there was nothing, it may be one that is
    /// lower than any.
    pub async fn delete(&self, key: &BucketKey) -> Result<Revision, BucketError> {
        self.change(key, None, Condition::Always).await
    }

    /// Leaves nothing under a key, and nothing of what was there before either: what clients of such buckets call a purge. Where the
    /// last value is kept alone, that is [`delete`](Self::delete) by another word.
    pub async fn purge(&self, key: &BucketKey) -> Result<Revision, BucketError> {
        let change = Change { key: key.clone(), to: None, only_if: Condition::Always, is_purge: true };
        self.backing.change(change).await
    }

    /// Leaves nothing in the place of the value that was seen; where another is there, the race was lost.
    pub async fn delete_if(&self, key: &BucketKey, seen: Revision) -> Result<(), BucketError> {
        self.change(key, None, Condition::Is(seen)).await.map(drop)
    }

    /// The keys that have a value, in order.
    pub async fn keys(&self) -> Result<Vec<BucketKey>, BucketError> {
        Ok(self.entries().await?.into_keys().collect())
    }

    /// All that is there.
    pub async fn entries(&self) -> Result<BTreeMap<BucketKey, Entry>, BucketError> {
        let mut watch = self.watch();
        let gathered = rt::within(Some(self.backing.patience()), gather(&mut watch)).await;
        watch.end().await;
        gathered
            .map_err(|late| BucketError::Unavailable { bus: self.backing.describe(), source: late.into() })?
            .ok_or_else(|| BucketError::Unavailable { bus: self.backing.describe(), source: Ended.into() })
    }

    /// Tells of all that is there, and then of what changes. To be called within a runtime.
    pub fn watch(&self) -> Watch {
        self.watch_from(Known::default())
    }

    /// The same to who knows something of it already: tells of what is not so any more, and then of what changes.
    pub fn watch_from(&self, known: Known) -> Watch {
        Watch::new(self.backing.clone(), known)
    }

    async fn change(&self, key: &BucketKey, to: Option<Bytes>, only_if: Condition) -> Result<Revision, BucketError> {
        self.backing.change(Change { key: key.clone(), to, only_if, is_purge: false }).await
    }
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bucket").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A watch that ends while the bucket is there.
#[derive(Debug, thiserror::Error)]
#[error("the bus was given up")]
struct Ended;

/// All that is told of before it is said that this is all.
async fn gather(watch: &mut Watch) -> Option<BTreeMap<BucketKey, Entry>> {
    let mut entries = BTreeMap::new();
    loop {
        match watch.next().await? {
            Told::Set { key, entry } => drop(entries.insert(key, entry)),
            Told::Gone { key } => drop(entries.remove(&key)),
            Told::Anew { .. } => entries.clear(),
            Told::Away => {}
            Told::Current(_) => return Some(entries),
        }
    }
}
