//! This is the backend `disk`, as a link names it.

use std::sync::Arc;

use async_trait::async_trait;
use capability::settings::{Default, Kind};
use capability::{Backend, OpenError, Place, Setting, Settings};

use crate::Watched;
use crate::store::Store;

use super::shared;

/// The backend `disk`.
pub struct DiskBackend;

const SETTINGS: &[Setting] = &[
    Setting {
        name: "path",
        about: "the folder, which is made where there is none; the host's own where nothing is said",
        kind: Kind::Path,
        default: Default::Absent,
    },
    Watched::KEYS,
    Watched::BUCKET,
];

#[async_trait]
impl Backend<dyn Store> for DiskBackend {
    fn name(&self) -> &'static str {
        "disk"
    }

    fn about(&self) -> &'static str {
        "in a folder on this host's disk, safe from power cuts"
    }

    fn settings(&self) -> &'static [Setting] {
        SETTINGS
    }

    async fn open(&self, settings: &Settings, place: &Place) -> Result<Arc<dyn Store>, OpenError> {
        let folder = settings.path("path").unwrap_or_else(|| place.folder.clone());
        let named = format!("disk {}", folder.display());
        let store = shared::open(folder).await.map_err(|error| OpenError::explained(named, error))?;
        Ok(store)
    }
}

#[cfg(test)]
mod tests;
