//! This is a store on this machine's disk: what it acknowledges survives a power cut, if the disk honours a flush.
//!
//! One thread writes. It takes what is waiting, up to 128 writes, makes one transaction of it, and answers when that is
//! committed; while it commits, the next group gathers. Readers read the last committed state on their own thread, without a
//! lock and without waiting for the writer.
//!
//! ```text
//! put ──▶ bounded queue ──▶ writer ──▶ commit (two flushes) ──▶ publish ──▶ answer
//! get ──▶ published state
//! ```
//!
//! # Invariants
//!
//! 1. A write is published before it is answered: who was told that it is done can read it.
//! 2. After a failed commit nothing is acknowledged until the file was closed, opened and read again (`writer`).
//! 3. What waits is bounded in number and in bytes; who writes faster than the disk waits too.
//! 4. A damaged file is refused; it is never taken for an empty one (`file`).
//! 5. Within a process a folder is open once, however many links lead to it (`shared`).

mod backend;
mod file;
mod shared;
mod writer;

use std::fmt;
use std::fs::File;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use bytes::Bytes;
use redb::{ReadOnlyTable, StorageError};
use stdx::BoxError;
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::number::{Addend, Sum};
use crate::scope::{Key, Scope};
use crate::store::{Change, Changes, Page, Stamp, Store, StoreError, Swap};
use crate::watch::Watchers;

use self::shared::Sharing;
use self::writer::{Answer, Job, Work};

pub use self::backend::DiskBackend;
pub use self::file::OpenError;

/// Writes that may wait at once.
const QUEUE: usize = 1_024;

/// Bytes that may wait at once, in units of [`UNIT`].
const QUEUE_UNITS: u32 = 64 * 1024;
const UNIT: usize = 1_024;

/// The last committed state. Empty while the file is being opened again.
type Published = Arc<ArcSwapOption<Table>>;
type Table = ReadOnlyTable<&'static [u8], &'static [u8]>;

/// Pairs in one file in a folder of its own.
pub struct Disk {
    folder: PathBuf,
    published: Published,
    /// `None` only while it is dropped, so that the writer sees that nobody is left.
    jobs: Option<mpsc::Sender<Job>>,
    room: Arc<Semaphore>,
    writer: Option<JoinHandle<()>>,
    watchers: Watchers,
    /// Held as long as the store is open.
    _lock: File,
    /// Let go of last: who waits to open the folder again finds it free. `None` where the store is nobody else's.
    sharing: Option<Sharing>,
}

// === impl Disk ===

impl Disk {
    /// Opens the store in `folder`, and makes both where there is none.
    ///
    /// Where the file is at most 64 MiB, or was not closed properly, every page of it is checked; a larger one that was
    /// closed properly is trusted as far as its head goes, so that opening stays quick.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self, OpenError> {
        let folder = folder.as_ref();
        let lock = file::lock(folder)?;
        let path = file::settle(folder)?;
        Self::start(folder, lock, Box::new(move |occasion| file::open(&path, occasion)))
    }

    fn start(folder: &Path, lock: File, opener: writer::Opener) -> Result<Self, OpenError> {
        let published = Published::default();
        let (jobs, queue) = mpsc::channel(QUEUE);
        let writer = writer::spawn(opener, queue, published.clone()).map_err(|error| error.at(folder))?;
        Ok(Self {
            folder: folder.into(),
            published,
            jobs: Some(jobs),
            room: Arc::new(Semaphore::new(QUEUE_UNITS as usize)),
            writer: Some(writer),
            watchers: Watchers::default(),
            _lock: lock,
            sharing: None,
        })
    }

    /// Has the writer do `work` and waits until it is on disk.
    async fn write(&self, work: Work) -> Result<Answer, StoreError> {
        let units = u32::try_from(work.size() / UNIT).unwrap_or(QUEUE_UNITS).clamp(1, QUEUE_UNITS);
        let room = self.room.clone().acquire_many_owned(units).await.map_err(|error| self.unavailable(error))?;
        let jobs = self.jobs.as_ref().expect("the queue is open as long as the store is, see drop");
        let (answer, answered) = oneshot::channel();
        jobs.send(Job { work, answer, _room: room }).await.map_err(|_gone| self.unavailable(WriterGone))?;
        answered.await.map_err(|error| self.unavailable(error))?.map_err(|error| self.classify(error))
    }

    /// Reads the last committed state. The database is allowed to panic on a damaged file; the caller is not.
    fn read<T>(&self, read: impl FnOnce(&Table) -> Result<T, StorageError>) -> Result<T, StoreError> {
        let published = self.published.load();
        let Some(table) = published.as_ref() else {
            self.nudge();
            return Err(self.unavailable(Reopening));
        };
        match catch_unwind(AssertUnwindSafe(|| read(table))) {
            Ok(outcome) => outcome.map_err(|error| self.classify(error)),
            Err(_) => Err(self.classify(StorageError::Corrupted("the database gave up".into()))),
        }
    }

    /// Has the writer try again to open the file, if it has nothing else to do.
    fn nudge(&self) {
        let (Some(jobs), Ok(room)) = (&self.jobs, self.room.clone().try_acquire_owned()) else { return };
        let (answer, _) = oneshot::channel();
        // Where the queue is full, the writer tries anyway.
        drop(jobs.try_send(Job { work: Work::Apply(Vec::new()), answer, _room: room }));
    }

    fn classify(&self, error: StorageError) -> StoreError {
        match error {
            StorageError::Corrupted(_) => StoreError::Damaged { store: self.describe(), source: error.into() },
            error => self.unavailable(error),
        }
    }

    fn unavailable(&self, source: impl Into<BoxError>) -> StoreError {
        StoreError::Unavailable { store: self.describe(), source: source.into() }
    }
}

#[async_trait]
impl Store for Disk {
    fn describe(&self) -> String {
        format!("disk {}", self.folder.display())
    }

    async fn get(&self, key: &Key) -> Result<Option<Bytes>, StoreError> {
        self.read(|table| Ok(table.get(key.as_bytes())?.map(|value| Bytes::copy_from_slice(value.value()))))
    }

    async fn apply(&self, changes: Vec<Change>) -> Result<(), StoreError> {
        let watched = self.watchers.watched(changes.iter().map(Change::key));
        self.write(Work::Apply(changes)).await?;
        watched.iter().for_each(|key| self.watchers.tell(key));
        Ok(())
    }

    async fn list(&self, scope: &Scope, page: Page<'_>) -> Result<Vec<String>, StoreError> {
        let start = page.after.map(|name| scope.key(name));
        let start = start.as_ref().map_or(Bound::Included(scope.as_bytes()), |key| Bound::Excluded(key.as_bytes()));
        self.read(|table| {
            let mut names = Vec::new();
            for pair in table.range::<&[u8]>((start, Bound::Unbounded))?.take(page.count_max) {
                let (key, _) = pair?;
                let Some(name) = scope.name_of(key.value()) else { break };
                names.push(name.to_owned());
            }
            Ok(names)
        })
    }

    async fn increment(&self, key: &Key, addend: Addend) -> Result<Sum, StoreError> {
        match self.write(Work::Increment(key.clone(), addend)).await? {
            Answer::Added(sum) => {
                self.watchers.tell(key);
                Ok(sum)
            }
            Answer::Applied | Answer::Swapped(_) => unreachable!("the writer answers an increment with a sum"),
        }
    }

    async fn swap(&self, key: &Key, seen: Stamp, value: Bytes) -> Result<Swap, StoreError> {
        match self.write(Work::Swap(key.clone(), seen, value)).await? {
            Answer::Swapped(swap) => {
                self.watchers.tell(key);
                Ok(swap)
            }
            Answer::Applied | Answer::Added(_) => unreachable!("the writer answers a swap with a swap"),
        }
    }

    async fn watch(&self, scope: &Scope) -> Result<Changes, StoreError> {
        Ok(self.watchers.watch(scope))
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Drop for Disk {
    /// Lets the writer finish what waits, and closes the file.
    fn drop(&mut self) {
        self.jobs = None;
        self.published.store(None);
        if let Some(Err(_)) = self.writer.take().map(JoinHandle::join) {
            tracing::error!(store = %self.describe(), "the writer of the key-value store panicked");
        }
    }
}

/// The writer has ended, which it does not do while the store is open.
#[derive(Debug, thiserror::Error)]
#[error("the writer has ended")]
struct WriterGone;

/// A commit failed and the file is being opened again.
#[derive(Debug, thiserror::Error)]
#[error("the file is being opened again after a failed write")]
struct Reopening;

#[cfg(test)]
mod tests;
