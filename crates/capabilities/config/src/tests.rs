//! What the capability says of itself, and that it is so.

use std::path::Path;

use super::*;

#[test]
fn all_that_is_offered_links_on_both_kinds_of_engine() {
    let config = Config::new(Settings::default());
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../wit");
    let folders = ["config-runtime", "config-store", "config-store-2024-09-27"].map(|name| wit.join(name));
    let linked = capability::conformance::links(&config, &folders.each_ref().map(|folder| folder.as_path()));
    assert_eq!(linked, config.contracts().into_iter().collect());
}

#[test]
fn a_file_is_read_and_a_missing_one_is_said() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let path = folder.path().join("app.toml");
    std::fs::write(&path, "a = 1").expect("the folder takes a file");
    assert_eq!(read(&path).expect("it is a file of settings").value("a"), Some("1"));
    assert!(matches!(read(&folder.path().join("none")), Err(ConfigError::Unreadable { .. })));
    std::fs::write(&path, "a = 1\n".repeat(1 << 20)).expect("the folder takes a file");
    assert!(matches!(read(&path), Err(ConfigError::TooLarge { .. })));
}
