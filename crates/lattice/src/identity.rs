//! This is who a host is: a key of its own, made once and kept, so that it is the same host after a restart.
//!
//! ```text
//! DATA/host/0.seed  the secret, for this user only        DATA/host/0.lock  held while a host uses it
//! DATA/host/0.kept  what the host with that key knows of its lattice
//! ```
//!
//! # Invariants
//!
//! 1. Two hosts that run at once never have the same key: who has it holds its lock, and the next one has the next key.
//! 2. A seed is there whole or not at all, and readable by its owner only from the moment that it is there.
//! 3. A seed that cannot be read is never replaced: that would be another host in the place of this one.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use stdx::{Code, Explain};
use trust::{KeyKind, Seed};

/// So many hosts may have keys in one folder at once.
const KEYS_MAX: usize = 64;

/// Who a host is, for as long as it runs.
#[derive(Debug)]
pub struct Identity {
    seed: Seed,
    /// Where the host keeps what is its own.
    kept: PathBuf,
    /// Unlocked when it is closed, also by the system when the process is killed.
    _lock: File,
}

/// A host cannot have a key.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The folder cannot be used.
    #[error("the key of the host cannot be kept in {}", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The file holds something else.
    #[error("{} does not hold the seed of a host", .0.display())]
    NotASeed(PathBuf),
    /// All keys are in use.
    #[error("{KEYS_MAX} hosts use the keys in {}", .0.display())]
    TooMany(PathBuf),
}

// === impl Identity ===

impl Identity {
    /// The first key in this folder that no other host uses, made where there is none.
    pub fn open(folder: &Path) -> Result<Self, IdentityError> {
        let failed = |source| IdentityError::Folder { path: folder.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        for number in 0..KEYS_MAX {
            let lock = folder.join(format!("{number}.lock"));
            let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(lock);
            let lock = lock.map_err(failed)?;
            match lock.try_lock() {
                Ok(()) => {
                    let seed = seed_in(folder, number)?;
                    let kept = folder.join(format!("{number}.kept"));
                    return Ok(Self { seed, kept, _lock: lock });
                }
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
        }
        Err(IdentityError::TooMany(folder.to_owned()))
    }

    /// The folder for what the host keeps, which may not be there yet. No other host that runs has it.
    pub fn kept(&self) -> &Path {
        &self.kept
    }

    /// The key that all may know, as text.
    pub fn id(&self) -> String {
        self.seed.public().to_string()
    }
}

/// The seed of that number, which nobody else makes at the same time: its lock is held.
fn seed_in(folder: &Path, number: usize) -> Result<Seed, IdentityError> {
    let path = folder.join(format!("{number}.seed"));
    let failed = |source| IdentityError::Folder { path: folder.to_owned(), source };
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            let seed = text.trim().parse::<Seed>().ok().filter(|seed| seed.public().kind() == KeyKind::Host);
            seed.ok_or(IdentityError::NotASeed(path))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut secret = [0; 32];
            getrandom::fill(&mut secret).map_err(|error| failed(io::Error::other(error)))?;
            let seed = Seed::new(KeyKind::Host, secret);
            write_whole(&path, &seed.to_secret_text()).map_err(failed)?;
            Ok(seed)
        }
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(IdentityError::NotASeed(path)),
        Err(error) => Err(failed(error)),
    }
}

/// Written beside it, made durable, and moved: a reader finds all of it or nothing.
pub(crate) fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let draft = path.with_extension("draft");
    match std::fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    writeln!(file, "{text}")?;
    file.sync_all()?;
    std::fs::rename(&draft, path)?;
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

// === impl IdentityError ===

impl Explain for IdentityError {
    fn code(&self) -> Code {
        Code::E1001
    }
}

#[cfg(test)]
mod tests;
