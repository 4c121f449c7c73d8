//! These are the pairs as who writes and who reads sees them.

use std::ops::Bound;

use bytes::Bytes;
use redb::{ReadOnlyTable, ReadableTable, StorageError, Table};

/// The pairs while they are written: as all writes before this one have left them.
pub struct Pairs<'t>(pub(crate) Table<'t, &'static [u8], &'static [u8]>);

/// The pairs as they were last committed. They stay as they are while they are looked at.
pub struct State(pub(crate) ReadOnlyTable<&'static [u8], &'static [u8]>);

/// The file could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Fault(#[from] pub(crate) StorageError);

// === impl Pairs ===

impl Pairs<'_> {
    /// Shows the value under `key` to `look`; nothing where there is none.
    pub fn look<T>(&self, key: &[u8], look: impl FnOnce(Option<&[u8]>) -> T) -> Result<T, Fault> {
        let found = self.0.get(key)?;
        Ok(look(found.as_ref().map(|value| value.value())))
    }

    /// The value under `key`, if there is one.
    pub fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Fault> {
        self.look(key, |value| value.map(Bytes::copy_from_slice))
    }

    /// Puts a value under `key`, whatever was there.
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), Fault> {
        Ok(self.0.insert(key, value).map(drop)?)
    }

    /// Leaves nothing under `key`.
    pub fn remove(&mut self, key: &[u8]) -> Result<(), Fault> {
        Ok(self.0.remove(key).map(drop)?)
    }
}

// === impl State ===

impl State {
    /// The value under `key`, if there is one.
    pub fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Fault> {
        Ok(self.0.get(key)?.map(|value| Bytes::copy_from_slice(value.value())))
    }

    /// Shows each pair from `start` on to `look`, in the order of the keys, until that has seen enough.
    pub fn scan(&self, start: Bound<&[u8]>, mut look: impl FnMut(&[u8], &[u8]) -> Enough) -> Result<(), Fault> {
        for pair in self.0.range::<&[u8]>((start, Bound::Unbounded))? {
            let (key, value) = pair?;
            if look(key.value(), value.value()) == Enough::Yes {
                break;
            }
        }
        Ok(())
    }
}

/// Whether who looks at pairs has seen enough of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enough {
    /// No more are shown.
    Yes,
    /// The next one is shown.
    NotYet,
}
