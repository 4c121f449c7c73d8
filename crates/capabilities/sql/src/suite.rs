//! What the contract promises, as a component sees it, on each database.

mod promises;

use std::any::Any;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use capability::OpenLink;
use capability::conformance::link;
use model::{ComponentName, Terms};
use tokio::runtime::Runtime;

use crate::database::{Database, Problem, SqlError};
use crate::guest::{Binding, Connection, Failure, Rows};
use crate::limits::Limits;
use crate::postgres::{Options as ServerOptions, Postgres};
use crate::sqlite::{Options as FileOptions, Sqlite};
use crate::value::{Row, Value};

/// Where connections live while the threads of the tests come and go: what the control plane is to a host.
pub(crate) static HOME: LazyLock<Runtime> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.expect("the system gives a runtime")
});

/// An empty database, with the folder or the server that goes away after it, and words that differ between the two.
pub(crate) struct Fresh {
    pub(crate) database: Arc<dyn Database>,
    /// A statement that never ends by itself.
    endless: &'static str,
    /// An expression of six million characters.
    huge: &'static str,
    _place: Box<dyn Any + Send + Sync>,
}

impl Fresh {
    pub(crate) fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let _home = HOME.enter();
        let database = Arc::new(Sqlite::new(sqlite_options(folder.path())));
        let endless = "with recursive c(x) as (select 1 union all select x + 1 from c) select count(*) from c";
        Self { database, endless, huge: "hex(zeroblob(3000000))", _place: Box::new(folder) }
    }

    pub(crate) fn postgres() -> Self {
        let server = testkit::Postgres::start();
        let connected = HOME.block_on(Postgres::connect(&postgres_options(&server.url())));
        let database = Arc::new(connected.expect("the server is up"));
        Self { database, endless: "select pg_sleep(600)", huge: "repeat('x', 6000000)", _place: Box::new(server) }
    }

    /// The database as the component of this name has it by a link without a name.
    pub(crate) fn linked(&self, component: &str) -> Connection {
        self.linked_on(component, Terms::default())
    }

    pub(crate) fn linked_on(&self, component: &str, terms: Terms) -> Connection {
        let link = OpenLink { terms, ..link(self.database.clone()) };
        connection(component, &[link], "default").unwrap_or_else(|failure| panic!("{}", text(failure)))
    }
}

pub(crate) fn connection(component: &str, links: &[OpenLink], name: &str) -> Result<Connection, Failure> {
    let component: ComponentName = component.parse().expect("a name");
    Binding::new(&component, links).connection(name)
}

pub(crate) fn sqlite_options(folder: &std::path::Path) -> FileOptions {
    FileOptions { folder: folder.into(), database: None, connections: 2, limit: None, limits: Limits::DEFAULT }
}

pub(crate) fn postgres_options(url: &str) -> ServerOptions {
    ServerOptions {
        url: url.to_owned(),
        password: None,
        ca: None,
        connections: 2,
        timeout: Duration::from_secs(10),
        connect_timeout: Duration::from_secs(5),
        limits: Limits::DEFAULT,
    }
}

/// What a statement changed.
pub(crate) async fn run(database: &Connection, statement: &str, parameters: &[Value]) -> u64 {
    let outcome = database.execute(statement, parameters.to_vec()).await;
    outcome.unwrap_or_else(|failure| panic!("{statement}: {}", text(failure)))
}

/// All rows of a statement.
pub(crate) async fn ask(database: &Connection, statement: &str, parameters: &[Value]) -> Vec<Row> {
    let rows = database.query(statement, parameters.to_vec()).await;
    all(rows.unwrap_or_else(|failure| panic!("{statement}: {}", text(failure)))).await
}

pub(crate) async fn all(mut rows: Rows) -> Vec<Row> {
    let mut all = Vec::new();
    loop {
        let batch = rows.next().await.unwrap_or_else(|failure| panic!("{}", text(failure)));
        if batch.is_empty() {
            return all;
        }
        all.extend(batch);
    }
}

/// A failure by its class and code: `constraint 23505`.
pub(crate) fn class(failure: Failure) -> String {
    let (class, problem) = match failure {
        Failure::Sql(SqlError::Statement(problem)) => ("statement", problem),
        Failure::Sql(SqlError::Constraint(problem)) => ("constraint", problem),
        Failure::Sql(SqlError::Conflict(problem)) => ("conflict", problem),
        Failure::Sql(SqlError::Unavailable { .. }) => ("unavailable", Problem::new("", "")),
        Failure::Sql(SqlError::Late { .. }) => ("late", Problem::new("", "")),
        Failure::Sql(SqlError::Damaged { .. }) => ("damaged", Problem::new("", "")),
        Failure::Sql(SqlError::Full { .. }) => ("full", Problem::new("", "")),
        Failure::Sql(SqlError::Unsupported(_)) => ("unsupported", Problem::new("", "")),
        Failure::Sql(SqlError::TooLarge(_)) => ("too large", Problem::new("", "")),
        Failure::NoSuchDatabase => ("no such database", Problem::new("", "")),
        Failure::TooManyHandles => ("too many handles", Problem::new("", "")),
        Failure::Trap(_) => ("trap", Problem::new("", "")),
    };
    format!("{class} {}", problem.code).trim_end().to_owned()
}

/// The class and code of what a statement failed with.
pub(crate) async fn refused(database: &Connection, statement: &str, parameters: &[Value]) -> String {
    match database.execute(statement, parameters.to_vec()).await {
        Ok(count) => format!("changed {count}"),
        Err(failure) => class(failure),
    }
}

pub(crate) fn text(failure: Failure) -> String {
    match failure {
        Failure::Sql(error) => stdx::Chain(&error).to_string(),
        failure => class(failure),
    }
}

capability::conformance! {
    promises over Fresh [
        values_come_back_as_they_went,
        values_stay_values,
        what_is_wrong_is_told_apart,
        what_a_statement_changed_is_counted,
        a_transaction_lasts_or_leaves_nothing,
        a_failed_statement_ends_its_transaction,
        nobody_sees_what_is_not_committed,
        a_transaction_that_reads_writes_nothing,
        transactions_are_begun_by_functions_alone,
        many_rows_come_a_batch_at_a_time,
        a_result_ends_with_the_next_statement_of_its_transaction,
        a_result_that_nobody_reads_is_in_nobodys_way,
        what_is_too_large_is_refused_and_harms_nobody,
        a_prepared_statement_runs_as_often_as_needed,
        a_prepared_statement_outlives_a_change_of_its_table,
        a_statement_that_never_ends_is_given_up,
        writers_that_meet_all_count,
        names_choose_links,
    ] {
        sqlite => Fresh::sqlite(),
        postgres => Fresh::postgres(),
    }
}
