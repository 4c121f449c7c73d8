//! This is a connection to a database file, as its thread has it.
//!
//! # Invariants
//!
//! 1. A statement reaches its own file and no other: attaching, extensions and settings that name files are refused when it is
//!    compiled, as is what would outlive its session (temporary tables, settings of the connection).
//! 2. The file is not damaged by SQL: its inner tables are not to be written.

use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::fallible_streaming_iterator::FallibleStreamingIterator as _;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::{CachedStatement, Connection, Rows};
use tokio::sync::{mpsc, oneshot};

use crate::database::{Access, Problem, SqlError};
use crate::limits::Limits;
use crate::value::{Column, Row, Value};

use super::worker::Stop;
use super::{Options, convert, failure};

/// So long programs beside this one are waited for.
const BUSY: Duration = Duration::from_secs(5);
/// SQLite looks this often, in steps of its machine, whether its work was given up.
const STEPS: i32 = 10_000;
/// Statements that are longer are forgotten after their session.
const STATEMENT_MAX: usize = 8 << 10;
/// A write-ahead log that grew larger is cut when it was written back.
const LOG_MAX: i64 = 64 << 20;

/// What may be asked of a database's settings: nothing that changes one, and nothing that names a file.
const PRAGMAS: [&str; 14] = [
    "application_id",
    "collation_list",
    "compile_options",
    "foreign_key_check",
    "foreign_key_list",
    "function_list",
    "index_info",
    "index_list",
    "index_xinfo",
    "integrity_check",
    "quick_check",
    "table_info",
    "table_list",
    "table_xinfo",
];

/// Where a result goes: its columns first, then its rows.
pub(super) type Answer = (oneshot::Sender<Result<Vec<Column>, SqlError>>, mpsc::Sender<Result<Vec<Row>, SqlError>>);

/// A connection.
pub(super) struct Local {
    connection: Connection,
    name: String,
    limits: Limits,
    /// Whether the statement that is compiled is one of this file.
    is_ours: Arc<AtomicBool>,
    is_read_only: bool,
    /// Whether a statement was compiled that is too long to be kept.
    has_long: Cell<bool>,
    is_broken: bool,
}

// === impl Local ===

impl Local {
    /// Opens a database, which is made where there is none.
    pub(super) fn open(path: &Path, options: &Options, stop: Stop) -> Result<Self, SqlError> {
        let name = format!("sqlite {}", path.display());
        let is_ours = Arc::new(AtomicBool::new(false));
        let connection = set_up(path, options, (stop, is_ours.clone())).map_err(|error| failure::of(&name, error))?;
        Ok(Self {
            connection,
            name,
            limits: options.limits,
            is_ours,
            is_read_only: false,
            has_long: Cell::new(false),
            is_broken: false,
        })
    }

    /// Compiles a statement, and answers with the number of its parameters.
    pub(super) fn prepare(&self, statement: &str) -> Result<usize, SqlError> {
        let statement = self.compile(statement)?;
        convert::parameters(&statement)
    }

    /// Runs a statement, and answers with how many rows it changed, or gave.
    pub(super) fn execute(&self, statement: &str, parameters: &[Value]) -> Result<u64, SqlError> {
        let mut statement = self.ready(statement, parameters)?;
        let before = self.connection.total_changes();
        let gives_rows = statement.column_count() > 0;
        let (mut rows, mut count) = (statement.raw_query(), 0);
        while rows.next().map_err(|error| self.failure(error))?.is_some() {
            count += 1;
        }
        // What defines something changes no row, and leaves the count of the statement before.
        let has_changed = self.connection.total_changes() > before;
        Ok(if has_changed && !gives_rows { self.connection.changes() } else { count })
    }

    /// Runs a statement, and hands its rows over as they are taken. The first rows are there before the answer: most of what can
    /// go wrong goes wrong until then.
    pub(super) fn query(&self, statement: &str, parameters: &[Value], (head, batches): Answer) {
        let mut statement = match self.ready(statement, parameters) {
            Ok(statement) => statement,
            // Who asked may be gone, here and below.
            Err(error) => return drop(head.send(Err(error))),
        };
        let mut rows = statement.raw_query();
        if let Err(error) = rows.advance() {
            return drop(head.send(Err(self.failure(error))));
        }
        // A statement that was compiled before a table changed has the columns of today after its first step.
        let Some(columns) = rows.get().map(|row| convert::columns(row.as_ref())) else {
            drop(rows);
            return drop(head.send(Ok(convert::columns(&statement))));
        };
        let mut batch = match self.batch(&mut rows, &columns) {
            Ok(batch) => batch,
            Err(error) => return drop(head.send(Err(error))),
        };
        if head.send(Ok(columns.clone())).is_err() {
            return;
        }
        while !batch.is_empty() {
            if batches.blocking_send(Ok(batch)).is_err() {
                return;
            }
            batch = match self.batch(&mut rows, &columns) {
                Ok(batch) => batch,
                Err(error) => return drop(batches.blocking_send(Err(error))),
            };
        }
    }

    /// Begins a transaction. One that may write is the writer from its start: it cannot lose that to another one in the middle.
    pub(super) fn begin(&mut self, access: Access) -> Result<(), SqlError> {
        if access.writes() {
            return self.run("BEGIN IMMEDIATE");
        }
        self.is_read_only = true;
        self.run("PRAGMA query_only = 1; BEGIN")
    }

    /// Makes the transaction last.
    pub(super) fn commit(&mut self) -> Result<(), SqlError> {
        self.run("COMMIT")?;
        self.clean()
    }

    /// Undoes a transaction, where one is left, and makes the connection as good as new.
    pub(super) fn clean(&mut self) -> Result<(), SqlError> {
        if !self.connection.is_autocommit() {
            self.run("ROLLBACK").inspect_err(|_| self.is_broken = true)?;
        }
        if self.is_read_only {
            self.run("PRAGMA query_only = 0").inspect_err(|_| self.is_broken = true)?;
            self.is_read_only = false;
        }
        if self.has_long.take() {
            self.connection.flush_prepared_statement_cache();
        }
        Ok(())
    }

    /// Whether the connection is to be closed: it could not be made as good as new.
    pub(super) fn is_broken(&self) -> bool {
        self.is_broken
    }

    /// The row that a result stands on, and those after it; none at the end.
    fn batch(&self, rows: &mut Rows<'_>, columns: &[Column]) -> Result<Vec<Row>, SqlError> {
        let (mut batch, mut size) = (Vec::new(), 0);
        while let Some(row) = rows.get() {
            let row = convert::row(row, columns).map_err(|error| self.failure(error))?;
            let row_size = row.iter().map(Value::size).sum();
            self.limits.check_row(row_size)?;
            size += row_size;
            batch.push(row);
            rows.advance().map_err(|error| self.failure(error))?;
            if batch.len() == self.limits.batch_rows || size >= self.limits.batch.as_usize() {
                break;
            }
        }
        Ok(batch)
    }

    /// A statement that is compiled and has its parameters.
    fn ready(&self, statement: &str, parameters: &[Value]) -> Result<CachedStatement<'_>, SqlError> {
        let mut statement = self.compile(statement)?;
        let taken = convert::parameters(&statement)?;
        if taken != parameters.len() {
            return Err(SqlError::Statement(Problem::parameters(taken, parameters.len())));
        }
        convert::bind(&mut statement, parameters)?;
        Ok(statement)
    }

    fn compile(&self, statement: &str) -> Result<CachedStatement<'_>, SqlError> {
        if statement.len() > STATEMENT_MAX {
            self.has_long.set(true);
        }
        self.connection.prepare_cached(statement).map_err(|error| self.failure(error))
    }

    /// Runs statements of this file.
    fn run(&self, statements: &str) -> Result<(), SqlError> {
        self.is_ours.store(true, Ordering::Relaxed);
        let outcome = self.connection.execute_batch(statements);
        self.is_ours.store(false, Ordering::Relaxed);
        outcome.map_err(|error| self.failure(error))
    }

    fn failure(&self, error: rusqlite::Error) -> SqlError {
        failure::of(&self.name, error)
    }
}

fn set_up(path: &Path, options: &Options, (stop, is_ours): (Stop, Arc<AtomicBool>)) -> rusqlite::Result<Connection> {
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // Where the system's own flush leaves bytes in the disk's cache, this one does not.
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "journal_size_limit", LOG_MAX)?;
    if let Some(limit) = options.limit {
        let page: i64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let pages = i64::try_from(limit.as_u64()).unwrap_or(i64::MAX) / page;
        connection.pragma_update(None, "max_page_count", pages.max(1))?;
    }
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
    let row_max = i32::try_from(options.limits.row.as_usize()).unwrap_or(i32::MAX);
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, row_max)?;
    connection.progress_handler(STEPS, Some(move || stop.is_given_up()))?;
    connection.authorizer(Some(move |asked: AuthContext<'_>| {
        if is_ours.load(Ordering::Relaxed) { Authorization::Allow } else { authorize(&asked.action) }
    }))?;
    Ok(connection)
}

/// Whether a component's statement may do this.
fn authorize(action: &AuthAction<'_>) -> Authorization {
    let is_allowed = match action {
        AuthAction::Pragma { pragma_name, .. } => PRAGMAS.iter().any(|known| known.eq_ignore_ascii_case(pragma_name)),
        AuthAction::Function { function_name } => !function_name.eq_ignore_ascii_case("load_extension"),
        AuthAction::Attach { .. }
        | AuthAction::Detach { .. }
        | AuthAction::Transaction { .. }
        | AuthAction::Savepoint { .. }
        | AuthAction::CreateTempIndex { .. }
        | AuthAction::CreateTempTable { .. }
        | AuthAction::CreateTempTrigger { .. }
        | AuthAction::CreateTempView { .. }
        | AuthAction::Unknown { .. } => false,
        _ => true,
    };
    if is_allowed { Authorization::Allow } else { Authorization::Deny }
}
