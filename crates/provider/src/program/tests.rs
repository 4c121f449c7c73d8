//! Files that are programs, and files that are not.

use std::os::unix::fs::OpenOptionsExt;

use super::*;

fn written(mode: u32) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("file");
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(mode).open(&path).expect("a file");
    io::Write::write_all(&mut file, b"#!/bin/sh\n").expect("it is written");
    (folder, path)
}

#[test]
fn what_may_be_executed_is_executed_as_it_is() {
    let (folder, path) = written(0o700);
    let program = Program::open(&path, (folder.path(), "a"), SystemTime::UNIX_EPOCH).expect("a program");
    assert_eq!((program.path(), program.claims()), (path.as_path(), None));
}

#[test]
fn a_file_or_folder_that_nobody_may_execute_is_no_program() {
    let (folder, path) = written(0o600);
    for path in [path.as_path(), folder.path()] {
        let error = Program::open(path, (folder.path(), "a"), SystemTime::UNIX_EPOCH).expect_err("it is none");
        assert!(matches!(error, ProgramError::NotExecutable(_)), "{error}");
    }
    let error = Program::open(&folder.path().join("none"), (folder.path(), "a"), SystemTime::UNIX_EPOCH);
    assert!(matches!(error, Err(ProgramError::Unreadable { .. })));
}
