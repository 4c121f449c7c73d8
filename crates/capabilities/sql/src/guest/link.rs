//! This is a component's way to one database: it keeps the terms of the link, and tells failures apart.
//!
//! # Invariants
//!
//! 1. What is wrong with the database is logged once until it is well again: a component that tries again and again cannot flood
//!    the log. What is wrong with a statement is its component's to know, and is not logged.
//! 2. Taking a session is tried again where the terms say so; a statement never is.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use capability::OpenLink;
use model::{ComponentName, LinkName, Terms};
use rt::{Late, within};
use stdx::Chain;
use tracing::warn;

use super::Failure;
use crate::database::{Database, Session, SqlError};
use crate::postgres::PostgresSession;

/// Before the first repetition so long is waited; before each further one, twice as long.
const PAUSE: Duration = Duration::from_millis(10);

/// A component's way to one database.
pub(super) struct Link {
    component: ComponentName,
    name: LinkName,
    database: Option<Arc<dyn Database>>,
    terms: Terms,
    is_failing: AtomicBool,
}

// === impl Link ===

impl Link {
    pub(super) fn new(component: &ComponentName, link: &OpenLink) -> Self {
        Self {
            component: component.clone(),
            name: link.name.clone(),
            database: link.target.as_ref().and_then(|target| target.target()).cloned(),
            terms: link.terms.clone(),
            is_failing: AtomicBool::new(false),
        }
    }

    /// A session, as soon as there is one.
    pub(super) async fn session(&self) -> Result<Box<dyn Session>, Failure> {
        self.take(|database| database.session(&self.component)).await
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
        let outcome = within(self.terms.timeout, work).await;
        self.check(outcome.unwrap_or_else(|late| Err(self.late(late))))
    }

    /// Takes a session, and again where the terms say so.
    async fn take<'a, T, F>(&'a self, begin: impl Fn(&'a dyn Database) -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, SqlError>>,
    {
        for attempt in 0..u32::from(self.terms.retry) {
            match self.take_once(&begin).await {
                Err(SqlError::Unavailable { .. }) => tokio::time::sleep(PAUSE * 2_u32.pow(attempt.min(8))).await,
                outcome => return self.check(outcome),
            }
        }
        self.check(self.take_once(&begin).await)
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
        within(self.terms.timeout, begin(database.as_ref())).await.map_err(|late| self.late(late))?
    }

    fn not_postgres(&self, database: &dyn Database) -> SqlError {
        SqlError::Unsupported(format!(
            "the link leads to {}, and only PostgreSQL speaks this contract: `wattle link put {} sql/postgres --set url=…`",
            database.describe(),
            self.component
        ))
    }

    fn late(&self, late: Late) -> SqlError {
        SqlError::Late { database: self.describe(), source: late.into() }
    }

    fn describe(&self) -> String {
        self.database.as_ref().map_or_else(|| format!("link {}", self.name), |database| database.describe())
    }

    /// Answers with what the database said, and logs what is wrong with it.
    fn check<T>(&self, outcome: Result<T, SqlError>) -> Result<T, Failure> {
        let is_unwell = matches!(
            outcome,
            Err(SqlError::Unavailable { .. }
                | SqlError::Late { .. }
                | SqlError::Damaged { .. }
                | SqlError::Full { .. })
        );
        if self.is_failing.load(Ordering::Relaxed) != is_unwell {
            self.is_failing.store(is_unwell, Ordering::Relaxed);
            if let (true, Err(error)) = (is_unwell, &outcome) {
                warn!(component = %self.component, link = %self.name, error = %Chain(error), "database call failed");
            }
        }
        Ok(outcome?)
    }
}
