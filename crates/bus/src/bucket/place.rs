//! This is where the pairs of buckets are: in a ledger, or in memory.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use ledger::{Enough, Fault, Ledger, LedgerError};

use super::backing::Change;
use super::names::{BucketKey, BucketName};
use super::pairs::{self, Outcome, Pairs};
use super::values::{Durability, Entry, Keep, Mark};

/// Where pairs are.
pub(super) enum Place {
    /// Gone with this process.
    Memory(Mutex<Memory>),
    /// On this machine's disk.
    Disk(Ledger),
}

/// Pairs in memory.
pub(super) type Memory = BTreeMap<Vec<u8>, Bytes>;

/// All that is in a bucket at one moment.
pub(super) struct Snapshot {
    pub(super) mark: Mark,
    pub(super) entries: Vec<(BucketKey, Entry)>,
}

// === impl Place ===

impl Place {
    pub(super) fn durability(&self) -> Durability {
        match self {
            Self::Memory(_) => Durability::Memory,
            Self::Disk(_) => Durability::Disk,
        }
    }

    /// Makes the bucket where there is none.
    pub(super) async fn settle(&self, bucket: &BucketName, new: (Keep, u64)) -> Result<(), LedgerError> {
        match self {
            Self::Memory(memory) => {
                let Ok(()) = pairs::settle(&mut *lock(memory), bucket, new);
                Ok(())
            }
            Self::Disk(ledger) => {
                let bucket = bucket.clone();
                ledger.write(64, move |pairs| pairs::settle(pairs, &bucket, new)).await
            }
        }
    }

    /// Makes a change. At its end `told` is called, in the order of changes: with what came of it, or with nothing where that is
    /// not known.
    pub(super) async fn change(
        &self,
        bucket: &BucketName,
        change: Change,
        told: impl FnOnce(Option<&Outcome>) + Send + 'static,
    ) -> Result<Outcome, LedgerError> {
        match self {
            Self::Memory(memory) => {
                let mut memory = lock(memory);
                let Ok(outcome) = pairs::change(&mut *memory, bucket, &change);
                told(Some(&outcome));
                Ok(outcome)
            }
            Self::Disk(ledger) => {
                let bucket = bucket.clone();
                let bytes = change.to.as_ref().map_or(0, Bytes::len);
                ledger.write_and(bytes, move |pairs| pairs::change(pairs, &bucket, &change), told).await
            }
        }
    }

    /// What is under a key.
    pub(super) fn get(&self, bucket: &BucketName, key: &BucketKey) -> Result<Option<Entry>, LedgerError> {
        let at = pairs::entry_key(bucket, key);
        let found = match self {
            Self::Memory(memory) => lock(memory).get(&at).cloned(),
            Self::Disk(ledger) => ledger.read(|state| state.get(&at))?,
        };
        Ok(found.and_then(pairs::entry_of))
    }

    /// All that is there.
    pub(super) fn snapshot(&self, bucket: &BucketName) -> Result<Snapshot, LedgerError> {
        let (about, start) = (pairs::about_key(bucket), pairs::start_of(bucket));
        let mut entries = Vec::new();
        let mut look = |key: &[u8], value: Bytes| {
            let Some(key) = key.strip_prefix(start.as_slice()) else { return Enough::Yes };
            let key = std::str::from_utf8(key).ok().and_then(|key| key.parse().ok());
            entries.extend(key.zip(pairs::entry_of(value)));
            Enough::NotYet
        };
        let mark = match self {
            Self::Memory(memory) => {
                let memory = lock(memory);
                let mut from = memory.range(start.clone()..);
                while from.next().is_some_and(|(key, value)| look(key, value.clone()) == Enough::NotYet) {}
                pairs::mark(memory.get(&about).map(|about| &about[..]))
            }
            Self::Disk(ledger) => ledger.read(|state| {
                state.scan(Bound::Included(&start), |key, value| look(key, Bytes::copy_from_slice(value)))?;
                Ok(pairs::mark(state.get(&about)?.as_deref()))
            })?,
        };
        Ok(Snapshot { mark, entries })
    }
}

/// A panic cannot leave the pairs half changed: what is put in was made before.
fn lock(memory: &Mutex<Memory>) -> MutexGuard<'_, Memory> {
    memory.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pairs for Memory {
    type Error = Infallible;

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Infallible> {
        Ok(BTreeMap::get(self, key).cloned())
    }

    fn put(&mut self, key: Vec<u8>, value: Vec<u8>) -> Result<(), Infallible> {
        self.insert(key, value.into());
        Ok(())
    }

    fn remove(&mut self, key: &[u8]) -> Result<(), Infallible> {
        BTreeMap::remove(self, key);
        Ok(())
    }
}

impl Pairs for ledger::Pairs<'_> {
    type Error = Fault;

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Fault> {
        ledger::Pairs::get(self, key)
    }

    fn put(&mut self, key: Vec<u8>, value: Vec<u8>) -> Result<(), Fault> {
        ledger::Pairs::put(self, &key, &value)
    }

    fn remove(&mut self, key: &[u8]) -> Result<(), Fault> {
        ledger::Pairs::remove(self, key)
    }
}
