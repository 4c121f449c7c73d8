//! This is what a provider's process executes: a file as it is, or the executable in an archive.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use stdx::{Code, Explain};
use trust::ClaimsView;

use crate::archive::{self, ArchiveError};

/// What is executed, and what is said of it by who signed it.
#[derive(Debug)]
pub struct Program {
    path: PathBuf,
    claims: Option<Arc<ClaimsView>>,
    /// Where it was unpacked, it is gone with the program.
    _unpacked: Option<tempfile::TempPath>,
}

/// There is nothing to execute.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// It is not there to be executed.
    #[error("{} is neither an archive of a provider nor executable", .0.display())]
    NotExecutable(PathBuf),
    /// It is an archive, and nothing of it is executed.
    #[error("{} is an archive that is not executed", path.display())]
    Archive {
        /// Which.
        path: PathBuf,
        /// Why not.
        #[source]
        source: ArchiveError,
    },
    /// There is no place to unpack it.
    #[error("cannot unpack a provider into {}", folder.display())]
    Folder {
        /// Where.
        folder: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

// === impl Program ===

impl Program {
    /// The program in a file. What is in an archive is unpacked into `folder` under `name`, until the program is dropped.
    pub fn open(path: &Path, (folder, name): (&Path, &str), now: SystemTime) -> Result<Self, ProgramError> {
        let unreadable = |source| ProgramError::Unreadable { path: path.to_owned(), source };
        let mut file = File::open(path).map_err(unreadable)?;
        let metadata = file.metadata().map_err(unreadable)?;
        if !metadata.is_file() {
            return Err(ProgramError::NotExecutable(path.to_owned()));
        }
        if archive::is_archive(&mut file).map_err(unreadable)? {
            return Self::unpacked(path, file, (folder, name), now);
        }
        match metadata.permissions().mode() & 0o111 {
            0 => Err(ProgramError::NotExecutable(path.to_owned())),
            _ => Ok(Self { path: path.to_owned(), claims: None, _unpacked: None }),
        }
    }

    fn unpacked(path: &Path, file: File, (folder, name): (&Path, &str), now: SystemTime) -> Result<Self, ProgramError> {
        let no_folder = |source| ProgramError::Folder { folder: folder.to_owned(), source };
        fs::create_dir_all(folder).map_err(no_folder)?;
        let unpacked = archive::unpack(file, folder, (&archive::machine(), now))
            .map_err(|source| ProgramError::Archive { path: path.to_owned(), source })?;
        let executable = unpacked.executable;
        fs::set_permissions(executable.path(), fs::Permissions::from_mode(0o700)).map_err(no_folder)?;
        // Under one name, so that a host that was killed leaves no more than one behind.
        let place = folder.join(name);
        executable.persist(&place).map_err(|error| no_folder(error.error))?;
        let kept = tempfile::TempPath::try_from_path(&place).map_err(no_folder)?;
        Ok(Self { path: place, claims: Some(Arc::new(unpacked.claims)), _unpacked: Some(kept) })
    }

    /// The file that is executed.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is said of it by who signed it; nothing of a file that is executed as it is.
    pub fn claims(&self) -> Option<&Arc<ClaimsView>> {
        self.claims.as_ref()
    }
}

// === impl ProgramError ===

impl Explain for ProgramError {
    fn code(&self) -> Code {
        match self {
            Self::Unreadable { .. } => Code::E0101,
            Self::NotExecutable(_) => Code::E1201,
            Self::Archive { .. } => Code::E1202,
            Self::Folder { .. } => Code::E1203,
        }
    }
}

#[cfg(test)]
mod tests;
