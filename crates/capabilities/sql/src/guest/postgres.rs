//! This is `wasmcloud:postgres@0.1.1-draft` as a component imports it, over a link to `sql/postgres`.
//!
//! # Invariants
//!
//! 1. A result is gathered whole, as the contract has it, up to what a row may be: a longer one is refused with what helps.
//! 2. A statement that was prepared is its own token: nothing is kept for it, and nobody else's can be named by it.

mod give;
mod take;

use std::sync::Arc;

use engine::State;

use self::wasmcloud::postgres::types::{
    PgValue, PreparedStatementExecError, QueryError, ResultRow, ResultRowEntry, StatementPrepareError,
};
use self::wasmcloud::postgres::{prepared, query, types};
use super::link::Link;
use super::{Binding, Failure, check};
use crate::database::SqlError;
use crate::postgres::PostgresSession;
use crate::value::Value;

wasmtime::component::bindgen!({
    path: "../../../wit/wasmcloud-postgres",
    world: "wasmcloud:postgres/imports",
    imports: { default: async },
});

/// What a link is chosen for.
const INTERFACE: &str = "wasmcloud:postgres/query";

impl types::Host for State {}

impl query::Host for State {
    async fn query(&mut self, query: String, params: Vec<PgValue>) -> Result<Vec<ResultRow>, QueryError> {
        let way = Way::of(self)?;
        Ok(way.query(&query, &params).await?)
    }

    async fn query_batch(&mut self, query: String) -> Result<(), QueryError> {
        let way = Way::of(self)?;
        Ok(way.batch(&query).await?)
    }
}

impl prepared::Host for State {
    async fn prepare(&mut self, statement: String) -> Result<String, StatementPrepareError> {
        let unexpected = |failure| StatementPrepareError::Unexpected(told(failure).1);
        let way = Way::of(self).map_err(unexpected)?;
        way.prepare(&statement).await.map_err(unexpected)?;
        Ok(statement)
    }

    async fn exec(&mut self, token: String, params: Vec<PgValue>) -> Result<u64, PreparedStatementExecError> {
        let way = Way::of(self).map_err(QueryError::from)?;
        Ok(way.execute(&token, &params).await.map_err(QueryError::from)?)
    }
}

/// A component's way to a PostgreSQL server.
struct Way {
    link: Arc<Link>,
}

// === impl Way ===

impl Way {
    fn of(state: &State) -> Result<Self, Failure> {
        let binding = state.bound().part::<Binding>().ok_or(Failure::NoSuchDatabase)?;
        let connection = binding.connection(state.chosen(INTERFACE))?;
        Ok(Self { link: connection.link })
    }

    async fn query(&self, statement: &str, params: &[PgValue]) -> Result<Vec<ResultRow>, Failure> {
        let params = given(statement, params)?;
        let mut session = self.session().await?;
        let columns = self.link.within(session.ask(statement, params)).await?;
        let (mut rows, mut size) = (Vec::new(), 0);
        loop {
            let batch = self.link.within(session.rows_as(take::row)).await?;
            if batch.is_empty() {
                return Ok(rows);
            }
            size += batch.iter().map(|(_, size)| size).sum::<usize>();
            session.check_result(size)?;
            let named = |values: Vec<PgValue>| {
                let names = columns.iter().map(|column| column.name.clone());
                names.zip(values).map(|(column_name, value)| ResultRowEntry { column_name, value }).collect()
            };
            rows.extend(batch.into_iter().map(|(values, _)| named(values)));
        }
    }

    async fn execute(&self, statement: &str, params: &[PgValue]) -> Result<u64, Failure> {
        let params = given(statement, params)?;
        let mut session = self.session().await?;
        self.link.within(session.run(statement, params)).await
    }

    async fn prepare(&self, statement: &str) -> Result<usize, Failure> {
        check(statement, &[])?;
        let mut session = self.session().await?;
        self.link.within(session.check_statement(statement)).await
    }

    async fn batch(&self, statements: &str) -> Result<(), Failure> {
        crate::limits::Limits::DEFAULT.check(statements, &[])?;
        let mut session = self.session().await?;
        self.link.within(session.batch(statements)).await
    }

    async fn session(&self) -> Result<PostgresSession, Failure> {
        self.link.postgres_session().await
    }
}

/// Parameters as they go to the server.
fn given(statement: &str, params: &[PgValue]) -> Result<Vec<Value>, Failure> {
    let params: Vec<Value> = params.iter().map(give::value).collect();
    check(statement, &params)?;
    Ok(params)
}

/// A failure in words, and whether it lies with the statement, with its parameters, or elsewhere.
fn told(failure: Failure) -> (Blame, String) {
    match failure {
        Failure::NoSuchDatabase => (Blame::Elsewhere, "the component has no link of that name".into()),
        Failure::TooManyHandles => (Blame::Elsewhere, "the component holds too many handles".into()),
        Failure::Trap(error) => (Blame::Elsewhere, error.to_string()),
        Failure::Sql(error) => match error {
            SqlError::Statement(problem) => {
                // Class 22 is data, class 07 the number of parameters, 42804 a type that does not fit.
                let is_data =
                    ["22", "07"].iter().any(|class| problem.code.starts_with(class)) || problem.code == "42804";
                (if is_data { Blame::Parameters } else { Blame::Statement }, problem.to_string())
            }
            SqlError::Constraint(problem) | SqlError::Conflict(problem) => (Blame::Elsewhere, problem.to_string()),
            SqlError::Unsupported(text) => (Blame::Statement, text),
            SqlError::TooLarge(text) => (Blame::Elsewhere, text),
            SqlError::Unavailable { .. } => (Blame::Elsewhere, "the database is not available".into()),
            SqlError::Late { .. } => (Blame::Elsewhere, "the database did not answer in time".into()),
            SqlError::Damaged { .. } => (Blame::Elsewhere, "the database is damaged".into()),
            SqlError::Full { .. } => (Blame::Elsewhere, "the database is full".into()),
        },
    }
}

enum Blame {
    Statement,
    Parameters,
    Elsewhere,
}

impl From<Failure> for QueryError {
    fn from(failure: Failure) -> Self {
        match told(failure) {
            (Blame::Statement, text) => Self::InvalidQuery(text),
            (Blame::Parameters, text) => Self::InvalidParams(text),
            (Blame::Elsewhere, text) => Self::Unexpected(text),
        }
    }
}

impl From<QueryError> for PreparedStatementExecError {
    fn from(error: QueryError) -> Self {
        Self::QueryError(error)
    }
}

#[cfg(test)]
mod tests;
