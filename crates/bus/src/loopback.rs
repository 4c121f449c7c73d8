//! Opens the bus of a process to NATS clients: a listener that speaks their protocol.
//!
//! A client of any language connects as to a NATS server and takes part in what is said in the process: core messaging with
//! headers, queue groups, and the answer that nobody listens.
//!
//! ```text
//! socket ──▶ protocol (bytes to values) ──▶ client (what a value does) ──▶ Broker
//! socket ◀── connection (writes) ◀── outbox (bounded) ◀───────────────────── Broker
//! ```
//!
//! # Invariants
//!
//! 1. What a client can make the process hold is bounded: connections, subscriptions, a line, a message, what it does not read.
//! 2. Where a client has to show something, nothing but a greeting is heard before it did, and only for a short time.
//! 3. Who does not read is disconnected; who publishes does not wait for it.
//! 4. Dropping the [`Loopback`] ends the listener and all connections.
//!
//! # Not here
//!
//! Accounts (a user is known by his key, whoever vouches for him), TLS, JetStream, and other servers: that is what a NATS server is for.

mod client;
mod connection;
mod greeting;
mod outbox;
mod pass;
mod protocol;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rt::Task;
use stdx::ByteSize;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::broker::Broker;

pub use pass::Pass;

/// What clients may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoopbackConfig {
    /// What lets a client in: any of these, or nothing at all where there is none.
    pub passes: Vec<Pass>,
    /// How many clients may be connected.
    pub connections_max: usize,
    /// How many subscriptions each may have.
    pub subscriptions_max: usize,
    /// The longest line that a client may send before a message, or instead of one.
    pub line_max: ByteSize,
    /// How much may wait for a client that does not read. It is disconnected when more would.
    pub pending_max: ByteSize,
    /// How long a client may be silent before it is asked whether it is there. After two silences it is disconnected.
    pub ping_every: Duration,
    /// How long a client may take to show what lets it in.
    pub greeting_max: Duration,
}

/// A listener for NATS clients. Dropping it disconnects them.
pub struct Loopback {
    address: SocketAddr,
    shared: Arc<Shared>,
    _listening: Task,
}

/// What all connections have in common.
struct Shared {
    broker: Broker,
    config: LoopbackConfig,
    address: SocketAddr,
    /// What this listener calls itself to clients: another one each time it starts.
    server_id: String,
    connections: AtomicUsize,
    slow: AtomicUsize,
}

/// One of the connections that there may be. Dropping it makes room for another.
struct Seat(Arc<Shared>);

/// How long to wait before the next connection is accepted after one could not be: the process may be out of descriptors.
const BREATH: Duration = Duration::from_millis(100);

// === impl LoopbackConfig ===

impl Default for LoopbackConfig {
    fn default() -> Self {
        Self {
            passes: Vec::new(),
            connections_max: 256,
            subscriptions_max: 1_000,
            line_max: ByteSize::kib(4),
            pending_max: ByteSize::mib(8),
            ping_every: Duration::from_secs(120),
            greeting_max: Duration::from_secs(2),
        }
    }
}

impl LoopbackConfig {
    /// Whether a client has to show anything.
    fn asks(&self) -> bool {
        !self.passes.is_empty()
    }

    /// Whether any user is known by a key.
    fn knows_keys(&self) -> bool {
        self.passes.iter().any(|pass| matches!(pass, Pass::Nkey(_)))
    }
}

// === impl Loopback ===

impl Loopback {
    /// Starts to listen, on the runtime that this is called in.
    pub fn start(listener: std::net::TcpListener, broker: Broker, config: LoopbackConfig) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::new(broker, config, address));
        let _listening = Task::spawn(accept(listener, shared.clone()));
        Ok(Self { address, shared, _listening })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many clients are connected.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// How many clients were disconnected because they did not read.
    pub fn disconnected_slow(&self) -> usize {
        self.shared.slow.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Loopback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loopback").field("address", &self.address).finish_non_exhaustive()
    }
}

// === impl Shared ===

impl Shared {
    fn new(broker: Broker, config: LoopbackConfig, address: SocketAddr) -> Self {
        let (connections, slow) = Default::default();
        Self { broker, config, address, server_id: nuid::next().to_string(), connections, slow }
    }
}

// === impl Seat ===

impl Seat {
    /// A seat, if one is free.
    fn take(shared: &Arc<Shared>) -> Option<Self> {
        let sit = |taken: usize| (taken < shared.config.connections_max).then_some(taken + 1);
        shared.connections.fetch_update(Ordering::Relaxed, Ordering::Relaxed, sit).ok().map(|_| Self(shared.clone()))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Accepts clients until it is dropped. They end with it.
async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => seat(stream, peer, &shared, &mut connections),
            Err(error) => {
                tracing::warn!(%error, "a client of the bus could not be accepted");
                tokio::time::sleep(BREATH).await;
            }
        }
        while let Some(ended) = connections.try_join_next() {
            if let Err(error) = ended {
                tracing::error!(%error, "the connection of a client of the bus panicked");
            }
        }
    }
}

fn seat(stream: TcpStream, peer: SocketAddr, shared: &Arc<Shared>, connections: &mut JoinSet<()>) {
    match Seat::take(shared) {
        Some(seat) => drop(connections.spawn(connection::run(stream, peer, seat))),
        None => {
            tracing::warn!(%peer, "there are as many clients of the bus as there may be");
            connection::turn_away(&stream);
        }
    }
}
