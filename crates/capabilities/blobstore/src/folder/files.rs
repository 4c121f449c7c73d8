//! This is the folder itself, as calls that wait for the disk.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tempfile::NamedTempFile;

use crate::blobs::{BlobsError, Facts};
use crate::scope::{self, Container, Object};

/// Where what is being written is, below the folder. No component has this piece: it begins with [`scope::RESERVED`].
const UPLOADS: &str = "!uploads";

/// The folder.
pub(super) struct Files {
    root: PathBuf,
}

/// A file that is being written. It is deleted when it is dropped.
pub(super) struct Temporary(NamedTempFile);

/// An object's file, open.
pub(super) struct Found {
    pub(super) file: File,
    /// Where the bytes of the object begin.
    pub(super) start: u64,
    /// How many they are.
    pub(super) size: u64,
    created: SystemTime,
}

// === impl Found ===

impl Found {
    pub(super) fn facts(&self) -> Facts {
        Facts { size: self.size, created: self.created }
    }
}

// === impl Files ===

impl Files {
    pub(super) fn open(root: PathBuf) -> Result<Self, BlobsError> {
        let files = Self { root };
        fs::create_dir_all(files.uploads()).and_then(|()| files.sweep()).map_err(|error| files.failed(error))?;
        Ok(files)
    }

    pub(super) fn store(&self) -> String {
        super::describe(&self.root)
    }

    pub(super) fn create(&self, container: &Container) -> Result<(), BlobsError> {
        let path = self.folder_of(container);
        let make = || {
            fs::create_dir_all(&path)?;
            path.ancestors().skip(1).take(2).try_for_each(sync_folder)
        };
        make().map_err(|error| self.failed(error))
    }

    pub(super) fn created_at(&self, container: &Container) -> Result<Option<SystemTime>, BlobsError> {
        let created =
            fs::metadata(self.folder_of(container)).and_then(|found| found.created().or_else(|_| found.modified()));
        absent_as_none(created).map_err(|error| self.failed(error))
    }

    /// Moves the container out of sight first: nobody sees it half removed.
    pub(super) fn remove(&self, container: &Container) -> Result<(), BlobsError> {
        let path = self.folder_of(container);
        let remove = || {
            let grave = tempfile::tempdir_in(self.uploads())?;
            match fs::rename(&path, grave.path()) {
                Ok(()) => path.parent().map_or(Ok(()), sync_folder)?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            // Whoever opens this folder may have swept it away already.
            absent_as_none(grave.close()).map(drop)
        };
        remove().map_err(|error| self.failed(error))
    }

    pub(super) fn clear(&self, container: &Container) -> Result<(), BlobsError> {
        let path = self.folder_of(container);
        let clear = || {
            for entry in fs::read_dir(&path)? {
                absent_as_none(fs::remove_file(entry?.path()))?;
            }
            sync_folder(&path)
        };
        absent_as_none(clear()).map(drop).map_err(|error| self.failed(error))
    }

    /// The names of the `count_max` first objects after the piece `after`.
    pub(super) fn list(
        &self,
        container: &Container,
        after: Option<&str>,
        count_max: usize,
    ) -> Result<Vec<String>, BlobsError> {
        let path = self.folder_of(container);
        let pieces = absent_as_none(first_pieces(&path, after, count_max)).map_err(|error| self.failed(error))?;
        let names = pieces.unwrap_or_default().into_iter().filter_map(|piece| self.name_of(&path, &piece).transpose());
        names.collect()
    }

    /// Opens an object's file, which keeps its bytes whatever becomes of the name.
    pub(super) fn find(&self, object: &Object) -> Result<Option<Found>, BlobsError> {
        let find = || {
            let mut file = File::open(self.path_of(object))?;
            let known = file.metadata()?;
            let start = if object.is_cut() { skip_name(&mut file)? } else { 0 };
            let size = known.len().saturating_sub(start);
            Ok(Found { start, size, created: known.modified()?, file })
        };
        absent_as_none(find()).map_err(|error| self.failed(error))
    }

    pub(super) fn begin(&self, object: &Object) -> Result<Temporary, BlobsError> {
        if !self.folder_of(object.container()).is_dir() {
            return Err(BlobsError::no_container_of(object));
        }
        let begin = || {
            let mut temporary = self.temporary()?;
            if object.is_cut() {
                let length = u16::try_from(object.name().len()).map_err(io::Error::other)?;
                temporary.write_all(&length.to_be_bytes())?;
                temporary.write_all(object.name().as_bytes())?;
            }
            Ok(Temporary(temporary))
        };
        begin().map_err(|error| self.failed(error))
    }

    /// A file that nobody sweeps away. Whoever opens this folder may be faster than the lock, and takes a new file for one that
    /// somebody left: then there is another try.
    fn temporary(&self) -> io::Result<NamedTempFile> {
        loop {
            let temporary = NamedTempFile::new_in(self.uploads())?;
            temporary.as_file().lock()?;
            if temporary.as_file().metadata()?.nlink() > 0 {
                return Ok(temporary);
            }
        }
    }

    pub(super) fn append(&self, temporary: &mut Temporary, bytes: &[u8]) -> Result<(), BlobsError> {
        temporary.0.write_all(bytes).map_err(|error| self.failed(error))
    }

    /// Gives the file its name, once its bytes are on the disk.
    pub(super) fn publish(&self, temporary: Temporary, object: &Object) -> Result<(), BlobsError> {
        let folder = self.folder_of(object.container());
        temporary.0.as_file().sync_all().map_err(|error| self.failed(error))?;
        let named = temporary.0.persist(folder.join(object.piece())).map_err(|error| error.error);
        let named = absent_as_none(named).map_err(|error| self.failed(error))?;
        named.ok_or_else(|| BlobsError::no_container_of(object))?;
        sync_folder(&folder).map_err(|error| self.failed(error))
    }

    pub(super) fn delete(&self, objects: &[Object]) -> Result<(), BlobsError> {
        let delete = || {
            for object in objects {
                absent_as_none(fs::remove_file(self.path_of(object)))?;
            }
            let folder = objects.first().map(|object| self.folder_of(object.container()));
            folder.map_or(Ok(None), |folder| absent_as_none(sync_folder(&folder)))
        };
        delete().map(drop).map_err(|error: io::Error| self.failed(error))
    }

    pub(super) fn copy(&self, source: &Object, target: &Object) -> Result<(), BlobsError> {
        let mut found = self.find(source)?.ok_or_else(|| BlobsError::no_object(source))?;
        let mut temporary = self.begin(target)?;
        io::copy(&mut found.file, temporary.0.as_file_mut()).map_err(|error| self.failed(error))?;
        self.publish(temporary, target)
    }

    /// The name of the object with that piece; nothing where it is gone, or was put there by somebody else.
    fn name_of(&self, folder: &Path, piece: &str) -> Result<Option<String>, BlobsError> {
        if !scope::is_cut(piece) {
            return Ok(scope::name_of(piece));
        }
        let name = absent_as_none(File::open(folder.join(piece)).and_then(|mut file| read_name(&mut file)));
        name.map_err(|error| self.failed(error))
    }

    /// Deletes what processes that are gone were writing or removing.
    fn sweep(&self) -> io::Result<()> {
        for entry in fs::read_dir(self.uploads())? {
            let path = entry?.path();
            if path.is_dir() {
                absent_as_none(fs::remove_dir_all(&path))?;
            } else if let Some(file) = absent_as_none(File::open(&path))?
                && file.try_lock().is_ok()
            {
                absent_as_none(fs::remove_file(&path))?;
            }
        }
        Ok(())
    }

    fn uploads(&self) -> PathBuf {
        self.root.join(UPLOADS)
    }

    fn folder_of(&self, container: &Container) -> PathBuf {
        let [component, container] = container.pieces();
        self.root.join(component).join(container)
    }

    fn path_of(&self, object: &Object) -> PathBuf {
        self.folder_of(object.container()).join(object.piece())
    }

    pub(super) fn failed(&self, error: io::Error) -> BlobsError {
        let store = self.store();
        match error.kind() {
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
                BlobsError::Damaged { store, source: error.into() }
            }
            _ => BlobsError::Unavailable { store, source: error.into() },
        }
    }
}

/// The first pieces after `after`, in order, of which no more than those are held.
fn first_pieces(folder: &Path, after: Option<&str>, count_max: usize) -> io::Result<BTreeSet<String>> {
    let mut pieces = BTreeSet::new();
    for entry in fs::read_dir(folder)? {
        let Ok(piece) = entry?.file_name().into_string() else { continue };
        if after.is_none_or(|after| piece.as_str() > after) {
            pieces.insert(piece);
            if pieces.len() > count_max {
                pieces.pop_last();
            }
        }
    }
    Ok(pieces)
}

/// Reads the name at the beginning of a file.
fn read_name(file: &mut File) -> io::Result<String> {
    let mut length = [0; 2];
    file.read_exact(&mut length)?;
    let mut name = vec![0; usize::from(u16::from_be_bytes(length))];
    file.read_exact(&mut name)?;
    String::from_utf8(name).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

fn skip_name(file: &mut File) -> io::Result<u64> {
    read_name(file)?;
    file.stream_position()
}

/// Reads up to so many bytes from the file at that place.
pub(super) fn read_at(file: &mut File, offset: u64, size: usize) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = vec![0; size];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn absent_as_none<T>(outcome: io::Result<T>) -> io::Result<Option<T>> {
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
