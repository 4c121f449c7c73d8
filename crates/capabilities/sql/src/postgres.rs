//! Uses databases on a PostgreSQL server, by a pool of connections.
//!
//! ```text
//! session ── requests ──▶ task with a connection ── messages, none too long ── server
//!    └── given back: cleaned by the server, while nobody waits
//! ```
//!
//! Connections live on the runtime that the pool was opened on: calls come from threads of the data plane, which end before the
//! pool does, and a socket must not end with them.
//!
//! # Invariants
//!
//! 1. Nobody gets a connection that is in the middle of something. One that was given up in a call, or before the end of a
//!    result, is closed; any other is cleaned of transactions, settings, locks and temporary tables.
//! 2. No message of the server is longer than a row may be: not even a server that lies has more of this host's memory.
//! 3. A name is checked by its certificate wherever a connection is encrypted. It is, where the address does not say otherwise and
//!    the server is on another machine.

mod backend;
mod bounded;
mod connect;
mod connection;
mod convert;
mod failure;
mod numeric;
mod session;

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use deadpool::managed::{Manager, Metrics, Pool, PoolError, RecycleError, RecycleResult};
use model::ComponentName;
use stdx::BoxError;
use tokio::runtime::Handle;

use crate::database::{Database, Session, SqlError};
use crate::limits::Limits;

use connect::Server;
use connection::Connection;
use failure::ConnectError;

pub use backend::PostgresBackend;
pub(crate) use convert::{Unfit, uuid as uuid_text};
pub(crate) use numeric::text as numeric_text;
pub(crate) use session::PostgresSession;

/// Where a server is and how to use it.
#[derive(Clone)]
pub struct Options {
    /// `postgres://user@host/database`, with `sslmode` where the default is not meant.
    pub url: String,
    /// Goes before the one in the address.
    pub password: Option<String>,
    /// Certificates to trust beside those that everyone trusts, as PEM.
    pub ca: Option<PathBuf>,
    /// Connections at a time, at most.
    pub connections: usize,
    /// For one call.
    pub timeout: Duration,
    /// For one attempt to connect.
    pub connect_timeout: Duration,
    /// What a call may carry.
    pub limits: Limits,
}

/// Databases on a server.
pub struct Postgres {
    described: String,
    pool: Pool<Dialer>,
}

/// Makes connections on the pool's runtime.
struct Dialer {
    server: Server,
    home: Handle,
}

// === impl Postgres ===

impl Postgres {
    /// Connects once, to see that it works. Must be called within the runtime that connections are to live on.
    pub(crate) async fn connect(options: &Options) -> Result<Self, ConnectError> {
        let server = Server::new(options)?;
        let described = server.describe().to_owned();
        let dialer = Dialer { server, home: Handle::current() };
        let pool = Pool::builder(dialer).max_size(options.connections).build();
        let pool = pool.map_err(|error| ConnectError::Refused(error.into()))?;
        match pool.get().await {
            Ok(_) => Ok(Self { described, pool }),
            Err(PoolError::Backend(error)) => Err(error),
            Err(error) => Err(ConnectError::Unavailable(Box::new(error))),
        }
    }
}

impl Postgres {
    /// A session that nobody else has, as soon as there is one.
    pub(crate) async fn begin(&self) -> Result<PostgresSession, SqlError> {
        let failure = match self.pool.get().await {
            Ok(connection) => return Ok(PostgresSession::new(connection, self.described.clone())),
            Err(PoolError::Backend(error)) => BoxError::from(error),
            Err(error) => Box::new(error),
        };
        Err(SqlError::Unavailable { database: self.described.clone(), source: failure })
    }
}

#[async_trait]
impl Database for Postgres {
    fn describe(&self) -> String {
        self.described.clone()
    }

    async fn session(&self, _: &ComponentName) -> Result<Box<dyn Session>, SqlError> {
        Ok(Box::new(self.begin().await?))
    }

    fn as_postgres(&self) -> Option<&Postgres> {
        Some(self)
    }
}

// === impl Dialer ===

impl Manager for Dialer {
    type Type = Connection;
    type Error = ConnectError;

    async fn create(&self) -> Result<Connection, ConnectError> {
        Connection::open(&self.server, &self.home).await
    }

    async fn recycle(&self, connection: &mut Connection, _: &Metrics) -> RecycleResult<ConnectError> {
        connection.be_clean().await.map_err(|error| RecycleError::message(error.to_string()))
    }
}

#[cfg(test)]
mod tests;
