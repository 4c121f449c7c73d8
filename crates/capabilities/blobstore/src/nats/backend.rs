//! This is the backend `nats`, as a link names it.

use std::sync::Arc;

use async_trait::async_trait;
use capability::jetstream::{self, BUCKET, CREATE, CREDENTIALS, LIMIT, REPLICAS, URL};
use capability::settings::{Default, Kind};
use capability::{Backend, OpenError, Place, Setting, Settings};

use crate::blobs::Blobs;

use super::{Nats, Options};

/// The backend `nats`.
pub struct NatsBackend;

const TIMEOUT: Setting = Setting {
    name: "timeout",
    about: "for one question to the server, and for each piece of an object",
    kind: Kind::Time,
    default: Default::Is("10s"),
};

const SETTINGS: &[Setting] = &[URL, BUCKET, CREDENTIALS, TIMEOUT, CREATE, REPLICAS, LIMIT];

#[async_trait]
impl Backend<dyn Blobs> for NatsBackend {
    fn name(&self) -> &'static str {
        "nats"
    }

    fn about(&self) -> &'static str {
        "in an object store of NATS JetStream"
    }

    fn settings(&self) -> &'static [Setting] {
        SETTINGS
    }

    async fn open(&self, settings: &Settings, _: &Place) -> Result<Arc<dyn Blobs>, OpenError> {
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
