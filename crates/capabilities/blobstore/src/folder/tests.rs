//! What a folder promises beside what any store does.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use capability::conformance::run;

use super::Folder;
use super::files::Files;
use crate::blobs::Blobs;
use crate::suite::{container, put, read};
use crate::{BlobsError, Span};

/// All files below, wherever they are.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("it is a folder") {
        let path = entry.expect("it is read").path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

#[test]
fn an_object_is_a_file_of_its_bytes_and_nothing_is_left_beside_it() {
    let folder = tempfile::tempdir().expect("a folder");
    run(async {
        let blobs = Folder::open(&folder.path().join("deep/er")).await.expect("it is made");
        let files_of = container("shop", "files");
        blobs.create(&files_of).await.expect("it is created");
        put(&blobs, &files_of.object("../a.txt"), b"x").await;
        let mut upload = blobs.write(&files_of.object("b")).await.expect("it begins");
        upload.write(Bytes::from_static(b"half")).await.expect("it is taken");
        drop(upload);
    });
    let path = folder.path().join("deep/er/shop/files/.2e.2e.2fa.2etxt");
    assert_eq!(files(folder.path()), std::slice::from_ref(&path));
    assert_eq!(std::fs::read(path).expect("it is read"), b"x");
}

#[test]
fn what_a_killed_process_left_is_swept_and_what_is_being_written_stays() {
    let folder = tempfile::tempdir().expect("a folder");
    run(async {
        let blobs = Folder::open(folder.path()).await.expect("it opens");
        let files_of = container("shop", "files");
        blobs.create(&files_of).await.expect("it is created");
        let mut upload = blobs.write(&files_of.object("a")).await.expect("it begins");
        upload.write(Bytes::from_static(b"one")).await.expect("it is taken");
        std::fs::write(folder.path().join("!uploads/.tmpdead"), "half").expect("it is left");
        std::fs::create_dir(folder.path().join("!uploads/.tmpgrave")).expect("it is left");
        std::fs::write(folder.path().join("!uploads/.tmpgrave/x"), "old").expect("it is left");

        let again = Folder::open(folder.path()).await.expect("it opens again");
        assert_eq!(files(&folder.path().join("!uploads")).len(), 1);
        upload.write(Bytes::from_static(b"two")).await.expect("it is taken");
        upload.finish().await.expect("it is there");
        let read = read(&again, &files_of.object("a"), Span::ALL).await;
        assert_eq!(read.as_deref(), Some(b"onetwo".as_slice()));
    });
    assert_eq!(files(&folder.path().join("!uploads")), Vec::<PathBuf>::new());
}

#[test]
fn a_container_that_is_removed_meanwhile_takes_nothing_more() {
    let folder = tempfile::tempdir().expect("a folder");
    run(async {
        let blobs = Folder::open(folder.path()).await.expect("it opens");
        let files_of = container("shop", "files");
        blobs.create(&files_of).await.expect("it is created");
        let upload = blobs.write(&files_of.object("a")).await.expect("it begins");
        blobs.remove(&files_of).await.expect("it is removed");
        let outcome = upload.finish().await;
        assert!(matches!(outcome, Err(BlobsError::NoContainer(_))), "{outcome:?}");
    });
    assert_eq!(files(folder.path()), Vec::<PathBuf>::new());
}

#[test]
fn a_long_name_that_is_cut_off_is_damage_and_what_others_put_there_is_no_object() {
    let folder = tempfile::tempdir().expect("a folder");
    run(async {
        let blobs = Folder::open(folder.path()).await.expect("it opens");
        let files_of = container("shop", "files");
        blobs.create(&files_of).await.expect("it is created");
        let long = files_of.object(&"n".repeat(1_000));
        put(&blobs, &long, b"x").await;
        let [component, name] = files_of.pieces();
        let path = folder.path().join(component).join(name);
        std::fs::write(path.join("README.txt"), "not ours").expect("it is put there");
        let page = crate::Page { after: None, count_max: 10 };
        assert_eq!(blobs.list(&files_of, page).await.expect("it is listed"), [long.name()]);

        std::fs::write(path.join(long.piece()), "\u{3}").expect("it is cut off");
        let outcome = blobs.facts(&long).await;
        assert!(matches!(outcome, Err(BlobsError::Damaged { .. })), "{outcome:?}");
    });
}

/// A link to a folder may be put while another one is used: whoever opens it sweeps away what nobody writes any more.
#[test]
fn what_is_begun_while_another_sweeps_stays() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let files = Files::open(folder.path().to_owned()).expect("it opens");
    let place = container("shop", "files");
    files.create(&place).expect("it is created");
    let is_over = AtomicBool::new(false);
    std::thread::scope(|threads| {
        threads.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                Files::open(folder.path().to_owned()).expect("it opens");
            }
        });
        for number in 0..2_000 {
            let object = place.object(&number.to_string());
            let written = files.begin(&object).and_then(|temporary| files.publish(temporary, &object));
            is_over.store(written.is_err(), Ordering::Relaxed);
            written.unwrap_or_else(|error| panic!("{number}: {error}"));
        }
        is_over.store(true, Ordering::Relaxed);
    });
}
