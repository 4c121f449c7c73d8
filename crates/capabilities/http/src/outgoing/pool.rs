//! Keeps connections for a component's next requests.
//!
//! A connection is kept from the moment the head of its answer is there, and given out once it takes requests again: nobody has to
//! wait for the end of an answer to give its connection back.
//!
//! # Invariants
//!
//! 1. A connection is given out on the thread that made it: no request wakes another thread of the data plane.
//! 2. There are no more connections than a component may have requests on their way; of those that nobody uses the oldest goes first.
//! 3. A connection that nobody used for [`IDLE`] is closed. None is given out [`LIFE`] after it was made: what names lead to, changes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::thread::ThreadId;
use std::time::Duration;

use rt::Task;
use tokio::time::{Instant, sleep};

use super::CONNECTIONS;
use super::connection::Connection;
use super::target::Target;

/// So long a connection is kept that nobody uses.
pub(super) const IDLE: Duration = Duration::from_secs(60);

/// So long a connection is given out after it was made.
pub(super) const LIFE: Duration = Duration::from_secs(300);

/// The connections that a component can use again.
#[derive(Default)]
pub(super) struct Pool {
    connections: Arc<Connections>,
    /// Begun with the first connection: a component that sends nothing costs nothing.
    sweeper: OnceLock<Task>,
}

#[derive(Default)]
struct Connections(Mutex<HashMap<Key, Vec<Kept>>>);

type Key = (ThreadId, Target);

struct Kept {
    connection: Connection,
    since: Instant,
}

// === impl Pool ===

impl Pool {
    /// A connection to the target that takes a request now.
    pub(super) fn take(&self, target: &Target) -> Option<Connection> {
        let mut connections = self.connections.lock();
        let of_target = connections.get_mut(&key(target))?;
        let is_young = |connection: &Connection| connection.opened().elapsed() < LIFE;
        // The one that was used last: the others grow old and are closed.
        let index = of_target.iter().rposition(|kept| kept.connection.is_free() && is_young(&kept.connection))?;
        let kept = &mut of_target[index];
        kept.since = Instant::now();
        kept.connection.share().or_else(|| Some(of_target.remove(index).connection))
    }

    /// Keeps a connection for when it takes requests again.
    pub(super) fn keep(&self, target: &Target, connection: Connection) {
        let mut connections = self.connections.lock();
        let of_target = connections.entry(key(target)).or_default();
        let takes_all = |connection: &Connection| {
            connection.is_shared() && connection.is_free() && connection.opened().elapsed() < LIFE
        };
        if connection.is_shared() && of_target.iter().any(|kept| takes_all(&kept.connection)) {
            return;
        }
        of_target.push(Kept { connection, since: Instant::now() });
        let total: usize = connections.values().map(Vec::len).sum();
        if total > CONNECTIONS {
            drop_oldest(&mut connections);
        }
        drop(connections);
        self.sweeper.get_or_init(|| Task::spawn(sweep(Arc::downgrade(&self.connections))));
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.connections.lock().values().map(Vec::len).sum()
    }
}

fn key(target: &Target) -> Key {
    (std::thread::current().id(), target.clone())
}

/// Closes the connection that was not used for the longest time.
fn drop_oldest(connections: &mut HashMap<Key, Vec<Kept>>) {
    let unused = connections.iter().flat_map(|(key, kept)| {
        let unused = kept.iter().enumerate().filter(|(_, kept)| !kept.connection.is_used());
        unused.map(move |(index, kept)| (kept.since, key, index))
    });
    let oldest = unused.min_by_key(|(since, ..)| *since).map(|(_, key, index)| (key.clone(), index));
    if let Some((key, index)) = oldest
        && let Some(kept) = connections.get_mut(&key)
    {
        kept.remove(index);
        if kept.is_empty() {
            connections.remove(&key);
        }
    }
}

/// Closes what grew old, until the pool is gone.
async fn sweep(connections: Weak<Connections>) {
    loop {
        sleep(IDLE / 4).await;
        let Some(connections) = connections.upgrade() else { return };
        connections.sweep();
    }
}

// === impl Connections ===

impl Connections {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Key, Vec<Kept>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sweep(&self) {
        let is_wanted = |kept: &Kept| {
            let Kept { connection, since } = kept;
            !connection.is_closed()
                && (connection.is_used() || (since.elapsed() < IDLE && connection.opened().elapsed() < LIFE))
        };
        self.lock().retain(|_, kept| {
            kept.retain(is_wanted);
            !kept.is_empty()
        });
    }
}
