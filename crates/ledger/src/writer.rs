//! Writes: one thread, one transaction for all that waits.
//!
//! # Invariants
//!
//! 1. A group is committed whole or answered as failed whole. A write that cannot be made as asked (a lost race) is an answer
//!    like any other and does not fail its group.
//! 2. After a failure the database is closed and opened again before the next group: what the system says after a failed
//!    flush is not to be believed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::{Builder, JoinHandle};

use redb::{CommitError, Database, Durability, ReadableDatabase, StorageError, TableError, TransactionError};
use stdx::Chain;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tracing::{info, warn};

use crate::file::{FileError, Occasion, PAIRS};
use crate::ledger::Published;
use crate::pairs::{Fault, Pairs, State};

/// Writes of one group at most.
const GROUP: usize = 128;

/// Opens the database, the first time and after a failure.
pub(crate) type Opener = Box<dyn Fn(Occasion) -> Result<Database, FileError> + Send>;

/// Something to write, and the room that it takes in the queue.
pub(crate) struct Job {
    pub(crate) work: Box<dyn Work>,
    pub(crate) _room: OwnedSemaphorePermit,
}

/// What to write, and who waits for it.
pub(crate) trait Work: Send {
    /// Makes the change, in a transaction with those of others. Called once.
    fn make(&mut self, pairs: &mut Pairs<'_>) -> Result<(), Fault>;

    /// Says that the change is on disk, or why it may not be.
    fn end(self: Box<Self>, outcome: Result<(), StorageError>);
}

/// The thread that writes.
pub(crate) struct Writer {
    what: &'static str,
    opener: Opener,
    /// `None` after a failure, until it was opened again.
    database: Option<Database>,
    published: Published,
}

// === impl Writer ===

impl Writer {
    /// A writer that has opened nothing yet.
    pub(crate) fn new(what: &'static str, opener: Opener, published: Published) -> Self {
        Self { what, opener, database: None, published }
    }

    /// Opens the database and starts the thread that writes to it until nobody can ask it to any more.
    pub(crate) fn spawn(mut self, queue: mpsc::Receiver<Job>) -> Result<JoinHandle<()>, FileError> {
        self.open(Occasion::Start)?;
        Ok(Builder::new().name("ledger".into()).spawn(move || self.run(queue))?)
    }

    fn run(mut self, mut queue: mpsc::Receiver<Job>) {
        let mut group = Vec::with_capacity(GROUP);
        while queue.blocking_recv_many(&mut group, GROUP) > 0 {
            let outcome = self.write(&mut group);
            answer(group.drain(..), outcome);
        }
        self.close();
    }

    /// Writes a group and publishes it, or makes sure that the next one starts from what is on disk.
    fn write(&mut self, group: &mut [Job]) -> Result<(), StorageError> {
        if self.database.is_none() {
            self.open(Occasion::FailedWrite).map_err(|error| StorageError::Io(std::io::Error::other(error)))?;
            info!("the {} is opened again", self.what);
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let database = self.database.as_ref().expect("it was opened above");
            commit(database, group)?;
            publish(database, &self.published)
        }))
        .unwrap_or_else(|_| Err(StorageError::Corrupted("the database gave up".into())));
        if let Err(error) = &outcome {
            warn!(error = %Chain(error), "a write to the {} failed; it is closed and opened again", self.what);
            self.close();
            self.reopen();
        }
        outcome
    }

    /// Opens the database again at once, for those who read. Where that fails, the next write or read has it tried again.
    fn reopen(&mut self) {
        if let Err(error) = self.open(Occasion::FailedWrite) {
            warn!(error = %Chain(&error), "the {} cannot be opened again yet", self.what);
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
            Ok(Err(error)) => warn!(error = %Chain(&error), "the {} did not close well", self.what),
            Err(_) => warn!("the database of the {} gave up while it was closed", self.what),
        }
    }
}

fn answer(group: impl Iterator<Item = Job>, outcome: Result<(), StorageError>) {
    group.for_each(|job| job.work.end(outcome.as_ref().copied().map_err(same)));
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
    published.store(Some(State(table).into()));
    Ok(())
}

fn commit(database: &Database, group: &mut [Job]) -> Result<(), StorageError> {
    let mut transaction = database.begin_write().map_err(of_transaction)?;
    transaction
        .set_durability(Durability::Immediate)
        .map_err(|error| StorageError::Io(std::io::Error::other(error)))?;
    transaction.set_two_phase_commit(true);
    transaction.set_quick_repair(true);
    {
        let mut pairs = Pairs(transaction.open_table(PAIRS).map_err(of_table)?);
        group.iter_mut().try_for_each(|job| job.work.make(&mut pairs)).map_err(|Fault(error)| error)?;
    }
    match transaction.commit() {
        Ok(()) => Ok(()),
        Err(CommitError::Storage(error)) => Err(error),
        Err(error) => Err(StorageError::Corrupted(error.to_string())),
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
