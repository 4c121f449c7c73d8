//! What becomes of objects when the server is killed, held or full, when others write them too, and what other clients of the
//! object store see.

use std::time::{Duration, Instant};

use async_nats::jetstream::object_store::{ObjectMetadata, ObjectStore};
use async_nats::jetstream::stream;
use bytes::Bytes;
use futures::future::join_all;
use stdx::ByteSize;
use testkit::eventually;
use tokio::io::AsyncReadExt;

use super::names::CHUNK;
use super::*;
use crate::suite::{HOME, container, load, nats_options, put, read};

/// How long a question of these tests may take, and how much longer it may take on a machine that is busy.
const TIMEOUT: Duration = Duration::from_millis(500);
const GRACE: Duration = Duration::from_secs(2);

fn connect(options: &Options) -> Nats {
    HOME.block_on(Nats::connect(options)).expect("the server is up")
}

fn hasty(server: &testkit::Nats) -> Options {
    let options = nats_options(server);
    Options { reach: Reach { timeout: TIMEOUT, ..options.reach.clone() }, ..options }
}

/// A client of its own, to look and to meddle.
async fn client(server: &testkit::Nats) -> async_nats::jetstream::Context {
    async_nats::jetstream::new(async_nats::connect(server.url()).await.expect("the server is up"))
}

async fn their_store(server: &testkit::Nats) -> ObjectStore {
    client(server).await.get_object_store("wattle").await.expect("it is an object store")
}

/// How many messages the object store consists of.
async fn messages(server: &testkit::Nats) -> u64 {
    let stream = client(server).await.get_stream("OBJ_wattle").await.expect("it is there");
    stream.cached_info().state.messages
}

/// Bytes of which each piece of 128 KiB is another one.
fn bytes(chunks: usize) -> Bytes {
    (0..chunks * CHUNK + 7).map(|at| u8::try_from(at / CHUNK % 251).expect("it is small")).collect()
}

async fn begun(blobs: &Nats, object: &Object, written: &[u8]) -> Box<dyn Upload> {
    let mut upload = blobs.write(object).await.expect("it begins");
    upload.write(Bytes::copy_from_slice(written)).await.expect("it is taken");
    upload
}

#[test]
fn other_clients_of_the_store_and_we_understand_each_other() {
    let server = testkit::Nats::start();
    HOME.block_on(async {
        let blobs = Nats::connect(&nats_options(&server)).await.expect("the server is up");
        let files = container("shop", "files");
        blobs.create(&files).await.expect("it is created");
        let written = bytes(20);
        put(&blobs, &files.object("ours"), &written).await;

        let theirs = their_store(&server).await;
        let mut seen = Vec::new();
        let mut object = theirs.get("shop/files/ours").await.expect("it is there");
        object.read_to_end(&mut seen).await.expect("its digest is right");
        assert_eq!(seen, written);
        assert_eq!(object.info.chunks, 21);

        theirs.put("shop/files/theirs", &mut written.as_ref()).await.expect("it is written");
        assert_eq!(read(&blobs, &files.object("theirs"), Span::ALL).await, Some(written.clone()));
        let span = Span { first: 10 * CHUNK as u64 - 1, last: 10 * CHUNK as u64 };
        assert_eq!(read(&blobs, &files.object("theirs"), span).await.as_deref(), Some([9, 10].as_slice()));

        let large = ObjectMetadata { chunk_size: Some(3 * CHUNK), ..ObjectMetadata::from("shop/files/theirs") };
        theirs.put(large, &mut written.as_ref()).await.expect("it is written");
        assert_eq!(read(&blobs, &files.object("theirs"), Span::ALL).await, Some(written.clone()));
        assert_eq!(read(&blobs, &files.object("theirs"), span).await.as_deref(), Some([9, 10].as_slice()));

        theirs.delete("shop/files/theirs").await.expect("it is deleted");
        assert_eq!(read(&blobs, &files.object("theirs"), Span::ALL).await, None);
        assert_eq!(blobs.list(&files, Page { after: None, count_max: 1 }).await.expect("it is listed"), ["ours"]);
        put(&blobs, &files.object("theirs"), b"ours again").await;
        assert_eq!(read(&blobs, &files.object("theirs"), Span::ALL).await.as_deref(), Some(b"ours again".as_slice()));

        theirs.add_link("shop/files/link", &object).await.expect("it is linked");
        let outcome = blobs.facts(&files.object("link")).await;
        assert!(matches!(outcome, Err(BlobsError::Damaged { .. })), "{outcome:?}");
    });
}

#[test]
fn what_is_replaced_deleted_or_dropped_leaves_no_bytes() {
    let server = testkit::Nats::start();
    HOME.block_on(async {
        let blobs = Nats::connect(&nats_options(&server)).await.expect("the server is up");
        let files = container("shop", "files");
        blobs.create(&files).await.expect("it is created");
        let empty = messages(&server).await;
        let object = files.object("a");
        for chunks in [8, 3, 5] {
            put(&blobs, &object, &bytes(chunks)).await;
            assert_eq!(messages(&server).await, empty + 1 + chunks as u64 + 1);
        }
        drop(begun(&blobs, &object, &bytes(30)).await);
        let settled = async || messages(&server).await == empty + 7;
        let aborted = async {
            while !settled().await {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), aborted).await.expect("it is aborted");
        assert_eq!(read(&blobs, &object, Span::ALL).await, Some(bytes(5)));

        blobs.delete(&[object]).await.expect("it is deleted");
        assert_eq!(messages(&server).await, empty);
        put(&blobs, &files.object("b"), &bytes(2)).await;
        blobs.remove(&files).await.expect("it is removed");
        assert_eq!(messages(&server).await, 0);
    });
}

/// Two hosts that write one object at once: one version is left, whole, and no bytes of another.
#[test]
fn of_several_who_replace_an_object_one_is_the_last() {
    let server = testkit::Nats::start();
    HOME.block_on(async {
        let options = nats_options(&server);
        let hosts = [Nats::connect(&options).await, Nats::connect(&options).await];
        let hosts = hosts.map(|host| host.expect("the server is up"));
        let object = container("shop", "files").object("a");
        hosts[0].create(object.container()).await.expect("it is created");
        let versions: Vec<Bytes> = (1..=8).map(bytes).collect();
        let writes = versions.iter().enumerate().map(|(index, version)| put(&hosts[index % 2], &object, version));
        join_all(writes).await;
        let left = read(&hosts[0], &object, Span::ALL).await.expect("it is there");
        assert!(versions.contains(&left), "a version of {} bytes", left.len());
        let chunks = left.len().div_ceil(CHUNK) as u64;
        assert_eq!(messages(&server).await, 1 + 1 + chunks, "the container, the object, and its bytes");
    });
}

/// The bytes before a span stay where they are, also where two objects were written at once.
#[test]
fn a_span_far_behind_is_read_without_what_is_before_it() {
    let server = testkit::Nats::start();
    HOME.block_on(async {
        let blobs = Nats::connect(&nats_options(&server)).await.expect("the server is up");
        let files = container("shop", "files");
        blobs.create(&files).await.expect("it is created");
        let (object, other, written) = (files.object("a"), files.object("b"), bytes(200));
        let mut one = blobs.write(&object).await.expect("it begins");
        let mut two = blobs.write(&other).await.expect("it begins");
        for piece in written.chunks(3 * CHUNK) {
            one.write(Bytes::copy_from_slice(piece)).await.expect("it is taken");
            two.write(Bytes::copy_from_slice(piece)).await.expect("it is taken");
        }
        one.finish().await.expect("it is there");
        two.finish().await.expect("it is there");

        let received = async || {
            let connected = blobs.store.opened.connected().await.expect("the server is up");
            connected.context.client().statistics().in_bytes.load(std::sync::atomic::Ordering::Relaxed)
        };
        for chunk in [1, 100, 199] {
            let before = received().await;
            let first = chunk as u64 * CHUNK as u64 - 1;
            let two_bytes = read(&blobs, &object, Span { first, last: first + 1 }).await;
            assert_eq!(two_bytes, Some(written.slice(chunk * CHUNK - 1..chunk * CHUNK + 1)));
            let cost = received().await - before;
            assert!(cost < 14 * CHUNK as u64, "{cost} bytes for two at {first}");
        }
    });
}

#[test]
fn bytes_that_were_changed_are_not_taken_for_those_that_were_written() {
    let server = testkit::Nats::start();
    HOME.block_on(async {
        let blobs = Nats::connect(&nats_options(&server)).await.expect("the server is up");
        let object = container("shop", "files").object("a");
        blobs.create(object.container()).await.expect("it is created");
        put(&blobs, &object, &bytes(1)).await;
        let known = blobs.store.known(&Path::of(&object)).await.expect("it is read").expect("it is there");
        let subject = blobs.store.bucket.bytes(&known.info.nuid);
        let context = client(&server).await;
        let stream = context.get_stream("OBJ_wattle").await.expect("it is there");
        let last = stream.get_last_raw_message_by_subject(&subject).await.expect("it is there");
        stream.delete_message(last.sequence).await.expect("it is deleted");
        let read = async || {
            let blob = blobs.read(&object, Span::ALL).await?.expect("it is there");
            blob.pieces.try_collect::<Vec<_>>().await
        };
        let outcome = read().await;
        assert!(matches!(outcome, Err(BlobsError::Unavailable { .. })), "{outcome:?}");
        context.publish(subject, "7 others".into()).await.expect("it is sent").await.expect("it is kept");
        let outcome = read().await;
        assert!(matches!(outcome, Err(BlobsError::Damaged { .. })), "{outcome:?}");
    });
}

#[test]
fn a_server_that_is_killed_or_held_costs_only_the_calls_of_that_time() {
    let mut server = testkit::Nats::start();
    let blobs = connect(&hasty(&server));
    let object = container("shop", "files").object("a");
    HOME.block_on(blobs.create(object.container())).expect("it is created");
    HOME.block_on(put(&blobs, &object, &bytes(3)));
    let upload = HOME.block_on(begun(&blobs, &object, &bytes(2)));
    server.kill();
    let started = Instant::now();
    let outcome = HOME.block_on(upload.finish());
    assert!(matches!(outcome, Err(BlobsError::Unavailable { .. })), "{outcome:?}");
    let outcome = HOME.block_on(blobs.facts(&object));
    assert!(matches!(outcome, Err(BlobsError::Unavailable { .. })), "{outcome:?}");
    assert!(started.elapsed() < 4 * TIMEOUT + GRACE, "{:?}", started.elapsed());
    server.restart();
    eventually("it is well again", || HOME.block_on(blobs.facts(&object)).is_ok());
    assert_eq!(HOME.block_on(read(&blobs, &object, Span::ALL)), Some(bytes(3)));

    server.pause();
    let started = Instant::now();
    let outcome = HOME.block_on(blobs.list(object.container(), Page { after: None, count_max: 1 }));
    assert!(matches!(outcome, Err(BlobsError::Unavailable { .. })), "{outcome:?}");
    assert!(started.elapsed() < TIMEOUT + GRACE, "{:?}", started.elapsed());
    server.resume();
    eventually("it is well again", || HOME.block_on(blobs.facts(&object)).is_ok());
}

#[test]
fn a_server_killed_under_load_costs_only_the_objects_of_that_time() {
    let mut server = testkit::Nats::start();
    let blobs = connect(&hasty(&server));
    load::survives_kills(&blobs, &mut *server, 4 * TIMEOUT + GRACE);
}

#[test]
fn a_full_store_says_how_much_it_holds_and_still_reads_and_deletes() {
    let server = testkit::Nats::start();
    let limit = Some(ByteSize::mib(4));
    let blobs = connect(&Options { create: Some(NewBucket { replicas: 1, limit }), ..nats_options(&server) });
    HOME.block_on(async {
        let files = container("shop", "files");
        blobs.create(&files).await.expect("it is created");
        put(&blobs, &files.object("a"), &bytes(8)).await;
        let write = async || {
            let mut upload = blobs.write(&files.object("b")).await?;
            upload.write(bytes(40)).await?;
            upload.finish().await
        };
        let outcome = write().await;
        assert!(matches!(outcome, Err(BlobsError::Full { limit, .. }) if limit == ByteSize::mib(4)), "{outcome:?}");
        assert_eq!(read(&blobs, &files.object("b"), Span::ALL).await, None);
        assert_eq!(read(&blobs, &files.object("a"), Span::ALL).await, Some(bytes(8)));
        blobs.delete(&[files.object("a")]).await.expect("it is deleted");
        let fits = async {
            while let Err(error) = async { begun(&blobs, &files.object("c"), &bytes(20)).await.finish().await }.await {
                assert!(matches!(error, BlobsError::Full { .. }), "{error:?}");
            }
        };
        tokio::time::timeout(Duration::from_secs(20), fits).await.expect("there is room again");
    });
}

#[test]
fn a_stream_that_holds_something_else_is_refused() {
    let server = testkit::Nats::start();
    let config = stream::Config { name: "OBJ_wattle".into(), subjects: vec!["orders.>".into()], ..Default::default() };
    let outcome = HOME.block_on(async {
        client(&server).await.create_stream(config).await.expect("it is made");
        Nats::connect(&nats_options(&server)).await.map(drop)
    });
    let error = outcome.expect_err("it is no object store");
    assert!(matches!(error, ConnectError::Refused(_)), "{error:?}");
    let options = Options { create: None, bucket: "other".into(), ..nats_options(&server) };
    let error = HOME.block_on(Nats::connect(&options)).map(drop).expect_err("it is not made");
    assert!(stdx::Chain(&error).to_string().contains("with create=true it is made"), "{}", stdx::Chain(&error));
}
