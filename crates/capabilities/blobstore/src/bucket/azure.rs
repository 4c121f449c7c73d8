//! This is how a container of Azure Blob Storage is opened.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use capability::settings::{Default as Unsaid, Kind};
use capability::{Backend, OpenError, Place, Setting, Settings};
use object_store::azure::{MicrosoftAzure, MicrosoftAzureBuilder};

use super::{Bucket, Candidate, Reach};
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
    Setting {
        name: "endpoint",
        about: "the server; that of Azure where nothing is said",
        kind: Kind::Url(&["https", "http"]),
        default: Unsaid::Absent,
    },
    Setting {
        name: "allow-http",
        about: "whether the endpoint may be one without TLS",
        kind: Kind::Switch,
        default: Unsaid::Is("false"),
    },
    Setting {
        name: "prefix",
        about: "what the path of each object begins with",
        kind: Kind::Text,
        default: Unsaid::Is("wattle"),
    },
    Setting {
        name: "timeout",
        about: "how long one request may take, and each piece of an object",
        kind: Kind::Time,
        default: Unsaid::Is("30s"),
    },
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
    /// The server; that of Azure where there is none.
    pub endpoint: Option<String>,
    /// Whether the server may be one without TLS.
    pub allow_http: bool,
    /// What the path of each object begins with.
    pub prefix: String,
    /// How long one request may take.
    pub timeout: Duration,
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
            endpoint: text("endpoint"),
            allow_http: settings.is_on("allow-http"),
            prefix: text("prefix").expect("it has a default"),
            timeout: settings.time("timeout").expect("it has a default"),
            container,
        })
    }

    fn describe(&self) -> String {
        let Self { account, container, .. } = self;
        match &self.endpoint {
            Some(endpoint) => {
                format!("azure {account}/{container} at {}", capability::settings::without_password(endpoint))
            }
            None => format!("azure {account}/{container}"),
        }
    }

    fn build(&self) -> object_store::Result<MicrosoftAzure> {
        let Reach { client, retry, connector } = Reach::new(self.timeout);
        let mut builder = MicrosoftAzureBuilder::new()
            .with_account(&self.account)
            .with_container_name(&self.container)
            .with_client_options(client)
            .with_allow_http(self.allow_http)
            .with_retry(retry)
            .with_http_connector(connector);
        if let Some(endpoint) = &self.endpoint {
            builder = builder.with_endpoint(endpoint.clone());
        }
        if let Some(key) = &self.key {
            builder = builder.with_access_key(key);
        }
        builder.build()
    }

    /// Opens the container, and looks into it.
    pub async fn open(&self) -> Result<Bucket, OpenError> {
        let described = self.describe();
        let store = Arc::new(self.build().map_err(|error| OpenError::refused(described.clone(), error))?);
        Bucket::look_into(Candidate { store, described, prefix: &self.prefix, timeout: self.timeout }).await
    }
}
