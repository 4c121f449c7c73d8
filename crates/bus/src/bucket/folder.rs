//! This is where a host has mirrors: a folder of this machine's disk, or of a simulated one.
//!
//! # Not here
//!
//! What the pairs of a mirror mean (`mirror`).

use std::fmt;
use std::io::{self, ErrorKind};
use std::ops::Bound;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use ledger::{Enough, Ledger, LedgerError, OpenError};

use super::mirror::{Mirror, MirrorError};
use crate::sim::Drawer;

/// A folder for mirrors. Nothing is made before one is opened.
#[derive(Debug, Clone)]
pub struct Folder(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Disk(PathBuf),
    Simulated(Drawer),
}

/// The pairs of one mirror, open.
#[derive(Debug)]
pub(super) enum Pages {
    Disk(Ledger),
    Simulated(Drawer),
}

/// What is to be under keys: a value, or nothing.
pub(super) type Changes = Vec<(Vec<u8>, Option<Vec<u8>>)>;

// === impl Folder ===

impl Folder {
    pub(crate) fn simulated(drawer: Drawer) -> Self {
        Self(Kind::Simulated(drawer))
    }

    /// The folder of that name in it.
    pub fn join(&self, name: &str) -> Self {
        Self(match &self.0 {
            Kind::Disk(path) => Kind::Disk(path.join(name)),
            Kind::Simulated(drawer) => Kind::Simulated(drawer.join(name)),
        })
    }

    /// Leaves nothing of it, nor of what is in it. The disk is waited for.
    pub fn clear(&self) -> io::Result<()> {
        match &self.0 {
            Kind::Disk(path) => match std::fs::remove_dir_all(path) {
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
                outcome => outcome,
            },
            Kind::Simulated(drawer) => {
                drawer.clear();
                Ok(())
            }
        }
    }

    /// Opens the mirror in it, which is made where there is none. The disk is waited for, on a thread that may wait.
    pub async fn mirror(&self) -> Result<Mirror, MirrorError> {
        match &self.0 {
            Kind::Disk(path) => {
                let path = path.clone();
                let opened = tokio::task::spawn_blocking(move || Mirror::open(&path)).await;
                opened.expect("opening returns its errors")
            }
            Kind::Simulated(drawer) => Mirror::of(Pages::Simulated(drawer.clone())),
        }
    }
}

impl From<PathBuf> for Folder {
    fn from(path: PathBuf) -> Self {
        Self(Kind::Disk(path))
    }
}

impl fmt::Display for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Disk(path) => path.display().fmt(f),
            Kind::Simulated(drawer) => write!(f, "{drawer:?}"),
        }
    }
}

// === impl Pages ===

impl Pages {
    pub(super) fn open(folder: &Path) -> Result<Self, OpenError> {
        Ledger::open("mirror of a bucket", folder).map(Self::Disk)
    }

    /// The value under a key, if there is one.
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Bytes>, LedgerError> {
        match self {
            Self::Disk(ledger) => ledger.read(|state| state.get(key)),
            Self::Simulated(drawer) => Ok(drawer.pairs().get(key).cloned()),
        }
    }

    /// Shows each pair from `start` on, in the order of the keys.
    pub(super) fn scan(&self, start: &[u8], mut look: impl FnMut(&[u8], &[u8])) -> Result<(), LedgerError> {
        match self {
            Self::Disk(ledger) => ledger.read(|state| {
                state.scan(Bound::Included(start), |key, pair| {
                    look(key, pair);
                    Enough::NotYet
                })
            }),
            Self::Simulated(drawer) => {
                let pairs = drawer.pairs();
                pairs.iter().filter(|(key, _)| key.as_slice() >= start).for_each(|(key, pair)| look(key, pair));
                Ok(())
            }
        }
    }

    /// Makes all of these changes or none. When this returns they are on disk.
    pub(super) async fn write(&self, changes: Changes) -> Result<(), LedgerError> {
        match self {
            Self::Disk(ledger) => {
                let bytes = changes.iter().filter_map(|(_, to)| to.as_ref()).map(Vec::len).sum();
                let write = move |pairs: &mut ledger::Pairs<'_>| {
                    changes.iter().try_for_each(|(key, to)| match to {
                        Some(value) => pairs.put(key, value),
                        None => pairs.remove(key),
                    })
                };
                ledger.write(bytes, write).await
            }
            Self::Simulated(drawer) => {
                drawer.write(&changes).await;
                Ok(())
            }
        }
    }
}
