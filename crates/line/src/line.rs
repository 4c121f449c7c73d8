//! This is a connection to a server, which is made anew when it is lost.
//!
//! A task of its own looks after it, on the runtime that the line was opened on. One that is shared is opened on the control plane: the
//! threads of the data plane end before a store does, and a socket of theirs ends with them.
//!
//! ```text
//! up ──lost──▶ dialling ──▶ up
//!                 │  ▲
//!                 ▼  │ after a pause: 50 ms, twice as long each time, 1 s at most
//!                down
//! ```
//!
//! # Invariants
//!
//! 1. While the first attempt since a loss is under way, calls wait for it. Once it has failed they fail at once, with its
//!    reason, until an attempt succeeds: a server that is gone does not gather calls that wait for it.
//! 2. What ends a connection is told by its number, so what is said late of an old one does no harm to the new one.
//! 3. A connection closes when the line and all calls on it have let go of it.

use std::error::Error;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use rt::Task;
use stdx::BoxError;
use tokio::sync::watch;

/// Between attempts so long is waited, at first and at most.
const PAUSE: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// A way to connect.
pub trait Dial: Send + Sync + 'static {
    /// What calls are made on. Its copies are one connection, which closes with the last of them.
    type Connection: Clone + Send + Sync + 'static;

    /// Connects, in bounded time, and tells when the connection is lost.
    fn dial(&self, loss: Loss<Self::Connection>) -> impl Future<Output = Result<Self::Connection, BoxError>> + Send;
}

impl<D: Dial> Dial for Arc<D> {
    type Connection = D::Connection;

    fn dial(&self, loss: Loss<D::Connection>) -> impl Future<Output = Result<D::Connection, BoxError>> + Send {
        (**self).dial(loss)
    }
}

/// A connection that is made anew when it is lost.
pub struct Line<C> {
    shared: Arc<Shared<C>>,
    _keeper: Task,
}

/// Says that a connection is lost. Whoever has it keeps no connection open.
pub struct Loss<C> {
    number: u64,
    shared: Weak<Shared<C>>,
}

struct Shared<C> {
    state: watch::Sender<State<C>>,
    /// The newest connection that is lost.
    lost: AtomicU64,
}

/// Why a server was not connected to, by what can be done about it.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// It may work later.
    #[error("the server is not to be had")]
    Unavailable(#[source] BoxError),
    /// It will not before somebody changes the settings, here or there.
    #[error("the server cannot be used with these settings")]
    Refused(#[source] BoxError),
}

/// There is no connection at present.
#[derive(Debug, Clone, thiserror::Error)]
#[error("there is no connection")]
pub struct NoConnection {
    #[source]
    source: Arc<dyn Error + Send + Sync>,
}

enum State<C> {
    Up(C, u64),
    Dialling,
    Down(NoConnection),
}

/// The task has ended, which it does not do while the line is there.
#[derive(Debug, thiserror::Error)]
#[error("nobody looks after it")]
struct KeeperGone;

// === impl Line ===

impl<C: Clone + Send + Sync + 'static> Line<C> {
    /// Connects, once: who opens a line wants to know why it is not to be had. Must be called within a runtime.
    pub async fn open(dial: impl Dial<Connection = C>) -> Result<Self, BoxError> {
        let shared = Arc::new(Shared { state: watch::channel(State::Dialling).0, lost: AtomicU64::new(0) });
        let connection = dial.dial(shared.loss(1)).await?;
        shared.put_up(connection, 1);
        Ok(Self { _keeper: Task::spawn(keep(dial, shared.clone(), 2)), shared })
    }

    /// Connects by and by, however often that fails. Must be called within a runtime.
    pub fn begin(dial: impl Dial<Connection = C>) -> Self {
        let shared = Arc::new(Shared { state: watch::channel(State::Dialling).0, lost: AtomicU64::new(0) });
        Self { _keeper: Task::spawn(keep(dial, shared.clone(), 1)), shared }
    }

    /// The connection where there is one now, and the way to say that it is lost.
    pub fn up(&self) -> Option<(C, Loss<C>)> {
        match &*self.shared.state.borrow() {
            State::Up(connection, number) => Some((connection.clone(), self.shared.loss(*number))),
            State::Dialling | State::Down(_) => None,
        }
    }

    /// The connection, and the way to say that it is lost.
    pub async fn connection(&self) -> Result<(C, Loss<C>), NoConnection> {
        let mut state = self.shared.state.subscribe();
        let known = state.wait_for(|state| !matches!(state, State::Dialling)).await;
        match known.as_deref() {
            Ok(State::Up(connection, number)) => Ok((connection.clone(), self.shared.loss(*number))),
            Ok(State::Down(reason)) => Err(reason.clone()),
            Ok(State::Dialling) | Err(_) => Err(NoConnection { source: Arc::new(KeeperGone) }),
        }
    }
}

/// Waits for a loss and connects again, for as long as the line is there. The first connection has this number.
async fn keep<D: Dial>(dial: D, shared: Arc<Shared<D::Connection>>, first: u64) {
    let mut state = shared.state.subscribe();
    for number in first.. {
        if state.wait_for(|state| matches!(state, State::Dialling)).await.is_err() {
            return;
        }
        let connection = dial_until_up(&dial, &shared, number).await;
        shared.put_up(connection, number);
    }
}

async fn dial_until_up<D: Dial>(dial: &D, shared: &Arc<Shared<D::Connection>>, number: u64) -> D::Connection {
    let mut pause = PAUSE;
    loop {
        match dial.dial(shared.loss(number)).await {
            Ok(connection) => return connection,
            Err(error) => drop(shared.state.send_replace(State::Down(NoConnection { source: error.into() }))),
        }
        tokio::time::sleep(pause).await;
        pause = PAUSE_MAX.min(pause * 2);
    }
}

// === impl Shared ===

impl<C> Shared<C> {
    fn loss(self: &Arc<Self>, number: u64) -> Loss<C> {
        Loss { number, shared: Arc::downgrade(self) }
    }

    fn put_up(&self, connection: C, number: u64) {
        self.state.send_replace(State::Up(connection, number));
        // It may have been lost already.
        self.take_down();
    }

    /// Lets nobody else have a connection that is lost.
    fn take_down(&self) {
        let lost = self.lost.load(Ordering::SeqCst);
        self.state.send_if_modified(|state| {
            let is_lost = matches!(state, State::Up(_, number) if *number <= lost);
            if is_lost {
                *state = State::Dialling;
            }
            is_lost
        });
    }
}

// === impl Loss ===

impl<C> Loss<C> {
    /// The connection is lost: who asks from now on gets another one. Saying so again changes nothing.
    pub fn tell(&self) {
        if let Some(shared) = self.shared.upgrade() {
            shared.lost.fetch_max(self.number, Ordering::SeqCst);
            shared.take_down();
        }
    }
}

#[cfg(test)]
mod tests;
