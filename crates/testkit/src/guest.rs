//! Finds the components and providers that `cargo xtask guests` built, and the programs that `tools/setup test` fetched.

use std::path::{Path, PathBuf};

use crate::skip::{Lack, skip};

/// The component of this name.
///
/// # Panics
///
/// Where it was not built.
pub fn guest(name: &str) -> PathBuf {
    built(name).unwrap_or_else(|| panic!("there is no component {name}: run `cargo xtask guests`"))
}

/// A provider of this name: the executable, and the archive that has it.
///
/// # Panics
///
/// Where it was not built.
pub fn provider(name: &str) -> (PathBuf, PathBuf) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("it lies in the repository");
    let files = [name.to_owned(), format!("{name}.par")].map(|file| root.join("target/guests").join(file));
    assert!(files.iter().all(|file| file.is_file()), "there is no provider {name}: run `cargo xtask guests {name}`");
    let [executable, archive] = files;
    (executable, archive)
}

/// A file or folder of a program that nobody here wrote, as in `yosys/yosys.wasm`.
///
/// # Panics
///
/// Where it was not fetched.
pub fn program(path: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("it lies in the repository");
    let found = root.join("target/tools/programs").join(path);
    assert!(found.exists(), "there is no program {path}: run `tools/setup test`");
    found
}

/// The component of this name, or a line that says that it is not there: those in C, JavaScript and Python need tools that not
/// every machine has.
pub fn find_guest(name: &str) -> Option<PathBuf> {
    let found = built(name);
    if found.is_none() {
        skip(Lack::Tool, &format!("{name} was not built (`tools/setup guests` installs what it needs)"));
    }
    found
}

fn built(name: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2)?;
    let path = root.join("target/guests").join(format!("{name}.wasm"));
    path.is_file().then_some(path)
}
