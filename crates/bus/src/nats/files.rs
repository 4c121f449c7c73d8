//! Reads the files that say who connects and whom to trust.
//!
//! # Invariants
//!
//! 1. Nothing that is in a file is in an error.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use stdx::BoxError;
use zeroize::Zeroizing;

/// No such file is longer; one with many authorities has some 300 KiB.
const LENGTH_MAX: u64 = 1 << 20;

/// A file that is needed to connect cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{what} cannot be read from {}", path.display())]
pub struct BadFile {
    what: &'static str,
    path: PathBuf,
    #[source]
    source: BoxError,
}

/// Why a file cannot be used, beside what the system says.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unusable {
    #[error("it is empty")]
    Empty,
    #[error("it is a folder or a device")]
    NoFile,
    #[error("it is longer than any such file")]
    TooLong,
    #[error("it is not text")]
    NotText,
    #[error("it has no seed of a user, which begins with SU")]
    NoSeed,
    #[error("it has no certificate in PEM")]
    NoCertificate,
    #[error("it has no private key in PEM, or one that a password protects")]
    NoKey,
    #[error("it is not the key of that certificate")]
    OtherKey,
}

// === impl BadFile ===

impl BadFile {
    /// What is in such a file is `what`.
    pub(super) fn new(what: &'static str, path: &Path, source: impl Into<BoxError>) -> Self {
        Self { what, path: path.to_owned(), source: source.into() }
    }
}

/// All that is in a file.
pub(super) fn read(what: &'static str, path: &Path) -> Result<Zeroizing<Vec<u8>>, BadFile> {
    let bad = |source: BoxError| BadFile { what, path: path.to_owned(), source };
    // What is no file may never end, or never begin.
    if !std::fs::metadata(path).map_err(|error| bad(error.into()))?.is_file() {
        return Err(bad(Unusable::NoFile.into()));
    }
    let mut content = Zeroizing::new(Vec::new());
    let length = File::open(path).and_then(|file| file.take(LENGTH_MAX + 1).read_to_end(&mut content));
    match length.map_err(|error| bad(error.into()))? as u64 {
        0 => Err(bad(Unusable::Empty.into())),
        length if length > LENGTH_MAX => Err(bad(Unusable::TooLong.into())),
        _ => Ok(content),
    }
}

/// The text in a file, without what is before and after it.
pub(super) fn read_text(what: &'static str, path: &Path) -> Result<Zeroizing<String>, BadFile> {
    let content = read(what, path)?;
    let text = std::str::from_utf8(&content).map_err(|_not_text| BadFile::new(what, path, Unusable::NotText))?.trim();
    match text.is_empty() {
        true => Err(BadFile::new(what, path, Unusable::Empty)),
        false => Ok(Zeroizing::new(text.to_owned())),
    }
}

/// Says in the log that everybody on this machine can read a secret.
pub(super) fn warn_if_open(path: &Path) {
    let is_open = std::fs::metadata(path).is_ok_and(|found| found.permissions().mode() & 0o004 != 0);
    if is_open {
        tracing::warn!(file = %path.display(), "everybody on this machine can read this secret; `chmod 600` changes that");
    }
}
