//! This is how large the parts of a call may be.

use stdx::ByteSize;

use crate::database::SqlError;
use crate::value::Value;

/// What one call may carry. Beyond it the component gets an error that names the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a statement's text.
    pub statement: ByteSize,
    /// Values of a statement.
    pub parameters: usize,
    /// Bytes of all values of a statement together, and of one row. The engine's `hostcall_bytes` bounds a whole call too, and
    /// traps: keep this one below it.
    pub row: ByteSize,
    /// Rows that are handed over at once.
    pub batch_rows: usize,
    /// Once so many bytes of rows were gathered they are handed over.
    pub batch: ByteSize,
}

// === impl Limits ===

impl Limits {
    /// What holds everywhere.
    pub const DEFAULT: Self = Self {
        statement: ByteSize::mib(1),
        parameters: 10_000,
        row: ByteSize::mib(4),
        batch_rows: 256,
        batch: ByteSize::kib(256),
    };

    /// Refuses a statement that is too long, or that is given too much.
    pub(crate) fn check(&self, statement: &str, parameters: &[Value]) -> Result<(), SqlError> {
        within("a statement's length in bytes", statement.len(), self.statement.as_usize())?;
        within("a statement's number of parameters", parameters.len(), self.parameters)?;
        within("the parameters' size in bytes", parameters.iter().map(Value::size).sum(), self.row.as_usize())
    }

    /// Refuses a row of so many bytes where that is too much.
    pub(crate) fn check_row(&self, size: usize) -> Result<(), SqlError> {
        within("a row's size in bytes", size, self.row.as_usize())
    }
}

fn within(what: &'static str, actual: usize, limit: usize) -> Result<(), SqlError> {
    if actual <= limit {
        Ok(())
    } else {
        Err(SqlError::TooLarge(format!("{what} of {actual} is above the limit of {limit}")))
    }
}
