//! These are the backends: a new one is a file and a line here.

use capability::Backends;

use crate::blobs::Blobs;
use crate::bucket::azure::AzureBackend;
use crate::bucket::gcs::GcsBackend;
use crate::bucket::s3::S3Backend;
use crate::folder::FolderBackend;
use crate::memory::MemoryBackend;
use crate::nats::NatsBackend;

/// What a link can name. The first is what a component gets that has no link.
pub const BACKENDS: Backends<dyn Blobs> =
    Backends(&[&FolderBackend, &MemoryBackend, &S3Backend, &AzureBackend, &GcsBackend, &NatsBackend]);
