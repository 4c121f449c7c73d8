//! A provider that the published crates make, beside what every store has to promise (`suite`): how it is asked, and how it fails.

use std::time::{Duration, Instant};

use bytes::Bytes;
use capability::Cause;
use capability::conformance::run;
use futures::TryStreamExt;
use stdx::Explain;
use testkit::eventually;

use crate::blobs::{Blob, Blobs, BlobsError, Page, Span};
use crate::scope::Object;
use crate::suite::{self, Kept};

/// For what has to be known at once.
const AT_ONCE: Duration = Duration::from_secs(1);

/// For a call that nobody answers.
const SHORT: Duration = Duration::from_millis(300);

const PATIENT: Duration = Duration::from_secs(10);

const MIB: usize = 1 << 20;

fn object(container: &str) -> Object {
    suite::container("shop", container).object("a")
}

/// Makes the object and its container.
async fn put(blobs: &dyn Blobs, object: &Object, size: usize) {
    blobs.create(object.container()).await.expect("it is created");
    suite::put(blobs, object, &vec![7; size]).await;
}

async fn open(blobs: &dyn Blobs, object: &Object) -> Blob {
    blobs.read(object, Span::ALL).await.expect("it answers").expect("it is there")
}

async fn rest(blob: Blob) -> Result<usize, BlobsError> {
    let pieces: Vec<Bytes> = blob.pieces.try_collect().await?;
    Ok(pieces.iter().map(Bytes::len).sum())
}

fn assert_unavailable<T: std::fmt::Debug>(outcome: impl Future<Output = Result<T, BlobsError>>, limit: Duration) {
    let begun = Instant::now();
    let error = run(outcome).expect_err("it fails");
    assert!(matches!(error, BlobsError::Unavailable { .. }), "{error:?}");
    assert!(begun.elapsed() < limit, "it took {:?}", begun.elapsed());
    assert_eq!(error.code(), stdx::Code::E0401);
}

#[test]
fn a_provider_is_told_who_asks_and_by_which_link() {
    let kept = Kept::start();
    let blobs = kept.blobs("files", PATIENT);
    assert_eq!(blobs.describe(), "provider files");
    let (a, b) = (object("box"), object("box").container().object("b"));
    run(async {
        put(&*blobs, &a, 3).await;
        assert_eq!(suite::read(&*blobs, &a, Span::ALL).await.expect("it is there").len(), 3);
        blobs.list(a.container(), Page { after: None, count_max: 1 }).await.expect("it is listed");
        blobs.copy(&a, &b).await.expect("it is copied");
        assert!(blobs.has(&b).await.expect("it answers"));
        blobs.delete(&[a.clone(), b]).await.expect("they are deleted");
        blobs.exists(&suite::container("till", "box")).await.expect("it answers");
    });
    let asked = [
        "create-container shop",
        "container-exists shop",
        "write-container-data shop",
        "get-object-info shop",
        "get-container-data shop",
        "list-container-objects shop",
        "copy-object shop",
        "has-object shop",
        "delete-objects shop",
        "container-exists till",
    ];
    assert_eq!(kept.provider.calls(), asked.map(|asked| format!("{asked} cache")));
}

#[test]
fn a_provider_is_told_for_which_trace_it_is_asked() {
    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let kept = Kept::start();
    let blobs = kept.blobs("files", PATIENT);
    let traced =
        blobs.within(&Cause { trace: stdx::Trace::read(PARENT, []), ..Cause::default() }).expect("it tells of it");
    let container = suite::container("shop", "box");
    run(traced.create(&container)).expect("it is created");
    run(blobs.exists(&container)).expect("it answers");
    let asked = [format!("create-container shop cache {PARENT}"), "container-exists shop cache".to_owned()];
    assert_eq!(kept.provider.calls(), asked);
}

/// What is not said whole is no object: neither what is refused in its middle, nor what is more than was asked for.
#[test]
fn what_a_provider_breaks_off_is_an_error_at_its_end() {
    let kept = Kept::start();
    let blobs = kept.blobs("files", PATIENT);
    run(async {
        for name in ["broken", "lying"] {
            put(&*blobs, &object(name), 400_000).await;
        }
        let error = rest(open(&*blobs, &object("broken")).await).await.expect_err("half of it is missing");
        assert!(matches!(&error, BlobsError::Refused { source, .. } if source.to_string() == "boom"), "{error:?}");
        let error = rest(open(&*blobs, &object("lying")).await).await.expect_err("it is too much");
        assert!(matches!(error, BlobsError::Unavailable { .. }), "{error:?}");
    });
    let kept = Kept::start_old();
    let blobs = kept.blobs("files", PATIENT);
    run(async {
        put(&*blobs, &object("broken"), 400_000).await;
        let error = rest(open(&*blobs, &object("broken")).await).await.expect_err("half of it is missing");
        assert!(matches!(error, BlobsError::Unavailable { .. }), "{error:?}");
    });
}

/// As one does that keeps objects in NATS.
#[test]
fn of_a_provider_that_always_gives_the_whole_what_begins_at_the_beginning_is_read() {
    for kept in [Kept::start(), Kept::start_old()] {
        let blobs = kept.blobs("files", PATIENT);
        let whole = object("whole");
        let bytes: Vec<u8> = (0..3 * MIB + 5).map(|at| (at % 251) as u8).collect();
        run(async {
            blobs.create(whole.container()).await.expect("it is created");
            suite::put(&*blobs, &whole, &bytes).await;
            for last in [u64::MAX, 0, 9, 2 * MIB as u64, 3 * MIB as u64 + 4] {
                let read = suite::read(&*blobs, &whole, Span { first: 0, last }).await.expect("it is there");
                let end = last.saturating_add(1).min(bytes.len() as u64) as usize;
                assert!(read == bytes[..end], "to {last}: {} bytes", read.len());
            }
            for (first, last) in
                [(1, u64::MAX), (1, 9), (2 * MIB as u64, u64::MAX), (3 * MIB as u64, 3 * MIB as u64 + 1)]
            {
                let blob = blobs.read(&whole, Span { first, last }).await.expect("it answers").expect("it is there");
                rest(blob).await.expect_err("it is not what was asked for");
            }
        });
    }
}

/// As those do that keep objects in S3, Azure and NATS.
#[test]
fn what_a_provider_refuses_because_it_is_so_is_so() {
    for kept in [Kept::start(), Kept::start_old()] {
        let blobs = kept.blobs("files", PATIENT);
        let a = object("stern");
        let b = a.container().object("b");
        run(async {
            put(&*blobs, &a, 3).await;
            assert!(blobs.has(&a).await.expect("it answers") && !blobs.has(&b).await.expect("it answers"));
            assert!(blobs.facts(&b).await.expect("it answers").is_none());
            assert!(blobs.read(&b, Span::ALL).await.expect("it answers").is_none());
            blobs.delete(std::slice::from_ref(&b)).await.expect("it is not there");
            let error = blobs.delete(&[a.clone(), b.clone()]).await.expect_err("one of them stays");
            assert!(matches!(error, BlobsError::Refused { .. }), "{error:?}");
            blobs.remove(a.container()).await.expect("it is removed with what it has");
            assert!(!blobs.exists(a.container()).await.expect("it answers"));
        });
    }
}

#[test]
fn an_object_that_is_replaced_is_not_read_on() {
    let kept = Kept::start();
    let blobs = kept.blobs("files", PATIENT);
    run(async {
        put(&*blobs, &object("box"), 3 * MIB).await;
        let mut blob = open(&*blobs, &object("box")).await;
        let first = blob.pieces.try_next().await.expect("it is read").expect("it has bytes");
        put(&*blobs, &object("box"), 4 * MIB).await;
        assert!(first.len() < MIB);
        let error = rest(blob).await.expect_err("it is another one");
        assert!(matches!(error, BlobsError::Unavailable { .. }), "{error:?}");
    });
}

#[test]
fn a_provider_that_is_not_there_is_known_at_once_and_may_come_later() {
    let kept = Kept::start();
    let blobs = kept.blobs("other", PATIENT);
    let a = object("box");
    assert_unavailable(blobs.exists(a.container()), AT_ONCE);
    assert_unavailable(blobs.facts(&a), AT_ONCE);
    assert_unavailable(async { blobs.write(&a).await.map(drop) }, AT_ONCE);
    let other = testkit::Provider::start(&kept.server.url(), "default", "other");
    run(put(&*blobs, &a, 3));
    drop(other);
    eventually("it is gone", || run(blobs.has(&a)).is_err());
    assert_unavailable(blobs.has(&a), AT_ONCE);
    let _again = testkit::Provider::start(&kept.server.url(), "default", "other");
    assert!(!run(blobs.has(&a)).expect("it is there again"), "what it kept it had in its memory");
}

#[test]
fn what_is_not_answered_fails_in_time() {
    let kept = Kept::start();
    let blobs = kept.blobs("files", SHORT);
    let (a, stuck) = (object("box"), object("stuck"));
    run(put(&*blobs, &a, 3));
    run(put(&*blobs, &stuck, 3 * MIB));

    let mut blob = run(open(&*blobs, &stuck));
    run(blob.pieces.try_next()).expect("it is read").expect("it has bytes");
    assert_unavailable(rest(blob), SHORT + AT_ONCE);

    let mut upload = run(blobs.write(&a)).expect("it begins");
    run(upload.write(vec![1; MIB].into())).expect("it is taken");
    kept.provider.pause();
    assert_unavailable(async { blobs.write(&a).await.map(drop) }, SHORT + AT_ONCE);
    assert_unavailable(blobs.has(&a), SHORT + AT_ONCE);
    assert_unavailable(blobs.list(a.container(), Page { after: None, count_max: 1 }), SHORT + AT_ONCE);
    kept.provider.resume();
    run(upload.finish()).expect("what was taken before is there");
    assert_eq!(run(suite::read(&*blobs, &a, Span::ALL)).expect("it is there").len(), MIB);
    // Whoever brings an answer has hold of its place a moment longer than who waited there.
    eventually("nothing is left", || kept.peers.wire().waiting() == 0);
}

#[test]
fn a_provider_that_dies_in_the_middle_of_an_object_is_an_error_in_time() {
    let kept = Kept::start();
    let blobs = kept.blobs("files", AT_ONCE);
    let a = object("box");
    run(put(&*blobs, &a, 8 * MIB));
    let mut blob = run(open(&*blobs, &a));
    run(blob.pieces.try_next()).expect("it is read").expect("it has bytes");
    let mut upload = run(blobs.write(&a)).expect("it begins");
    run(upload.write(vec![1; MIB].into())).expect("it is taken");
    let Kept { provider, peers, server } = kept;
    drop(provider);
    assert_unavailable(rest(blob), 4 * AT_ONCE);
    assert_unavailable(upload.finish(), 4 * AT_ONCE);
    eventually("nothing is left", || peers.wire().waiting() == 0);
    drop(server);
}

/// A provider sends as fast as it can: what is not read is not asked for.
#[test]
fn who_reads_slowly_holds_a_part_and_no_more() {
    let kept = Kept::start();
    let blobs = kept.blobs("files", PATIENT);
    let wire = kept.peers.wire();
    let held = || wire::Limits::default().waiting_max.as_usize() - wire.room().as_usize();
    let a = object("box");
    run(put(&*blobs, &a, 16 * MIB));
    let mut blob = run(open(&*blobs, &a));
    let mut read = 0;
    while let Some(piece) = run(blob.pieces.try_next()).expect("it is read") {
        read += piece.len();
        assert!(held() < MIB + MIB / 4, "{} after {read}", held());
    }
    assert_eq!(read, 16 * MIB);
    drop(blob);
    eventually("nothing is left", || held() == 0 && wire.waiting() == 0);
}
