//! This is a connection to a server: statements that it knows, and what it does to be as good as new.

use std::collections::VecDeque;
use std::future::{Future, poll_fn, ready};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rt::Task;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio_postgres::{Client, Error, Statement};

use crate::limits::Limits;

use super::connect::{Driver, Server};
use super::failure::ConnectError;

/// Statements that a connection knows; each takes memory here and on the server.
const STATEMENTS: usize = 64;
/// A longer statement is forgotten after its use.
const STATEMENT_MAX: usize = 8 << 10;
/// The first version in which a server notices by itself that nobody waits for its answer any more.
const NOTICES: u32 = 14;

/// Undoes what a session may have left behind. What a component cannot have done for lack of a right fails nothing.
const CLEANING: &str = "CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; UNLISTEN *; \
    SELECT pg_advisory_unlock_all(); DISCARD TEMP; DISCARD SEQUENCES";

type Cleaning = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

/// A connection, which closes when it is dropped.
pub(super) struct Connection {
    pub(super) client: Arc<Client>,
    pub(super) limits: Limits,
    /// For one call.
    pub(super) timeout: Duration,
    statements: VecDeque<(String, Statement)>,
    /// What the server is doing since the last session.
    cleaning: Option<Cleaning>,
    /// What is to be said besides, so that the server does not work for nobody.
    settings: String,
    is_exceeded: Arc<AtomicBool>,
    _task: Task,
}

// === impl Connection ===

impl Connection {
    /// Connects, on the runtime `home`.
    pub(super) async fn open(server: &Server, home: &Handle) -> Result<Self, ConnectError> {
        let (tell, told) = oneshot::channel();
        let is_exceeded = Arc::new(AtomicBool::new(false));
        let (dialled, exceeded) = (server.clone(), is_exceeded.clone());
        let connect = async move {
            match dialled.connect(exceeded).await {
                Ok((client, driver)) => {
                    let version = driver.parameter("server_version").and_then(major).unwrap_or(0);
                    if tell.send(Ok((client, version))).is_ok() {
                        drive(driver).await;
                    }
                }
                // Who asked may be gone.
                Err(error) => drop(tell.send(Err(error))),
            }
        };
        let task = {
            let _home = home.enter();
            Task::spawn(connect)
        };
        let (client, version) = told.await.map_err(|gone| ConnectError::Unavailable(gone.into()))??;
        let mut connection = Self {
            client: Arc::new(client),
            limits: server.limits,
            timeout: server.timeout,
            statements: VecDeque::new(),
            cleaning: None,
            settings: settings(server.timeout, version),
            is_exceeded,
            _task: task,
        };
        connection.clean(false);
        connection.be_clean().await?;
        Ok(connection)
    }

    /// Whether the server sent more than is taken, which ended the connection.
    pub(super) fn is_exceeded(&self) -> bool {
        self.is_exceeded.load(Ordering::Relaxed)
    }

    /// The statement, prepared.
    pub(super) async fn statement(&mut self, text: &str) -> Result<Statement, Error> {
        let known = self.statements.iter().position(|(known, _)| known == text);
        if let Some(found) = known.and_then(|index| self.statements.remove(index)) {
            let statement = found.1.clone();
            self.statements.push_front(found);
            return Ok(statement);
        }
        let statement = self.client.prepare(text).await?;
        if text.len() <= STATEMENT_MAX {
            self.statements.truncate(STATEMENTS - 1);
            self.statements.push_front((text.to_owned(), statement.clone()));
        }
        Ok(statement)
    }

    /// Forgets a statement: what it is about has changed.
    pub(super) fn forget(&mut self, text: &str) {
        self.statements.retain(|(known, _)| known != text);
    }

    /// Lets the server undo what the session has left behind, and does not wait for that.
    pub(super) fn clean(&mut self, in_transaction: bool) {
        let rollback = if in_transaction { "ROLLBACK; " } else { "" };
        let (client, statements) = (self.client.clone(), format!("{rollback}{CLEANING}; {}", self.settings));
        let mut cleaning: Cleaning = Box::pin(async move { client.batch_execute(&statements).await });
        // The request is sent when it is first asked after; what comes of it is seen to before the next use.
        self.cleaning = match cleaning.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => Some(cleaning),
            Poll::Ready(outcome) => Some(Box::pin(ready(outcome))),
        };
    }

    /// Waits until the server has cleaned up.
    pub(super) async fn be_clean(&mut self) -> Result<(), ConnectError> {
        let Some(cleaning) = self.cleaning.take() else { return Ok(()) };
        let outcome = rt::within(Some(self.timeout), cleaning).await;
        Ok(outcome.map_err(|late| ConnectError::Unavailable(late.into()))??)
    }
}

/// Drives a connection to its end. What the server says beside its answers is for whoever reads the server's log.
async fn drive(driver: Driver) {
    let mut driver = pin!(driver);
    while let Some(Ok(_)) = poll_fn(|cx| driver.poll_message(cx)).await {}
}

/// The first number of a version: `15` of `15.18 (Debian 15.18-0+deb12u1)`.
fn major(version: &str) -> Option<u32> {
    version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn settings(timeout: Duration, version: u32) -> String {
    let timeout = format!("SET statement_timeout = {}", timeout.as_millis());
    if version < NOTICES { timeout } else { format!("{timeout}; SET client_connection_check_interval = '1s'") }
}
