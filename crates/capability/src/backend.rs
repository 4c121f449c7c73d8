//! What a backend is: one way to keep a capability's promises, that a link can name.
//!
//! A backend is one file with a unit struct that implements [`Backend`], and one line in its capability's list. It says what
//! it may be told as values ([`Setting`]), and opens what the capability works on: for `keyvalue` an `Arc<dyn Store>`.
//!
//! # Invariants
//!
//! 1. Opening is the only moment that may fail for a reason that lies with the link. What fails later is an error of a call.
//! 2. What was opened closes itself when the last who uses it lets go of it: no backend has a moment of closing.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use stdx::{BoxError, Code, Explain};

use crate::settings::{Setting, Settings};
use crate::{BackendInfo, Opened};

/// One way to keep the promises of a capability that works on a `T`, such as `dyn Store`.
#[async_trait]
pub trait Backend<T: ?Sized>: Send + Sync {
    /// What a link calls it: `redis` in `keyvalue/redis`.
    fn name(&self) -> &'static str;

    /// What it is, in one sentence for a list.
    fn about(&self) -> &'static str;

    /// What it may be told.
    fn settings(&self) -> &'static [Setting];

    /// Opens it. Answers when it is known to work, or why it does not; the caller bounds how long that may take. Called within
    /// the control plane's runtime: tasks that it starts there live as long as what was opened, and no longer.
    async fn open(&self, settings: &Settings, place: &Place) -> Result<Arc<T>, OpenError>;
}

/// The backends of a capability that works on a `T`, such as `dyn Store`.
pub struct Backends<T: ?Sized + 'static>(pub &'static [&'static dyn Backend<T>]);

/// Where a backend may keep what it keeps on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The folder of its capability. Nobody made it yet.
    pub folder: PathBuf,
}

/// A backend cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It cannot be reached, or does not work: it may later.
    #[error("{backend} cannot be opened")]
    Unavailable {
        /// Which, as a link is printed, without a password: `redis redis://127.0.0.1:6379`.
        backend: String,
        /// What it said.
        #[source]
        source: BoxError,
    },
    /// It says by itself what is wrong, with a page of its own.
    #[error("{backend} cannot be opened")]
    Explained {
        /// Which, as a link is printed.
        backend: String,
        /// The page.
        code: Code,
        /// What it said.
        #[source]
        source: BoxError,
    },
    /// It does not take what it was told, and will not later.
    #[error("{backend} refuses its settings")]
    Refused {
        /// Which, as a link is printed.
        backend: String,
        /// What it said.
        #[source]
        source: BoxError,
    },
}

// === impl Backends ===

impl<T: ?Sized + Send + Sync + 'static> Backends<T> {
    /// All of them, as they are listed.
    pub fn infos(&self) -> Vec<BackendInfo> {
        let info = |backend: &&'static dyn Backend<T>| BackendInfo {
            name: backend.name(),
            about: backend.about(),
            settings: backend.settings(),
        };
        self.0.iter().map(info).collect()
    }

    /// Opens the one of that name.
    pub async fn open(&self, name: &str, settings: &Settings, place: &Place) -> Result<Opened, OpenError> {
        self.open_typed(name, settings, place).await.map(Opened::new)
    }

    /// The same, as what the capability works on.
    pub async fn open_typed(&self, name: &str, settings: &Settings, place: &Place) -> Result<Arc<T>, OpenError> {
        match self.0.iter().find(|backend| backend.name() == name) {
            Some(backend) => backend.open(settings, place).await,
            None => Err(OpenError::refused(name, "there is no such backend")),
        }
    }
}

// === impl OpenError ===

impl OpenError {
    /// It cannot be reached, or does not work.
    pub fn unavailable(backend: impl Into<String>, source: impl Into<BoxError>) -> Self {
        Self::Unavailable { backend: backend.into(), source: source.into() }
    }

    /// It says by itself what is wrong.
    pub fn explained(backend: impl Into<String>, source: impl Explain + Send + Sync + 'static) -> Self {
        Self::Explained { backend: backend.into(), code: source.code(), source: Box::new(source) }
    }

    /// It does not take what it was told.
    pub fn refused(backend: impl Into<String>, source: impl Into<BoxError>) -> Self {
        Self::Refused { backend: backend.into(), source: source.into() }
    }

    /// Its server was not connected to.
    pub fn not_connected(backend: impl Into<String>, error: line::ConnectError) -> Self {
        match error {
            line::ConnectError::Unavailable(source) => Self::unavailable(backend, source),
            line::ConnectError::Refused(source) => Self::refused(backend, source),
        }
    }
}

impl Explain for OpenError {
    fn code(&self) -> Code {
        match self {
            Self::Unavailable { .. } => Code::E0603,
            Self::Explained { code, .. } => *code,
            Self::Refused { .. } => Code::E0601,
        }
    }
}
