//! This is the disk of a host that is not there: what is written to it outlives who wrote it, and how long that takes is drawn.
//!
//! A disk of this machine is written by threads of its own, for which a simulated clock does not wait. From this one a host that
//! is killed in the middle of a story and started again has what it had written, the same each time.
//!
//! # Invariants
//!
//! 1. What was acknowledged is there, unless the disk was told to [lie](Disk::lie). Of what was being written when its writer was
//!    killed all is there or nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::sleep;

use super::network::Network;
use crate::bucket::Folder;

/// How long a write takes at least and at most.
const WRITE_MIN: Duration = Duration::from_millis(1);
const WRITE_MAX: Duration = Duration::from_millis(5);

/// So many of a thousand writes are on the disk before it is waited for them, the others after.
const SOON: u32 = 500;

/// What is in one folder.
type Pairs = BTreeMap<Vec<u8>, Bytes>;

/// A disk with folders of pairs of bytes. Cheap to clone: a clone is the same disk.
#[derive(Clone)]
pub struct Disk {
    shared: Arc<Shared>,
}

/// A folder on it.
#[derive(Clone)]
pub(crate) struct Drawer {
    disk: Disk,
    path: String,
}

struct Shared {
    network: Network,
    node: String,
    folders: Mutex<BTreeMap<String, Pairs>>,
    is_lying: AtomicBool,
}

// === impl Disk ===

impl Disk {
    pub(super) fn new(network: Network, node: &str) -> Self {
        let folders = Mutex::default();
        Self { shared: Arc::new(Shared { network, node: node.into(), folders, is_lying: AtomicBool::new(false) }) }
    }

    /// A folder on it, for mirrors.
    pub fn folder(&self, name: &str) -> Folder {
        Folder::simulated(Drawer { disk: self.clone(), path: name.into() })
    }

    /// From now on it acknowledges what it is given, and stays as it is.
    pub fn lie(&self) {
        self.shared.is_lying.store(true, Ordering::Relaxed);
    }

    /// A panic cannot leave it half changed.
    fn folders(&self) -> MutexGuard<'_, BTreeMap<String, Pairs>> {
        self.shared.folders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Disk").field(&self.shared.node).finish()
    }
}

// === impl Drawer ===

impl Drawer {
    /// The folder of that name in it.
    pub(crate) fn join(&self, name: &str) -> Self {
        Self { disk: self.disk.clone(), path: format!("{}/{name}", self.path) }
    }

    /// All that is in it.
    pub(crate) fn pairs(&self) -> Pairs {
        self.disk.folders().get(&self.path).cloned().unwrap_or_default()
    }

    /// Leaves nothing in it, nor in those that are in it.
    pub(crate) fn clear(&self) {
        let inside = format!("{}/", self.path);
        self.disk.folders().retain(|path, _| *path != self.path && !path.starts_with(&inside));
    }

    /// Writes a value under each of these keys, or that there is none. Who is killed meanwhile has written all of it or nothing.
    pub(crate) async fn write(&self, changes: &[(Vec<u8>, Option<Vec<u8>>)]) {
        let (is_soon, takes) = {
            let mut state = self.disk.shared.network.shared().lock();
            (state.dice.falls(SOON), state.dice.between(WRITE_MIN, WRITE_MAX))
        };
        if is_soon {
            self.put(changes);
        }
        sleep(takes).await;
        if !is_soon {
            self.put(changes);
        }
        let line = format!("{} writes {} pairs in {}", self.disk.shared.node, changes.len(), self.path);
        self.disk.shared.network.note(&line);
    }

    fn put(&self, changes: &[(Vec<u8>, Option<Vec<u8>>)]) {
        if self.disk.shared.is_lying.load(Ordering::Relaxed) {
            return;
        }
        let mut folders = self.disk.folders();
        let pairs = folders.entry(self.path.clone()).or_default();
        for (key, to) in changes {
            match to {
                Some(value) => pairs.insert(key.clone(), Bytes::copy_from_slice(value)),
                None => pairs.remove(key),
            };
        }
    }
}

impl fmt::Debug for Drawer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on the simulated disk of {}", self.path, self.disk.shared.node)
    }
}
