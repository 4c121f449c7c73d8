//! These are the backends that a link can name: a new one is a few lines here.

use std::path::absolute;
use std::sync::Arc;

use async_trait::async_trait;
use capability::settings::{Default as Unsaid, Kind};
use capability::{Backend, Backends, OpenError, Place, Setting};

use crate::{ENVIRONMENT_PREFIX, Settings, Source, read_environment};

/// What a link can name, beside the settings of the host.
pub const BACKENDS: Backends<Source> = Backends(&[&LiteralsBackend, &FileBackend, &EnvironmentBackend]);

/// The backend `literals`: what the link says.
struct LiteralsBackend;

/// The backend `file`.
struct FileBackend;

/// The backend `environment`.
struct EnvironmentBackend;

#[async_trait]
impl Backend<Source> for LiteralsBackend {
    fn name(&self) -> &'static str {
        "literals"
    }

    fn about(&self) -> &'static str {
        "what the link itself is told"
    }

    fn settings(&self) -> &'static [Setting] {
        const ANY: &[Setting] = &[Setting {
            name: Setting::ANY,
            about: "a setting of the component, of any name",
            kind: Kind::Anything,
            default: Unsaid::Absent,
        }];
        ANY
    }

    async fn open(&self, settings: &capability::Settings, _: &Place) -> Result<Arc<Source>, OpenError> {
        let pairs = settings.told().map(|(name, value)| (name.to_owned(), value.to_owned()));
        Ok(Arc::new(Source::from(pairs.collect::<Settings>())))
    }
}

#[async_trait]
impl Backend<Source> for FileBackend {
    fn name(&self) -> &'static str {
        "file"
    }

    fn about(&self) -> &'static str {
        "a file of settings, read again when it changes"
    }

    fn settings(&self) -> &'static [Setting] {
        &[Setting {
            name: "path",
            about: "where it is; .toml and .json are that, all else is lines of NAME=VALUE",
            kind: Kind::Path,
            default: Unsaid::Required,
        }]
    }

    async fn open(&self, settings: &capability::Settings, _: &Place) -> Result<Arc<Source>, OpenError> {
        let path = settings.path("path").ok_or_else(|| OpenError::refused("file", "it has no path"))?;
        let named = format!("file {}", path.display());
        let read = tokio::task::spawn_blocking(move || Source::read(&absolute(&path).unwrap_or(path))).await;
        let read = read.map_err(|error| OpenError::unavailable(&named, error))?;
        Ok(Arc::new(read.map_err(|error| OpenError::explained(&named, error))?))
    }
}

#[async_trait]
impl Backend<Source> for EnvironmentBackend {
    fn name(&self) -> &'static str {
        "environment"
    }

    fn about(&self) -> &'static str {
        "variables of the host's environment"
    }

    fn settings(&self) -> &'static [Setting] {
        &[Setting {
            name: "prefix",
            about: "what the variables begin with; the rest in lower case is the name of a setting",
            kind: Kind::Text,
            default: Unsaid::Is(ENVIRONMENT_PREFIX),
        }]
    }

    async fn open(&self, settings: &capability::Settings, _: &Place) -> Result<Arc<Source>, OpenError> {
        let prefix = settings.text("prefix").unwrap_or(ENVIRONMENT_PREFIX);
        let read = read_environment(prefix);
        Ok(Arc::new(Source::from(read.map_err(|error| OpenError::explained(format!("environment {prefix}"), error))?)))
    }
}
