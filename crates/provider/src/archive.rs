//! Reads a provider archive: a tar, compressed or not, with claims and an executable for each kind of machine.
//!
//! # Invariants
//!
//! 1. Whatever the archive says of itself, at most [`BYTES_MAX`] are read of it, and only the executable for this machine is kept.
//! 2. What is given back is what the claims are about: they name its digest.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::SystemTime;

use data_encoding::HEXUPPER;
use flate2::read::GzDecoder;
use ring::digest::{Context, SHA256};
use tempfile::NamedTempFile;
use trust::ClaimsView;

/// So much of an archive is read, once it is decompressed.
const BYTES_MAX: u64 = 4 << 30;

/// Longer claims are none.
const CLAIMS_MAX: u64 = 64 << 10;

/// What a file begins with that is compressed.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// What stands in a tar at [`TAR_AT`].
const TAR: &[u8] = b"ustar";
const TAR_AT: u64 = 257;

/// Why nothing of an archive is executed.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// It cannot be read, or the executable cannot be kept.
    #[error("it cannot be unpacked")]
    Io(#[from] io::Error),
    /// There are no claims in it.
    #[error("it has no claims")]
    NoClaims,
    /// The claims are none.
    #[error("its claims cannot be read")]
    Claims(#[source] trust::ClaimsError),
    /// The claims are not signed, or do not hold now.
    #[error("its claims are {0}")]
    NotValid(&'static str),
    /// There is nothing in it for this machine.
    #[error("it has no executable for {machine}; it has {}", there.join(", "))]
    OtherMachine {
        /// This machine.
        machine: String,
        /// What there is.
        there: Vec<String>,
    },
    /// The claims are about another executable.
    #[error("its executable is not the one that its claims are about")]
    OtherExecutable,
}

/// What an archive holds for this machine.
pub(crate) struct Unpacked {
    pub(crate) executable: NamedTempFile,
    pub(crate) claims: ClaimsView,
}

/// What was found while reading, before anything of it was believed.
#[derive(Default)]
struct Found {
    token: Option<String>,
    executable: Option<(NamedTempFile, String)>,
    there: Vec<String>,
}

/// Whether a file is an archive. It is read from its beginning again.
pub(crate) fn is_archive(file: &mut File) -> io::Result<bool> {
    let begins = at(file, 0, GZIP.len())? == GZIP;
    let is_tar = begins || at(file, TAR_AT, TAR.len())? == TAR;
    file.rewind()?;
    Ok(is_tar)
}

/// Unpacks the executable for `machine` into `folder`, if the claims hold at `now` and are about it.
pub(crate) fn unpack(
    mut file: File,
    folder: &Path,
    (machine, now): (&str, SystemTime),
) -> Result<Unpacked, ArchiveError> {
    let is_compressed = at(&mut file, 0, GZIP.len())? == GZIP;
    file.rewind()?;
    let file = io::BufReader::new(file);
    let found = match is_compressed {
        true => find(GzDecoder::new(file), folder, machine)?,
        false => find(file, folder, machine)?,
    };
    judge(found, machine, now)
}

/// How machines of this kind are called in archives.
pub(crate) fn machine() -> String {
    format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS)
}

fn at(file: &mut File, offset: u64, len: usize) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    file.take(len as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn find(reader: impl Read, folder: &Path, machine: &str) -> io::Result<Found> {
    let mut found = Found::default();
    let mut archive = tar::Archive::new(reader.take(BYTES_MAX));
    for entry in archive.entries()? {
        let mut entry = entry?;
        let Some(stem) = entry.path()?.file_stem().map(|stem| stem.to_string_lossy().into_owned()) else { continue };
        match stem.as_str() {
            "claims" => {
                let mut token = String::new();
                entry.take(CLAIMS_MAX).read_to_string(&mut token)?;
                found.token = Some(token.trim().to_owned());
            }
            "world" => {}
            _ if stem == machine => found.executable = Some(keep(&mut entry, folder)?),
            _ => found.there.push(stem),
        }
    }
    Ok(found)
}

/// Writes what is read into a file, and says its digest.
fn keep(reader: &mut impl Read, folder: &Path) -> io::Result<(NamedTempFile, String)> {
    let mut file = NamedTempFile::new_in(folder)?;
    let mut digest = Context::new(&SHA256);
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = reader.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        digest.update(&buffer[..read]);
        file.write_all(&buffer[..read])?;
    }
    Ok((file, HEXUPPER.encode(digest.finish().as_ref())))
}

fn judge(found: Found, machine: &str, now: SystemTime) -> Result<Unpacked, ArchiveError> {
    let Found { token, executable, there } = found;
    let token = token.ok_or(ArchiveError::NoClaims)?;
    let claims = trust::read_claims(&token, now).map_err(ArchiveError::Claims)?;
    if let Some(why) = claims.flaw() {
        return Err(ArchiveError::NotValid(why));
    }
    let Some((executable, digest)) = executable else {
        return Err(ArchiveError::OtherMachine { machine: machine.to_owned(), there });
    };
    match claims.executables.get(machine) {
        Some(named) if named.eq_ignore_ascii_case(&digest) => Ok(Unpacked { executable, claims }),
        _ => Err(ArchiveError::OtherExecutable),
    }
}

#[cfg(test)]
mod tests;
