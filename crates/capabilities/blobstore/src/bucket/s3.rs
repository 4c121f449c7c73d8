//! This is how a bucket of S3 is opened.

use std::sync::Arc;

use async_trait::async_trait;
use capability::settings::{Default as Unsaid, Kind};
use capability::{Backend, OpenError, Place, Setting, Settings};
use object_store::aws::{AmazonS3, AmazonS3Builder};

use super::{ALLOW_HTTP, Bucket, Client, ENDPOINT, PREFIX, Reach, TIMEOUT};
use crate::blobs::Blobs;

/// The backend `s3`.
pub struct S3Backend;

const SETTINGS: &[Setting] = &[
    Setting { name: "bucket", about: "which bucket, which is there", kind: Kind::Text, default: Unsaid::Required },
    Setting { name: "region", about: "where the bucket is", kind: Kind::Text, default: Unsaid::Is("us-east-1") },
    ENDPOINT,
    Setting {
        name: "access-key",
        about: "the key's id; the role of this machine where nothing is said",
        kind: Kind::Secret,
        default: Unsaid::Absent,
    },
    Setting { name: "secret-key", about: "the key itself", kind: Kind::Secret, default: Unsaid::Absent },
    ALLOW_HTTP,
    PREFIX,
    TIMEOUT,
];

/// What a bucket is opened with.
#[derive(Clone)]
pub struct Options {
    /// Which bucket.
    pub bucket: String,
    /// Where it is.
    pub region: String,
    /// The id of a key, and the key; the role of the machine where there is none.
    pub key: Option<(String, String)>,
    /// How it is reached.
    pub reach: Reach,
}

// === impl S3Backend ===

#[async_trait]
impl Backend<dyn Blobs> for S3Backend {
    fn name(&self) -> &'static str {
        "s3"
    }

    fn about(&self) -> &'static str {
        "a bucket of S3, or of a server that speaks its language"
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
        let bucket = text("bucket").expect("it is required");
        let secret = |name| settings.secret(name).map_err(|error| OpenError::refused(format!("s3 {bucket}"), error));
        let key = match (secret("access-key")?, secret("secret-key")?) {
            (Some(id), Some(key)) => Some((id, key)),
            (None, None) => None,
            _ => return Err(OpenError::refused(format!("s3 {bucket}"), "access-key and secret-key need each other")),
        };
        Ok(Self {
            region: text("region").expect("it has a default"),
            key,
            reach: Reach::from_settings(settings),
            bucket,
        })
    }

    fn build(&self) -> object_store::Result<AmazonS3> {
        let Client { options, retry, connector } = self.reach.client();
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&self.bucket)
            .with_region(&self.region)
            .with_client_options(options)
            .with_allow_http(self.reach.allow_http)
            .with_retry(retry)
            .with_http_connector(connector);
        if let Some(endpoint) = &self.reach.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        if let Some((id, key)) = &self.key {
            builder = builder.with_access_key_id(id).with_secret_access_key(key);
        }
        builder.build()
    }

    /// Opens the bucket, and looks into it.
    pub async fn open(&self) -> Result<Bucket, OpenError> {
        let described = self.reach.describe(&format!("s3 {}", self.bucket));
        self.reach.look_into(described, self.build()).await
    }
}
