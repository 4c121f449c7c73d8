//! This is the file of a ledger: its lock, how it comes to be, and how it is opened.
//!
//! A new file is made under another name and gets its own when it is complete, so a file that is there without content is a
//! damaged one and not a new one. A lock beside it keeps a second process out for the whole of that.
//!
//! # Invariants
//!
//! 1. Nothing here makes a ledger empty that was not: an existing file is opened, never created.

use std::fs::{File, TryLockError};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use redb::{
    Builder, Database, DatabaseError, ReadableDatabase, StorageError, TableDefinition, TableError, TransactionError,
};
use stdx::{BoxError, ByteSize, Code, Explain};

/// Where the pairs are.
pub(crate) const PAIRS: TableDefinition<'static, &'static [u8], &'static [u8]> = TableDefinition::new("pairs");

/// What the file says of itself. One number so far, the format of the rest.
const ABOUT: TableDefinition<'static, &'static str, u64> = TableDefinition::new("about");
const FORMAT: u64 = 1;

/// Files up to this size are checked whole each time they are opened: some 30 ms.
const CHECKED_MAX: ByteSize = ByteSize::mib(64);

/// Bytes of pages that are kept in memory.
const CACHE: ByteSize = ByteSize::mib(64);

/// Why a ledger was not opened, by what can be done about it.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("the {what} in {} is used by another process", folder.display())]
    InUse {
        /// What the ledger is for.
        what: &'static str,
        /// Its folder.
        folder: PathBuf,
    },

    /// The folder or the file cannot be read and written.
    #[error("the {what} in {} cannot be opened", folder.display())]
    Unreadable {
        /// What the ledger is for.
        what: &'static str,
        /// Its folder.
        folder: PathBuf,
        /// What the system said.
        #[source]
        source: BoxError,
    },

    /// The file is there, and is not what was written. It is left as it is.
    #[error("the {what} in {} is damaged or was written by another version", folder.display())]
    Damaged {
        /// What the ledger is for.
        what: &'static str,
        /// Its folder.
        folder: PathBuf,
        /// What was found.
        #[source]
        source: BoxError,
    },
}

/// Why the file was not opened, before anyone says which.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    #[error("another process uses it")]
    InUse,
    #[error("it cannot be read")]
    Unreadable(#[source] BoxError),
    #[error("it is damaged")]
    Damaged(#[source] BoxError),
}

/// The file was written in a way that this version does not know.
#[derive(Debug, thiserror::Error)]
#[error("its format is {found:?}, this version knows {FORMAT}")]
struct OtherFormat {
    found: Option<u64>,
}

/// The database met something that it held to be impossible.
#[derive(Debug, thiserror::Error)]
#[error("the database gave up on it")]
struct GaveUp;

/// Makes the folder where there is none, and says how the system calls it, however it was named.
pub fn settle_folder(what: &'static str, folder: &Path) -> Result<PathBuf, OpenError> {
    let made = make_folder(folder).and_then(|()| std::fs::canonicalize(folder));
    made.map_err(|error| FileError::from(error).at(what, folder))
}

/// Makes the folder where there is none, and takes its lock.
pub(crate) fn lock(what: &'static str, folder: &Path) -> Result<File, OpenError> {
    let unreadable = |source: io::Error| OpenError::Unreadable { what, folder: folder.into(), source: source.into() };
    make_folder(folder).map_err(unreadable)?;
    let path = folder.join("lock");
    let lock = File::options().write(true).create(true).truncate(false).open(path).map_err(unreadable)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { what, folder: folder.into() }),
        Err(TryLockError::Error(error)) => Err(unreadable(error)),
    }
}

/// The path of the file, which is there and complete afterwards. The caller holds the lock.
pub(crate) fn settle(what: &'static str, folder: &Path) -> Result<PathBuf, OpenError> {
    let unreadable = |source: io::Error| OpenError::Unreadable { what, folder: folder.into(), source: source.into() };
    let path = folder.join("pairs.redb");
    if path.try_exists().map_err(unreadable)? {
        return Ok(path);
    }
    let unfinished = folder.join("pairs.redb.new");
    match std::fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unreadable(error)),
        _ => {}
    }
    create(&unfinished).map_err(|error| error.at(what, folder))?;
    std::fs::rename(&unfinished, &path).map_err(unreadable)?;
    sync_folder(folder).map_err(unreadable)?;
    Ok(path)
}

/// Why a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Occasion {
    /// The ledger is.
    Start,
    /// A write failed. There may be no room for a check, which writes, and what was read before is to be read on.
    FailedWrite,
}

/// Opens the file of that path, which has to be one.
pub(crate) fn open(path: &Path, occasion: Occasion) -> Result<Database, FileError> {
    let size = std::fs::metadata(path)?.len();
    let is_checked = occasion == Occasion::Start && size <= CHECKED_MAX.as_u64();
    // The database may panic on a file that something else has written to.
    catch_unwind(AssertUnwindSafe(|| {
        let database =
            Builder::new().set_cache_size(CACHE.as_usize()).set_check_integrity_on_open(is_checked).open(path)?;
        check_format(&database)?;
        Ok(database)
    }))
    .unwrap_or_else(|_| Err(FileError::Damaged(GaveUp.into())))
}

fn create(path: &Path) -> Result<(), FileError> {
    let database = Database::create(path)?;
    let transaction = database.begin_write()?;
    transaction.open_table(ABOUT)?.insert("format", FORMAT)?;
    transaction.open_table(PAIRS)?;
    transaction.commit().map_err(|error| FileError::Unreadable(error.into()))?;
    database.close()?;
    Ok(())
}

fn check_format(database: &Database) -> Result<(), FileError> {
    let transaction = database.begin_read()?;
    let found = transaction.open_table(ABOUT)?.get("format")?.map(|format| format.value());
    if found == Some(FORMAT) { Ok(()) } else { Err(FileError::Damaged(OtherFormat { found }.into())) }
}

#[cfg(unix)]
fn make_folder(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    if folder.is_dir() {
        return Ok(());
    }
    // For nobody else to read.
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    folder.parent().filter(|parent| !parent.as_os_str().is_empty()).map_or(Ok(()), sync_folder)
}

#[cfg(not(unix))]
fn make_folder(folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)
}

/// Puts the names in a folder on disk: without it a power cut may take a new file away with all that is in it.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

// === impl OpenError ===

impl Explain for OpenError {
    fn code(&self) -> Code {
        match self {
            Self::InUse { .. } => Code::E0402,
            Self::Unreadable { .. } | Self::Damaged { .. } => Code::E0401,
        }
    }
}

// === impl FileError ===

impl FileError {
    /// The same for the caller, who knows ledgers by their folders.
    pub(crate) fn at(self, what: &'static str, folder: &Path) -> OpenError {
        let folder = folder.into();
        match self {
            Self::InUse => OpenError::InUse { what, folder },
            Self::Unreadable(source) => OpenError::Unreadable { what, folder, source },
            Self::Damaged(source) => OpenError::Damaged { what, folder, source },
        }
    }
}

impl From<io::Error> for FileError {
    fn from(error: io::Error) -> Self {
        Self::Unreadable(error.into())
    }
}

impl From<StorageError> for FileError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Io(error) if is_about_content(&error) => Self::Damaged(error.into()),
            StorageError::Io(error) => Self::Unreadable(error.into()),
            error => Self::Damaged(error.into()),
        }
    }
}

/// Whether the system could read the file and did not find what should be there.
fn is_about_content(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
}

impl From<DatabaseError> for FileError {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::DatabaseAlreadyOpen => Self::InUse,
            DatabaseError::Storage(error) => error.into(),
            error => Self::Damaged(error.into()),
        }
    }
}

impl From<TransactionError> for FileError {
    fn from(error: TransactionError) -> Self {
        match error {
            TransactionError::Storage(error) => error.into(),
            error => Self::Damaged(error.into()),
        }
    }
}

impl From<TableError> for FileError {
    fn from(error: TableError) -> Self {
        match error {
            TableError::Storage(error) => error.into(),
            error => Self::Damaged(error.into()),
        }
    }
}
