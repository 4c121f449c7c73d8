//! This is a ledger as its users have it: open as long as it is held.

use std::fmt;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use arc_swap::ArcSwapOption;
use redb::StorageError;
use stdx::{BoxError, Code, Explain};
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::file;
use crate::file::OpenError;
use crate::pairs::{Fault, Pairs, State};
use crate::writer::{self, Job, Work};

/// Writes that may wait at once.
const QUEUE: usize = 1_024;

/// Bytes that may wait at once, in units of [`UNIT`].
const QUEUE_UNITS: u32 = 64 * 1024;
const UNIT: usize = 1_024;

/// The last committed state. Empty while the file is being opened again.
pub(crate) type Published = Arc<ArcSwapOption<State>>;

/// Pairs in one file in a folder of its own. Dropping it finishes what waits and closes the file.
pub struct Ledger {
    what: &'static str,
    folder: PathBuf,
    published: Published,
    /// `None` only while it is dropped, so that the writer sees that nobody is left.
    jobs: Option<mpsc::Sender<Job>>,
    room: Arc<Semaphore>,
    writer: Option<JoinHandle<()>>,
    /// Held as long as the ledger is open.
    _lock: File,
}

/// Why nothing was read or written.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// It may work in a moment, or when the machine is well again.
    #[error("the {what} in {} does not answer", folder.display())]
    Unavailable {
        /// What the ledger is for.
        what: &'static str,
        /// Where it is.
        folder: PathBuf,
        /// What happened.
        #[source]
        source: BoxError,
    },

    /// What is in the file cannot be trusted; nothing is read from it.
    #[error("the {what} in {} is damaged", folder.display())]
    Damaged {
        /// What the ledger is for.
        what: &'static str,
        /// Where it is.
        folder: PathBuf,
        /// What was found.
        #[source]
        source: BoxError,
    },
}

/// A write: what it does, what is to happen when that is done, and who waits for it.
struct Write<T, C, D> {
    change: Option<C>,
    done: D,
    answer: oneshot::Sender<Result<T, StorageError>>,
    outcome: Option<T>,
}

// === impl Ledger ===

impl Ledger {
    /// Opens the ledger in `folder`, and makes both where there is none. Errors and log lines call it `what`.
    ///
    /// Where the file is at most 64 MiB, or was not closed properly, every page of it is checked; a larger one that was
    /// closed properly is trusted as far as its head goes, so that opening stays quick.
    pub fn open(what: &'static str, folder: impl AsRef<Path>) -> Result<Self, OpenError> {
        let folder = folder.as_ref();
        let lock = file::lock(what, folder)?;
        let path = file::settle(what, folder)?;
        Self::start(what, folder, lock, Box::new(move |occasion| file::open(&path, occasion)))
    }

    pub(crate) fn start(
        what: &'static str,
        folder: &Path,
        lock: File,
        opener: writer::Opener,
    ) -> Result<Self, OpenError> {
        let published = Published::default();
        let (jobs, queue) = mpsc::channel(QUEUE);
        let writer = writer::Writer::new(what, opener, published.clone());
        let writer = writer.spawn(queue).map_err(|error| error.at(what, folder))?;
        Ok(Self {
            what,
            folder: folder.into(),
            published,
            jobs: Some(jobs),
            room: Arc::new(Semaphore::new(QUEUE_UNITS as usize)),
            writer: Some(writer),
            _lock: lock,
        })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes a change, which carries about `bytes`, and answers what it came to when that is on disk. Where this is dropped
    /// meanwhile, the change may be made or not.
    pub async fn write<T: Send + 'static>(
        &self,
        bytes: usize,
        change: impl FnOnce(&mut Pairs<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, LedgerError> {
        self.write_and(bytes, change, |_| {}).await
    }

    /// The same; at its end `done` is called on the writing thread, in the order in which changes were made, whether or not
    /// anybody waits for the answer: with what it came to, or with nothing where it is not known to be on disk.
    pub async fn write_and<T: Send + 'static>(
        &self,
        bytes: usize,
        change: impl FnOnce(&mut Pairs<'_>) -> Result<T, Fault> + Send + 'static,
        done: impl FnOnce(Option<&T>) + Send + 'static,
    ) -> Result<T, LedgerError> {
        let units = u32::try_from(bytes / UNIT).unwrap_or(QUEUE_UNITS).clamp(1, QUEUE_UNITS);
        let room = self.room.clone().acquire_many_owned(units).await.map_err(|error| self.unavailable(error))?;
        let jobs = self.jobs.as_ref().expect("the queue is open as long as the ledger is, see drop");
        let (answer, answered) = oneshot::channel();
        let work = Box::new(Write { change: Some(change), done, answer, outcome: None });
        jobs.send(Job { work, _room: room }).await.map_err(|_gone| self.unavailable(WriterGone))?;
        answered.await.map_err(|error| self.unavailable(error))?.map_err(|error| self.classify(error))
    }

    /// Reads the last committed state. The database is allowed to panic on a damaged file; the caller is not.
    pub fn read<T>(&self, read: impl FnOnce(&State) -> Result<T, Fault>) -> Result<T, LedgerError> {
        let published = self.published.load();
        let Some(state) = published.as_ref() else {
            self.nudge();
            return Err(self.unavailable(Reopening));
        };
        match catch_unwind(AssertUnwindSafe(|| read(state))) {
            Ok(outcome) => outcome.map_err(|Fault(error)| self.classify(error)),
            Err(_) => Err(self.classify(StorageError::Corrupted("the database gave up".into()))),
        }
    }

    /// Has the writer try again to open the file, if it has nothing else to do.
    fn nudge(&self) {
        let (Some(jobs), Ok(room)) = (&self.jobs, self.room.clone().try_acquire_owned()) else { return };
        let (answer, _) = oneshot::channel();
        let work = Box::new(Write {
            change: Some(|_: &mut Pairs<'_>| Ok(())),
            done: |_: Option<&()>| {},
            answer,
            outcome: None,
        });
        // Where the queue is full, the writer tries anyway.
        drop(jobs.try_send(Job { work, _room: room }));
    }

    fn classify(&self, error: StorageError) -> LedgerError {
        let (what, folder) = (self.what, self.folder.clone());
        match error {
            StorageError::Corrupted(_) => LedgerError::Damaged { what, folder, source: error.into() },
            error => self.unavailable(error),
        }
    }

    fn unavailable(&self, source: impl Into<BoxError>) -> LedgerError {
        LedgerError::Unavailable { what: self.what, folder: self.folder.clone(), source: source.into() }
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Drop for Ledger {
    /// Lets the writer finish what waits, and closes the file.
    fn drop(&mut self) {
        self.jobs = None;
        self.published.store(None);
        if let Some(Err(_)) = self.writer.take().map(JoinHandle::join) {
            tracing::error!(folder = %self.folder.display(), "the writer of the {} panicked", self.what);
        }
    }
}

// === impl Write ===

impl<T, C, D> Work for Write<T, C, D>
where
    T: Send,
    C: FnOnce(&mut Pairs<'_>) -> Result<T, Fault> + Send,
    D: FnOnce(Option<&T>) + Send,
{
    fn make(&mut self, pairs: &mut Pairs<'_>) -> Result<(), Fault> {
        let change = self.change.take().expect("the writer makes each write once");
        self.outcome = Some(change(pairs)?);
        Ok(())
    }

    fn end(self: Box<Self>, outcome: Result<(), StorageError>) {
        let Self { done, answer, outcome: made, .. } = *self;
        let outcome = outcome.map(|()| made.expect("what was committed was made"));
        done(outcome.as_ref().ok());
        // Who is not there any more to hear the answer is content without it.
        drop(answer.send(outcome));
    }
}

// === impl LedgerError ===

impl Explain for LedgerError {
    fn code(&self) -> Code {
        match self {
            Self::Unavailable { .. } | Self::Damaged { .. } => Code::E0401,
        }
    }
}

/// The writer has ended, which it does not do while the ledger is open.
#[derive(Debug, thiserror::Error)]
#[error("the writer has ended")]
struct WriterGone;

/// A commit failed and the file is being opened again.
#[derive(Debug, thiserror::Error)]
#[error("the file is being opened again after a failed write")]
struct Reopening;

#[cfg(test)]
mod tests;
