//! This is which lattice a host was told to join while it ran: it is in it again after a restart.
//!
//! ```text
//! DATA/host/0.kept/joined.json  the bus, the lattice and the login, for this user only
//! ```
//!
//! # Invariants
//!
//! 1. The file is there whole or not at all, and what was written survives a power cut.
//! 2. A file that cannot be read is an error: a host that forgot its lattice would be alone without anybody's having said so.

use std::fs::{DirBuilder, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use model::Entrance;
use stdx::{Code, Explain};

use crate::identity::write_whole;

/// What a host was told to join cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("which lattice this host is in cannot be kept in {}", path.display())]
pub struct EntranceError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// The lattice that the host with this folder is in, if it joined one.
pub fn remembered(kept: &Path) -> Result<Option<Entrance>, EntranceError> {
    let path = file(kept);
    match std::fs::read(&path) {
        Ok(bytes) => match serde_json::from_slice(&bytes) {
            Ok(entrance) => Ok(Some(entrance)),
            Err(error) => Err(EntranceError { path, source: io::Error::new(ErrorKind::InvalidData, error) }),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(EntranceError { path, source }),
    }
}

/// From now on the host is in this lattice.
pub fn remember(kept: &Path, entrance: &Entrance) -> Result<(), EntranceError> {
    let path = file(kept);
    let text = serde_json::to_string(entrance).expect("an entrance is a value");
    let written = DirBuilder::new().recursive(true).mode(0o700).create(kept).and_then(|()| write_whole(&path, &text));
    written.map_err(|source| EntranceError { path, source })
}

/// From now on the host is alone.
pub fn forget(kept: &Path) -> Result<(), EntranceError> {
    let path = file(kept);
    let gone = match std::fs::remove_file(&path) {
        Ok(()) => File::open(kept).and_then(|folder| folder.sync_all()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    };
    gone.map_err(|source| EntranceError { path, source })
}

fn file(kept: &Path) -> PathBuf {
    kept.join("joined.json")
}

// === impl EntranceError ===

impl Explain for EntranceError {
    fn code(&self) -> Code {
        Code::E1001
    }
}

#[cfg(test)]
mod tests {
    use model::NatsLogin;

    use super::*;

    #[test]
    fn what_was_joined_is_remembered_until_it_is_forgotten() {
        let folder = tempfile::tempdir().expect("a folder");
        let kept = folder.path().join("0.kept");
        assert_eq!(remembered(&kept).expect("it is read"), None);
        forget(&kept).expect("there is nothing to forget");
        let login = NatsLogin { creds: Some("/a".into()), ..NatsLogin::default() };
        let entrance = Entrance { nats: "nats://a".into(), lattice: "shop".into(), login };
        for _ in 0..2 {
            remember(&kept, &entrance).expect("it is written");
            assert_eq!(remembered(&kept).expect("it is read"), Some(entrance.clone()));
        }
        forget(&kept).expect("it is forgotten");
        assert_eq!(remembered(&kept).expect("it is read"), None);
        std::fs::write(file(&kept), "{").expect("the folder is ours");
        assert_eq!(remembered(&kept).expect_err("it is damaged").code(), Code::E1001);
    }
}
