//! This is a store on this machine's disk: what it acknowledges survives a power cut, if the disk honours a flush.
//!
//! The file is a [`ledger`]: one thread writes what waits, readers read the last committed state. What is here is what a store
//! means by its pairs.
//!
//! # Invariants
//!
//! 1. What depends on what was there (an addition, a swap) is decided where it is written: nothing comes between.
//! 2. Within a process a folder is open once, however many links lead to it (`shared`).

mod backend;
mod shared;

use std::fmt;
use std::ops::Bound;
use std::path::Path;
use std::task::Poll;

use async_trait::async_trait;
use bytes::Bytes;
use ledger::{Enough, Fault, Ledger, LedgerError, Pairs};

use crate::number::{self, Addend, Sum};
use crate::scope::{Key, Scope};
use crate::store::{Change, Changes, Page, Stamp, Store, StoreError, Swap};
use crate::watch::Watchers;

use self::shared::Sharing;

pub use self::backend::DiskBackend;
pub use ledger::OpenError;

/// What its ledger is called in errors and log lines.
const WHAT: &str = "key-value store";

/// Pairs in one file in a folder of its own.
pub struct Disk {
    ledger: Ledger,
    watchers: Watchers,
    /// Let go of last: who waits to open the folder again finds it free. `None` where the store is nobody else's.
    sharing: Option<Sharing>,
}

// === impl Disk ===

impl Disk {
    /// Opens the store in `folder`, and makes both where there is none.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self, OpenError> {
        Ok(Self { ledger: Ledger::open(WHAT, folder)?, watchers: Watchers::default(), sharing: None })
    }

    /// Makes a change and waits until it is on disk.
    async fn write<T: Send + 'static>(
        &self,
        bytes: usize,
        change: impl FnOnce(&mut Pairs<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.ledger.write(bytes, change).await.map_err(|error| self.classify(error))
    }

    fn classify(&self, error: LedgerError) -> StoreError {
        let store = self.describe();
        match error {
            LedgerError::Unavailable { source, .. } => StoreError::Unavailable { store, source },
            LedgerError::Damaged { source, .. } => StoreError::Damaged { store, source },
        }
    }
}

#[async_trait]
impl Store for Disk {
    fn describe(&self) -> String {
        format!("disk {}", self.ledger.folder().display())
    }

    async fn get(&self, key: &Key) -> Result<Option<Bytes>, StoreError> {
        self.ledger.read(|state| state.get(key.as_bytes())).map_err(|error| self.classify(error))
    }

    fn get_now(&self, key: &Key) -> Poll<Option<Bytes>> {
        self.ledger.read(|state| state.get(key.as_bytes())).map_or(Poll::Pending, Poll::Ready)
    }

    async fn apply(&self, changes: Vec<Change>) -> Result<(), StoreError> {
        let watched = self.watchers.watched(changes.iter().map(Change::key));
        let bytes = changes.iter().map(Change::size).sum();
        self.write(bytes, move |pairs| changes.iter().try_for_each(|change| make(pairs, change))).await?;
        watched.iter().for_each(|key| self.watchers.tell(key));
        Ok(())
    }

    async fn list(&self, scope: &Scope, page: Page<'_>) -> Result<Vec<String>, StoreError> {
        let start = page.after.map(|name| scope.key(name));
        let start = start.as_ref().map_or(Bound::Included(scope.as_bytes()), |key| Bound::Excluded(key.as_bytes()));
        let mut names = Vec::new();
        let scanned = self.ledger.read(|state| {
            state.scan(start, |key, _| match scope.name_of(key) {
                Some(name) if names.len() < page.count_max => {
                    names.push(name.to_owned());
                    Enough::NotYet
                }
                _ => Enough::Yes,
            })
        });
        scanned.map(|()| names).map_err(|error| self.classify(error))
    }

    async fn increment(&self, key: &Key, addend: Addend) -> Result<Sum, StoreError> {
        let added = key.clone();
        let sum = self.write(key.as_bytes().len(), move |pairs| add(pairs, &added, addend)).await?;
        self.watchers.tell(key);
        Ok(sum)
    }

    async fn swap(&self, key: &Key, seen: Stamp, value: Bytes) -> Result<Swap, StoreError> {
        let swapped = key.clone();
        let bytes = key.as_bytes().len() + value.len();
        let swap = self.write(bytes, move |pairs| replace(pairs, &swapped, (seen, &value))).await?;
        self.watchers.tell(key);
        Ok(swap)
    }

    async fn watch(&self, scope: &Scope) -> Result<Changes, StoreError> {
        Ok(self.watchers.watch(scope))
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk").field("ledger", &self.ledger).finish_non_exhaustive()
    }
}

fn make(pairs: &mut Pairs<'_>, change: &Change) -> Result<(), Fault> {
    match change {
        Change::Put(key, value) => pairs.put(key.as_bytes(), value),
        Change::Delete(key) => pairs.remove(key.as_bytes()),
    }
}

fn add(pairs: &mut Pairs<'_>, key: &Key, addend: Addend) -> Result<Sum, Fault> {
    let sum = pairs.look(key.as_bytes(), |stored| addend.add_to(stored))?;
    if let Sum::Is(number) = sum {
        pairs.put(key.as_bytes(), &number::print(number))?;
    }
    Ok(sum)
}

/// Writes the value if what is there has the stamp that was seen.
fn replace(pairs: &mut Pairs<'_>, key: &Key, (seen, value): (Stamp, &[u8])) -> Result<Swap, Fault> {
    if pairs.look(key.as_bytes(), Stamp::of)? != seen {
        return Ok(Swap::ChangedMeanwhile);
    }
    pairs.put(key.as_bytes(), value)?;
    Ok(Swap::Written)
}
