//! What goes wrong with a database file, and what that says of the statement, of the file and of the machine.

use rusqlite::ffi::{self, ErrorCode};
use stdx::BoxError;

use crate::database::{Problem, SqlError};

/// The system gave no thread, or a thread has ended.
pub(super) fn of_system(error: impl Into<BoxError>) -> SqlError {
    SqlError::Unavailable { database: "sqlite".into(), source: error.into() }
}

/// What an error says of the database of that name.
pub(super) fn of(name: &str, error: rusqlite::Error) -> SqlError {
    let (code, message) = match &error {
        rusqlite::Error::SqliteFailure(code, message) => (*code, message.clone().unwrap_or_else(|| code.to_string())),
        rusqlite::Error::SqlInputError { error, msg, .. } => (*error, msg.clone()),
        rusqlite::Error::MultipleStatement => {
            return SqlError::Statement(Problem::new("42601", "one statement at a time"));
        }
        other => return SqlError::Statement(Problem::new("42000", other.to_string())),
    };
    let database = name.to_owned();
    match code.code {
        ErrorCode::ConstraintViolation => SqlError::Constraint(Problem::new(constraint(code.extended_code), message)),
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => SqlError::Conflict(Problem::new("40001", message)),
        ErrorCode::TooBig => SqlError::TooLarge(message),
        ErrorCode::AuthorizationForStatementDenied => SqlError::Unsupported(
            "this is not done on the host's SQLite: it reaches beyond the statement's database or session".into(),
        ),
        ErrorCode::ReadOnly => SqlError::Statement(Problem::new("25006", message)),
        ErrorCode::DiskFull => SqlError::Full { database, source: error.into() },
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => SqlError::Damaged { database, source: error.into() },
        ErrorCode::Unknown | ErrorCode::TypeMismatch | ErrorCode::ParameterOutOfRange | ErrorCode::SchemaChanged => {
            SqlError::Statement(Problem::new(statement(&message), message))
        }
        _ => SqlError::Unavailable { database, source: error.into() },
    }
}

/// SQLSTATE of a constraint.
fn constraint(code: i32) -> &'static str {
    match code {
        ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_ROWID => "23505",
        ffi::SQLITE_CONSTRAINT_FOREIGNKEY => "23503",
        ffi::SQLITE_CONSTRAINT_NOTNULL => "23502",
        ffi::SQLITE_CONSTRAINT_CHECK => "23514",
        _ => "23000",
    }
}

/// SQLSTATE of what is wrong with a statement, which SQLite says in words alone.
fn statement(message: &str) -> &'static str {
    let says = |words: &str| message.contains(words);
    if says("no such table") {
        "42P01"
    } else if says("no such column") {
        "42703"
    } else if says("already exists") {
        "42P07"
    } else if says("syntax error") || says("incomplete input") || says("unrecognized token") {
        "42601"
    } else {
        "42000"
    }
}
