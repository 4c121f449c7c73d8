//! Writes: one thread, one transaction for all that waits.
//!
//! # Invariants
//!
//! 1. A group is committed whole or answered as failed whole. A write that cannot be made as asked (no number, lost race) is
//!    found out before it is written and does not fail its group.
//! 2. After a failure the database is closed and opened again before the next group: what the system says after a failed
//!    flush is not to be believed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::{Builder, JoinHandle};

use bytes::Bytes;
use redb::{
    CommitError, Database, Durability, ReadableDatabase, ReadableTable, StorageError, Table, TableError,
    TransactionError,
};
use stdx::Chain;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tracing::{info, warn};

use crate::number::{self, Addend, Sum};
use crate::scope::Key;
use crate::store::{Change, Stamp, Swap};

use super::Published;
use super::file::{FileError, Occasion, PAIRS};

/// Writes of one group at most.
const GROUP: usize = 128;

/// Opens the database, the first time and after a failure.
pub(super) type Opener = Box<dyn Fn(Occasion) -> Result<Database, FileError> + Send>;

/// Something to write, who waits for it, and the room that it takes in the queue.
pub(super) struct Job {
    pub(super) work: Work,
    pub(super) answer: oneshot::Sender<Result<Answer, StorageError>>,
    pub(super) _room: OwnedSemaphorePermit,
}

/// What to write.
pub(super) enum Work {
    Apply(Vec<Change>),
    Increment(Key, Addend),
    Swap(Key, Stamp, Bytes),
}

/// What came of it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Answer {
    Applied,
    Added(Sum),
    Swapped(Swap),
}

struct Writer {
    opener: Opener,
    /// `None` after a failure, until it was opened again.
    database: Option<Database>,
    published: Published,
}

/// Opens the database and starts the thread that writes to it until nobody can ask it to any more.
pub(super) fn spawn(
    opener: Opener,
    queue: mpsc::Receiver<Job>,
    published: Published,
) -> Result<JoinHandle<()>, FileError> {
    let mut writer = Writer { opener, database: None, published };
    writer.open(Occasion::Start)?;
    Ok(Builder::new().name("keyvalue".into()).spawn(move || writer.run(queue))?)
}

// === impl Work ===

impl Work {
    /// How many bytes it carries.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Apply(changes) => changes.iter().map(Change::size).sum(),
            Self::Increment(key, _) => key.as_bytes().len(),
            Self::Swap(key, _, value) => key.as_bytes().len() + value.len(),
        }
    }
}

// === impl Writer ===

impl Writer {
    fn run(mut self, mut queue: mpsc::Receiver<Job>) {
        let mut group = Vec::with_capacity(GROUP);
        while queue.blocking_recv_many(&mut group, GROUP) > 0 {
            let outcome = self.write(&group);
            answer(group.drain(..), outcome);
        }
        self.close();
    }

    /// Writes a group and publishes it, or makes sure that the next one starts from what is on disk.
    fn write(&mut self, group: &[Job]) -> Result<Vec<Answer>, StorageError> {
        if self.database.is_none() {
            self.open(Occasion::FailedWrite).map_err(|error| StorageError::Io(std::io::Error::other(error)))?;
            info!("key-value store opened again");
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let database = self.database.as_ref().expect("it was opened above");
            let answers = commit(database, group)?;
            publish(database, &self.published)?;
            Ok(answers)
        }))
        .unwrap_or_else(|_| Err(StorageError::Corrupted("the database gave up".into())));
        if let Err(error) = &outcome {
            warn!(error = %Chain(error), "a write to the key-value store failed; it is closed and opened again");
            self.close();
            self.reopen();
        }
        outcome
    }

    /// Opens the database again at once, for those who read. Where that fails, the next write or read has it tried again.
    fn reopen(&mut self) {
        if let Err(error) = self.open(Occasion::FailedWrite) {
            warn!(error = %Chain(&error), "the key-value store cannot be opened again yet");
        }
    }

    fn open(&mut self, occasion: Occasion) -> Result<(), FileError> {
        let database = (self.opener)(occasion)?;
        publish(&database, &self.published)?;
        self.database = Some(database);
        Ok(())
    }

    /// Closes the database, readers first.
    fn close(&mut self) {
        self.published.store(None);
        let Some(database) = self.database.take() else { return };
        let closed = catch_unwind(AssertUnwindSafe(|| database.close()));
        match closed {
            Ok(Ok(())) => {}
            Ok(Err(error)) => warn!(error = %Chain(&error), "the key-value store did not close well"),
            Err(_) => warn!("the database gave up while it was closed"),
        }
    }
}

fn answer(group: impl Iterator<Item = Job>, outcome: Result<Vec<Answer>, StorageError>) {
    // Who is not there any more to hear the answer is content without it.
    match outcome {
        Ok(answers) => group.zip(answers).for_each(|(job, answer)| drop(job.answer.send(Ok(answer)))),
        Err(error) => group.for_each(|job| drop(job.answer.send(Err(same(&error))))),
    }
}

/// The same error for each of a group.
fn same(error: &StorageError) -> StorageError {
    match error {
        StorageError::Corrupted(text) => StorageError::Corrupted(text.clone()),
        StorageError::Io(error) => StorageError::Io(std::io::Error::new(error.kind(), error.to_string())),
        error => StorageError::Io(std::io::Error::other(error.to_string())),
    }
}

fn publish(database: &Database, published: &Published) -> Result<(), StorageError> {
    let transaction = database.begin_read().map_err(of_transaction)?;
    let table = transaction.open_table(PAIRS).map_err(of_table)?;
    published.store(Some(table.into()));
    Ok(())
}

fn commit(database: &Database, group: &[Job]) -> Result<Vec<Answer>, StorageError> {
    let mut transaction = database.begin_write().map_err(of_transaction)?;
    transaction
        .set_durability(Durability::Immediate)
        .map_err(|error| StorageError::Io(std::io::Error::other(error)))?;
    transaction.set_two_phase_commit(true);
    transaction.set_quick_repair(true);
    let answers = {
        let mut table = transaction.open_table(PAIRS).map_err(of_table)?;
        group.iter().map(|job| make(&mut table, &job.work)).collect::<Result<_, _>>()?
    };
    match transaction.commit() {
        Ok(()) => Ok(answers),
        Err(CommitError::Storage(error)) => Err(error),
        Err(error) => Err(StorageError::Corrupted(error.to_string())),
    }
}

fn make(table: &mut Table<'_, &'static [u8], &'static [u8]>, work: &Work) -> Result<Answer, StorageError> {
    match work {
        Work::Apply(changes) => {
            changes.iter().try_for_each(|change| change_one(table, change))?;
            Ok(Answer::Applied)
        }
        Work::Increment(key, addend) => {
            let sum = addend.add_to(table.get(key.as_bytes())?.as_ref().map(|value| value.value()));
            if let Sum::Is(number) = sum {
                table.insert(key.as_bytes(), number::print(number).as_ref())?;
            }
            Ok(Answer::Added(sum))
        }
        Work::Swap(key, seen, value) => {
            let now = Stamp::of(table.get(key.as_bytes())?.as_ref().map(|value| value.value()));
            if now != *seen {
                return Ok(Answer::Swapped(Swap::ChangedMeanwhile));
            }
            table.insert(key.as_bytes(), value.as_ref())?;
            Ok(Answer::Swapped(Swap::Written))
        }
    }
}

fn change_one(table: &mut Table<'_, &'static [u8], &'static [u8]>, change: &Change) -> Result<(), StorageError> {
    match change {
        Change::Put(key, value) => table.insert(key.as_bytes(), value.as_ref()).map(drop),
        Change::Delete(key) => table.remove(key.as_bytes()).map(drop),
    }
}

fn of_transaction(error: TransactionError) -> StorageError {
    match error {
        TransactionError::Storage(error) => error,
        error => StorageError::Io(std::io::Error::other(error)),
    }
}

fn of_table(error: TableError) -> StorageError {
    match error {
        TableError::Storage(error) => error,
        error => StorageError::Corrupted(error.to_string()),
    }
}
