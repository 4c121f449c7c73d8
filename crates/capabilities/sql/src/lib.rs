//! Relational databases for components: `wattle:sql` over whichever one they are linked to.
//!
//! ```text
//! component ── wattle:sql ── guest ── link ── dyn Database ──▶ dyn Session ── sqlite | postgres
//! ```
//!
//! A call outside a transaction takes a session, and gives it back when it has its answer or its last row. A transaction is a
//! session that is kept.
//!
//! # Invariants
//!
//! 1. A value never becomes part of a statement's text.
//! 2. A session that is given back holds nothing of who had it: no transaction, no open result, no setting, no lock.
//! 3. However large a result is, a bounded number of its rows is in memory.
//! 4. A component is told what is wrong with its statement, in the database's words. Of the database itself it is told its class.
//!
//! # Not here
//!
//! SQL: a statement goes to its database as it is. Schemas and their migration: those are the component's.

mod backends;
mod database;
mod guest;
mod limits;
mod statement;
mod value;

pub mod postgres;
pub mod sqlite;

use async_trait::async_trait;
use capability::{BackendInfo, Capability, Linking, OpenError, OpenLink, Opened, Place, Settings};
use model::{ComponentName, Contract};

pub use backends::BACKENDS;
pub use database::{Access, Database, Problem, Session, SqlError};
pub use limits::Limits;
pub use value::{Column, Row, Value};

/// The capability `sql`.
pub struct Sql {
    place: Place,
}

// === impl Sql ===

impl Sql {
    /// What is kept on this machine is kept at `place`.
    pub fn new(place: Place) -> Self {
        Self { place }
    }
}

#[async_trait]
impl Capability for Sql {
    fn name(&self) -> &'static str {
        "sql"
    }

    fn contracts(&self) -> Vec<Contract> {
        capability::contracts(&guest::CONTRACTS)
    }

    fn backends(&self) -> Vec<BackendInfo> {
        BACKENDS.infos()
    }

    fn tries_again(&self) -> bool {
        true
    }

    fn by_default(&self) -> String {
        format!("sqlite {}", self.place.folder.display())
    }

    async fn open(&self, backend: &str, settings: &Settings) -> Result<Opened, OpenError> {
        BACKENDS.open(backend, settings, &self.place).await
    }

    fn define(&self, linking: &mut Linking<'_>) -> wasmtime::Result<()> {
        guest::define(linking)
    }

    fn bind(&self, component: &ComponentName, links: &[OpenLink], bound: &mut engine::Bound) {
        bound.insert(guest::Binding::new(component, links));
    }
}

#[cfg(test)]
mod suite;
