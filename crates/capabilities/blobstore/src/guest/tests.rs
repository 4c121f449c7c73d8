//! What the contract promises, as a component sees it, on each store.

use std::sync::Arc;

use bytes::Bytes;
use capability::conformance::{link, state};
use capability::{OpenLink, Place};
use engine::State;
use wasmtime::component::Resource;
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, StreamError};

use super::draft::wasi::blobstore::{blobstore, container, types};
use super::outgoing::Outgoing;
use super::{Container, Names};
use crate::blobs::{Blob, Blobs, BlobsError, Facts, Page, Span, Upload};
use crate::memory::Memory;
use crate::scope;
use crate::suite::Fresh;
use crate::{Blobstore, Limits};
use blobstore::Host as _;
use container::{HostContainer as _, HostStreamObjectNames as _};
use types::{HostIncomingValue as _, HostOutgoingValue as _};

const UNAVAILABLE: &str = "the blob store is not available";

fn instance(fresh: &Fresh, component: &str) -> State {
    instance_with(component, &[link(fresh.blobs.clone())])
}

/// With small limits, so that a test reaches them.
fn instance_with(component: &str, links: &[OpenLink]) -> State {
    let limits = Limits { page: 10, whole: stdx::ByteSize::kib(64), names: 100, ..Limits::default() };
    state(&Blobstore::new(Place { folder: std::path::PathBuf::new() }).with_limits(limits), component, links)
}

fn memory() -> Arc<dyn Blobs> {
    Arc::new(Memory::default())
}

fn handle<T: 'static>(resource: &Resource<T>) -> Resource<T> {
    Resource::new_borrow(resource.rep())
}

async fn files(state: &mut State) -> Resource<Container> {
    state.create_container("files".into()).await.expect("no trap").expect("it is created")
}

/// A value that goes to an object, with its stream.
async fn begin(state: &mut State, name: &str) -> (Resource<Outgoing>, Resource<DynOutputStream>) {
    let container = files(state).await;
    let value = state.new_outgoing_value().expect("no trap");
    state.write_data(container, name.into(), handle(&value)).await.expect("no trap").expect("it goes there");
    let stream = state.outgoing_value_write_body(handle(&value)).expect("no trap").expect("it is the first");
    (value, stream)
}

async fn write(state: &mut State, stream: &Resource<DynOutputStream>, bytes: &[u8]) -> Result<(), StreamError> {
    let stream = state.table.get_mut(stream).expect("it is there");
    for piece in bytes.chunks(4096) {
        stream.blocking_write_and_flush(Bytes::copy_from_slice(piece)).await?;
    }
    Ok(())
}

async fn finish(state: &mut State, value: Resource<Outgoing>, stream: Resource<DynOutputStream>) -> Result<(), String> {
    drop(state.table.delete(stream).expect("it is there"));
    types::HostOutgoingValue::finish(state, value).await.expect("no trap")
}

async fn put(state: &mut State, name: &str, bytes: &[u8]) {
    let (value, stream) = begin(state, name).await;
    write(state, &stream, bytes).await.expect("it is taken");
    finish(state, value, stream).await.expect("it is there");
}

async fn get(state: &mut State, name: &str, start: u64, end: u64) -> Result<Vec<u8>, String> {
    let container = files(state).await;
    let value = state.get_data(container, name.into(), start, end).await.expect("no trap")?;
    let stream = state.incoming_value_consume_async(value).expect("no trap")?;
    Ok(drain(state, &stream).await.expect("it is read"))
}

async fn drain(state: &mut State, stream: &Resource<DynInputStream>) -> Result<Vec<u8>, StreamError> {
    let stream = state.table.get_mut(stream).expect("it is there");
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(10_000).await {
            Ok(piece) => bytes.extend_from_slice(&piece),
            Err(StreamError::Closed) => return Ok(bytes),
            Err(error) => return Err(error),
        }
    }
}

mod promises {
    use super::*;

    pub(super) async fn what_is_written_is_read(fresh: Fresh) {
        let mut state = instance(&fresh, "shop");
        for size in [0, 10, 3_000_000] {
            let bytes: Vec<u8> = (0_u32..size).map(|at| u8::try_from(at % 251).expect("it is small")).collect();
            put(&mut state, "a", &bytes).await;
            assert_eq!(get(&mut state, "a", 0, u64::MAX).await, Ok(bytes));
        }
        let mut later = instance(&fresh, "shop");
        assert_eq!(get(&mut later, "a", 250, 252).await, Ok(vec![250, 0, 1]));
        assert_eq!(get(&mut later, "a", 3_000_000, 3_000_005).await, Ok(vec![]));
        let error = "the last byte 1 is before the first, 2".to_owned();
        assert_eq!(get(&mut later, "a", 2, 1).await, Err(error));
        assert_eq!(get(&mut later, "b", 0, 9).await, Err("there is no object \"b\"".into()));
    }

    pub(super) async fn what_is_not_finished_is_not_there(fresh: Fresh) {
        let mut state = instance(&fresh, "shop");
        put(&mut state, "a", b"old").await;
        let (value, stream) = begin(&mut state, "a").await;
        write(&mut state, &stream, &[1; 1_000_000]).await.expect("it is taken");
        drop(state.table.delete(stream).expect("it is there"));
        types::HostOutgoingValue::drop(&mut state, value).expect("no trap");
        assert_eq!(get(&mut state, "a", 0, 9).await, Ok(b"old".to_vec()));

        let (_, stream) = begin(&mut state, "a").await;
        write(&mut state, &stream, &[1; 1_000_000]).await.expect("it is taken");
        drop(state);
        let mut later = instance(&fresh, "shop");
        assert_eq!(get(&mut later, "a", 0, 9).await, Ok(b"old".to_vec()));
    }

    /// As some components do it: first all the bytes, then where to.
    pub(super) async fn a_value_may_be_written_before_it_is_said_where_to(fresh: Fresh) {
        let mut state = instance(&fresh, "shop");
        let container = files(&mut state).await;
        let value = state.new_outgoing_value().expect("no trap");
        let stream = state.outgoing_value_write_body(handle(&value)).expect("no trap").expect("it is the first");
        assert_eq!(state.outgoing_value_write_body(handle(&value)).expect("no trap").map(drop), Err(()));
        write(&mut state, &stream, &[7; 200_000]).await.expect("there is room");
        for wanted in [Ok(()), Err("the value goes somewhere already".to_owned())] {
            let outcome = state.write_data(handle(&container), "a".into(), handle(&value)).await.expect("no trap");
            assert_eq!(outcome, wanted);
        }
        finish(&mut state, value, stream).await.expect("it is there");
        assert_eq!(get(&mut state, "a", 0, u64::MAX).await, Ok(vec![7; 200_000]));

        let value = state.new_outgoing_value().expect("no trap");
        let stream = state.outgoing_value_write_body(handle(&value)).expect("no trap").expect("it is the first");
        let outcome = write(&mut state, &stream, &[7; 1_000_000]).await;
        assert!(matches!(outcome, Err(StreamError::LastOperationFailed(_))), "{outcome:?}");
        let outcome = finish(&mut state, value, stream).await;
        assert_eq!(outcome, Err("write-data did not say where the value goes".into()));
    }

    pub(super) async fn containers_come_and_go(fresh: Fresh) {
        let mut state = instance(&fresh, "shop");
        assert_eq!(state.container_exists("files".into()).await.expect("no trap"), Ok(false));
        let absent = state.get_container("files".into()).await.expect("no trap").map(drop);
        assert_eq!(absent, Err("there is no container \"files\"".into()));
        put(&mut state, "a", b"x").await;
        let container = state.get_container("files".into()).await.expect("no trap").expect("it is there");
        assert_eq!(state.name(handle(&container)).expect("no trap"), Ok("files".into()));
        let info = state.info(handle(&container)).await.expect("no trap").expect("it is there");
        assert_eq!(info.name, "files");
        let info = state.object_info(handle(&container), "a".into()).await.expect("no trap").expect("it is there");
        assert_eq!((info.name.as_str(), info.container.as_str(), info.size), ("a", "files", 1));
        assert!(info.created_at > 1_700_000_000);
        state.clear(handle(&container)).await.expect("no trap").expect("it is cleared");
        assert_eq!(state.has_object(handle(&container), "a".into()).await.expect("no trap"), Ok(false));
        state.delete_container("files".into()).await.expect("no trap").expect("it is deleted");
        let outcome = state.list_objects(handle(&container)).await.expect("no trap").map(drop);
        assert_eq!(outcome, Err("there is no container \"files\"".into()));
        let value = state.new_outgoing_value().expect("no trap");
        let outcome = state.write_data(container, "a".into(), value).await.expect("no trap");
        assert_eq!(outcome, Err("there is no container \"files\"".into()));
    }

    pub(super) async fn names_are_read_and_skipped_to_the_end(fresh: Fresh) {
        let mut state = instance(&fresh, "shop");
        let names: Vec<String> = (0..25).map(|index| format!("{index:02}")).collect();
        for name in &names {
            put(&mut state, name, b"").await;
        }
        let container = files(&mut state).await;
        let listing = state.list_objects(handle(&container)).await.expect("no trap").expect("it is listed");
        let next = async |state: &mut State, listing: &Resource<Names>, count| {
            state.read_stream_object_names(handle(listing), count).await.expect("no trap").expect("it is listed")
        };
        assert_eq!(next(&mut state, &listing, 0).await, (vec![], false));
        assert_eq!(next(&mut state, &listing, 3).await, (names[..3].to_vec(), false));
        let skipped = state.skip_stream_object_names(handle(&listing), 12).await.expect("no trap");
        assert_eq!(skipped, Ok((12, false)));
        assert_eq!(next(&mut state, &listing, 1_000).await, (names[15..].to_vec(), false), "a page at most");
        assert_eq!(next(&mut state, &listing, u64::MAX).await, (vec![], true));
        let listing = state.list_objects(handle(&container)).await.expect("no trap").expect("it is listed");
        let skipped = state.skip_stream_object_names(listing, u64::MAX).await.expect("no trap");
        assert_eq!(skipped, Ok((25, true)));

        let outcome = state.delete_objects(handle(&container), vec![String::new(); 101]).await.expect("no trap");
        assert_eq!(outcome, Err("the number of names of 101 is above the limit of 100".into()));
        state
            .delete_objects(handle(&container), names[1..].to_vec())
            .await
            .expect("no trap")
            .expect("they are deleted");
        let listing = state.list_objects(container).await.expect("no trap").expect("it is listed");
        assert_eq!(next(&mut state, &listing, 10).await, (names[..1].to_vec(), true));
    }

    pub(super) async fn objects_are_copied_and_moved(fresh: Fresh) {
        let mut state = instance(&fresh, "shop");
        put(&mut state, "a", b"x").await;
        let id = |name: &str| blobstore::ObjectId { container: "files".into(), object: name.into() };
        state.copy_object(id("a"), id("b")).await.expect("no trap").expect("it is copied");
        state.move_object(id("b"), id("c")).await.expect("no trap").expect("it is moved");
        state.move_object(id("c"), id("c")).await.expect("no trap").expect("it stays");
        assert_eq!(get(&mut state, "a", 0, 9).await, Ok(b"x".to_vec()));
        assert_eq!(get(&mut state, "b", 0, 9).await, Err("there is no object \"b\"".into()));
        assert_eq!(get(&mut state, "c", 0, 9).await, Ok(b"x".to_vec()));
        let nowhere = blobstore::ObjectId { container: "none".into(), object: "a".into() };
        let outcome = state.move_object(id("a"), nowhere).await.expect("no trap");
        assert_eq!(outcome, Err("there is no container \"none\"".into()));
        assert_eq!(get(&mut state, "a", 0, 9).await, Ok(b"x".to_vec()), "what was not moved is still there");
    }

    pub(super) async fn limits_are_said_in_words(fresh: Fresh) {
        let mut state = instance(&fresh, "shop");
        put(&mut state, "a", &[1; 64 * 1024 + 1]).await;
        let container = files(&mut state).await;
        let value =
            state.get_data(handle(&container), "a".into(), 0, u64::MAX).await.expect("no trap").expect("it is there");
        assert_eq!(state.size(handle(&value)).expect("no trap"), 65_537);
        let outcome = state.incoming_value_consume_sync(value).await.expect("no trap");
        let error = "the size in bytes of an object that is read at once of 65537 is above the limit of 65536";
        assert_eq!(outcome, Err(error.into()));
        let value =
            state.get_data(handle(&container), "a".into(), 1, 65_536).await.expect("no trap").expect("it is there");
        let outcome = state.incoming_value_consume_sync(value).await.expect("no trap");
        assert_eq!(outcome.map(|bytes| bytes.len()), Ok(65_536));
        let outcome = state.has_object(container, "n".repeat(1_025)).await.expect("no trap");
        assert_eq!(outcome, Err("the length in bytes of an object's name of 1025 is above the limit of 1024".into()));
        let outcome = state.create_container("n".repeat(1_025)).await.expect("no trap").map(drop);
        assert_eq!(outcome, Err("the length in bytes of a container's name of 1025 is above the limit of 1024".into()));
    }
}

capability::conformance! {
    promises over Fresh [
        what_is_written_is_read,
        what_is_not_finished_is_not_there,
        a_value_may_be_written_before_it_is_said_where_to,
        containers_come_and_go,
        names_are_read_and_skipped_to_the_end,
        objects_are_copied_and_moved,
        limits_are_said_in_words,
    ] {
        memory => Fresh::memory(),
        folder => Fresh::folder(),
        s3 => Fresh::s3(),
        azure => Fresh::azure(),
        gcs => Fresh::gcs(),
        nats => Fresh::nats(),
        kept_by_a_provider => Fresh::provider(),
    }
}

#[test]
fn a_component_that_is_bound_to_no_store_is_refused() {
    let bound = engine::Bound::new(Arc::new(engine::NoEgress));
    let wasi = &mut wasmtime_wasi::WasiCtxBuilder::new();
    let unbound = State::new(wasi, &Arc::new(engine::Limits::default()), Arc::new(bound));
    for mut state in [unbound, instance_with("shop", &[])] {
        let outcome = capability::conformance::run(state.container_exists("files".into()));
        assert_eq!(outcome.expect("no trap"), Err("the component is bound to no blob store".into()));
    }
}

#[test]
fn a_container_is_chosen_among_the_links_by_its_name() {
    let (first, second) = (memory(), memory());
    let named = OpenLink { name: "files".parse().expect("a name"), ..link(second.clone()) };
    capability::conformance::run(async {
        let mut state = instance_with("shop", &[link(first.clone()), named]);
        put(&mut state, "a", b"x").await;
        state.create_container("other".into()).await.expect("no trap").expect("it is created");
        let source = blobstore::ObjectId { container: "files".into(), object: "a".into() };
        let target = blobstore::ObjectId { container: "other".into(), object: "b".into() };
        state.move_object(source, target).await.expect("no trap").expect("it goes from store to store");

        let mut there = instance_with("shop", &[link(second)]);
        assert_eq!(there.container_exists("other".into()).await.expect("no trap"), Ok(false));
        assert_eq!(get(&mut there, "a", 0, 9).await, Err("there is no object \"a\"".into()));
        let mut here = instance_with("shop", &[link(first)]);
        assert_eq!(here.container_exists("files".into()).await.expect("no trap"), Ok(false));
        let other = here.get_container("other".into()).await.expect("no trap").expect("it is there");
        assert_eq!(here.has_object(other, "b".into()).await.expect("no trap"), Ok(true));
    });
}

#[test]
fn a_target_that_is_not_open_is_not_available() {
    let mut state = instance_with("shop", &[OpenLink { target: None, ..link(memory()) }]);
    let outcome = capability::conformance::run(state.create_container("files".into())).expect("no trap");
    assert_eq!(outcome.map(drop), Err(UNAVAILABLE.into()));
}

#[test]
fn a_stream_that_outlives_its_value_is_a_trap() {
    capability::conformance::run(async {
        let mut state = instance_with("shop", &[link(memory())]);
        let (value, _stream) = begin(&mut state, "a").await;
        let outcome = types::HostOutgoingValue::finish(&mut state, value).await;
        assert!(outcome.is_err(), "{outcome:?}");
    });
}

#[test]
fn a_full_store_ends_the_stream_and_the_value() {
    let full: Arc<dyn Blobs> = Arc::new(Memory::new(stdx::ByteSize::mib(1)));
    capability::conformance::run(async {
        let mut state = instance_with("shop", &[link(full)]);
        let (value, stream) = begin(&mut state, "a").await;
        let outcome = write(&mut state, &stream, &[1; 3 << 20]).await;
        let Err(StreamError::LastOperationFailed(error)) = outcome else { panic!("{outcome:?}") };
        assert_eq!(error.to_string(), "the blob store is full");
        assert_eq!(finish(&mut state, value, stream).await, Err("the blob store is full".into()));
        put(&mut state, "a", &[1; 500_000]).await;
    });
}

/// Begins whatever it is asked, and then takes and gives nothing.
struct Stuck;

#[async_trait::async_trait]
impl Upload for Stuck {
    async fn write(&mut self, _: Bytes) -> Result<(), BlobsError> {
        std::future::pending().await
    }

    async fn finish(self: Box<Self>) -> Result<(), BlobsError> {
        std::future::pending().await
    }
}

#[async_trait::async_trait]
impl Blobs for Stuck {
    fn describe(&self) -> String {
        "stuck".into()
    }

    async fn create(&self, _: &scope::Container) -> Result<(), BlobsError> {
        Ok(())
    }

    async fn created_at(&self, _: &scope::Container) -> Result<Option<std::time::SystemTime>, BlobsError> {
        std::future::pending().await
    }

    async fn remove(&self, _: &scope::Container) -> Result<(), BlobsError> {
        std::future::pending().await
    }

    async fn clear(&self, _: &scope::Container) -> Result<(), BlobsError> {
        std::future::pending().await
    }

    async fn list(&self, _: &scope::Container, _: Page<'_>) -> Result<Vec<String>, BlobsError> {
        std::future::pending().await
    }

    async fn facts(&self, _: &scope::Object) -> Result<Option<Facts>, BlobsError> {
        std::future::pending().await
    }

    async fn read(&self, _: &scope::Object, _: Span) -> Result<Option<Blob>, BlobsError> {
        Ok(Some(Blob { size: 10, pieces: Box::pin(futures::stream::pending()) }))
    }

    async fn write(&self, _: &scope::Object) -> Result<Box<dyn Upload>, BlobsError> {
        Ok(Box::new(Self))
    }

    async fn delete(&self, _: &[scope::Object]) -> Result<(), BlobsError> {
        std::future::pending().await
    }

    async fn copy(&self, _: &scope::Object, _: &scope::Object) -> Result<(), BlobsError> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn the_terms_of_a_link_bound_a_call_and_each_piece_of_a_stream() {
    let stuck: Arc<dyn Blobs> = Arc::new(Stuck);
    let terms = "timeout=1s,retry=2".parse().expect("terms");
    let mut state = instance_with("shop", &[OpenLink { terms, ..link(stuck) }]);
    let started = tokio::time::Instant::now();
    let took = || started.elapsed().as_secs();

    assert_eq!(state.container_exists("files".into()).await.expect("no trap"), Err(UNAVAILABLE.into()));
    assert_eq!(took(), 3, "what changes nothing is tried again");
    assert_eq!(state.delete_container("files".into()).await.expect("no trap"), Err(UNAVAILABLE.into()));
    assert_eq!(took(), 4, "a change is made once");

    let (value, stream) = begin(&mut state, "a").await;
    let outcome = write(&mut state, &stream, &[1; 2 << 20]).await;
    assert!(matches!(outcome, Err(StreamError::LastOperationFailed(_))), "{outcome:?}");
    assert_eq!(took(), 5);
    assert_eq!(finish(&mut state, value, stream).await, Err(UNAVAILABLE.into()));

    let (value, stream) = begin(&mut state, "a").await;
    assert_eq!(finish(&mut state, value, stream).await, Err(UNAVAILABLE.into()));
    assert_eq!(took(), 6);

    let container = files(&mut state).await;
    let value = state.get_data(container, "a".into(), 0, 9).await.expect("no trap").expect("it begins");
    let stream = state.incoming_value_consume_async(value).expect("no trap").expect("it is a stream");
    let outcome = drain(&mut state, &stream).await;
    assert!(matches!(outcome, Err(StreamError::LastOperationFailed(_))), "{outcome:?}");
    assert_eq!(took(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_takes_nothing_is_not_written_to() {
    let stuck: Arc<dyn Blobs> = Arc::new(Stuck);
    let mut state = instance_with("shop", &[link(stuck)]);
    let (_value, stream) = begin(&mut state, "a").await;
    let stream = state.table.get_mut(&stream).expect("it is there");
    let mut taken = 0;
    let written = async {
        loop {
            stream.ready().await;
            let room = stream.check_write().expect("it goes on");
            stream.write(Bytes::from(vec![0; room])).expect("there is room");
            taken += room;
        }
    };
    let outcome = tokio::time::timeout(std::time::Duration::from_secs(60), written).await;
    assert!(outcome.is_err(), "it waits");
    assert!((1 << 19..=1 << 20).contains(&taken), "{taken} bytes were taken");
}
