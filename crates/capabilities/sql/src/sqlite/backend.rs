//! This is the backend `sqlite`, as a link names it.

use std::sync::Arc;

use async_trait::async_trait;
use capability::settings::{Default, Kind};
use capability::{Backend, OpenError, Place, Setting, Settings};

use crate::database::Database;
use crate::limits::Limits;

use super::{Options, Sqlite};

/// The backend `sqlite`.
pub struct SqliteBackend;

const SETTINGS: &[Setting] = &[
    Setting {
        name: "path",
        about: "the folder, which is made where there is none; the host's own where nothing is said",
        kind: Kind::Path,
        default: Default::Absent,
    },
    Setting {
        name: "database",
        about: "the name of one database for all; one for each component where nothing is said",
        kind: Kind::Text,
        default: Default::Absent,
    },
    Setting {
        name: "connections",
        about: "to one database at a time, at most",
        kind: Kind::Count(1, 64),
        default: Default::Is("4"),
    },
    Setting { name: "limit", about: "how large a database may become", kind: Kind::Size, default: Default::Absent },
];

#[async_trait]
impl Backend<dyn Database> for SqliteBackend {
    fn name(&self) -> &'static str {
        "sqlite"
    }

    fn about(&self) -> &'static str {
        "SQLite in files on this host's disk, safe from power cuts"
    }

    fn settings(&self) -> &'static [Setting] {
        SETTINGS
    }

    async fn open(&self, settings: &Settings, place: &Place) -> Result<Arc<dyn Database>, OpenError> {
        let folder = settings.path("path").unwrap_or_else(|| place.folder.clone());
        let named = format!("sqlite {}", folder.display());
        let database = settings.text("database").map(str::parse).transpose();
        let database = database.map_err(|error| OpenError::refused(named.clone(), error))?;
        std::fs::create_dir_all(&folder).map_err(|error| OpenError::unavailable(named, error))?;
        let connections = settings.count("connections").expect("it has a default");
        let connections = usize::try_from(connections).expect("it is at most 64");
        let options = Options { folder, database, connections, limit: settings.size("limit"), limits: Limits::DEFAULT };
        Ok(Arc::new(Sqlite::new(options)))
    }
}
