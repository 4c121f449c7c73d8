//! This is where a component's settings come from: a map, and the file that it was read from where there is one.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use capability::OpenLink;

use crate::{ConfigError, Settings, read};

/// Settings, and where they were read from.
#[derive(Debug, Default)]
pub struct Source {
    settings: Settings,
    file: Option<(PathBuf, Stamp)>,
}

/// What tells one content of a file from another without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    size: u64,
    modified: Option<SystemTime>,
}

/// The settings of several links. Where two have one of the same name, that of the link without a name counts, and then that of
/// the first by name. The host has opened all of them, or they give nothing yet.
pub(crate) fn together(links: &[OpenLink]) -> Arc<Source> {
    let mut links: Vec<_> = links.iter().collect();
    links.sort_by_key(|link| (!link.name.is_default(), link.name.as_str()));
    let mut sources = links.into_iter().filter_map(|link| link.target.as_ref()?.target::<Source>());
    let Some(first) = sources.next() else { return Arc::default() };
    let all = sources.fold(None, |all: Option<Settings>, source| {
        Some(all.unwrap_or_else(|| first.settings().clone()).over(source.settings().clone()))
    });
    all.map_or_else(|| first.clone(), |all| Arc::new(Source::from(all)))
}

// === impl Source ===

impl Source {
    /// Reads a file.
    pub(crate) fn read(path: &Path) -> Result<Self, ConfigError> {
        // The stamp is taken first: a change while it is read is seen afterwards.
        let stamp = Stamp::of(path).map_err(|source| ConfigError::Unreadable { path: path.into(), source })?;
        Ok(Self { settings: read(path)?, file: Some((path.into(), stamp)) })
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whether the file is another one now. One that is gone for a moment is not: editors replace files.
    pub(crate) async fn has_changed(&self) -> bool {
        let Some((path, stamp)) = self.file.clone() else { return false };
        let changed = move || Stamp::of(&path).is_ok_and(|now| now != stamp);
        tokio::task::spawn_blocking(changed).await.unwrap_or(false)
    }
}

impl From<Settings> for Source {
    fn from(settings: Settings) -> Self {
        Self { settings, file: None }
    }
}

// === impl Stamp ===

impl Stamp {
    fn of(path: &Path) -> std::io::Result<Self> {
        let of = |metadata: Metadata| Self {
            inode: metadata.ino(),
            size: metadata.len(),
            modified: metadata.modified().ok(),
        };
        std::fs::metadata(path).map(of)
    }
}
