//! This is `wattle:sql@0.1.0` as a component imports it.

use engine::State;
use wasmtime::component::Resource;

use self::wattle::sql::database as wit;
use super::{Connection, Failure, Prepared, Rows, Transaction};
use crate::database::{Access, Problem, SqlError};
use crate::value::{Column, Value};

wasmtime::component::bindgen!({
    path: "../../../wit/sql",
    world: "wattle:sql/imports",
    imports: {
        "wattle:sql/database.[static]connection.open": trappable,
        "wattle:sql/database.[method]prepared.parameters": trappable,
        "wattle:sql/database.[method]rows.columns": trappable,
        "wattle:sql/database.[drop]connection": trappable,
        "wattle:sql/database.[drop]transaction": trappable,
        "wattle:sql/database.[drop]prepared": trappable,
        "wattle:sql/database.[drop]rows": trappable,
        default: async | trappable,
    },
    with: {
        "wattle:sql/database.connection": super::Connection,
        "wattle:sql/database.transaction": super::Transaction,
        "wattle:sql/database.prepared": super::Prepared,
        "wattle:sql/database.rows": super::Rows,
    },
    trappable_error_type: { "wattle:sql/database.error" => super::Failure },
});

impl wit::Host for State {
    fn convert_error(&mut self, failure: Failure) -> wasmtime::Result<wit::Error> {
        let error = match failure {
            Failure::Trap(error) => return Err(error),
            Failure::NoSuchDatabase => wit::Error::NoSuchDatabase,
            Failure::TooManyHandles => wit::Error::TooLarge("the component holds too many handles".into()),
            Failure::Sql(error) => match error {
                SqlError::Unavailable { .. } => wit::Error::Unavailable,
                SqlError::Late { .. } => wit::Error::Timeout,
                SqlError::Statement(problem) => wit::Error::Statement(problem.into()),
                SqlError::Constraint(problem) => wit::Error::Constraint(problem.into()),
                SqlError::Conflict(problem) => wit::Error::Conflict(problem.into()),
                SqlError::Unsupported(text) => wit::Error::Unsupported(text),
                SqlError::TooLarge(text) => wit::Error::TooLarge(text),
                SqlError::Damaged { .. } => wit::Error::Other("the database is damaged".into()),
                SqlError::Full { .. } => wit::Error::Other("the database is full".into()),
            },
        };
        Ok(error)
    }
}

impl wit::HostConnection for State {
    fn open(&mut self, name: String) -> Result<Resource<Connection>, Failure> {
        let connection = super::open(self, &name)?;
        Ok(self.table.push(connection)?)
    }

    async fn execute(
        &mut self,
        this: Resource<Connection>,
        statement: String,
        parameters: Vec<wit::Value>,
    ) -> Result<u64, Failure> {
        self.table.get(&this)?.execute(&statement, values(parameters)).await
    }

    async fn query(
        &mut self,
        this: Resource<Connection>,
        statement: String,
        parameters: Vec<wit::Value>,
    ) -> Result<Resource<Rows>, Failure> {
        let rows = self.table.get(&this)?.query(&statement, values(parameters)).await?;
        Ok(self.table.push(rows)?)
    }

    async fn prepare(&mut self, this: Resource<Connection>, statement: String) -> Result<Resource<Prepared>, Failure> {
        let prepared = self.table.get(&this)?.prepare(&statement).await?;
        Ok(self.table.push(prepared)?)
    }

    async fn begin(
        &mut self,
        this: Resource<Connection>,
        access: wit::Access,
    ) -> Result<Resource<Transaction>, Failure> {
        let access = match access {
            wit::Access::ReadOnly => Access::ReadOnly,
            wit::Access::ReadWrite => Access::ReadWrite,
        };
        let transaction = self.table.get(&this)?.begin(access).await?;
        Ok(self.table.push(transaction)?)
    }

    fn drop(&mut self, this: Resource<Connection>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

impl wit::HostTransaction for State {
    async fn execute(
        &mut self,
        this: Resource<Transaction>,
        statement: String,
        parameters: Vec<wit::Value>,
    ) -> Result<u64, Failure> {
        self.table.get(&this)?.execute(&statement, values(parameters)).await
    }

    async fn query(
        &mut self,
        this: Resource<Transaction>,
        statement: String,
        parameters: Vec<wit::Value>,
    ) -> Result<Resource<Rows>, Failure> {
        let rows = self.table.get(&this)?.query(&statement, values(parameters)).await?;
        Ok(self.table.push(rows)?)
    }

    async fn commit(&mut self, this: Resource<Transaction>) -> Result<(), Failure> {
        self.table.delete(this)?.commit().await
    }

    async fn rollback(&mut self, this: Resource<Transaction>) -> Result<(), Failure> {
        self.table.delete(this)?.rollback().await
    }

    fn drop(&mut self, this: Resource<Transaction>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

impl wit::HostPrepared for State {
    fn parameters(&mut self, this: Resource<Prepared>) -> wasmtime::Result<u32> {
        let parameters = self.table.get(&this)?.parameters();
        Ok(u32::try_from(parameters).unwrap_or(u32::MAX))
    }

    async fn execute(
        &mut self,
        this: Resource<Prepared>,
        parameters: Vec<wit::Value>,
        within: Option<Resource<Transaction>>,
    ) -> Result<u64, Failure> {
        let within = within.as_ref().map(|within| self.table.get(within)).transpose()?;
        self.table.get(&this)?.execute(values(parameters), within).await
    }

    async fn query(
        &mut self,
        this: Resource<Prepared>,
        parameters: Vec<wit::Value>,
        within: Option<Resource<Transaction>>,
    ) -> Result<Resource<Rows>, Failure> {
        let within = within.as_ref().map(|within| self.table.get(within)).transpose()?;
        let rows = self.table.get(&this)?.query(values(parameters), within).await?;
        Ok(self.table.push(rows)?)
    }

    fn drop(&mut self, this: Resource<Prepared>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

impl wit::HostRows for State {
    fn columns(&mut self, this: Resource<Rows>) -> wasmtime::Result<Vec<wit::Column>> {
        Ok(self.table.get(&this)?.columns().iter().cloned().map(Into::into).collect())
    }

    async fn next(&mut self, this: Resource<Rows>) -> Result<Vec<wit::Row>, Failure> {
        let rows = self.table.get_mut(&this)?.next().await?;
        Ok(rows.into_iter().map(|row| row.into_iter().map(Into::into).collect()).collect())
    }

    fn drop(&mut self, this: Resource<Rows>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

fn values(values: Vec<wit::Value>) -> Vec<Value> {
    values.into_iter().map(Into::into).collect()
}

impl From<wit::Value> for Value {
    fn from(value: wit::Value) -> Self {
        match value {
            wit::Value::Null => Self::Null,
            wit::Value::Boolean(value) => Self::Boolean(value),
            wit::Value::Integer(value) => Self::Integer(value),
            wit::Value::Float(value) => Self::Float(value),
            wit::Value::Decimal(value) => Self::Decimal(value),
            wit::Value::Text(value) => Self::Text(value),
            wit::Value::Bytes(value) => Self::Bytes(value),
            wit::Value::Timestamp(value) => Self::Timestamp(value),
        }
    }
}

impl From<Value> for wit::Value {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Boolean(value) => Self::Boolean(value),
            Value::Integer(value) => Self::Integer(value),
            Value::Float(value) => Self::Float(value),
            Value::Decimal(value) => Self::Decimal(value),
            Value::Text(value) => Self::Text(value),
            Value::Bytes(value) => Self::Bytes(value),
            Value::Timestamp(value) => Self::Timestamp(value),
        }
    }
}

impl From<Column> for wit::Column {
    fn from(column: Column) -> Self {
        Self { name: column.name, kind: column.kind }
    }
}

impl From<Problem> for wit::Problem {
    fn from(problem: Problem) -> Self {
        Self { code: problem.code, message: problem.message }
    }
}
