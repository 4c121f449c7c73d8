//! A host stays the same, and no two are the same at once.

use std::os::unix::fs::PermissionsExt;

use super::*;

#[test]
fn a_host_is_the_same_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path().join("host");
    let first = Identity::open(&folder).expect("a key").id();
    assert_eq!((first.len(), &first[..1]), (56, "N"));
    assert_eq!(Identity::open(&folder).expect("a key").id(), first);
    let mode = |path: &Path| std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!((mode(&folder), mode(&folder.join("0.seed"))), (0o700, 0o600));
    assert!(!folder.join("0.draft").exists());
}

#[test]
fn two_hosts_in_one_folder_have_two_keys() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = Identity::open(folder.path()).expect("a key");
    let second = Identity::open(folder.path()).expect("a key");
    assert_ne!(first.id(), second.id());
    let id = first.id();
    drop(first);
    assert_eq!(Identity::open(folder.path()).expect("a key").id(), id, "the first is free again");
}

#[test]
fn what_is_left_of_a_killed_host_is_no_hindrance() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("0.draft"), "SN").expect("it is written");
    let id = Identity::open(folder.path()).expect("a key").id();
    assert_eq!(Identity::open(folder.path()).expect("a key").id(), id);
}

#[test]
fn a_seed_that_cannot_be_read_is_not_replaced() {
    let folder = tempfile::tempdir().expect("a folder");
    for content in [&b"SN"[..], b"", b"\xff\xfe"] {
        std::fs::write(folder.path().join("0.seed"), content).expect("it is written");
        let error = Identity::open(folder.path()).expect_err("it is no seed");
        assert!(matches!(error, IdentityError::NotASeed(_)), "{error}");
        assert_eq!(std::fs::read(folder.path().join("0.seed")).expect("it is there"), content);
    }
}
