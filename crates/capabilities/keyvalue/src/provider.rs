//! This is the store that a provider of the lattice keeps: `wrpc:keyvalue`, as the providers of wasmCloud 1.x serve it.
//!
//! Which data a component's buckets are is the provider's business: it is told which component asks, by which link.
//!
//! # Invariants
//!
//! 1. What changes something is asked once: after no answer nobody knows whether it was done, and it is not asked again.
//! 2. What the provider answers costs no more than its page is allowed, however much it lists.
//!
//! # Not here
//!
//! Compare-and-swap, additions to numbers with a sign, and watching: the contract has no words for them. Several keys in one step:
//! `apply` may be seen half made.

mod refused;

use std::sync::{Arc, PoisonError};

use async_trait::async_trait;
use bus::{Subject, SubjectError};
use bytes::Bytes;
use capability::provider::{self, Least, LinkedProvider, NoLattice};
use capability::{BackendInfo, Cause, OpenError, Settings};
use rt::within;
use stdx::BoxError;
use wire::{Call, Decode, Encode, InvokeError, Peer, Peers};

use crate::KeyValue;
use crate::batch::{Batch, Bucket, batches, parts};
use crate::number::{Addend, Sum};
use crate::scope::{Key, Scope};
use crate::store::{Change, Changes, Page, Refusal, Stamp, Store, StoreError, Swap};

/// The backend, as it is listed.
pub(crate) const INFO: BackendInfo = BackendInfo {
    name: provider::NAME,
    about: "kept by a provider of the lattice, which speaks wrpc:keyvalue as those of wasmCloud do",
    settings: &[provider::ID, provider::LINK, provider::TIMEOUT],
};

/// What a component asks a provider to keep.
struct Provider {
    peer: Peer,
    functions: Arc<Functions>,
    cause: Cause,
}

/// Where a provider's functions are called.
struct Functions {
    get: Subject,
    set: Subject,
    delete: Subject,
    list: Subject,
    increment: Subject,
    set_many: Subject,
    delete_many: Subject,
}

/// What a provider answers.
type Answer<T> = Result<T, Refusal>;

/// The store of the provider that a link names. Whether it is there is found out by each call: it may come and go.
pub(crate) fn open(settings: &Settings, peers: Option<&Peers>) -> Result<Arc<dyn Store>, OpenError> {
    let linked = LinkedProvider::of(settings);
    let named = format!("provider {}", linked.id);
    let peers = peers.ok_or_else(|| OpenError::refused(&named, NoLattice))?;
    let peer = peers.peer(&linked.id, &linked.link, linked.timeout);
    let functions = Functions::of(&peer).map_err(|error| OpenError::refused(&named, error))?;
    Ok(Arc::new(Provider { peer, functions: Arc::new(functions), cause: Cause::default() }))
}

/// An interface of the contract, as it is called on the wire.
pub(crate) fn instance(interface: &str) -> String {
    format!("wrpc:keyvalue/{interface}@0.2.0-draft")
}

// === impl Functions ===

impl Functions {
    fn of(peer: &Peer) -> Result<Self, SubjectError> {
        let of = |interface: &str, name: &str| peer.function(&instance(interface), name);
        Ok(Self {
            get: of("store", "get")?,
            set: of("store", "set")?,
            delete: of("store", "delete")?,
            list: of("store", "list-keys")?,
            increment: of("atomics", "increment")?,
            set_many: of("batch", "set-many")?,
            delete_many: of("batch", "delete-many")?,
        })
    }
}

// === impl Provider ===

impl Provider {
    /// Asks for something in a bucket.
    async fn ask<T>(&self, bucket: Bucket<'_>, function: &Subject, values: &impl Encode) -> Result<T, StoreError>
    where
        Answer<T>: Decode,
    {
        match self.peer.wire().ask::<Answer<T>>(function, values, self.call(bucket)).await {
            Ok(answer) => answer.map_err(|source| StoreError::Refused { store: self.describe(), source }),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// A call for something in a bucket.
    fn call(&self, bucket: Bucket<'_>) -> Call {
        self.peer.call((bucket.component, self.cause.trace.clone())).at_depth(self.cause.depth)
    }

    fn failed(&self, error: InvokeError) -> StoreError {
        let store = self.describe();
        match error {
            InvokeError::Garbled { .. } => StoreError::Damaged { store, source: error.into() },
            error => self.unavailable(error),
        }
    }

    fn unavailable(&self, source: impl Into<BoxError>) -> StoreError {
        StoreError::Unavailable { store: self.describe(), source: source.into() }
    }

    async fn set(&self, (bucket, name): (Bucket<'_>, &str), value: &Bytes) -> Result<(), StoreError> {
        self.ask(bucket, &self.functions.set, &(bucket.name, name, value)).await
    }

    async fn remove(&self, (bucket, name): (Bucket<'_>, &str)) -> Result<(), StoreError> {
        self.ask(bucket, &self.functions.delete, &(bucket.name, name)).await
    }

    /// Makes the changes of one bucket: at once where the provider has a way to, else one by one.
    async fn change(&self, Batch { bucket, put, deleted }: &Batch<'_>) -> Result<(), StoreError> {
        let bucket = *bucket;
        if !put.is_empty() && !self.at_once(bucket, &self.functions.set_many, put).await? {
            for &(name, value) in put {
                self.set((bucket, name), value).await?;
            }
        }
        if !deleted.is_empty() && !self.at_once(bucket, &self.functions.delete_many, deleted).await? {
            for &name in deleted {
                self.remove((bucket, name)).await?;
            }
        }
        Ok(())
    }

    /// Asks for several things in one call; whether there is anybody who does so, which is known before anything was done.
    async fn at_once<T: Encode>(&self, bucket: Bucket<'_>, function: &Subject, all: &[T]) -> Result<bool, StoreError> {
        match self.peer.wire().ask::<Answer<()>>(function, &(bucket.name, all), self.call(bucket)).await {
            Ok(Ok(())) => Ok(true),
            Ok(Err(source)) => Err(StoreError::Refused { store: self.describe(), source }),
            Err(InvokeError::NobodyThere { .. }) => Ok(false),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// The least names of a bucket that come after another: all of its names are looked at, since their order is the provider's.
    async fn names(&self, scope: &Scope, page: Page<'_>) -> Result<Vec<String>, StoreError> {
        let bucket = Bucket::of(scope);
        let (mut least, mut cursor) = (Least::new(page.after, page.count_max), None::<u64>);
        loop {
            let (names, next): (Vec<String>, Option<u64>) =
                self.ask(bucket, &self.functions.list, &(bucket.name, cursor)).await?;
            least.add(names);
            match next {
                Some(next) => cursor = Some(next),
                None => return Ok(least.into_names()),
            }
        }
    }
}

#[async_trait]
impl Store for Provider {
    fn describe(&self) -> String {
        format!("provider {}", self.peer)
    }

    fn within(&self, cause: &Cause) -> Option<Arc<dyn Store>> {
        let is_another = (&self.cause.trace, self.cause.depth) != (&cause.trace, cause.depth);
        let another = || Self { peer: self.peer.clone(), functions: self.functions.clone(), cause: cause.clone() };
        is_another.then(|| Arc::new(another()) as Arc<dyn Store>)
    }

    async fn get(&self, key: &Key) -> Result<Option<Bytes>, StoreError> {
        let (bucket, name) = parts(key);
        self.ask(bucket, &self.functions.get, &(bucket.name, name)).await
    }

    /// Of several changes to one key the last is made. Those to different keys are seen one by one, in any order.
    async fn apply(&self, changes: Vec<Change>) -> Result<(), StoreError> {
        match changes.as_slice() {
            [Change::Put(key, value)] => self.set(parts(key), value).await,
            [Change::Delete(key)] => self.remove(parts(key)).await,
            changes => {
                for batch in batches(changes) {
                    self.change(&batch).await?;
                }
                Ok(())
            }
        }
    }

    async fn list(&self, scope: &Scope, page: Page<'_>) -> Result<Vec<String>, StoreError> {
        if page.count_max == 0 {
            return Ok(Vec::new());
        }
        // A provider may go on for ever.
        let names = within(Some(self.peer.timeout()), self.names(scope, page)).await;
        names.map_err(|late| self.unavailable(late))?
    }

    async fn increment(&self, key: &Key, addend: Addend) -> Result<Sum, StoreError> {
        let unable = StoreError::Unable { store: self.describe(), what: "add to numbers with a sign" };
        let delta = addend.delta_unsigned().ok_or(unable)?;
        let (bucket, name) = parts(key);
        let sum: u64 = self.ask(bucket, &self.functions.increment, &(bucket.name, name, delta)).await?;
        Ok(Sum::Is(sum.into()))
    }

    async fn swap(&self, _: &Key, _: Stamp, _: Bytes) -> Result<Swap, StoreError> {
        Err(StoreError::Unable { store: self.describe(), what: "compare and swap" })
    }

    async fn watch(&self, _: &Scope) -> Result<Changes, StoreError> {
        Err(StoreError::Unable { store: self.describe(), what: "be watched from here" })
    }
}

// === impl KeyValue ===

impl KeyValue {
    /// What is opened from now on finds providers among these.
    pub fn face(&self, peers: Option<Peers>) {
        *self.peers.lock().unwrap_or_else(PoisonError::into_inner) = peers;
    }

    pub(super) fn peers(&self) -> Option<Peers> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests;
