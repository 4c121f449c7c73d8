//! This is what both versions of `wasi:keyvalue` have in common: a component's buckets, and what its calls do.
//!
//! A version is a file below: it says how its types look, and calls what is here.
//!
//! # Invariants
//!
//! 1. A bucket is resolved once, by `open`; a call on its handle looks nothing up by name.
//! 2. A failure of the store is logged once until the store is well again: a component that tries again and again cannot
//!    flood the log.

mod draft;
mod draft2;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use engine::State;
use model::ComponentName;
use stdx::Chain;
use tracing::warn;
use wasmtime::component::{HasSelf, Linker, Resource, ResourceTableError};

use crate::limits::{Limits, TooMuch};
use crate::number::{Addend, Sum};
use crate::scope::{Key, Scope};
use crate::store::{Change, Page, Stamp, Store, StoreError, Swap};

/// What is offered, each in its exact version.
pub const CONTRACTS: [&str; 6] = [
    "wasi:keyvalue/store@0.2.0-draft",
    "wasi:keyvalue/atomics@0.2.0-draft",
    "wasi:keyvalue/batch@0.2.0-draft",
    "wasi:keyvalue/store@0.2.0-draft2",
    "wasi:keyvalue/atomics@0.2.0-draft2",
    "wasi:keyvalue/batch@0.2.0-draft2",
];

/// Defines the functions of all versions.
pub fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    draft::wasi::keyvalue::store::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    draft::wasi::keyvalue::atomics::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    draft::wasi::keyvalue::batch::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    draft2::wasi::keyvalue::store::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    draft2::wasi::keyvalue::atomics::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    draft2::wasi::keyvalue::batch::add_to_linker::<_, HasSelf<State>>(linker, |state| state)
}

/// What one component is bound to.
#[derive(Clone)]
pub(crate) struct Binding {
    link: Arc<Link>,
}

struct Link {
    component: ComponentName,
    store: Arc<dyn Store>,
    limits: Limits,
    is_failing: AtomicBool,
}

/// An open bucket.
#[expect(unreachable_pub, reason = "the generated bindings export it again")]
pub struct Bucket {
    link: Arc<Link>,
    scope: Scope,
    /// Where the last page ended: so many keys in, after that key.
    page_end: Option<(u64, String)>,
}

/// An attempt to change a value that nobody else has changed meanwhile. It holds no value, however many there are.
#[expect(unreachable_pub, reason = "the generated bindings export it again")]
pub struct Attempt {
    link: Arc<Link>,
    key: Key,
    seen: Stamp,
}

/// Why a call did not do what it was asked.
#[expect(unreachable_pub, reason = "the generated bindings export it again")]
pub enum Failure {
    /// There is no bucket of that name.
    NoSuchStore,
    /// The component is bound to no store.
    AccessDenied,
    /// In words.
    Other(String),
    /// The component broke the rules of its own interface.
    Trap(wasmtime::Error),
}

// === impl Binding ===

impl Binding {
    pub(crate) fn new(component: ComponentName, store: Arc<dyn Store>, limits: Limits) -> Self {
        Self { link: Arc::new(Link { component, store, limits, is_failing: AtomicBool::new(false) }) }
    }

    /// The bucket of that name, which is there from the moment that someone asks for it.
    fn bucket(&self, name: &str) -> Result<Bucket, Failure> {
        if name.chars().count() > self.link.limits.bucket_name {
            return Err(Failure::NoSuchStore);
        }
        let scope = Scope::new(&self.link.component, name);
        Ok(Bucket { link: self.link.clone(), scope, page_end: None })
    }
}

/// Opens a bucket for the component whose state this is.
fn open(state: &mut State, name: &str) -> Result<Resource<Bucket>, Failure> {
    let binding = state.bound().part::<Binding>().ok_or(Failure::AccessDenied)?;
    let bucket = binding.bucket(name)?;
    Ok(state.table.push(bucket)?)
}

// === impl Link ===

impl Link {
    /// Answers with what the store said, or logs what went wrong and answers with its class.
    fn check<T>(&self, outcome: Result<T, StoreError>) -> Result<T, Failure> {
        let error = match outcome {
            Ok(value) => {
                if self.is_failing.load(Ordering::Relaxed) {
                    self.is_failing.store(false, Ordering::Relaxed);
                }
                return Ok(value);
            }
            Err(error) => error,
        };
        if !self.is_failing.swap(true, Ordering::Relaxed) {
            warn!(component = %self.component, error = %Chain(&error), "key-value call failed");
        }
        Err(Failure::Other(match error {
            StoreError::Unavailable { .. } => "the key-value store is not available".into(),
            StoreError::Damaged { .. } => "the key-value store is damaged".into(),
            StoreError::Full { .. } => "the key-value store is full".into(),
        }))
    }
}

// === impl Bucket ===

impl Bucket {
    fn key(&self, name: &str) -> Result<Key, Failure> {
        self.link.limits.check_key(name)?;
        Ok(self.scope.key(name))
    }

    async fn get(&self, name: &str) -> Result<Option<Bytes>, Failure> {
        let key = self.key(name)?;
        self.link.check(self.link.store.get(&key).await)
    }

    async fn set(&self, name: &str, value: Vec<u8>) -> Result<(), Failure> {
        let key = self.key(name)?;
        self.link.limits.check_value(&value)?;
        self.link.check(self.link.store.put(&key, value.into()).await)
    }

    async fn delete(&self, name: &str) -> Result<(), Failure> {
        let key = self.key(name)?;
        self.link.check(self.link.store.delete(&key).await)
    }

    /// The keys after `after`, a page of them, and whether there may be more.
    async fn page(&self, after: Option<&str>) -> Result<(Vec<String>, bool), Failure> {
        let count_max = self.link.limits.page;
        let names = self.link.check(self.link.store.list(&self.scope, Page { after, count_max }).await)?;
        let may_be_more = names.len() == count_max;
        Ok((names, may_be_more))
    }

    /// Values one by one, until they are too many bytes together. A missing one is `None`.
    async fn get_many(&self, names: Vec<String>) -> Result<Vec<(String, Option<Vec<u8>>)>, Failure> {
        self.link.limits.check_batch_keys(names.len())?;
        let mut size = 0;
        let mut pairs = Vec::with_capacity(names.len());
        for name in names {
            let value = self.get(&name).await?;
            size += value.as_ref().map_or(0, Bytes::len);
            self.link.limits.check_batch(size)?;
            pairs.push((name, value.map(Vec::from)));
        }
        Ok(pairs)
    }

    async fn set_many(&self, pairs: Vec<(String, Vec<u8>)>) -> Result<(), Failure> {
        self.link.limits.check_batch_keys(pairs.len())?;
        self.link.limits.check_batch(pairs.iter().map(|(_, value)| value.len()).sum())?;
        let mut changes = Vec::with_capacity(pairs.len());
        for (name, value) in pairs {
            self.link.limits.check_value(&value)?;
            changes.push(Change::Put(self.key(&name)?, value.into()));
        }
        self.link.check(self.link.store.apply(changes).await)
    }

    async fn delete_many(&self, names: &[String]) -> Result<(), Failure> {
        self.link.limits.check_batch_keys(names.len())?;
        let changes = names.iter().map(|name| Ok(Change::Delete(self.key(name)?)));
        let changes: Vec<Change> = changes.collect::<Result<_, Failure>>()?;
        self.link.check(self.link.store.apply(changes).await)
    }

    async fn increment(&self, name: &str, addend: Addend) -> Result<i128, Failure> {
        let key = self.key(name)?;
        match self.link.check(self.link.store.increment(&key, addend).await)? {
            Sum::Is(sum) => Ok(sum),
            Sum::NotANumber => Err(Failure::Other("the value is not a number".into())),
            Sum::OutOfRange => Err(Failure::Other("the sum is out of range".into())),
        }
    }

    async fn attempt(&self, name: &str) -> Result<Attempt, Failure> {
        let mut attempt = Attempt { link: self.link.clone(), key: self.key(name)?, seen: Stamp::of(None) };
        attempt.look().await?;
        Ok(attempt)
    }
}

// === impl Attempt ===

impl Attempt {
    /// The value that is there now, which is the one that the swap will expect.
    async fn look(&mut self) -> Result<Option<Bytes>, Failure> {
        let value = self.link.check(self.link.store.get(&self.key).await)?;
        self.seen = Stamp::of(value.as_deref());
        Ok(value)
    }

    async fn swap(&self, value: Vec<u8>) -> Result<Swap, Failure> {
        self.link.limits.check_value(&value)?;
        self.link.check(self.link.store.swap(&self.key, self.seen, value.into()).await)
    }
}

// === impl Failure ===

impl From<ResourceTableError> for Failure {
    fn from(error: ResourceTableError) -> Self {
        match error {
            ResourceTableError::Full => Self::Other("the component holds too many handles".into()),
            error => Self::Trap(error.into()),
        }
    }
}

impl From<TooMuch> for Failure {
    fn from(error: TooMuch) -> Self {
        Self::Other(error.to_string())
    }
}

#[cfg(test)]
mod tests;
