//! Says which tests were skipped, where somebody sees it.
//!
//! What a test prints is not shown when it passes, and one that is skipped passes. So it is written down as well: `make test` shows at
//! its end what was, and `.ci/run` fails of it where that need not be.

use std::fs::File;
use std::io::Write;
use std::path::Path;

/// What a test lacks that is skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lack {
    /// A program, a library or a component that `tools/setup test` installs, or has built, where it can.
    Tool,
    /// Something that the system does not let this user do.
    Permission,
}

/// Says that the test that asks is skipped, and why: in its output, and in `target/skipped-tests`.
pub fn skip(lack: Lack, why: &str) {
    println!("skipped: {why}");
    let lack = match lack {
        Lack::Tool => "tool",
        Lack::Permission => "permission",
    };
    let why = why.replace(['\n', '\t'], " ");
    // In one piece: other tests write at the same time.
    let line = format!("{lack}\t{}\t{why}\n", test());
    if let Err(error) = note(&line) {
        eprintln!("that it is skipped could not be written down: {error}");
    }
}

fn note(line: &str) -> std::io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("it lies in the workspace");
    let folder = root.join("target");
    std::fs::create_dir_all(&folder)?;
    let mut file = File::options().create(true).append(true).open(folder.join("skipped-tests"))?;
    file.write_all(line.as_bytes())
}

/// The test that runs: its thread is called after it or, where it is the only one, it is named to the process.
fn test() -> String {
    let thread = std::thread::current().name().filter(|name| *name != "main").map(ToOwned::to_owned);
    let named = || std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    thread.or_else(named).unwrap_or_else(|| "a test".into())
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_test_knows_what_it_is_called() {
        assert!(super::test().ends_with("a_test_knows_what_it_is_called"), "{}", super::test());
    }
}
