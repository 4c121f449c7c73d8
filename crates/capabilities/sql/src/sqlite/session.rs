//! This is a session with a database in a file.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use deadpool::managed::Object;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::database::{Access, Problem, Session, SqlError};
use crate::value::{Column, Row, Value};

use super::Opener;

/// So long a writer waits for its turn: the one before may be held by a component that waits for this one.
const TURN: Duration = Duration::from_secs(5);

/// A session: a connection, and at times the permit to write.
pub(super) struct SqliteSession {
    connection: Object<Opener>,
    writer: Arc<Semaphore>,
    permit: Option<OwnedSemaphorePermit>,
    in_transaction: bool,
    result: Option<mpsc::Receiver<Result<Vec<Row>, SqlError>>>,
}

// === impl SqliteSession ===

impl SqliteSession {
    pub(super) fn new(connection: Object<Opener>, writer: Arc<Semaphore>) -> Self {
        Self { connection, writer, permit: None, in_transaction: false, result: None }
    }

    /// Waits until nobody else of this host writes.
    async fn turn(&self) -> Result<OwnedSemaphorePermit, SqlError> {
        match tokio::time::timeout(TURN, self.writer.clone().acquire_owned()).await {
            Ok(permit) => Ok(permit.expect("it is never closed")),
            Err(_) => {
                Err(SqlError::Conflict(Problem::new("55P03", "another transaction has been writing for 5 seconds")))
            }
        }
    }
}

#[async_trait]
impl Session for SqliteSession {
    async fn prepare(&mut self, statement: &str) -> Result<usize, SqlError> {
        let statement = statement.to_owned();
        self.connection.ask(move |local| local.prepare(&statement)).await
    }

    async fn execute(&mut self, statement: &str, parameters: Vec<Value>) -> Result<u64, SqlError> {
        self.result = None;
        // In a transaction it has its turn already, or writes nothing.
        let turn = if self.in_transaction { None } else { Some(self.turn().await?) };
        let statement = statement.to_owned();
        let work = move |local: &mut super::Local| {
            let outcome = local.execute(&statement, &parameters);
            // The turn is over when the work is, also where nobody waits for it any more.
            drop(turn);
            outcome
        };
        self.connection.ask(work).await
    }

    async fn query(&mut self, statement: &str, parameters: Vec<Value>) -> Result<Vec<Column>, SqlError> {
        let (batches, result) = mpsc::channel(1);
        self.result = Some(result);
        let statement = statement.to_owned();
        let (answer, columns) = tokio::sync::oneshot::channel();
        self.connection.tell(move |local| local.query(&statement, &parameters, (answer, batches)));
        columns.await.map_err(super::failure::of_system)?
    }

    async fn rows(&mut self) -> Result<Vec<Row>, SqlError> {
        let Some(result) = &mut self.result else { return Ok(Vec::new()) };
        match result.recv().await {
            Some(batch) => batch,
            None => {
                self.result = None;
                Ok(Vec::new())
            }
        }
    }

    async fn begin(&mut self, access: Access) -> Result<(), SqlError> {
        if access.writes() {
            self.permit = Some(self.turn().await?);
        }
        self.connection.ask(move |local| local.begin(access)).await?;
        self.in_transaction = true;
        Ok(())
    }

    async fn commit(&mut self) -> Result<(), SqlError> {
        self.result = None;
        self.connection.ask(|local| local.commit()).await?;
        self.permit = None;
        self.in_transaction = false;
        Ok(())
    }

    async fn rollback(&mut self) -> Result<(), SqlError> {
        self.result = None;
        self.connection.ask(|local| local.clean()).await?;
        self.permit = None;
        self.in_transaction = false;
        Ok(())
    }
}

impl Drop for SqliteSession {
    fn drop(&mut self) {
        self.result = None;
        self.connection.give_up();
        let permit = self.permit.take();
        self.connection.tell(move |local| {
            // A transaction that cannot be undone here ends with its connection: the thread sees to that.
            drop(local.clean());
            drop(permit);
        });
    }
}
