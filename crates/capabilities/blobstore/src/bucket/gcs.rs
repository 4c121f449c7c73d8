//! This is how a bucket of Google Cloud Storage is opened.

use std::sync::Arc;

use async_trait::async_trait;
use capability::settings::{Default as Unsaid, Kind};
use capability::{Backend, OpenError, Place, Setting, Settings};
use object_store::gcp::{GoogleCloudStorage, GoogleCloudStorageBuilder};

use super::{ALLOW_HTTP, Bucket, Client, ENDPOINT, PREFIX, Reach, TIMEOUT};
use crate::blobs::Blobs;

/// The backend `gcs`.
pub struct GcsBackend;

const SETTINGS: &[Setting] = &[
    Setting { name: "bucket", about: "which bucket, which is there", kind: Kind::Text, default: Unsaid::Required },
    Setting {
        name: "account",
        about: "a service account with its key, in JSON; the identity of this machine where nothing is said",
        kind: Kind::Secret,
        default: Unsaid::Absent,
    },
    ENDPOINT,
    ALLOW_HTTP,
    PREFIX,
    TIMEOUT,
];

/// What a bucket is opened with.
#[derive(Clone)]
pub struct Options {
    /// Which bucket.
    pub bucket: String,
    /// A service account with its key, in JSON; the identity of the machine where there is none.
    pub account: Option<String>,
    /// How it is reached.
    pub reach: Reach,
}

// === impl GcsBackend ===

#[async_trait]
impl Backend<dyn Blobs> for GcsBackend {
    fn name(&self) -> &'static str {
        "gcs"
    }

    fn about(&self) -> &'static str {
        "a bucket of Google Cloud Storage"
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
        let bucket = settings.text("bucket").expect("it is required").to_owned();
        let account = settings.secret("account").map_err(|error| OpenError::refused(format!("gcs {bucket}"), error))?;
        Ok(Self { account, reach: Reach::from_settings(settings), bucket })
    }

    fn build(&self) -> object_store::Result<GoogleCloudStorage> {
        let Client { options, retry, connector } = self.reach.client();
        let mut builder = GoogleCloudStorageBuilder::new()
            .with_bucket_name(&self.bucket)
            .with_client_options(options.with_allow_http(self.reach.allow_http))
            .with_retry(retry)
            .with_http_connector(connector);
        if let Some(endpoint) = &self.reach.endpoint {
            builder = builder.with_base_url(endpoint.trim_end_matches('/'));
        }
        if let Some(account) = &self.account {
            builder = builder.with_service_account_key(account);
        }
        builder.build()
    }

    /// Opens the bucket, and looks into it.
    pub async fn open(&self) -> Result<Bucket, OpenError> {
        let described = self.reach.describe(&format!("gcs {}", self.bucket));
        self.reach.look_into(described, self.build()).await
    }
}
