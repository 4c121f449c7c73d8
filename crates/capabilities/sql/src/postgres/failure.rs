//! What goes wrong with a PostgreSQL server, and what that says of the statement, of the link and of the server.
//!
//! Classes are those of SQLSTATE (PostgreSQL's manual, appendix A).

use std::error::Error as _;

use capability::OpenError;
use stdx::BoxError;
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use crate::database::{Problem, SqlError};

use super::convert::Unfit;

/// Why a server was not connected to, by what can be done about it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    /// It may work later.
    #[error("the server is not to be had")]
    Unavailable(#[source] BoxError),
    /// It will not before somebody changes the settings, here or there.
    #[error("the server cannot be used with these settings")]
    Refused(#[source] BoxError),
}

/// What an error says of the database of that name.
pub(super) fn of(named: &str, error: Error) -> SqlError {
    if let Some(unfit) = error.source().and_then(|source| source.downcast_ref::<Unfit>()) {
        return unfit.clone().into();
    }
    let database = named.to_owned();
    let Some(told) = error.as_db_error() else { return SqlError::Unavailable { database, source: error.into() } };
    let problem = Problem::new(told.code().code(), told.message());
    match told.code().code() {
        "40001" | "40P01" | "55P03" => SqlError::Conflict(problem),
        "57014" => SqlError::Late { database, source: error.into() },
        "53100" => SqlError::Full { database, source: error.into() },
        "XX001" | "XX002" => SqlError::Damaged { database, source: error.into() },
        code => match &code[..2] {
            "23" => SqlError::Constraint(problem),
            "0A" => SqlError::Unsupported(problem.message),
            "54" => SqlError::TooLarge(problem.message),
            "08" | "28" | "53" | "57" | "58" | "XX" => SqlError::Unavailable { database, source: error.into() },
            _ => SqlError::Statement(problem),
        },
    }
}

/// Whether a prepared statement is about something that has changed since, which the server says before it does anything.
pub(super) fn is_stale(error: &Error) -> bool {
    let Some(told) = error.as_db_error() else { return false };
    let is_changed =
        *told.code() == SqlState::FEATURE_NOT_SUPPORTED && told.message().starts_with("cached plan must not change");
    is_changed || *told.code() == SqlState::INVALID_SQL_STATEMENT_NAME
}

// === impl ConnectError ===

impl From<Error> for ConnectError {
    fn from(error: Error) -> Self {
        // A password that is wrong, a role or a database that is not there.
        let is_ours = error.code().is_some_and(|code| code.code().starts_with("28") || code.code() == "3D000");
        if is_ours { Self::Refused(error.into()) } else { Self::Unavailable(error.into()) }
    }
}

impl ConnectError {
    /// The same for who opens a backend, named as a link is printed.
    pub(super) fn of(self, backend: &str) -> OpenError {
        match self {
            Self::Unavailable(source) => OpenError::unavailable(backend, source),
            Self::Refused(source) => OpenError::refused(backend, source),
        }
    }
}
