//! This is how a container of Azure Blob Storage is opened.

use std::sync::Arc;

use async_trait::async_trait;
use capability::settings::{Default as Unsaid, Kind};
use capability::{Backend, OpenError, Place, Setting, Settings};
use object_store::azure::{MicrosoftAzure, MicrosoftAzureBuilder};

use super::{ALLOW_HTTP, Bucket, Client, ENDPOINT, PREFIX, Reach, TIMEOUT};
use crate::blobs::Blobs;

/// The backend `azure`.
pub struct AzureBackend;

const SETTINGS: &[Setting] = &[
    Setting { name: "account", about: "whose storage", kind: Kind::Text, default: Unsaid::Required },
    Setting {
        name: "container",
        about: "which container of it, which is there",
        kind: Kind::Text,
        default: Unsaid::Required,
    },
    Setting {
        name: "key",
        about: "the account's key; the identity of this machine where nothing is said",
        kind: Kind::Secret,
        default: Unsaid::Absent,
    },
    ENDPOINT,
    ALLOW_HTTP,
    PREFIX,
    TIMEOUT,
];

/// What a container is opened with.
#[derive(Clone)]
pub struct Options {
    /// Whose storage.
    pub account: String,
    /// Which container of it.
    pub container: String,
    /// The account's key; the identity of the machine where there is none.
    pub key: Option<String>,
    /// How it is reached.
    pub reach: Reach,
}

// === impl AzureBackend ===

#[async_trait]
impl Backend<dyn Blobs> for AzureBackend {
    fn name(&self) -> &'static str {
        "azure"
    }

    fn about(&self) -> &'static str {
        "a container of Azure Blob Storage"
    }

    fn settings(&self) -> &'static [Setting] {
        SETTINGS
    }

    async fn open(&self, settings: &Settings, _: &Place) -> Result<Arc<dyn Blobs>, OpenError> {
        Ok(Arc::new(Options::from_settings(settings)?.open().await?))
    }
}

// === impl Options ===

impl Options {
    fn from_settings(settings: &Settings) -> Result<Self, OpenError> {
        let text = |name| settings.text(name).map(str::to_owned);
        let container = text("container").expect("it is required");
        let key = settings.secret("key").map_err(|error| OpenError::refused(format!("azure {container}"), error))?;
        Ok(Self {
            account: text("account").expect("it is required"),
            key,
            reach: Reach::from_settings(settings),
            container,
        })
    }

    fn build(&self) -> object_store::Result<MicrosoftAzure> {
        let Client { options, retry, connector } = self.reach.client();
        let mut builder = MicrosoftAzureBuilder::new()
            .with_account(&self.account)
            .with_container_name(&self.container)
            .with_client_options(options)
            .with_allow_http(self.reach.allow_http)
            .with_retry(retry)
            .with_http_connector(connector);
        if let Some(endpoint) = &self.reach.endpoint {
            builder = builder.with_endpoint(endpoint.clone());
        }
        if let Some(key) = &self.key {
            builder = builder.with_access_key(key);
        }
        builder.build()
    }

    /// Opens the container, and looks into it.
    pub async fn open(&self) -> Result<Bucket, OpenError> {
        let described = self.reach.describe(&format!("azure {}/{}", self.account, self.container));
        self.reach.look_into(described, self.build()).await
    }
}
