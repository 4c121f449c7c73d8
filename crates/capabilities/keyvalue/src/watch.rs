//! This is how a store in this process tells of what changes in it.
//!
//! # Invariants
//!
//! 1. Nobody who changes something waits for who watches it: what a watcher has no room for is dropped, and said.
//! 2. Where nobody watches, a change costs one load.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures::StreamExt;
use tokio::sync::mpsc;

use crate::scope::{Key, Scope};
use crate::store::Changes;

/// Names that wait at most for one watcher.
pub(crate) const WAITING_MAX: usize = 1_024;

/// Who wants to know what changes.
#[derive(Default)]
pub(crate) struct Watchers {
    /// Whether there may be any.
    are_there: AtomicBool,
    watching: Mutex<Vec<Watcher>>,
}

struct Watcher {
    scope: Scope,
    names: mpsc::Sender<String>,
    has_missed: bool,
}

// === impl Watchers ===

impl Watchers {
    /// Tells of changes to these keys from now on.
    pub(crate) fn watch(&self, scope: &Scope) -> Changes {
        let (names, told) = mpsc::channel(WAITING_MAX);
        self.lock().push(Watcher { scope: scope.clone(), names, has_missed: false });
        self.are_there.store(true, Ordering::SeqCst);
        futures::stream::unfold(told, |mut told| async move { Some((told.recv().await?, told)) }).boxed()
    }

    /// Those of the keys that somebody may watch.
    pub(crate) fn watched<'a>(&self, keys: impl Iterator<Item = &'a Key>) -> Vec<Key> {
        if self.are_there.load(Ordering::SeqCst) { keys.cloned().collect() } else { Vec::new() }
    }

    /// Tells of a change that was made.
    pub(crate) fn tell(&self, key: &Key) {
        if !self.are_there.load(Ordering::SeqCst) {
            return;
        }
        let mut watching = self.lock();
        watching.retain_mut(|watcher| watcher.tell(key));
        self.are_there.store(!watching.is_empty(), Ordering::SeqCst);
    }

    /// A panic cannot leave the list half changed.
    fn lock(&self) -> MutexGuard<'_, Vec<Watcher>> {
        self.watching.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Watcher ===

impl Watcher {
    /// Tells it, if the key is one of its; whether it is still there.
    fn tell(&mut self, key: &Key) -> bool {
        let Some(name) = self.scope.name_of(key.as_bytes()) else { return !self.names.is_closed() };
        match self.names.try_send(name.to_owned()) {
            Ok(()) => self.has_missed = false,
            Err(mpsc::error::TrySendError::Full(_)) => {
                if !std::mem::replace(&mut self.has_missed, true) {
                    tracing::warn!("changes of keys come faster than they are handled; some are not told of");
                }
            }
            Err(mpsc::error::TrySendError::Closed(_)) => return false,
        }
        true
    }
}
