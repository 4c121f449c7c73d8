//! What a mirror knows when its bus is away, when it comes back, and when it has lost what it had.

use std::path::Path;

use bus::{Bucket, Entry, Keep, Mirror, Revision, Standing, Told, Watch};
use bytes::Bytes;

use crate::keeping::{self, Carrier, bucket, key};
use crate::{run, soon};

fn open(folder: &Path) -> Mirror {
    Mirror::open(folder).expect("the folder is ours")
}

async fn put(bucket: &Bucket, name: &str, value: &str) {
    bucket.put(&key(name), Bytes::from(value.to_owned())).await.expect("it is put");
}

/// What a mirror has, in a few characters.
fn held(mirror: &Mirror) -> String {
    let entries = mirror.entries().expect("it is read").into_iter();
    let shown = entries.map(|(key, entry)| format!("{key}={}", String::from_utf8_lossy(&entry.value)));
    shown.collect::<Vec<_>>().join(" ")
}

/// Applies what a watch tells until it has caught up; how much was told.
async fn catch_up(mirror: &mut Mirror, watch: &mut Watch) -> usize {
    for count in 0.. {
        let told = soon("a watch tells something", watch.next()).await.expect("the bus is there");
        mirror.apply(&told).await.expect("it is written");
        if matches!(told, Told::Current(_)) {
            return count;
        }
    }
    unreachable!("it counts until it has caught up")
}

async fn apply_next(mirror: &mut Mirror, watch: &mut Watch) {
    let told = soon("a watch tells something", watch.next()).await.expect("the bus is there");
    mirror.apply(&told).await.expect("it is written");
}

async fn a_mirror_knows_what_it_was_told_and_is_told_the_rest(carrier: Carrier) {
    let (folder, bucket) = (keeping::folder(), carrier.bucket().await);
    for (name, value) in [("a", "1"), ("b", "2"), ("c", "3")] {
        put(&bucket, name, value).await;
    }
    let mut mirror = open(folder.path());
    let mut watch = bucket.watch_from(mirror.known());
    assert_eq!(catch_up(&mut mirror, &mut watch).await, 3);
    put(&bucket, "a", "4").await;
    apply_next(&mut mirror, &mut watch).await;
    drop((mirror, watch));

    put(&bucket, "d", "5").await;
    bucket.delete(&key("b")).await.expect("it is deleted");
    let mut mirror = open(folder.path());
    assert_eq!(held(&mirror), "a=4 b=2 c=3", "what a host boots from when its bus is away");
    let mut watch = bucket.watch_from(mirror.known());
    assert_eq!(catch_up(&mut mirror, &mut watch).await, 2, "what it knows it is not told");
    assert_eq!(held(&mirror), "a=4 c=3 d=5");
    assert_eq!(*mirror.standing(), Standing::Following);
    drop((mirror, watch));
    assert_eq!(held(&open(folder.path())), "a=4 c=3 d=5");
}

#[test]
fn a_mirror_of_a_bucket_of_this_process() {
    run(async { a_mirror_knows_what_it_was_told_and_is_told_the_rest(Carrier::disk()).await });
}

#[test]
fn a_mirror_of_a_bucket_in_jetstream() {
    run(async { a_mirror_knows_what_it_was_told_and_is_told_the_rest(Carrier::nats()).await });
}

/// The bus forgets everything while a host is away and while it is there: the mirror keeps it, says so, and is content when it
/// was put back.
#[test]
fn what_a_bucket_has_lost_its_mirror_has() {
    run(async {
        let folder = keeping::folder();
        let (before, after) = (Carrier::memory(), Carrier::memory());
        let mut mirror = open(folder.path());
        let old = before.bucket().await;
        for (name, value) in [("a", "1"), ("b", "2")] {
            put(&old, name, value).await;
        }
        let mut watch = old.watch_from(mirror.known());
        catch_up(&mut mirror, &mut watch).await;

        let new = bucket(&after.bus().await, Keep::default()).await;
        put(&new, "b", "other").await;
        put(&new, "c", "3").await;
        for _ in 0..2 {
            let mut watch = new.watch_from(mirror.known());
            catch_up(&mut mirror, &mut watch).await;
            assert_eq!(held(&mirror), "a=1 b=2 c=3", "nothing is gone, and what is new is there");
            let Standing::WentBack { doubted, known, .. } = mirror.standing() else { panic!("it has gone back") };
            assert_eq!(doubted.iter().map(ToString::to_string).collect::<String>(), "ab");
            assert_eq!(known.last.as_u64(), 2);
            // So it is when the host is started again, too.
            drop(mirror);
            mirror = open(folder.path());
        }
        let mut watch = new.watch_from(mirror.known());
        catch_up(&mut mirror, &mut watch).await;
        let Standing::WentBack { doubted, .. } = mirror.standing() else { panic!("it has gone back") };
        let entries = mirror.entries().expect("it is read");
        for name in doubted {
            new.put(name, entries[name].value.clone()).await.expect("it is put back");
        }
        while *mirror.standing() != Standing::Following {
            apply_next(&mut mirror, &mut watch).await;
        }
        assert_eq!(held(&mirror), "a=1 b=2 c=3");
        drop(mirror);
        let mut mirror = open(folder.path());
        let mut watch = new.watch_from(mirror.known());
        assert_eq!(catch_up(&mut mirror, &mut watch).await, 0, "it knows the new one");
        assert_eq!(*mirror.standing(), Standing::Following);
    });
}

/// What somebody puts or deletes in a bucket that was made again is what they want, whatever was under that key in the one before.
#[test]
fn what_is_changed_in_a_bucket_that_was_made_again_is_changed_in_its_mirror() {
    run(async {
        let folder = keeping::folder();
        let (before, after) = (Carrier::memory(), Carrier::memory());
        let mut mirror = open(folder.path());
        let old = before.bucket().await;
        for (name, value) in [("a", "1"), ("b", "2"), ("c", "3")] {
            put(&old, name, value).await;
        }
        let mut watch = old.watch_from(mirror.known());
        catch_up(&mut mirror, &mut watch).await;

        let new = bucket(&after.bus().await, Keep::default()).await;
        put(&new, "b", "older").await;
        let mut watch = new.watch_from(mirror.known());
        catch_up(&mut mirror, &mut watch).await;
        assert_eq!(held(&mirror), "a=1 b=2 c=3");
        put(&new, "a", "new").await;
        apply_next(&mut mirror, &mut watch).await;
        new.delete(&key("b")).await.expect("it is deleted");
        apply_next(&mut mirror, &mut watch).await;
        assert_eq!(held(&mirror), "a=new c=3", "what nobody has touched is not gone");
        drop((mirror, watch));
        let mut mirror = open(folder.path());
        assert_eq!(held(&mirror), "a=new c=3", "what a host boots from when its bus is away");
        let mut watch = new.watch_from(mirror.known());
        catch_up(&mut mirror, &mut watch).await;
        let Standing::WentBack { doubted, .. } = mirror.standing() else { panic!("it has gone back") };
        assert_eq!(doubted.iter().map(ToString::to_string).collect::<String>(), "c");
    });
}

#[test]
fn a_mirror_knows_how_far_its_bucket_had_come_by_what_it_was_told_last() {
    run(async {
        let folder = keeping::folder();
        let mut mirror = open(folder.path());
        let mark = |last| bus::Mark { made: 1, last: Revision::new(last) };
        let set = |revision| Told::Set {
            key: key("a"),
            entry: Entry { value: "1".into(), revision: Revision::new(revision) },
        };
        for told in [set(3), Told::Current(mark(5)), set(9)] {
            mirror.apply(&told).await.expect("it is written");
        }
        drop(mirror);
        assert_eq!(open(folder.path()).known().mark, Some(mark(9)));
    });
}

#[test]
fn a_mirror_that_forgets_is_told_everything() {
    run(async {
        let (folder, carrier) = (keeping::folder(), Carrier::memory());
        let bucket = carrier.bucket().await;
        put(&bucket, "a", "1").await;
        let mut mirror = open(folder.path());
        catch_up(&mut mirror, &mut bucket.watch()).await;
        mirror.forget().await.expect("it is written");
        assert_eq!(held(&mirror), "");
        let mut watch = bucket.watch_from(mirror.known());
        assert_eq!(catch_up(&mut mirror, &mut watch).await, 1);
        assert_eq!(held(&mirror), "a=1");
    });
}

/// The server goes back to an earlier state of its disk, as after a power cut: last change and value are older than they were.
#[test]
fn a_server_that_goes_back_is_noticed_by_a_watch_that_goes_on() {
    run(async {
        let mut server = testkit::Nats::start();
        let bus = bus::Bus::connect(&server.url(), bus::ConnectOptions::default()).await.expect("it lets us in");
        let (folder, bucket) = (keeping::folder(), bucket(&bus, Keep::default()).await);
        put(&bucket, "a", "1").await;
        server.kill();
        copy(&server.folder().join("data"), &folder.path().join("copy"));
        server.restart();
        let mut mirror = open(&folder.path().join("mirror"));
        let mut watch = bucket.watch_from(mirror.known());
        crate::eventually("it is written", async || bucket.put(&key("a"), "2".into()).await.is_ok()).await;
        crate::eventually("it is written", async || bucket.put(&key("b"), "3".into()).await.is_ok()).await;
        while held(&mirror) != "a=2 b=3" {
            apply_next(&mut mirror, &mut watch).await;
        }
        server.kill();
        std::fs::remove_dir_all(server.folder().join("data")).expect("the folder is ours");
        copy(&folder.path().join("copy"), &server.folder().join("data"));
        server.restart();
        while *mirror.standing() == Standing::Following {
            apply_next(&mut mirror, &mut watch).await;
        }
        catch_up(&mut mirror, &mut watch).await;
        assert_eq!(held(&mirror), "a=2 b=3");
        let Standing::WentBack { known, found, doubted } = mirror.standing() else { panic!("it has gone back") };
        assert!(found.last < known.last && found.made == known.made, "{found:?} {known:?}");
        assert_eq!(doubted.len(), 2);
    });
}

fn copy(source: &Path, target: &Path) {
    let status = std::process::Command::new("cp").arg("-a").args([source, target]).status();
    assert!(status.is_ok_and(|status| status.success()), "cp copies folders");
}
