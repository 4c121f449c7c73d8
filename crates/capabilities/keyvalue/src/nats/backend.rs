//! This is the backend `nats`, as a link names it.

use std::sync::Arc;

use async_trait::async_trait;
use capability::jetstream::{self, BUCKET, CREATE, CREDENTIALS, LIMIT, REPLICAS, URL};
use capability::settings::{Default, Kind};
use capability::{Backend, OpenError, Place, Setting, Settings};

use crate::Watched;
use crate::store::Store;

use super::{Nats, Options};

/// The backend `nats`.
pub struct NatsBackend;

const TIMEOUT: Setting =
    Setting { name: "timeout", about: "for one call", kind: Kind::Time, default: Default::Is("2s") };

const SETTINGS: &[Setting] =
    &[URL, BUCKET, CREDENTIALS, TIMEOUT, CREATE, REPLICAS, LIMIT, Watched::KEYS, Watched::BUCKET];

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
        let options = Options {
            reach: jetstream::reach(settings),
            bucket: jetstream::bucket(settings),
            create: jetstream::create(settings),
        };
        let named = format!("nats {}", options.reach.addresses());
        let store = Nats::connect(&options).await.map_err(|error| OpenError::not_connected(&named, error))?;
        Ok(Arc::new(store))
    }
}

#[cfg(test)]
mod tests;
