//! Two processes never have the same store open.

use std::io::{BufRead, BufReader, Read, Write};

use keyvalue::disk::{Disk, OpenError};
use stdx::{Code, Explain};

/// The other process: opens the store and holds it until its input ends.
#[test]
fn a_process_holds_a_store() {
    let Some(folder) = super::told_folder() else { return };
    let _store = Disk::open(folder).expect("the folder is free");
    std::io::stdout().write_all(b"open\n").expect("the parent listens");
    std::io::stdin().read_to_end(&mut Vec::new()).expect("the parent is there");
}

#[test]
fn a_store_that_another_process_has_open_is_refused() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let mut child = super::start("locked::a_process_holds_a_store", folder.path());
    let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    assert!(lines.any(|line| line.is_ok_and(|line| line.ends_with("open"))));
    let error = Disk::open(folder.path()).expect_err("another process has it");
    assert!(matches!(error, OpenError::InUse { .. }));
    assert_eq!(error.code(), Code::E0402);
    child.kill().expect("it runs");
    child.wait().expect("it was started here");
    Disk::open(folder.path()).expect("a killed process holds nothing");
}
