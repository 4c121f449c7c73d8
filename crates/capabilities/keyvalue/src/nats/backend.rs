//! This is the backend `nats`, as a link names it.

use std::sync::Arc;

use async_trait::async_trait;
use capability::settings::{Default, Kind};
use capability::{Backend, OpenError, Place, Setting, Settings};

use crate::store::Store;

use super::{Nats, NewBucket, Options};

/// The backend `nats`.
pub struct NatsBackend;

const SETTINGS: &[Setting] = &[
    Setting {
        name: "url",
        about: "where the server is",
        kind: Kind::Url(&["nats", "tls"]),
        default: Default::Required,
    },
    Setting { name: "bucket", about: "the server's bucket", kind: Kind::Text, default: Default::Is("wattle") },
    Setting { name: "credentials", about: "a file to log in with", kind: Kind::Path, default: Default::Absent },
    Setting { name: "timeout", about: "for one call", kind: Kind::Time, default: Default::Is("2s") },
    Setting { name: "create", about: "make a missing bucket", kind: Kind::Switch, default: Default::Is("true") },
    Setting { name: "replicas", about: "of a new bucket", kind: Kind::Count(1, 5), default: Default::Is("1") },
    Setting { name: "limit", about: "of a new bucket's size", kind: Kind::Size, default: Default::Absent },
];

#[async_trait]
impl Backend<dyn Store> for NatsBackend {
    fn name(&self) -> &'static str {
        "nats"
    }

    fn about(&self) -> &'static str {
        "in a bucket of NATS JetStream, safe from power cuts where the server syncs always"
    }

    fn settings(&self) -> &'static [Setting] {
        SETTINGS
    }

    async fn open(&self, settings: &Settings, _: &Place) -> Result<Arc<dyn Store>, OpenError> {
        let text = |name| settings.text(name).expect("it is required or has a default").to_owned();
        let replicas = settings.count("replicas").and_then(|count| usize::try_from(count).ok());
        let new = NewBucket { replicas: replicas.expect("it has a default"), limit: settings.size("limit") };
        let options = Options {
            url: text("url"),
            bucket: text("bucket"),
            credentials: settings.path("credentials"),
            timeout: settings.time("timeout").expect("it has a default"),
            create: settings.is_on("create").then_some(new),
        };
        let named = format!("nats {}", options.addresses());
        let store = Nats::connect(&options).await.map_err(|error| error.of(&named))?;
        Ok(Arc::new(store))
    }
}

#[cfg(test)]
mod tests;
