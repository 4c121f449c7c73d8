//! Clocks that are wrong.

use std::path::Path;

use crate::skip::{Lack, skip};

/// What makes programs believe in another time of the day.
const LIBRARY: &str = "faketime/libfaketime.so.1";

/// The environment of a process whose clock is off by so many seconds, or a line that says that this cannot be had. What it
/// measures with is not changed: hours pass as elsewhere.
pub fn clock_off_by(seconds: i64) -> Option<[(&'static str, String); 3]> {
    let folders = [format!("/usr/lib/{}-linux-gnu", std::env::consts::ARCH), "/usr/lib".to_owned()];
    let found = folders.iter().map(|folder| Path::new(folder).join(LIBRARY)).find(|path| path.is_file());
    let Some(library) = found else {
        skip(Lack::Tool, "there is no libfaketime (`tools/setup test` installs it)");
        return None;
    };
    Some([
        ("LD_PRELOAD", library.display().to_string()),
        ("FAKETIME", format!("{seconds:+}")),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
    ])
}
