//! This is what a backend has to do, and how it may fail.

use async_trait::async_trait;
use model::ComponentName;
use stdx::BoxError;

use crate::postgres::Postgres;
use crate::value::{Column, Row, Value};

/// Where sessions come from.
#[async_trait]
pub trait Database: Send + Sync {
    /// The database in a few words: `sqlite /var/lib/wattle/sql`.
    fn describe(&self) -> String;

    /// A session that nobody else has, as soon as there is one.
    async fn session(&self, component: &ComponentName) -> Result<Box<dyn Session>, SqlError>;

    /// The server, for who speaks to PostgreSQL and to nothing else.
    fn as_postgres(&self) -> Option<&Postgres> {
        None
    }
}

/// One user of a database. Its functions are called one after the other.
///
/// A session may be dropped at any moment, also in the middle of a call: what it left unfinished is undone, and nobody gets to
/// see it. A statement outside `begin` and `commit` is a transaction of its own.
#[async_trait]
pub trait Session: Send {
    /// Checks a statement, and answers with the number of its parameters.
    async fn prepare(&mut self, statement: &str) -> Result<usize, SqlError>;

    /// Runs a statement, and answers with how many rows it changed, or gave.
    async fn execute(&mut self, statement: &str, parameters: Vec<Value>) -> Result<u64, SqlError>;

    /// Runs a statement that gives rows, and answers with their columns. Ends the result before.
    async fn query(&mut self, statement: &str, parameters: Vec<Value>) -> Result<Vec<Column>, SqlError>;

    /// The next rows of the open result, a bounded number of them; none at its end.
    async fn rows(&mut self) -> Result<Vec<Row>, SqlError>;

    /// Begins a transaction.
    async fn begin(&mut self, access: Access) -> Result<(), SqlError>;

    /// Makes the transaction last.
    async fn commit(&mut self) -> Result<(), SqlError>;

    /// Undoes the transaction.
    async fn rollback(&mut self) -> Result<(), SqlError>;
}

/// What a transaction may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// It reads.
    ReadOnly,
    /// It reads and writes.
    ReadWrite,
}

/// What a database found wrong with what a component asked for. It is the component's to know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} ({code})")]
pub struct Problem {
    /// SQLSTATE.
    pub code: String,
    /// In the database's words.
    pub message: String,
}

/// What went wrong, by what can be done about it.
#[derive(Debug, thiserror::Error)]
pub enum SqlError {
    /// It may work in a moment, or when the machine is well again.
    #[error("the database ({database}) did not answer")]
    Unavailable {
        /// Which database.
        database: String,
        /// What it said.
        #[source]
        source: BoxError,
    },

    /// There was no answer in time.
    #[error("the database ({database}) did not answer in time")]
    Late {
        /// Which database.
        database: String,
        /// How long was waited.
        #[source]
        source: BoxError,
    },

    /// What is stored cannot be trusted.
    #[error("the database ({database}) is damaged")]
    Damaged {
        /// Which database.
        database: String,
        /// What was found.
        #[source]
        source: BoxError,
    },

    /// It holds as much as it may.
    #[error("the database ({database}) is full")]
    Full {
        /// Which database.
        database: String,
        /// What it said.
        #[source]
        source: BoxError,
    },

    /// The statement or its parameters are not right.
    #[error("the statement is not right: {0}")]
    Statement(Problem),

    /// The database's own rules forbid it.
    #[error("a rule of the database forbids it: {0}")]
    Constraint(Problem),

    /// Somebody else was in the way.
    #[error("another transaction is in the way: {0}")]
    Conflict(Problem),

    /// It is not done here.
    #[error("{0}")]
    Unsupported(String),

    /// It is more than a call may carry.
    #[error("{0}")]
    TooLarge(String),
}

// === impl Access ===

impl Access {
    /// Whether it may write.
    pub fn writes(self) -> bool {
        self == Self::ReadWrite
    }
}

// === impl Problem ===

impl Problem {
    /// A problem with its SQLSTATE.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into() }
    }

    /// A statement with more or fewer parameters than it takes.
    pub fn parameters(taken: usize, given: usize) -> Self {
        Self::new("07001", format!("the statement takes {taken} parameters, and {given} were given"))
    }
}
