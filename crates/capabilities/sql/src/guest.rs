//! This is what the contracts have in common: a component's databases, and what its calls do.
//!
//! # Invariants
//!
//! 1. A call reaches its database by a [`Link`], which keeps the link's terms.
//! 2. A transaction in which a statement has failed comes to nothing, on each database alike.

mod link;
mod postgres;
mod wattle;

use std::sync::Arc;

use capability::{Linking, OpenLink};
use engine::State;
use model::{ComponentName, LinkName};
use tokio::sync::Mutex;
use wasmtime::component::{HasSelf, ResourceTableError};

use crate::database::{Access, Problem, Session, SqlError};
use crate::limits::Limits;
use crate::statement::control;
use crate::value::{Column, Row, Value};

use link::Link;

/// What is offered, each in its exact version.
pub(crate) const CONTRACTS: [&str; 4] = [
    "wattle:sql/database@0.1.0",
    "wasmcloud:postgres/types@0.1.1-draft",
    "wasmcloud:postgres/query@0.1.1-draft",
    "wasmcloud:postgres/prepared@0.1.1-draft",
];

/// Defines the functions of all contracts.
pub(crate) fn define(linking: &mut Linking<'_>) -> wasmtime::Result<()> {
    use postgres::wasmcloud::postgres as second;
    type Own = HasSelf<State>;
    let [database, types, query, prepared] = CONTRACTS;
    linking.define(database, wattle::wattle::sql::database::add_to_linker_instance::<_, Own>)?;
    linking.define(types, second::types::add_to_linker_instance::<_, Own>)?;
    linking.define(query, second::query::add_to_linker_instance::<_, Own>)?;
    linking.define(prepared, second::prepared::add_to_linker_instance::<_, Own>)
}

/// What one component is bound to: its links, of which one is chosen by name.
pub(crate) struct Binding {
    links: Vec<(LinkName, Arc<Link>)>,
}

/// A database that a component has opened.
#[derive(Clone)]
#[expect(unreachable_pub, reason = "the generated bindings export it again, as all resources here")]
pub struct Connection {
    link: Arc<Link>,
}

/// A transaction that a component has begun.
#[expect(unreachable_pub, reason = "as above")]
pub struct Transaction {
    link: Arc<Link>,
    held: Arc<Mutex<Held>>,
}

/// A statement that was checked.
#[expect(unreachable_pub, reason = "as above")]
pub struct Prepared {
    connection: Connection,
    statement: Arc<str>,
    parameters: usize,
}

/// The rows of a result.
#[expect(unreachable_pub, reason = "as above")]
pub struct Rows {
    link: Arc<Link>,
    columns: Vec<Column>,
    source: Source,
}

/// What a transaction has.
struct Held {
    session: Box<dyn Session>,
    /// How many statements it has run: a result belongs to the last one.
    count: u64,
    has_failed: bool,
}

/// Where rows come from.
enum Source {
    /// A session that was taken for them.
    Own(Box<dyn Session>),
    /// A transaction, as its so many-th result.
    Of(Arc<Mutex<Held>>, u64),
    /// All rows were read.
    Ended,
}

/// Why a call did not do what it was asked.
#[expect(unreachable_pub, reason = "as above")]
pub enum Failure {
    /// The component has no link of that name.
    NoSuchDatabase,
    /// The database said so, or did not.
    Sql(SqlError),
    /// The component holds more than it may.
    TooManyHandles,
    /// The component broke the rules of its own interface.
    Trap(wasmtime::Error),
}

// === impl Binding ===

impl Binding {
    pub(crate) fn new(component: &ComponentName, links: &[OpenLink]) -> Self {
        let link = |link: &OpenLink| (link.name.clone(), Arc::new(Link::new(component, link)));
        Self { links: links.iter().map(link).collect() }
    }

    /// The database that the link of this name leads to.
    pub(crate) fn connection(&self, name: &str) -> Result<Connection, Failure> {
        match self.links.iter().find(|(link, _)| link.as_str() == name) {
            Some((_, link)) => Ok(Connection { link: link.clone() }),
            None => Err(Failure::NoSuchDatabase),
        }
    }
}

/// Opens a database for the component whose state this is.
fn open(state: &State, name: &str) -> Result<Connection, Failure> {
    let name = if name.is_empty() { state.chosen("wattle:sql/database") } else { name };
    state.bound().part::<Binding>().ok_or(Failure::NoSuchDatabase)?.connection(name)
}

// === impl Connection ===

impl Connection {
    pub(crate) async fn execute(&self, statement: &str, parameters: Vec<Value>) -> Result<u64, Failure> {
        check(statement, &parameters)?;
        let mut session = self.link.session().await?;
        self.link.within(session.execute(statement, parameters)).await
    }

    pub(crate) async fn query(&self, statement: &str, parameters: Vec<Value>) -> Result<Rows, Failure> {
        check(statement, &parameters)?;
        let mut session = self.link.session().await?;
        let columns = self.link.within(session.query(statement, parameters)).await?;
        Ok(Rows { link: self.link.clone(), columns, source: Source::Own(session) })
    }

    pub(crate) async fn prepare(&self, statement: &str) -> Result<Prepared, Failure> {
        check(statement, &[])?;
        let mut session = self.link.session().await?;
        let parameters = self.link.within(session.prepare(statement)).await?;
        Ok(Prepared { connection: self.clone(), statement: statement.into(), parameters })
    }

    pub(crate) async fn begin(&self, access: Access) -> Result<Transaction, Failure> {
        let mut session = self.link.session().await?;
        self.link.within(session.begin(access)).await?;
        let held = Held { session, count: 0, has_failed: false };
        Ok(Transaction { link: self.link.clone(), held: Arc::new(Mutex::new(held)) })
    }
}

// === impl Transaction ===

impl Transaction {
    pub(crate) async fn execute(&self, statement: &str, parameters: Vec<Value>) -> Result<u64, Failure> {
        check(statement, &parameters)?;
        let mut held = self.held.lock().await;
        held.begin_statement()?;
        let outcome = self.link.within(held.session.execute(statement, parameters)).await;
        held.has_failed |= outcome.is_err();
        outcome
    }

    pub(crate) async fn query(&self, statement: &str, parameters: Vec<Value>) -> Result<Rows, Failure> {
        check(statement, &parameters)?;
        let mut held = self.held.lock().await;
        held.begin_statement()?;
        let outcome = self.link.within(held.session.query(statement, parameters)).await;
        held.has_failed |= outcome.is_err();
        let source = Source::Of(self.held.clone(), held.count);
        Ok(Rows { link: self.link.clone(), columns: outcome?, source })
    }

    pub(crate) async fn commit(self) -> Result<(), Failure> {
        let mut held = self.held.lock().await;
        held.begin_statement()?;
        let outcome = self.link.within(held.session.commit()).await;
        held.end();
        outcome
    }

    pub(crate) async fn rollback(self) -> Result<(), Failure> {
        let mut held = self.held.lock().await;
        let outcome = self.link.within(held.session.rollback()).await;
        held.end();
        outcome
    }
}

// === impl Held ===

impl Held {
    /// Ends the result before, and refuses to go on where a statement has failed.
    fn begin_statement(&mut self) -> Result<(), Failure> {
        self.count += 1;
        if self.has_failed {
            let problem =
                Problem::new("25P02", "a statement of the transaction has failed: it can only be rolled back");
            return Err(SqlError::Statement(problem).into());
        }
        Ok(())
    }

    /// Ends the result before. There is no transaction any more.
    fn end(&mut self) {
        self.count += 1;
        self.has_failed = true;
    }
}

// === impl Prepared ===

impl Prepared {
    pub(crate) fn parameters(&self) -> usize {
        self.parameters
    }

    pub(crate) async fn execute(&self, parameters: Vec<Value>, within: Option<&Transaction>) -> Result<u64, Failure> {
        match within {
            Some(transaction) => transaction.execute(&self.statement, parameters).await,
            None => self.connection.execute(&self.statement, parameters).await,
        }
    }

    pub(crate) async fn query(&self, parameters: Vec<Value>, within: Option<&Transaction>) -> Result<Rows, Failure> {
        match within {
            Some(transaction) => transaction.query(&self.statement, parameters).await,
            None => self.connection.query(&self.statement, parameters).await,
        }
    }
}

// === impl Rows ===

impl Rows {
    pub(crate) fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The next rows; none at the end. A session that was taken for them is given back there.
    pub(crate) async fn next(&mut self) -> Result<Vec<Row>, Failure> {
        let outcome = match &mut self.source {
            Source::Ended => return Ok(Vec::new()),
            Source::Own(session) => self.link.within(session.rows()).await,
            Source::Of(held, count) => {
                let mut held = held.lock().await;
                if held.count != *count {
                    let problem = Problem::new("24000", "the result was ended by what its transaction did next");
                    return Err(SqlError::Statement(problem).into());
                }
                let outcome = self.link.within(held.session.rows()).await;
                held.has_failed |= outcome.is_err();
                outcome
            }
        };
        if !matches!(&outcome, Ok(rows) if !rows.is_empty()) {
            self.source = Source::Ended;
        }
        outcome
    }
}

/// Refuses what is too large, and what a session may not be told.
fn check(statement: &str, parameters: &[Value]) -> Result<(), Failure> {
    Limits::DEFAULT.check(statement, parameters)?;
    match control(statement) {
        Some(word) => {
            Err(SqlError::Unsupported(format!("{word}: a transaction is begun and ended by functions")).into())
        }
        None => Ok(()),
    }
}

// === impl Failure ===

impl From<SqlError> for Failure {
    fn from(error: SqlError) -> Self {
        Self::Sql(error)
    }
}

impl From<ResourceTableError> for Failure {
    fn from(error: ResourceTableError) -> Self {
        match error {
            ResourceTableError::Full => Self::TooManyHandles,
            error => Self::Trap(error.into()),
        }
    }
}

#[cfg(test)]
mod tests;
