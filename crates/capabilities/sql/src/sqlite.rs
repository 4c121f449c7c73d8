//! Keeps databases in files on this machine: one for each component, or one that is named.
//!
//! ```text
//! session ── a job at a time ──▶ thread with a connection ── file
//!    └── the one permit to write, first come first served
//! ```
//!
//! A connection is used by its own thread alone, because SQLite works while it is called. Sessions take connections from a pool,
//! which makes them when they are needed; one that nobody needed for half a minute is closed.
//!
//! # Invariants
//!
//! 1. What is acknowledged has reached the disk: the write-ahead log is flushed by each commit.
//! 2. Writers wait in a queue, not in SQLite: one that is blocked holds no thread, and none is overtaken. Programs beside this
//!    one are waited for as SQLite does it.
//! 3. A statement reaches its own file and no other.
//! 4. A session that is dropped takes its statement with it: the thread ends it at the next step.

mod backend;
mod connection;
mod convert;
mod failure;
mod session;
mod worker;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use deadpool::managed::{Manager, Metrics, Pool, PoolError, RecycleError, RecycleResult};
use model::ComponentName;
use rt::Task;
use stdx::ByteSize;
use tokio::sync::Semaphore;

use crate::database::{Database, Session, SqlError};
use crate::limits::Limits;

use connection::Local;
use session::SqliteSession;
use worker::Worker;

pub use backend::SqliteBackend;

/// A connection that nobody used for so long is closed.
const IDLE: Duration = Duration::from_secs(30);

/// Where databases are and how they are used.
#[derive(Debug, Clone)]
pub struct Options {
    /// The folder of the files. It is there.
    pub folder: PathBuf,
    /// The one database that all components share; one for each where nothing is said.
    pub database: Option<ComponentName>,
    /// Connections to one file at most.
    pub connections: usize,
    /// How large a file may become.
    pub limit: Option<ByteSize>,
    /// What a call may carry.
    pub limits: Limits,
}

/// Databases in files.
pub struct Sqlite {
    shared: Arc<Shared>,
    _sweeper: Task,
}

struct Shared {
    options: Options,
    files: Mutex<BTreeMap<ComponentName, File>>,
}

/// A database that is in use.
#[derive(Clone)]
struct File {
    connections: Pool<Opener>,
    writer: Arc<Semaphore>,
}

/// Makes connections to one file.
struct Opener {
    path: PathBuf,
    options: Options,
}

// === impl Sqlite ===

impl Sqlite {
    /// Nothing is opened yet. Must be called within a runtime.
    pub fn new(options: Options) -> Self {
        let shared = Arc::new(Shared { options, files: Mutex::default() });
        let swept = Arc::downgrade(&shared);
        let sweeper = Task::spawn(async move {
            loop {
                tokio::time::sleep(IDLE).await;
                match swept.upgrade() {
                    Some(shared) => shared.close_unused_for(IDLE),
                    None => return,
                }
            }
        });
        Self { shared, _sweeper: sweeper }
    }
}

#[async_trait]
impl Database for Sqlite {
    fn describe(&self) -> String {
        format!("sqlite {}", self.shared.options.folder.display())
    }

    async fn session(&self, component: &ComponentName) -> Result<Box<dyn Session>, SqlError> {
        let file = self.shared.file(component);
        let connection = match file.connections.get().await {
            Ok(connection) => connection,
            Err(PoolError::Backend(error)) => return Err(error),
            Err(error) => return Err(SqlError::Unavailable { database: self.describe(), source: Box::new(error) }),
        };
        Ok(Box::new(SqliteSession::new(connection, file.writer)))
    }
}

// === impl Shared ===

impl Shared {
    fn file(&self, component: &ComponentName) -> File {
        let name = self.options.database.as_ref().unwrap_or(component);
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.entry(name.clone()).or_insert_with(|| File::new(name, &self.options)).clone()
    }

    fn close_unused_for(&self, time: Duration) {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.retain(|_, file| {
            file.connections.retain(|_, metrics| metrics.last_used() < time);
            file.connections.status().size > 0
        });
    }
}

// === impl File ===

impl File {
    fn new(name: &ComponentName, options: &Options) -> Self {
        let path = options.folder.join(format!("{name}.sqlite"));
        let opener = Opener { path, options: options.clone() };
        let pool = Pool::builder(opener).max_size(options.connections).build();
        let connections = pool.expect("a pool without time limits needs nothing");
        Self { connections, writer: Arc::new(Semaphore::new(1)) }
    }
}

// === impl Opener ===

impl Manager for Opener {
    type Type = Worker;
    type Error = SqlError;

    async fn create(&self) -> Result<Worker, SqlError> {
        let (path, options) = (self.path.clone(), self.options.clone());
        Worker::start(move |stop| Local::open(&path, &options, stop)).await
    }

    async fn recycle(&self, worker: &mut Worker, _: &Metrics) -> RecycleResult<SqlError> {
        if worker.is_alive() { Ok(()) } else { Err(RecycleError::message("its thread has ended")) }
    }
}

#[cfg(test)]
mod tests;
