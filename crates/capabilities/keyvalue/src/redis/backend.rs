//! This is the backend `redis`, as a link names it.

use std::sync::Arc;

use ::redis::InfoDict;
use async_trait::async_trait;
use capability::settings::{Default, Kind};
use capability::{Backend, OpenError, Place, Setting, Settings};
use tracing::warn;

use crate::Watched;
use crate::store::Store;

use super::{Options, Redis};

/// The backend `redis`.
pub struct RedisBackend;

const SETTINGS: &[Setting] = &[
    Setting {
        name: "url",
        about: "where the server is",
        kind: Kind::Url(&["redis", "rediss"]),
        default: Default::Required,
    },
    Setting { name: "password", about: "to log in with", kind: Kind::Secret, default: Default::Absent },
    Setting { name: "prefix", about: "what all names begin with", kind: Kind::Text, default: Default::Is("wattle") },
    Setting { name: "timeout", about: "for one call", kind: Kind::Time, default: Default::Is("2s") },
    Setting { name: "connect-timeout", about: "for one attempt", kind: Kind::Time, default: Default::Is("2s") },
    Watched::KEYS,
    Watched::BUCKET,
];

/// The address leads to one node of several.
#[derive(Debug, thiserror::Error)]
#[error("it is a node of a cluster, which holds a part of the keys; give the address of a single server or of a proxy")]
struct NodeOfCluster;

#[async_trait]
impl Backend<dyn Store> for RedisBackend {
    fn name(&self) -> &'static str {
        "redis"
    }

    fn about(&self) -> &'static str {
        "in a Redis server, 6 or newer, as safe as its settings make it"
    }

    fn settings(&self) -> &'static [Setting] {
        SETTINGS
    }

    async fn open(&self, settings: &Settings, _: &Place) -> Result<Arc<dyn Store>, OpenError> {
        let named = format!("redis {}", settings.shown()["url"]);
        let password = settings.secret("password").map_err(|error| OpenError::refused(named.clone(), error))?;
        let text = |name| settings.text(name).expect("it is required or has a default").to_owned();
        let time = |name| settings.time(name).expect("it has a default");
        let options = Options {
            url: text("url"),
            password,
            prefix: text("prefix"),
            timeout: time("timeout"),
            connect_timeout: time("connect-timeout"),
        };
        let store = Redis::connect(&options).await.map_err(|error| OpenError::not_connected(&named, error))?;
        if let Some(info) = store.info().await {
            check(&info, &named)?;
        }
        Ok(Arc::new(store))
    }
}

/// Refuses what cannot work, and warns of what works until the server is full.
fn check(info: &InfoDict, named: &str) -> Result<(), OpenError> {
    if info.get::<String>("redis_mode").as_deref() == Some("cluster") {
        return Err(OpenError::refused(named, NodeOfCluster));
    }
    let policy: String = info.get("maxmemory_policy").unwrap_or_default();
    if policy.starts_with("allkeys") {
        warn!(store = named, %policy, "the server drops keys when it is full: what it acknowledges may be gone");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
