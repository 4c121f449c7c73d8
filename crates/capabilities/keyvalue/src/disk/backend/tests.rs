//! A folder is open once in a process, however many links lead to it, and whoever comes while it closes waits.

use std::collections::BTreeMap;
use std::path::Path;

use capability::conformance::run;
use capability::settings::check;
use stdx::{Code, Explain};

use super::*;
use crate::disk::Disk;
use crate::suite::scope;

async fn open(path: &Path) -> Result<Arc<dyn Store>, OpenError> {
    let told = BTreeMap::from([("path".to_owned(), path.to_str().expect("a path in words").to_owned())]);
    let settings = check("disk", DiskBackend.settings(), &told).expect("a path is a path");
    DiskBackend.open(&settings, &Place { folder: path.join("not here") }).await
}

#[test]
fn one_folder_is_one_store_by_whatever_path() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let (real, link) = (folder.path().join("real"), folder.path().join("link"));
    std::fs::create_dir(&real).expect("the folder is ours");
    std::os::unix::fs::symlink(&real, &link).expect("the folder is ours");
    run(async {
        let first = open(&real).await.expect("an empty folder opens");
        let second = open(&link).await.expect("it is open already");
        assert!(Arc::ptr_eq(&first, &second));
        let key = scope("shop", "").key("a");
        first.put(&key, "1".into()).await.expect("it writes");
        drop(first);
        assert_eq!(second.get(&key).await.expect("it reads"), Some("1".into()));
    });
}

#[test]
fn what_is_not_told_is_the_host_s_own_folder() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let settings = check("disk", DiskBackend.settings(), &BTreeMap::new()).expect("nothing is required");
    let place = Place { folder: folder.path().join("keyvalue") };
    let store = run(DiskBackend.open(&settings, &place)).expect("an empty folder opens");
    assert_eq!(store.describe(), format!("disk {}", place.folder.canonicalize().expect("it is there").display()));
    assert!(place.folder.join("pairs.redb").is_file());
}

/// Many threads open and let go of one folder, so that one opens while another closes.
#[test]
fn who_opens_a_folder_that_closes_waits_for_it() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let key = scope("shop", "").key("count");
    let (threads, rounds) = (4, 12);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                for _ in 0..rounds {
                    let store = run(open(folder.path())).expect("it opens, at once or in a moment");
                    run(store.increment(&key, crate::Addend::unsigned(1))).expect("it adds");
                }
            });
        }
    });
    let store = run(open(folder.path())).expect("it opens");
    let count = run(store.get(&key)).expect("it reads");
    assert_eq!(count, Some((threads * rounds).to_string().into()));
}

#[test]
fn an_opening_that_nobody_waits_for_any_more_is_in_nobody_s_way() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    run(async {
        let polled_once = tokio::time::timeout(std::time::Duration::ZERO, open(folder.path())).await;
        drop(polled_once);
        open(folder.path()).await.expect("it opens, at once or in a moment");
    });
}

#[test]
fn a_folder_that_somebody_else_has_is_refused_with_its_page() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let held = Disk::open(folder.path()).expect("an empty folder opens");
    let error = run(open(folder.path())).map(|_| ()).expect_err("it is held");
    assert_eq!(error.code(), Code::E0402);
    drop(held);
    run(open(folder.path())).expect("a failure keeps nothing");
}
