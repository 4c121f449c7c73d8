//! The store on disk among processes: what one has acknowledged is there after it was killed, and two never share a folder.
//!
//! The other process is this program again, started with the name of one of its tests and told what to do by a variable.

mod killed;
mod locked;

use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Where the other process finds its store. It is not set in the one that runs the tests.
const FOLDER: &str = "KEYVALUE_TEST_FOLDER";

/// Starts this program again, as the process that runs one test on that folder.
fn start(test: &str, folder: &Path) -> Child {
    Command::new(std::env::current_exe().expect("this program has a path"))
        .args(["--exact", test, "--nocapture"])
        .env(FOLDER, folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("this program starts again")
}

/// The folder, if this is the other process.
fn told_folder() -> Option<std::ffi::OsString> {
    std::env::var_os(FOLDER)
}
