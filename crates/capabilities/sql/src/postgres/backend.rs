//! This is the backend `postgres`, as a link names it.

use std::sync::Arc;

use async_trait::async_trait;
use capability::settings::{Default, Kind};
use capability::{Backend, OpenError, Place, Setting, Settings};

use crate::database::Database;
use crate::limits::Limits;

use super::{Options, Postgres};

/// The backend `postgres`.
pub struct PostgresBackend;

const SETTINGS: &[Setting] = &[
    Setting {
        name: "url",
        about: "where the server is, who logs in and which database it is",
        kind: Kind::Url(&["postgres", "postgresql"]),
        default: Default::Required,
    },
    Setting { name: "password", about: "to log in with", kind: Kind::Secret, default: Default::Absent },
    Setting { name: "ca", about: "certificates to trust besides, as PEM", kind: Kind::Path, default: Default::Absent },
    Setting {
        name: "connections",
        about: "to the server at a time, at most",
        kind: Kind::Count(1, 256),
        default: Default::Is("8"),
    },
    Setting { name: "timeout", about: "for one call", kind: Kind::Time, default: Default::Is("30s") },
    Setting { name: "connect-timeout", about: "for one attempt", kind: Kind::Time, default: Default::Is("5s") },
];

#[async_trait]
impl Backend<dyn Database> for PostgresBackend {
    fn name(&self) -> &'static str {
        "postgres"
    }

    fn about(&self) -> &'static str {
        "on a PostgreSQL server, 12 or newer, as safe as its settings make it"
    }

    fn settings(&self) -> &'static [Setting] {
        SETTINGS
    }

    async fn open(&self, settings: &Settings, _: &Place) -> Result<Arc<dyn Database>, OpenError> {
        let named = format!("postgres {}", settings.shown()["url"]);
        let password = settings.secret("password").map_err(|error| OpenError::refused(named.clone(), error))?;
        let time = |name| settings.time(name).expect("it has a default");
        let options = Options {
            url: settings.text("url").expect("it is required").to_owned(),
            password,
            ca: settings.path("ca"),
            connections: usize::try_from(settings.count("connections").expect("it has a default"))
                .expect("it is at most 256"),
            timeout: time("timeout"),
            connect_timeout: time("connect-timeout"),
            limits: Limits::DEFAULT,
        };
        Ok(Arc::new(Postgres::connect(&options).await.map_err(|error| error.of(&named))?))
    }
}
