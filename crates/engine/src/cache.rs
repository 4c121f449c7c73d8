//! Keeps compiled artefacts on disk, found by what they were compiled from.
//!
//! An artefact is native code: whoever can change it runs as us. So the folder belongs to the user alone, every artefact ends in
//! a digest of itself, and one that does not match is made anew, never loaded.
//!
//! ```text
//! KEY.cwasm    artefact, 32 bytes of BLAKE3 over the key and it, 8 bytes of magic
//! KEY.failed   why compiling it was given up, as text
//! KEY.lock     held by the process that compiles it
//! ```
//!
//! # Invariants
//!
//! 1. A key names the bytes, the engine's version and every setting that shapes code.
//! 2. An entry appears whole or not at all: it is written beside its place and renamed.
//! 3. What is checked is what is loaded: both go through one open file.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use stdx::{Code, Explain};
use tempfile::NamedTempFile;

const MAGIC: &[u8; 8] = b"wattle\x00\x01";
const TRAILER: u64 = 40;
const STALE: Duration = Duration::from_secs(24 * 3600);

/// A folder of compiled artefacts.
#[derive(Debug, Clone)]
pub(crate) struct Cache {
    folder: PathBuf,
}

/// The name of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key(String);

/// An artefact whose digest was found right, as the open file that was read.
#[derive(Debug)]
pub(crate) struct Sound(File);

/// A new entry that is not in the cache yet.
#[derive(Debug)]
pub(crate) struct Draft(NamedTempFile);

/// The folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// Reading or writing failed.
    #[error("cannot {doing} in the cache folder {}", folder.display())]
    Unusable {
        /// What was tried.
        doing: &'static str,
        /// The folder.
        folder: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// Others could put native code there.
    #[error("the cache folder {} is not safe: {why}", folder.display())]
    NotOurs {
        /// The folder.
        folder: PathBuf,
        /// Who else can write there.
        why: &'static str,
    },
}

impl Explain for CacheError {
    fn code(&self) -> Code {
        Code::E0202
    }
}

// === impl Cache ===

impl Cache {
    /// Opens the folder, making it where it is missing, for the user alone.
    pub(crate) fn open(folder: PathBuf) -> Result<Self, CacheError> {
        let cache = Self { folder };
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&cache.folder);
        made.map_err(|source| cache.unusable("make folders", source))?;
        let status = std::fs::metadata(&cache.folder).map_err(|source| cache.unusable("read", source))?;
        let why = match status.mode() {
            mode if mode & 0o022 != 0 => Some("others may write to it"),
            _ if status.uid() != rustix::process::geteuid().as_raw() => Some("it belongs to another user"),
            _ => None,
        };
        match why {
            Some(why) => Err(CacheError::NotOurs { folder: cache.folder, why }),
            None => Ok(cache),
        }
    }

    /// The artefact under `key`. One that is damaged is removed and counts as missing.
    pub(crate) fn find(&self, key: &Key) -> Result<Option<Sound>, CacheError> {
        let path = self.path(key, "cwasm");
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.unusable("read", error)),
        };
        if is_sound(key, &file).map_err(|source| self.unusable("read", source))? {
            return Ok(Some(Sound(file)));
        }
        tracing::warn!(path = %path.display(), "cached artefact is damaged, compiling it anew");
        self.forget(key)?;
        Ok(None)
    }

    /// Why compiling `key` was given up, if it was.
    pub(crate) fn failure(&self, key: &Key) -> Option<String> {
        std::fs::read_to_string(self.path(key, "failed")).ok()
    }

    /// Remembers that compiling `key` was given up.
    pub(crate) fn fail(&self, key: &Key, why: &str) -> Result<(), CacheError> {
        let write = || {
            let mut file = NamedTempFile::new_in(&self.folder)?;
            file.write_all(why.as_bytes())?;
            file.persist(self.path(key, "failed"))?;
            Ok(())
        };
        write().map_err(|source| self.unusable("write", source))
    }

    /// Removes whatever is kept under `key`. Says whether there was anything.
    pub(crate) fn forget(&self, key: &Key) -> Result<bool, CacheError> {
        let mut was_there = false;
        for ending in ["cwasm", "failed"] {
            match std::fs::remove_file(self.path(key, ending)) {
                Ok(()) => was_there = true,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(self.unusable("remove files", error)),
            }
        }
        Ok(was_there)
    }

    /// Waits until no other process compiles `key`, and keeps others waiting while the file is open.
    pub(crate) fn lock(&self, key: &Key) -> Result<File, CacheError> {
        let lock = || {
            let file = File::options().create(true).truncate(false).write(true).open(self.path(key, "lock"))?;
            file.lock()?;
            Ok(file)
        };
        lock().map_err(|source| self.unusable("lock files", source))
    }

    /// A file to write a new artefact to. Drafts that a killed process left behind are removed.
    pub(crate) fn draft(&self) -> Result<Draft, CacheError> {
        self.remove_stale();
        let file = tempfile::Builder::new().prefix(".draft-").tempfile_in(&self.folder);
        Ok(Draft(file.map_err(|source| self.unusable("write", source))?))
    }

    /// Gives a sealed draft its place. It is on disk by then: pages that were not written yet could not be given back.
    pub(crate) fn keep(&self, key: &Key, draft: Draft) -> Result<(), CacheError> {
        draft.0.as_file().sync_data().map_err(|source| self.unusable("write", source))?;
        draft.0.persist(self.path(key, "cwasm")).map_err(|error| self.unusable("write", error.error))?;
        // Its holder is done: the next to come finds the entry. Losing the race to remove it harms nobody.
        std::fs::remove_file(self.path(key, "lock"))
            .or_else(ignore_missing)
            .map_err(|source| self.unusable("remove files", source))
    }

    fn path(&self, key: &Key, ending: &str) -> PathBuf {
        self.folder.join(format!("{}.{ending}", key.0))
    }

    fn unusable(&self, doing: &'static str, source: std::io::Error) -> CacheError {
        CacheError::Unusable { doing, folder: self.folder.clone(), source }
    }

    fn remove_stale(&self) {
        let Ok(entries) = std::fs::read_dir(&self.folder) else { return };
        for entry in entries.flatten() {
            let is_draft = entry.file_name().to_string_lossy().starts_with(".draft-");
            let written = entry.metadata().and_then(|status| status.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
            let is_old = written.elapsed().is_ok_and(|age| age > STALE);
            if is_draft
                && is_old
                && let Err(error) = std::fs::remove_file(entry.path())
            {
                tracing::debug!(%error, "stale draft stays");
            }
        }
    }
}

// === impl Key ===

impl Key {
    /// The key of `digest` compiled with what hashes to `settings`.
    pub(crate) fn new(digest: &blake3::Hash, settings: u64) -> Self {
        Self(format!("{}-{settings:016x}", &digest.to_hex()[..40]))
    }

    /// The name as text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

// === impl Sound ===

impl Sound {
    /// A path that opens the very file that was checked, whatever happens to its name meanwhile.
    pub(crate) fn path(&self) -> PathBuf {
        use std::os::fd::AsRawFd;
        PathBuf::from(format!("/proc/self/fd/{}", self.0.as_raw_fd()))
    }
}

// === impl Draft ===

impl Draft {
    /// A second handle to the file, for the process that writes it.
    pub(crate) fn writer(&self) -> std::io::Result<File> {
        self.0.as_file().try_clone()
    }
}

/// Writes an artefact with its seal: a digest of it and of the key that it stands under.
pub(crate) fn seal(key: &str, artefact: &[u8], file: &mut impl Write) -> std::io::Result<()> {
    let digest = blake3::Hasher::new().update(key.as_bytes()).update(artefact).finalize();
    file.write_all(artefact)?;
    file.write_all(digest.as_bytes())?;
    file.write_all(MAGIC)?;
    file.flush()
}

fn is_sound(key: &Key, mut file: &File) -> std::io::Result<bool> {
    let length = file.metadata()?.len();
    let Some(artefact_length) = length.checked_sub(TRAILER) else { return Ok(false) };
    let mut hasher = blake3::Hasher::new();
    hasher.update(key.as_str().as_bytes());
    hasher.update_reader(file.take(artefact_length))?;
    let mut trailer = [0; TRAILER as usize];
    file.seek(SeekFrom::Start(artefact_length))?;
    file.read_exact(&mut trailer)?;
    Ok(trailer[..32] == *hasher.finalize().as_bytes() && trailer[32..] == *MAGIC)
}

fn ignore_missing(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(cache: &Cache, artefact: &[u8]) -> Key {
        let key = Key::new(&blake3::hash(b"source"), 7);
        let draft = cache.draft().expect("a draft");
        seal(key.as_str(), artefact, &mut draft.writer().expect("a writer")).expect("written");
        cache.keep(&key, draft).expect("kept");
        key
    }

    #[test]
    fn what_is_kept_is_found_until_a_byte_of_it_changes() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::open(folder.path().join("cache")).expect("a cache");
        let key = kept(&cache, b"native code");
        assert!(cache.find(&key).expect("readable").is_some());

        let path = cache.path(&key, "cwasm");
        let whole = std::fs::read(&path).expect("the entry");
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            std::fs::write(&path, &changed).expect("written");
            assert!(cache.find(&key).expect("readable").is_none(), "byte {at} was changed");
        }
        for end in [0, 1, 39, 40, whole.len() - 1] {
            std::fs::write(&path, &whole[..end]).expect("written");
            assert!(cache.find(&key).expect("readable").is_none(), "cut at {end}");
        }
    }

    #[test]
    fn an_entry_under_another_name_counts_as_damaged() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::open(folder.path().join("cache")).expect("a cache");
        let key = kept(&cache, b"native code");
        let other = Key::new(&blake3::hash(b"other source"), 7);
        std::fs::copy(cache.path(&key, "cwasm"), cache.path(&other, "cwasm")).expect("copied");
        assert!(cache.find(&other).expect("readable").is_none());
        assert!(cache.find(&key).expect("readable").is_some());
    }

    #[test]
    fn a_folder_that_others_can_write_to_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).expect("set");
        let error = Cache::open(folder.path().into()).expect_err("not safe");
        assert!(error.to_string().contains("others may write"), "{error}");
    }

    #[test]
    fn a_failure_is_remembered_until_it_is_forgotten() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::open(folder.path().join("cache")).expect("a cache");
        let key = Key::new(&blake3::hash(b"bomb"), 7);
        cache.fail(&key, "it took too long").expect("written");
        assert_eq!(cache.failure(&key).as_deref(), Some("it took too long"));
        assert!(cache.forget(&key).expect("removed"));
        assert_eq!(cache.failure(&key), None);
    }
}
