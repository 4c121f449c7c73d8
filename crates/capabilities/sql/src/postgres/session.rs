//! This is a session with a PostgreSQL server.

use std::pin::{Pin, pin};

use async_trait::async_trait;
use deadpool::managed::Object;
use futures::StreamExt;
use rt::within;
use tokio_postgres::{Error, RowStream, Statement};

use crate::database::{Access, Problem, Session, SqlError};
use crate::value::{Column, Row, Value};

use super::Dialer;
use super::connection::Connection;
use super::convert;
use super::failure;

/// A session: a connection that is given back when the session ends, or closed where it is in the middle of something.
pub(crate) struct PostgresSession {
    /// There until the session ends.
    connection: Option<Object<Dialer>>,
    named: String,
    result: Option<Pin<Box<RowStream>>>,
    /// Whether a call has begun that has not ended.
    is_busy: bool,
    in_transaction: bool,
}

// === impl PostgresSession ===

impl PostgresSession {
    pub(super) fn new(connection: Object<Dialer>, named: String) -> Self {
        Self { connection: Some(connection), named, result: None, is_busy: false, in_transaction: false }
    }

    fn connection(&mut self) -> &mut Connection {
        self.connection.as_mut().expect("it is there until the session ends")
    }

    /// Has something done on the connection, in the time that a call has. Ends the result before.
    async fn call<T>(&mut self, work: impl AsyncFnOnce(&mut Connection) -> Result<T, Failed>) -> Result<T, SqlError> {
        self.result = None;
        self.is_busy = true;
        let timeout = Some(self.connection().timeout);
        let outcome = within(timeout, work(self.connection())).await;
        self.is_busy = outcome.is_err();
        self.checked(outcome)
    }

    fn checked<T>(&mut self, outcome: Result<Result<T, Failed>, rt::Late>) -> Result<T, SqlError> {
        match outcome {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(Failed::Sql(error))) => Err(error),
            Ok(Err(Failed::Server(_))) if self.connection().is_exceeded() => {
                let max = self.connection().limits.row;
                Err(SqlError::TooLarge(format!("a row is above the limit of {max}")))
            }
            Ok(Err(Failed::Server(error))) => Err(failure::of(&self.named, error)),
            Err(late) => Err(SqlError::Late { database: self.named.clone(), source: late.into() }),
        }
    }
}

/// Why a call came to nothing.
enum Failed {
    /// The server said so, or the connection broke.
    Server(Error),
    /// It was not asked.
    Sql(SqlError),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Server(error)
    }
}

/// What a session does, for who speaks to PostgreSQL alone, too.
impl PostgresSession {
    /// Checks a statement, and answers with the number of its parameters.
    pub(crate) async fn check_statement(&mut self, statement: &str) -> Result<usize, SqlError> {
        self.call(async |connection| Ok(connection.statement(statement).await?.params().len())).await
    }

    /// Runs a statement, and answers with how many rows it changed, or gave.
    pub(crate) async fn run(&mut self, statement: &str, parameters: Vec<Value>) -> Result<u64, SqlError> {
        let given = Given { text: statement, parameters: &parameters, may_repeat: !self.in_transaction };
        let work = async |connection: &mut Connection| {
            let (rows, _) = given.run(connection).await?;
            let mut rows = pin!(rows);
            while let Some(row) = rows.next().await {
                row?;
            }
            Ok(rows.rows_affected().unwrap_or(0))
        };
        self.call(work).await
    }

    /// Runs a statement that gives rows, and answers with their columns.
    pub(crate) async fn ask(&mut self, statement: &str, parameters: Vec<Value>) -> Result<Vec<Column>, SqlError> {
        let given = Given { text: statement, parameters: &parameters, may_repeat: !self.in_transaction };
        let (stream, prepared) = self.call(async |connection| given.run(connection).await).await?;
        self.result = Some(Box::pin(stream));
        Ok(prepared.columns().iter().map(convert::column).collect())
    }

    /// The next rows of the open result, each as `convert` makes it; none at its end.
    pub(crate) async fn rows_as<T>(
        &mut self,
        convert: fn(&tokio_postgres::Row) -> Result<T, SqlError>,
    ) -> Result<Vec<T>, SqlError> {
        // Taken, and put back where there may be more: a session that is dropped meanwhile is in the middle of something.
        let Some(mut stream) = self.result.take() else { return Ok(Vec::new()) };
        self.is_busy = true;
        let (limits, timeout) = (self.connection().limits, self.connection().timeout);
        let read = async {
            let (mut batch, mut size) = (Vec::new(), 0);
            while batch.len() < limits.batch_rows && size < limits.batch.as_usize() {
                let Some(row) = stream.next().await else { return Ok((batch, true)) };
                let row = row?;
                limits.check_row(row.raw_size_bytes()).map_err(Failed::Sql)?;
                size += row.raw_size_bytes();
                batch.push(convert(&row).map_err(Failed::Sql)?);
            }
            Ok((batch, false))
        };
        let outcome = within(Some(timeout), read).await;
        let is_at_end = matches!(&outcome, Ok(Ok((_, true)) | Err(Failed::Server(_))));
        self.is_busy = !is_at_end;
        if !is_at_end && outcome.as_ref().is_ok_and(Result::is_ok) {
            self.result = Some(stream);
        }
        self.checked(outcome).map(|(batch, _)| batch)
    }

    /// Runs statements without parameters. Whatever they leave begun is rolled back when the session ends.
    pub(crate) async fn batch(&mut self, statements: &str) -> Result<(), SqlError> {
        self.in_transaction = true;
        self.call(async |connection| Ok(connection.client.batch_execute(statements).await?)).await
    }

    /// Refuses a whole result of so many bytes where that is too much.
    pub(crate) fn check_result(&mut self, size: usize) -> Result<(), SqlError> {
        let max = self.connection().limits.row;
        if size <= max.as_usize() {
            return Ok(());
        }
        Err(SqlError::TooLarge(format!(
            "a result that is gathered whole is above the limit of {max}: ask for fewer rows (limit), or by wattle:sql"
        )))
    }
}

#[async_trait]
impl Session for PostgresSession {
    async fn prepare(&mut self, statement: &str) -> Result<usize, SqlError> {
        self.check_statement(statement).await
    }

    async fn execute(&mut self, statement: &str, parameters: Vec<Value>) -> Result<u64, SqlError> {
        self.run(statement, parameters).await
    }

    async fn query(&mut self, statement: &str, parameters: Vec<Value>) -> Result<Vec<Column>, SqlError> {
        self.ask(statement, parameters).await
    }

    async fn rows(&mut self) -> Result<Vec<Row>, SqlError> {
        self.rows_as(convert::row).await
    }

    async fn begin(&mut self, access: Access) -> Result<(), SqlError> {
        let statement = if access.writes() { "BEGIN READ WRITE" } else { "BEGIN READ ONLY" };
        self.call(async |connection| Ok(connection.client.batch_execute(statement).await?)).await?;
        self.in_transaction = true;
        Ok(())
    }

    async fn commit(&mut self) -> Result<(), SqlError> {
        self.call(async |connection| Ok(connection.client.batch_execute("COMMIT").await?)).await?;
        self.in_transaction = false;
        Ok(())
    }

    async fn rollback(&mut self) -> Result<(), SqlError> {
        self.call(async |connection| Ok(connection.client.batch_execute("ROLLBACK").await?)).await?;
        self.in_transaction = false;
        Ok(())
    }
}

impl Drop for PostgresSession {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        if self.is_busy || self.result.is_some() {
            drop(Object::take(connection));
        } else {
            connection.clean(self.in_transaction);
        }
    }
}

/// A statement with its parameters.
struct Given<'a> {
    text: &'a str,
    parameters: &'a [Value],
    /// Whether it may be tried again where the server refused to begin with it.
    may_repeat: bool,
}

// === impl Given ===

impl Given<'_> {
    /// Runs it: once more where what it is about has changed since it was prepared.
    async fn run(&self, connection: &mut Connection) -> Result<(RowStream, Statement), Failed> {
        let statement = self.prepared(connection).await?;
        match connection.client.query_raw(&statement, self.parameters).await {
            Err(error) if failure::is_stale(&error) => {
                connection.forget(self.text);
                if !self.may_repeat {
                    return Err(error.into());
                }
                let statement = self.prepared(connection).await?;
                Ok((connection.client.query_raw(&statement, self.parameters).await?, statement))
            }
            outcome => Ok((outcome?, statement)),
        }
    }

    /// The statement, which takes so many parameters.
    async fn prepared(&self, connection: &mut Connection) -> Result<Statement, Failed> {
        let statement = connection.statement(self.text).await?;
        let (taken, given) = (statement.params().len(), self.parameters.len());
        if taken != given {
            return Err(Failed::Sql(SqlError::Statement(Problem::parameters(taken, given))));
        }
        Ok(statement)
    }
}
