//! This is a component's way to one database: by the terms of the link, and telling failures apart.
//!
//! # Invariants
//!
//! 1. What is wrong with a statement is its component's to know, and is not logged.
//! 2. Taking a session is tried again where the terms say so; a statement never is.

use std::future::Future;
use std::sync::Arc;

use capability::{KeptTerms, OpenLink};
use model::ComponentName;
use rt::Late;

use super::Failure;
use crate::database::{Database, Session, SqlError};
use crate::postgres::PostgresSession;

/// A component's way to one database.
pub(super) struct Link {
    terms: KeptTerms,
    database: Option<Arc<dyn Database>>,
}

// === impl Link ===

impl Link {
    pub(super) fn new(component: &ComponentName, link: &OpenLink) -> Self {
        Self {
            terms: KeptTerms::new(component, link),
            database: link.target.as_ref().and_then(|target| target.target()).cloned(),
        }
    }

    /// A session, as soon as there is one.
    pub(super) async fn session(&self) -> Result<Box<dyn Session>, Failure> {
        self.take(|database| database.session(self.terms.component())).await
    }

    /// A session with a PostgreSQL server, which the link has to lead to.
    pub(super) async fn postgres_session(&self) -> Result<PostgresSession, Failure> {
        self.take(|database| async move {
            match database.as_postgres() {
                Some(postgres) => postgres.begin().await,
                None => Err(self.not_postgres(database)),
            }
        })
        .await
    }

    /// What the database comes to within the time of the link.
    pub(super) async fn within<T>(&self, work: impl Future<Output = Result<T, SqlError>>) -> Result<T, Failure> {
        let outcome = self.terms.in_time(work).await;
        self.check(outcome.unwrap_or_else(|late| Err(self.late(late))))
    }

    /// Takes a session, and again where the terms say so.
    async fn take<'a, T, F>(&'a self, begin: impl Fn(&'a dyn Database) -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, SqlError>>,
    {
        let passes = |error: &SqlError| matches!(error, SqlError::Unavailable { .. });
        self.check(self.terms.again(|| self.take_once(&begin), passes).await)
    }

    async fn take_once<'a, T, F>(&'a self, begin: impl FnOnce(&'a dyn Database) -> F) -> Result<T, SqlError>
    where
        F: Future<Output = Result<T, SqlError>>,
    {
        let Some(database) = &self.database else {
            return Err(SqlError::Unavailable {
                database: self.describe(),
                source: "its target could not be opened yet".into(),
            });
        };
        self.terms.in_time(begin(database.as_ref())).await.map_err(|late| self.late(late))?
    }

    fn not_postgres(&self, database: &dyn Database) -> SqlError {
        SqlError::Unsupported(format!(
            "the link leads to {}, and only PostgreSQL speaks this contract: `wattle link put {} sql/postgres --set url=…`",
            database.describe(),
            self.terms.component()
        ))
    }

    fn late(&self, late: Late) -> SqlError {
        SqlError::Late { database: self.describe(), source: late.into() }
    }

    fn describe(&self) -> String {
        self.database.as_ref().map_or_else(|| format!("link {}", self.terms.link()), |database| database.describe())
    }

    /// Answers with what the database said, and logs what is wrong with it.
    fn check<T>(&self, outcome: Result<T, SqlError>) -> Result<T, Failure> {
        let is_unwell = |error: &&SqlError| {
            matches!(
                error,
                SqlError::Unavailable { .. } | SqlError::Late { .. } | SqlError::Damaged { .. } | SqlError::Full { .. }
            )
        };
        self.terms.note(outcome.as_ref().err().filter(is_unwell), "database call failed");
        Ok(outcome?)
    }
}
