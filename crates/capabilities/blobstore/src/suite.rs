//! The stores, each held to what any store has to promise.
//!
//! The second half of the suite says the same of the contract as a component sees it: `guest::tests`.

pub(crate) mod load;
pub(crate) mod promises;

use std::any::Any;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt;
use model::ComponentName;
use tokio::runtime::Runtime;
use wire::{Peers, Wire};

use crate::bucket::azure::Options as AzureOptions;
use crate::bucket::gcs::Options as GcsOptions;
use crate::bucket::{Bucket, Reach, s3::Options};
use crate::folder::Folder;
use crate::memory::Memory;
use crate::nats::{Nats, NewBucket, Options as NatsOptions, Reach as NatsReach};
use crate::{Blobs, BlobsError, Container, Object, Page, Span, provider};
use testkit::S3 as Server;

/// Where connections live while the threads of the tests come and go: what the control plane is to a host.
pub(crate) static HOME: LazyLock<Runtime> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.expect("the system gives a runtime")
});

/// What opens the bucket of a server.
pub(crate) fn options(endpoint: &str) -> Options {
    Options {
        bucket: Server::BUCKET.into(),
        region: "us-east-1".into(),
        key: Some((Server::ACCESS_KEY.into(), Server::SECRET_KEY.into())),
        reach: reach(endpoint),
    }
}

fn reach(endpoint: &str) -> Reach {
    let (endpoint, prefix) = (Some(endpoint.to_owned()), "wattle".to_owned());
    Reach { endpoint, allow_http: true, prefix, timeout: Duration::from_secs(20) }
}

/// What opens the container of a server.
pub(crate) fn azure_options(server: &testkit::Azurite) -> AzureOptions {
    AzureOptions {
        account: testkit::Azurite::ACCOUNT.into(),
        container: testkit::Azurite::CONTAINER.into(),
        key: Some(testkit::Azurite::KEY.into()),
        reach: reach(&server.endpoint()),
    }
}

/// What opens the bucket of a server that speaks the language of Google.
pub(crate) fn gcs_options(server: &testkit::Gcs) -> GcsOptions {
    GcsOptions {
        bucket: testkit::Gcs::BUCKET.into(),
        account: Some(server.account().into()),
        reach: reach(&server.endpoint()),
    }
}

/// What opens the object store of a server.
pub(crate) fn nats_options(server: &testkit::Nats) -> NatsOptions {
    NatsOptions {
        reach: NatsReach { url: server.url(), credentials: None, timeout: Duration::from_secs(20) },
        bucket: "wattle".to_owned(),
        create: Some(NewBucket { replicas: 1, limit: None }),
    }
}

/// An empty store, with the folder or the server that goes away after it.
pub(crate) struct Fresh {
    pub(crate) blobs: Arc<dyn Blobs>,
    _place: Box<dyn Any + Send + Sync>,
}

impl Fresh {
    pub(crate) fn memory() -> Self {
        Self { blobs: Arc::new(Memory::default()), _place: Box::new(()) }
    }

    pub(crate) fn folder() -> Self {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let blobs = HOME.block_on(Folder::open(folder.path())).expect("an empty folder opens");
        Self { blobs: Arc::new(blobs), _place: Box::new(folder) }
    }

    pub(crate) fn s3() -> Self {
        let server = Server::start();
        let blobs = HOME.block_on(options(&server.endpoint()).open()).expect("the server is up");
        Self { blobs: Arc::new(blobs), _place: Box::new(server) }
    }

    pub(crate) fn azure() -> Self {
        let server = testkit::Azurite::start();
        let blobs = HOME.block_on(azure_options(&server).open()).expect("the server is up");
        Self { blobs: Arc::new(blobs), _place: Box::new(server) }
    }

    pub(crate) fn gcs() -> Self {
        let server = testkit::Gcs::start();
        let blobs = HOME.block_on(gcs_options(&server).open()).expect("the server is up");
        Self { blobs: Arc::new(blobs), _place: Box::new(server) }
    }

    pub(crate) fn nats() -> Self {
        let server = testkit::Nats::start();
        let blobs = HOME.block_on(Nats::connect(&nats_options(&server))).expect("the server is up");
        Self { blobs: Arc::new(blobs), _place: Box::new(server) }
    }

    /// A provider of the newer version of its contract.
    pub(crate) fn provider() -> Self {
        Self::kept(Kept::start())
    }

    /// One of the older version.
    pub(crate) fn old_provider() -> Self {
        Self::kept(Kept::start_old())
    }

    fn kept(kept: Kept) -> Self {
        Self { blobs: kept.blobs("files", Duration::from_secs(20)), _place: Box::new(kept) }
    }

    /// S3 without a server, for keys that are too long for the one above, and for no other.
    pub(crate) fn s3_in_memory() -> Self {
        let _home = HOME.enter();
        let blobs = Bucket::on(Arc::new(object_store::memory::InMemory::new()), "wattle", Duration::from_secs(20));
        Self { blobs: Arc::new(blobs), _place: Box::new(()) }
    }

    /// A container that is there.
    pub(crate) async fn container(&self, component: &str, name: &str) -> Container {
        let container = container(component, name);
        self.blobs.create(&container).await.expect("it is created");
        container
    }

    pub(crate) async fn bytes(&self, object: &Object) -> Option<Bytes> {
        read(&*self.blobs, object, Span::ALL).await
    }

    pub(crate) async fn put(&self, object: &Object, bytes: impl AsRef<[u8]>) {
        put(&*self.blobs, object, bytes.as_ref()).await;
    }

    pub(crate) async fn page(&self, container: &Container, after: Option<&str>, count_max: usize) -> Vec<String> {
        self.blobs.list(container, Page { after, count_max }).await.expect("it is listed")
    }
}

/// A provider on a server of its own, and a way there.
pub(crate) struct Kept {
    pub(crate) provider: testkit::Provider,
    pub(crate) peers: Peers,
    pub(crate) server: testkit::Nats,
}

impl Kept {
    /// One that keeps `files` in the lattice `default`.
    pub(crate) fn start() -> Self {
        Self::of(|url| testkit::Provider::start(url, "default", "files"))
    }

    /// The same, which knows the older version of the contract only.
    pub(crate) fn start_old() -> Self {
        Self::of(|url| testkit::Provider::start_old(url, "default", "files"))
    }

    fn of(start: impl FnOnce(&str) -> testkit::Provider) -> Self {
        let server = testkit::Nats::start();
        let peers = HOME.block_on(async {
            let bus = bus::Bus::connect(&server.url(), bus::ConnectOptions::default()).await.expect("it lets us in");
            Peers::new(Wire::open(bus, wire::Limits::default()).await.expect("it listens"), "default")
        });
        Self { provider: start(&server.url()), peers, server }
    }

    /// What the provider of that id keeps for the link `cache`.
    pub(crate) fn blobs(&self, id: &str, timeout: Duration) -> Arc<dyn Blobs> {
        let mut told = capability::provider::tell(id, "cache");
        told.insert("timeout".into(), format!("{}ms", timeout.as_millis()));
        let told = capability::settings::check("blobstore/provider", provider::INFO.settings, &told);
        let _home = HOME.enter();
        provider::open(&told.expect("they are its settings"), Some(&self.peers)).expect("it opens")
    }
}

pub(crate) fn container(component: &str, name: &str) -> Container {
    let component: ComponentName = component.parse().expect("a name");
    Container::new(&component, name)
}

pub(crate) async fn put(blobs: &dyn Blobs, object: &Object, bytes: &[u8]) {
    let put = async {
        let mut upload = blobs.write(object).await?;
        upload.write(Bytes::copy_from_slice(bytes)).await?;
        upload.finish().await
    };
    put.await.unwrap_or_else(|error: BlobsError| panic!("{object:?}: {}", stdx::Chain(&error)));
}

pub(crate) async fn read(blobs: &dyn Blobs, object: &Object, span: Span) -> Option<Bytes> {
    let blob = blobs.read(object, span).await.unwrap_or_else(|error| panic!("{object:?}: {}", stdx::Chain(&error)))?;
    let pieces: Vec<Bytes> = blob.pieces.try_collect().await.expect("the store reads");
    let bytes = Bytes::from(pieces.concat());
    assert_eq!(blob.size, bytes.len() as u64, "{object:?}");
    Some(bytes)
}

capability::conformance! {
    promises over Fresh [
        a_container_is_there_from_its_creation_to_its_removal,
        an_object_is_read_as_it_was_written,
        a_span_has_both_its_ends,
        an_absent_object_is_none,
        without_a_container_nothing_is_written,
        the_last_write_counts,
        deleting_twice_is_deleting_once,
        clearing_leaves_an_empty_container,
        odd_names_are_names_like_any_other,
        names_that_begin_alike_are_apart,
        no_component_sees_another,
        pages_give_each_name_once_and_in_order,
        a_copy_is_an_object_of_its_own,
        what_is_dropped_leaves_nothing,
        a_large_object_passes_through,
        a_reader_sees_one_object_and_no_mixture,
    ] {
        memory => Fresh::memory(),
        folder => Fresh::folder(),
        s3 => Fresh::s3(),
        azure => Fresh::azure(),
        gcs => Fresh::gcs(),
        nats => Fresh::nats(),
    }
}

// What a provider has no words for: an object that is replaced while it is read.
capability::conformance! {
    promises over Fresh [
        a_container_is_there_from_its_creation_to_its_removal,
        an_object_is_read_as_it_was_written,
        a_span_has_both_its_ends,
        an_absent_object_is_none,
        without_a_container_nothing_is_written,
        the_last_write_counts,
        deleting_twice_is_deleting_once,
        clearing_leaves_an_empty_container,
        odd_names_are_names_like_any_other,
        names_that_begin_alike_are_apart,
        no_component_sees_another,
        pages_give_each_name_once_and_in_order,
        a_copy_is_an_object_of_its_own,
        what_is_dropped_leaves_nothing,
        a_large_object_passes_through,
    ] {
        kept_by_a_provider => Fresh::provider(),
        kept_by_an_old_provider => Fresh::old_provider(),
    }
}

mod long {
    use super::*;

    // The server of the tests keeps an object under a file name that holds its whole path: longer ones it cannot keep.
    capability::conformance! {
        promises over Fresh [long_names_are_names_like_any_other, a_copy_has_a_name_of_its_own_length] {
            memory => Fresh::memory(),
            folder => Fresh::folder(),
            s3_in_memory => Fresh::s3_in_memory(),
            nats => Fresh::nats(),
            kept_by_a_provider => Fresh::provider(),
        }
    }
}
