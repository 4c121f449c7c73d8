//! What any store has to promise.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures::TryStreamExt;

use super::{Fresh, container, read};
use crate::{BlobsError, Span};

pub(super) async fn a_container_is_there_from_its_creation_to_its_removal(fresh: Fresh) {
    let files = container("shop", "files");
    let created_at = async || fresh.blobs.created_at(&files).await.expect("the store answers");
    assert_eq!(created_at().await, None);
    fresh.blobs.remove(&files).await.expect("there is nothing to remove");

    fresh.blobs.create(&files).await.expect("it is created");
    let created = created_at().await.expect("it is there");
    let age = SystemTime::now().duration_since(created).unwrap_or_default();
    assert!(age < Duration::from_secs(60), "{age:?}");

    fresh.put(&files.object("a"), "x").await;
    fresh.blobs.create(&files).await.expect("it is there already");
    assert_eq!(fresh.bytes(&files.object("a")).await.as_deref(), Some(b"x".as_slice()));

    fresh.blobs.remove(&files).await.expect("it is removed");
    assert_eq!(created_at().await, None);
    assert_eq!(fresh.bytes(&files.object("a")).await, None);
    fresh.blobs.create(&files).await.expect("it is created again");
    assert!(fresh.page(&files, None, 10).await.is_empty(), "a new container is empty");
}

pub(super) async fn an_object_is_read_as_it_was_written(fresh: Fresh) {
    let files = fresh.container("shop", "files").await;
    let object = files.object("a.bin");
    for size in [0_usize, 1, 1_000, 300_000] {
        let bytes = Bytes::from((0..size).map(|at| u8::try_from(at % 251).expect("it is small")).collect::<Vec<_>>());
        let mut upload = fresh.blobs.write(&object).await.expect("it begins");
        for piece in bytes.chunks(70_000) {
            upload.write(Bytes::copy_from_slice(piece)).await.expect("it is taken");
        }
        upload.finish().await.expect("it is there");
        assert_eq!(fresh.bytes(&object).await, Some(bytes));
        let facts = fresh.blobs.facts(&object).await.expect("the store answers").expect("it is there");
        assert_eq!(facts.size, size as u64);
        let age = SystemTime::now().duration_since(facts.created).unwrap_or_default();
        assert!(age < Duration::from_secs(60), "{age:?}");
    }
}

pub(super) async fn a_span_has_both_its_ends(fresh: Fresh) {
    let files = fresh.container("shop", "files").await;
    let (object, empty) = (files.object("digits"), files.object("empty"));
    fresh.put(&object, "0123456789").await;
    fresh.put(&empty, "").await;
    let spans = [
        (0, 0, "0"),
        (0, 9, "0123456789"),
        (3, 5, "345"),
        (9, 9, "9"),
        (8, 100, "89"),
        (5, u64::MAX, "56789"),
        (0, u64::MAX - 1, "0123456789"),
        (10, 10, ""),
        (10, u64::MAX, ""),
        (1_000, 2_000, ""),
        (u64::MAX, u64::MAX, ""),
    ];
    for (first, last, wanted) in spans {
        let bytes = read(&*fresh.blobs, &object, Span { first, last }).await;
        assert_eq!(bytes.as_deref(), Some(wanted.as_bytes()), "{first} to {last}");
        let bytes = read(&*fresh.blobs, &empty, Span { first, last }).await;
        assert_eq!(bytes.as_deref(), Some(b"".as_slice()), "{first} to {last} of nothing");
    }
}

pub(super) async fn an_absent_object_is_none(fresh: Fresh) {
    let files = fresh.container("shop", "files").await;
    let absent = [files.object("a"), container("shop", "none").object("a")];
    for object in absent {
        for span in [Span::ALL, Span { first: 5, last: 7 }] {
            assert_eq!(read(&*fresh.blobs, &object, span).await, None);
        }
        assert_eq!(fresh.blobs.facts(&object).await.expect("the store answers"), None);
    }
    assert!(fresh.page(&container("shop", "none"), None, 10).await.is_empty());
}

pub(super) async fn without_a_container_nothing_is_written(fresh: Fresh) {
    let files = fresh.container("shop", "files").await;
    fresh.put(&files.object("a"), "x").await;
    let nowhere = container("shop", "none").object("a");
    let outcome = fresh.blobs.write(&nowhere).await.map(drop);
    assert!(matches!(&outcome, Err(BlobsError::NoContainer(name)) if name == "none"), "{outcome:?}");
    let outcome = fresh.blobs.copy(&files.object("a"), &nowhere).await;
    assert!(matches!(&outcome, Err(BlobsError::NoContainer(name)) if name == "none"), "{outcome:?}");
    assert_eq!(fresh.bytes(&nowhere).await, None);
}

pub(super) async fn the_last_write_counts(fresh: Fresh) {
    let files = fresh.container("shop", "files").await;
    let object = files.object("a");
    for bytes in ["one", "a longer one", ""] {
        fresh.put(&object, bytes).await;
        assert_eq!(fresh.bytes(&object).await.as_deref(), Some(bytes.as_bytes()));
    }
}

pub(super) async fn deleting_twice_is_deleting_once(fresh: Fresh) {
    let files = fresh.container("shop", "files").await;
    let objects: Vec<_> = (0..5).map(|index| files.object(&format!("{index}"))).collect();
    for object in &objects {
        fresh.put(object, "x").await;
    }
    for _ in 0..2 {
        fresh.blobs.delete(&objects[..4]).await.expect("they are deleted");
        assert_eq!(fresh.page(&files, None, 10).await, ["4"]);
    }
    fresh.blobs.delete(&objects).await.expect("most of them are gone already");
    assert!(fresh.page(&files, None, 10).await.is_empty());
    fresh.blobs.delete(&[]).await.expect("there is nothing to delete");
    fresh.blobs.delete(&[container("shop", "none").object("a")]).await.expect("there is nothing to delete");
}

pub(super) async fn clearing_leaves_an_empty_container(fresh: Fresh) {
    let files = fresh.container("shop", "files").await;
    let others = fresh.container("shop", "files2").await;
    for name in ["a", "b", "c/d"] {
        fresh.put(&files.object(name), "x").await;
        fresh.put(&others.object(name), "x").await;
    }
    fresh.blobs.clear(&files).await.expect("it is cleared");
    assert!(fresh.page(&files, None, 10).await.is_empty());
    assert!(fresh.blobs.created_at(&files).await.expect("the store answers").is_some());
    fresh.blobs.clear(&container("shop", "none")).await.expect("there is nothing to clear");
    fresh.blobs.remove(&files).await.expect("it is removed");
    assert_eq!(fresh.page(&others, None, 10).await, ["a", "b", "c/d"]);
}

fn odd_names() -> Vec<String> {
    let hostile = [
        "",
        ".",
        "..",
        "../../etc/passwd",
        "/",
        "//",
        "/etc/passwd",
        "a/b",
        "a/",
        "a\\b",
        "%2e%2e",
        "%",
        "!",
        "!uploads",
        ".tmp",
        "a b",
        "a+b",
        "a?b#c&d=e",
        "CON",
        "aux.txt",
        "Case",
        "case",
        "CASE",
        "é",
        "e\u{301}",
        "中文",
        "🌿",
        "\u{10ffff}",
        "\n",
        "\t",
        "\0",
        "a\0b",
        "~",
        "-",
        "--help",
        "$(x)",
        "*",
        "\"'<>|",
        "\u{202e}abc",
        "\u{feff}",
    ];
    hostile.iter().map(|name| (*name).to_owned()).collect()
}

/// Names that make pieces of any length, up to a kilobyte.
fn long_names() -> Vec<String> {
    let mut names = Vec::new();
    names.extend([1_024, 255, 241, 240].map(|length| "n".repeat(length)));
    names.extend(["x", "y"].map(|end| format!("{}{end}", "Ü".repeat(511))));
    names.extend(["/..".repeat(341), "\0".repeat(1_024), "🌿".repeat(256)]);
    names
}

pub(super) async fn odd_names_are_names_like_any_other(fresh: Fresh) {
    all_are_names(&fresh, odd_names()).await;
}

pub(crate) async fn long_names_are_names_like_any_other(fresh: Fresh) {
    all_are_names(&fresh, long_names()).await;
}

async fn all_are_names(fresh: &Fresh, names: Vec<String>) {
    let files = fresh.container("shop", "files").await;
    for name in &names {
        fresh.put(&files.object(name), name).await;
    }
    for name in &names {
        assert_eq!(fresh.bytes(&files.object(name)).await.as_deref(), Some(name.as_bytes()), "{name:?}");
        let facts = fresh.blobs.facts(&files.object(name)).await.expect("the store answers").expect("it is there");
        assert_eq!(facts.size, name.len() as u64);
        let first = read(&*fresh.blobs, &files.object(name), Span { first: 0, last: 1 }).await.expect("it is there");
        assert_eq!(first, name.as_bytes()[..name.len().min(2)], "{name:?}");
    }
    let (mut listed, mut wanted) = (fresh.page(&files, None, 1_000).await, names.clone());
    listed.sort();
    wanted.sort();
    assert_eq!(listed, wanted);
    for name in &names {
        fresh.blobs.delete(&[files.object(name)]).await.expect("it is deleted");
    }
    assert!(fresh.page(&files, None, 1_000).await.is_empty());

    for name in &names {
        let container = fresh.container("shop", name).await;
        fresh.put(&container.object("a"), name).await;
    }
    for name in &names {
        let container = container("shop", name);
        assert_eq!(fresh.bytes(&container.object("a")).await.as_deref(), Some(name.as_bytes()), "{name:?}");
        assert_eq!(fresh.page(&container, None, 10).await, ["a"]);
    }
}

pub(super) async fn names_that_begin_alike_are_apart(fresh: Fresh) {
    let files = fresh.container("shop", "files").await;
    let names = ["a", "a/b", "a/b/c", "ab", "a.b"];
    for name in names {
        fresh.put(&files.object(name), name).await;
    }
    fresh.blobs.delete(&[files.object("a")]).await.expect("it is deleted");
    assert_eq!(fresh.page(&files, None, 10).await, ["a.b", "a/b", "a/b/c", "ab"]);
    assert_eq!(fresh.bytes(&files.object("a/b")).await.as_deref(), Some(b"a/b".as_slice()));
}

pub(super) async fn no_component_sees_another(fresh: Fresh) {
    let ours = fresh.container("shop", "files").await;
    fresh.put(&ours.object("a"), "x").await;
    for component in ["Shop", "shop2", "sho", "SHOP", "shop."] {
        let theirs = fresh.container(component, "files").await;
        assert_eq!(fresh.bytes(&theirs.object("a")).await, None, "{component}");
        assert!(fresh.page(&theirs, None, 10).await.is_empty(), "{component}");
        fresh.blobs.remove(&theirs).await.expect("it is removed");
    }
    assert_eq!(fresh.bytes(&ours.object("a")).await.as_deref(), Some(b"x".as_slice()));
}

pub(super) async fn pages_give_each_name_once_and_in_order(fresh: Fresh) {
    let files = fresh.container("shop", "files").await;
    let mut names: Vec<String> = (0..25).map(|index| format!("{index:03}")).collect();
    names.extend(["A", "a", "B", "b", "_", "-", ".", "Z/1", "z/1", "é", "~"].map(str::to_owned));
    for name in names.iter().rev() {
        fresh.put(&files.object(name), "x").await;
    }
    names.sort();
    for count_max in [1, 7, 36, 100] {
        let mut seen: Vec<String> = Vec::new();
        loop {
            let page = fresh.page(&files, seen.last().map(String::as_str), count_max).await;
            assert!(page.len() <= count_max);
            if page.is_empty() {
                break;
            }
            seen.extend(page);
        }
        assert_eq!(seen, names, "{count_max} at a time");
    }
    fresh.blobs.delete(&[files.object("004")]).await.expect("it is deleted");
    assert_eq!(fresh.page(&files, Some("004"), 1).await, ["005"], "a page begins after what is gone");
}

pub(super) async fn a_copy_is_an_object_of_its_own(fresh: Fresh) {
    let (files, backup) = (fresh.container("shop", "files").await, fresh.container("shop", "backup").await);
    let (source, target) = (files.object("a"), backup.object("b"));
    fresh.put(&source, "one").await;
    fresh.put(&target, "something longer").await;
    fresh.blobs.copy(&source, &target).await.expect("it is copied");
    fresh.put(&source, "two").await;
    assert_eq!(fresh.bytes(&target).await.as_deref(), Some(b"one".as_slice()));
    fresh.blobs.copy(&source, &source).await.expect("it is the same afterwards");
    assert_eq!(fresh.bytes(&source).await.as_deref(), Some(b"two".as_slice()));

    let outcome = fresh.blobs.copy(&files.object("none"), &target).await;
    assert!(matches!(&outcome, Err(BlobsError::NoObject(name)) if name == "none"), "{outcome:?}");
    assert_eq!(fresh.bytes(&target).await.as_deref(), Some(b"one".as_slice()));
}

pub(crate) async fn a_copy_has_a_name_of_its_own_length(fresh: Fresh) {
    let files = fresh.container("shop", "files").await;
    let (short, long, longer) =
        (files.object("a"), files.object(&"Long".repeat(200)), files.object(&"Long".repeat(201)));
    fresh.put(&short, "x").await;
    for (source, target) in [(&short, &long), (&long, &longer), (&longer, &short)] {
        fresh.blobs.copy(source, target).await.expect("it is copied");
        assert_eq!(fresh.bytes(target).await.as_deref(), Some(b"x".as_slice()));
    }
    let mut names = fresh.page(&files, None, 10).await;
    names.sort();
    assert_eq!(names, [long.name(), longer.name(), "a"]);
}

pub(super) async fn what_is_dropped_leaves_nothing(fresh: Fresh) {
    let files = fresh.container("shop", "files").await;
    let (new, old) = (files.object("new"), files.object("old"));
    fresh.put(&old, "old").await;
    for size in [0, 10, 9 << 20] {
        for object in [&new, &old] {
            let mut upload = fresh.blobs.write(object).await.expect("it begins");
            upload.write(vec![1; size].into()).await.expect("it is taken");
            drop(upload);
        }
    }
    assert_eq!(fresh.page(&files, None, 10).await, ["old"]);
    assert_eq!(fresh.bytes(&old).await.as_deref(), Some(b"old".as_slice()));
}

pub(super) async fn a_large_object_passes_through(fresh: Fresh) {
    let files = fresh.container("shop", "files").await;
    let object = files.object("large");
    let (count, piece) = (64_u64, 1_usize << 20);
    let of = |index: u64| Bytes::from(vec![u8::try_from(index).expect("it is small"); piece]);
    let mut upload = fresh.blobs.write(&object).await.expect("it begins");
    for index in 0..count {
        upload.write(of(index)).await.expect("it is taken");
    }
    upload.finish().await.expect("it is there");

    let blob = fresh.blobs.read(&object, Span::ALL).await.expect("the store answers").expect("it is there");
    assert_eq!(blob.size, count * piece as u64);
    let check = async |at: usize, bytes: Bytes| {
        assert!(bytes.len() <= 1 << 20, "a piece of {} bytes", bytes.len());
        for (offset, byte) in bytes.iter().enumerate() {
            assert_eq!(usize::from(*byte), (at + offset) / piece, "at {}", at + offset);
        }
        Ok(at + bytes.len())
    };
    let end = blob.pieces.try_fold(0, check).await.expect("it is read");
    assert_eq!(end as u64, blob.size);

    let across = Span { first: (8 << 20) - 2, last: (8 << 20) + 1 };
    assert_eq!(read(&*fresh.blobs, &object, across).await.as_deref(), Some([7, 7, 8, 8].as_slice()));
}

pub(super) async fn a_reader_sees_one_object_and_no_mixture(fresh: Fresh) {
    let files = fresh.container("shop", "files").await;
    let object = files.object("a");
    let size = 3 << 20;
    fresh.put(&object, vec![b'o'; size]).await;
    let mut blob = fresh.blobs.read(&object, Span::ALL).await.expect("the store answers").expect("it is there");
    let first = blob.pieces.try_next().await.expect("it is read").expect("it has bytes");
    fresh.put(&object, vec![b'n'; size]).await;
    let rest: Result<Vec<Bytes>, _> = blob.pieces.try_collect().await;
    // A store that no longer has the old one may fail, and must not go on with the new one.
    if let Ok(rest) = rest {
        let all = [vec![first], rest].concat().concat();
        assert_eq!(all.len(), size);
        assert!(all.iter().all(|byte| *byte == b'o'));
    }
    assert_eq!(fresh.bytes(&object).await.map(|bytes| bytes.iter().all(|byte| *byte == b'n')), Some(true));
}
