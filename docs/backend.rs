//! Keeps pairs in one file that nobody else opens: they are in memory, and each change is at the end of the file.
//!
//! This is all of a backend, for [a page](links.md) that shows how one is made. The tests of `keyvalue` build it and hold it to all
//! that a key-value store has to promise; it is a part of no program.
//!
//! # Not here
//!
//! A thread that waits for the disk in the place of whoever calls, and a file that is written anew when most of it is old.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::ops::Bound;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use capability::settings::{Default as Unsaid, Kind};
use capability::{Backend, OpenError, Place, Setting, Settings};

use crate::number::{self, Addend, Sum};
use crate::store::{Change, Changes, Page, Stamp, Store, StoreError, Swap};
use crate::watch::Watchers;
use crate::{Key, Scope};

/// Stands for the size of a value that is not there any more.
const GONE: u32 = u32::MAX;

/// Keeps pairs in a file that nobody else opens.
pub(crate) struct FileBackend;

#[async_trait]
impl Backend<dyn Store> for FileBackend {
    fn name(&self) -> &'static str {
        "file"
    }

    fn about(&self) -> &'static str {
        "one file on this machine"
    }

    fn settings(&self) -> &'static [Setting] {
        &[Setting { name: "path", about: "where it is", kind: Kind::Path, default: Unsaid::Required }]
    }

    async fn open(&self, settings: &Settings, _: &Place) -> Result<Arc<dyn Store>, OpenError> {
        let path = settings.path("path").ok_or_else(|| OpenError::refused("file", "it has no path"))?;
        let store = FileStore::open(&path);
        Ok(Arc::new(store.map_err(|error| OpenError::unavailable(format!("file {}", path.display()), error))?))
    }
}

/// The pairs of a file.
struct FileStore {
    described: String,
    kept: Mutex<Kept>,
    watchers: Watchers,
}

struct Kept {
    pairs: BTreeMap<Vec<u8>, Bytes>,
    file: File,
}

// === impl FileStore ===

impl FileStore {
    fn open(path: &Path) -> io::Result<Self> {
        let mut file = File::options().read(true).append(true).create(true).open(path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let (pairs, size) = replay(&bytes);
        if size == 0 && bytes.first().is_some_and(|byte| *byte != 0) {
            // It is somebody else's: the size of a key, with which a file of ours begins, is a small number.
            return Err(io::ErrorKind::InvalidData.into());
        }
        // A change that was not written to its end was not acknowledged either.
        file.set_len(size)?;
        let kept = Mutex::new(Kept { pairs, file });
        Ok(Self { described: format!("file {}", path.display()), kept, watchers: Watchers::default() })
    }

    /// A panic cannot leave the map half changed.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes changes, in the file first. Nobody reads meanwhile.
    fn make(&self, kept: &mut Kept, changes: Vec<Change>) -> Result<(), StoreError> {
        let mut lines = Vec::new();
        changes.iter().for_each(|change| push_line(&mut lines, change));
        let unavailable = |error: io::Error| StoreError::Unavailable { store: self.describe(), source: error.into() };
        let before = kept.file.metadata().map_err(unavailable)?.len();
        if let Err(error) = kept.file.write_all(&lines) {
            // What stands behind half a change would be lost with it.
            kept.file.set_len(before).map_err(unavailable)?;
            return Err(unavailable(error));
        }
        for change in changes {
            self.watchers.tell(change.key());
            match change {
                Change::Put(key, value) => drop(kept.pairs.insert(key.as_bytes().to_vec(), value)),
                Change::Delete(key) => drop(kept.pairs.remove(key.as_bytes())),
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Store for FileStore {
    fn describe(&self) -> String {
        self.described.clone()
    }

    async fn get(&self, key: &Key) -> Result<Option<Bytes>, StoreError> {
        Ok(self.kept().pairs.get(key.as_bytes()).cloned())
    }

    async fn apply(&self, changes: Vec<Change>) -> Result<(), StoreError> {
        self.make(&mut self.kept(), changes)
    }

    async fn list(&self, scope: &Scope, page: Page<'_>) -> Result<Vec<String>, StoreError> {
        let start = page.after.map(|name| scope.key(name));
        let start = start.as_ref().map_or(Bound::Included(scope.as_bytes()), |key| Bound::Excluded(key.as_bytes()));
        let kept = self.kept();
        let names = kept.pairs.range::<[u8], _>((start, Bound::Unbounded)).map_while(|(key, _)| scope.name_of(key));
        Ok(names.take(page.count_max).map(str::to_owned).collect())
    }

    async fn increment(&self, key: &Key, addend: Addend) -> Result<Sum, StoreError> {
        let mut kept = self.kept();
        let sum = addend.add_to(kept.pairs.get(key.as_bytes()).map(Bytes::as_ref));
        if let Sum::Is(number) = sum {
            self.make(&mut kept, vec![Change::Put(key.clone(), number::print(number))])?;
        }
        Ok(sum)
    }

    async fn swap(&self, key: &Key, seen: Stamp, value: Bytes) -> Result<Swap, StoreError> {
        let mut kept = self.kept();
        if Stamp::of(kept.pairs.get(key.as_bytes()).map(Bytes::as_ref)) != seen {
            return Ok(Swap::ChangedMeanwhile);
        }
        self.make(&mut kept, vec![Change::Put(key.clone(), value)])?;
        Ok(Swap::Written)
    }

    async fn watch(&self, scope: &Scope) -> Result<Changes, StoreError> {
        Ok(self.watchers.watch(scope))
    }
}

/// A change as it is written: the key and the value, each after its size.
fn push_line(lines: &mut Vec<u8>, change: &Change) {
    let (key, value) = match change {
        Change::Put(key, value) => (key, Some(value.as_ref())),
        Change::Delete(key) => (key, None),
    };
    for part in [Some(key.as_bytes()), value] {
        let size = part.map_or(GONE, |part| u32::try_from(part.len()).expect("keys and values are small, see Limits"));
        lines.extend_from_slice(&size.to_be_bytes());
        lines.extend_from_slice(part.unwrap_or_default());
    }
}

/// What all changes came to, and how many bytes they are.
fn replay(bytes: &[u8]) -> (BTreeMap<Vec<u8>, Bytes>, u64) {
    let (mut pairs, mut rest) = (BTreeMap::new(), bytes);
    while let Some((Some(key), after)) = first(rest) {
        let Some((value, after)) = first(after) else { break };
        match value {
            Some(value) => drop(pairs.insert(key.to_vec(), Bytes::copy_from_slice(value))),
            None => drop(pairs.remove(key)),
        }
        rest = after;
    }
    (pairs, (bytes.len() - rest.len()) as u64)
}

/// The part that the bytes begin with, if it is whole, and what is behind it.
fn first(bytes: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    let (size, rest) = bytes.split_first_chunk()?;
    match u32::from_be_bytes(*size) {
        GONE => Some((None, rest)),
        size => {
            let (part, rest) = rest.split_at_checked(usize::try_from(size).ok()?)?;
            Some((Some(part), rest))
        }
    }
}
