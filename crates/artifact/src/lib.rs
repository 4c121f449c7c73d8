//! Fetches what runs: files and folders of them, and artefacts in registries, which are files once they are pulled.
//!
//! What is fetched is bytes that somebody else made. Whether they are a program is for `engine` to find out; here they are
//! read, held to a size, and turned into the binary format where they are text.
//!
//! # Invariants
//!
//! 1. No more is read than the limit allows, whatever the file system says of the size.
//! 2. A folder is listed in the order of its names.
//!
//! # Not here
//!
//! Which references may be pulled for whom (`host`).

mod registries;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use stdx::{ByteSize, Code, Explain};

pub use registries::{
    ARCHIVE_MAX, Artefact, Kind, Login, Logins, NotDocker, PullError, Pulled, PushError, Registries, RegistriesConfig,
    RegistryError, TooManyLogins,
};

/// Text is parsed in this process, so less of it is taken.
const TEXT_MAX: u64 = 16 << 20;

/// The largest file that is fetched when nobody says otherwise.
pub const SIZE_MAX: ByteSize = ByteSize::mib(128);

/// Why a file was not fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The system does not let us read it.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// It is too large.
    #[error("{} is larger than {limit}", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// How large it may be.
        limit: ByteSize,
    },
    /// It is WebAssembly text with a mistake.
    #[error("{} is WebAssembly text with a mistake in line {line}: {message}", path.display())]
    BadText {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// A folder has nothing to run in it.
    #[error("{} has no file that ends in .wasm or .wat", path.display())]
    EmptyFolder {
        /// The folder.
        path: PathBuf,
    },
}

impl Explain for FetchError {
    fn code(&self) -> Code {
        match self {
            Self::Unreadable { .. } | Self::EmptyFolder { .. } => Code::E0101,
            Self::TooLarge { .. } => Code::E0104,
            Self::BadText { .. } => Code::E0106,
        }
    }
}

/// The bytes of the file at `path`: as they are, or as the binary that they are the text of.
pub fn fetch(path: &Path, size_max: ByteSize) -> Result<Vec<u8>, FetchError> {
    let bytes = read(path, size_max)?;
    if is_text(&bytes) { parse(path, &bytes) } else { Ok(bytes) }
}

/// The files to run in a folder, by name.
pub fn list(folder: &Path) -> Result<Vec<PathBuf>, FetchError> {
    let unreadable = |source| FetchError::Unreadable { path: folder.to_owned(), source };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|ending| ending == "wasm" || ending == "wat") {
            files.push(path);
        }
    }
    files.sort();
    if files.is_empty() { Err(FetchError::EmptyFolder { path: folder.to_owned() }) } else { Ok(files) }
}

fn read(path: &Path, size_max: ByteSize) -> Result<Vec<u8>, FetchError> {
    let unreadable = |source| FetchError::Unreadable { path: path.to_owned(), source };
    let too_large = || FetchError::TooLarge { path: path.to_owned(), limit: size_max };
    let file = File::open(path).map_err(unreadable)?;
    let said = file.metadata().map_err(unreadable)?.len();
    if said > size_max.as_u64() {
        return Err(too_large());
    }
    let mut bytes = Vec::with_capacity(ByteSize::bytes(said).as_usize());
    // One byte more than the limit tells a file that is longer than it said, or never ends.
    file.take(size_max.as_u64().saturating_add(1)).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > size_max.as_u64() { Err(too_large()) } else { Ok(bytes) }
}

/// Whether the first word could open a program in text: a parenthesis, after spaces and comments.
fn is_text(bytes: &[u8]) -> bool {
    let mut rest = bytes.trim_ascii_start();
    while rest.starts_with(b";;") {
        let line_end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        rest = rest[line_end..].trim_ascii_start();
    }
    rest.starts_with(b"(module") || rest.starts_with(b"(component") || rest.starts_with(b"(;")
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Vec<u8>, FetchError> {
    if bytes.len() as u64 > TEXT_MAX {
        return Err(FetchError::TooLarge { path: path.to_owned(), limit: ByteSize::bytes(TEXT_MAX) });
    }
    let parsed = wat::parse_bytes(bytes).map(std::borrow::Cow::into_owned);
    parsed.map_err(|error| bad_text(path, &error.to_string()))
}

/// Takes the message and the line out of the library's report, which draws the place over several lines.
fn bad_text(path: &Path, report: &str) -> FetchError {
    let message = report.lines().next().unwrap_or("it cannot be parsed").to_owned();
    let place = report.lines().find_map(|line| line.trim_start().strip_prefix("-->"));
    let line = place.and_then(|place| place.rsplit(':').nth(1)).and_then(|line| line.trim().parse().ok());
    FetchError::BadText { path: path.to_owned(), line: line.unwrap_or(1), message }
}

#[cfg(test)]
mod tests;
