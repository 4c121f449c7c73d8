//! These are the folders that are open in this process, so that two links to one folder lead to one store.
//!
//! A folder has a lock that keeps a second store out, and a store that is let go of takes a moment to close. Who opens the
//! folder in that moment waits for its end.
//!
//! # Invariants
//!
//! 1. A folder's [`Sharing`] is held by whoever opens it, and then by the store till the file is closed: while it is there,
//!    nobody else tries to open the folder.
//! 2. Nothing here keeps a store open.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::watch;

use super::{Disk, OpenError, WHAT};

/// What others see of a folder: its store, once it is open. Whoever opens the folder holds it until the folder is closed.
pub(super) type Sharing = watch::Sender<Weak<Disk>>;

static FOLDERS: Mutex<BTreeMap<PathBuf, watch::Receiver<Weak<Disk>>>> = Mutex::new(BTreeMap::new());

/// The way to a folder.
enum Way {
    /// It is open.
    Open(Arc<Disk>),
    /// Somebody opens or closes it.
    Busy(watch::Receiver<Weak<Disk>>),
    /// It is ours to open.
    Free(Sharing),
}

/// The store in that folder, which is made where there is none.
pub(super) async fn open(folder: PathBuf) -> Result<Arc<Disk>, OpenError> {
    let path = ledger::settle_folder(WHAT, &folder)?;
    let sharing = loop {
        match way(&path) {
            Way::Open(store) => return Ok(store),
            // It is open now, or closed, or in other hands: in each case one looks again.
            Way::Busy(mut change) => drop(change.changed().await),
            Way::Free(sharing) => break sharing,
        }
    };
    let opening = tokio::task::spawn_blocking(move || open_as(&path, sharing));
    opening.await.unwrap_or_else(|error| Err(OpenError::Unreadable { what: WHAT, folder, source: error.into() }))
}

fn way(path: &Path) -> Way {
    let mut folders = folders();
    if let Some(change) = folders.get_mut(path) {
        if let Some(store) = change.borrow_and_update().upgrade() {
            return Way::Open(store);
        }
        // An error says that nobody holds the other end any more.
        if change.has_changed().is_ok() {
            return Way::Busy(change.clone());
        }
    }
    // Folders that were closed and not asked for again are forgotten here.
    folders.retain(|_, change| change.has_changed().is_ok());
    let (sharing, change) = watch::channel(Weak::new());
    folders.insert(path.to_owned(), change);
    Way::Free(sharing)
}

fn open_as(path: &Path, sharing: Sharing) -> Result<Arc<Disk>, OpenError> {
    let mut store = Disk::open(path)?;
    let sharing = store.sharing.insert(sharing).clone();
    let store = Arc::new(store);
    sharing.send_replace(Arc::downgrade(&store));
    Ok(store)
}

/// A panic cannot leave the map half changed.
fn folders() -> MutexGuard<'static, BTreeMap<PathBuf, watch::Receiver<Weak<Disk>>>> {
    FOLDERS.lock().unwrap_or_else(PoisonError::into_inner)
}
