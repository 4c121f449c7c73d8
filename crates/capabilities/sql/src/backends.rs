//! These are the backends: a new one is a file and a line here.

use capability::Backends;

use crate::database::Database;
use crate::postgres::PostgresBackend;
use crate::sqlite::SqliteBackend;

/// What a link can name. The first is what a component gets that has no link.
pub const BACKENDS: Backends<dyn Database> = Backends(&[&SqliteBackend, &PostgresBackend]);
