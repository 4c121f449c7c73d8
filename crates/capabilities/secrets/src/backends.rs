//! These are the backends that a link can name.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use capability::settings::{Default as Unsaid, Kind};
use capability::{Backend, Backends, OpenError, Place, Setting, Settings};
use zeroize::Zeroizing;

use crate::encrypted::{Encrypted, Key, StoreError};
use crate::keep::{Keep, KeepError, Name, SIZE_MAX, Secret};

/// The first is what a component has that has no link: nothing.
pub(crate) const ALL: Backends<dyn Keep> =
    Backends(&[&NothingBackend, &EncryptedBackend, &EnvironmentBackend, &FilesBackend]);

/// The backend `nothing`.
struct NothingBackend;

/// The backend `encrypted`.
struct EncryptedBackend;

/// The backend `environment`.
struct EnvironmentBackend;

/// The backend `files`.
struct FilesBackend;

/// No secrets.
struct Nothing;

/// Variables whose names begin with this.
struct Environment {
    prefix: String,
}

/// The files of a folder, each one secret.
struct Files {
    /// Without symbolic links in it.
    folder: PathBuf,
    may_be_readable: bool,
}

#[async_trait]
impl Backend<dyn Keep> for NothingBackend {
    fn name(&self) -> &'static str {
        "nothing"
    }

    fn about(&self) -> &'static str {
        "no secrets"
    }

    fn settings(&self) -> &'static [Setting] {
        &[]
    }

    async fn open(&self, _: &Settings, _: &Place) -> Result<Arc<dyn Keep>, OpenError> {
        Ok(Arc::new(Nothing))
    }
}

#[async_trait]
impl Backend<dyn Keep> for EncryptedBackend {
    fn name(&self) -> &'static str {
        "encrypted"
    }

    fn about(&self) -> &'static str {
        "on this machine, as `wattle secret` keeps them"
    }

    fn settings(&self) -> &'static [Setting] {
        &[
            Setting {
                name: "key",
                about: "the file of the key that they are encrypted with",
                kind: Kind::Path,
                default: Unsaid::Required,
            },
            Setting {
                name: "folder",
                about: "where they are; secrets, among the host's data, where nothing is said",
                kind: Kind::Path,
                default: Unsaid::Absent,
            },
        ]
    }

    async fn open(&self, settings: &Settings, place: &Place) -> Result<Arc<dyn Keep>, OpenError> {
        let folder = settings.path("folder").unwrap_or_else(|| place.folder.clone());
        let named = format!("encrypted {}", folder.display());
        let path = settings.path("key").ok_or_else(|| OpenError::refused(&named, "it has no key"))?;
        let read = tokio::task::spawn_blocking(move || Key::read(&path)).await;
        let key = read.map_err(|error| OpenError::unavailable(&named, error))?;
        let key = key.map_err(|error| match error {
            StoreError::System { .. } => OpenError::unavailable(&named, error),
            error => OpenError::refused(&named, error),
        })?;
        Ok(Arc::new(Arc::new(Encrypted::new(folder, key))))
    }
}

#[async_trait]
impl Backend<dyn Keep> for EnvironmentBackend {
    fn name(&self) -> &'static str {
        "environment"
    }

    fn about(&self) -> &'static str {
        "variables of the host's environment"
    }

    fn settings(&self) -> &'static [Setting] {
        &[Setting {
            name: "prefix",
            about: "what the variables begin with; the secret db-password is PREFIX and DB_PASSWORD",
            kind: Kind::Text,
            default: Unsaid::Required,
        }]
    }

    async fn open(&self, settings: &Settings, _: &Place) -> Result<Arc<dyn Keep>, OpenError> {
        // An empty one would be every variable of the host: a text that is required is not empty.
        let prefix = settings.text("prefix").ok_or_else(|| OpenError::refused("environment", "it has no prefix"))?;
        Ok(Arc::new(Environment { prefix: prefix.to_owned() }))
    }
}

#[async_trait]
impl Backend<dyn Keep> for FilesBackend {
    fn name(&self) -> &'static str {
        "files"
    }

    fn about(&self) -> &'static str {
        "the files of a folder, each one secret"
    }

    fn settings(&self) -> &'static [Setting] {
        &[
            Setting { name: "folder", about: "where they are", kind: Kind::Path, default: Unsaid::Required },
            Setting {
                name: "readable",
                about: "whether a file may be readable by every user of this machine",
                kind: Kind::Switch,
                default: Unsaid::Is("false"),
            },
        ]
    }

    async fn open(&self, settings: &Settings, _: &Place) -> Result<Arc<dyn Keep>, OpenError> {
        let folder = settings.path("folder").ok_or_else(|| OpenError::refused("files", "it has no folder"))?;
        let named = format!("files {}", folder.display());
        let found = tokio::task::spawn_blocking(move || {
            folder.canonicalize().and_then(|folder| {
                // Whether it can be read is found out now.
                std::fs::read_dir(&folder).map(|_| folder)
            })
        });
        let folder = found.await.map_err(|error| OpenError::unavailable(&named, error))?;
        let folder = folder.map_err(|error| OpenError::unavailable(&named, error))?;
        Ok(Arc::new(Files { folder, may_be_readable: settings.is_on("readable") }))
    }
}

#[async_trait]
impl Keep for Nothing {
    async fn get(&self, _: &Name) -> Result<Option<Secret>, KeepError> {
        Ok(None)
    }
}

#[async_trait]
impl Keep for Environment {
    async fn get(&self, name: &Name) -> Result<Option<Secret>, KeepError> {
        use std::os::unix::ffi::OsStringExt;
        let name = name.as_str().to_ascii_uppercase().replace(['-', '.'], "_");
        let value = std::env::var_os(format!("{}{name}", self.prefix));
        value.map(|value| Secret::new(value.into_vec())).transpose()
    }
}

#[async_trait]
impl Keep for Files {
    async fn get(&self, name: &Name) -> Result<Option<Secret>, KeepError> {
        let (folder, path, may_be_readable) =
            (self.folder.clone(), self.folder.join(name.as_str()), self.may_be_readable);
        let read = tokio::task::spawn_blocking(move || read(&folder, &path, may_be_readable)).await;
        read.map_err(|error| KeepError::Unreadable(error.into()))?
    }
}

/// What is in the file at `path`. It may be a symbolic link, as long as it stays in the folder: so the files of a mounted volume
/// are replaced all at once.
fn read(folder: &Path, path: &Path, may_be_readable: bool) -> Result<Option<Secret>, KeepError> {
    let unreadable = |error: std::io::Error| KeepError::Unreadable(error.into());
    let path = match path.canonicalize() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        path => path.map_err(unreadable)?,
    };
    if !path.starts_with(folder) {
        return Err(KeepError::Unsafe("it is a symbolic link that leads out of the folder".into()));
    }
    let file = std::fs::File::open(&path).map_err(unreadable)?;
    let facts = file.metadata().map_err(unreadable)?;
    if !facts.is_file() {
        return Err(KeepError::Unsafe("it is no file".into()));
    }
    let mode = facts.permissions().mode() & 0o777;
    if mode & 0o006 != 0 && !may_be_readable {
        let text = format!(
            "every user of this machine can read or change it (its mode is {mode:o}): chmod o= it, or set readable=true"
        );
        return Err(KeepError::Unsafe(text));
    }
    // All of it at once, so that nothing of it is left behind in memory that was too small.
    let mut bytes = Zeroizing::new(Vec::with_capacity(SIZE_MAX + 1));
    file.take(SIZE_MAX as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    Secret::new(bytes.to_vec()).map(Some)
}
