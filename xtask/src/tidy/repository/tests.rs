//! What is read from git and from cargo.

use std::process::Command;

use serde_json::json;

use super::{Crate, Purpose, Repository, Tree, crates_in};

#[test]
fn a_tree_is_what_git_tracks_or_would_add() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let write = |file: &str, bytes: &[u8]| std::fs::write(folder.path().join(file), bytes).expect("a file");
    let made = Command::new("git").args(["init", "--quiet"]).current_dir(folder.path()).status();
    assert!(made.expect("git starts").success());
    write(".gitignore", b"ignored\n");
    write("new.rs", b"//! New.\n");
    write("ignored", b"text\n");
    write("picture.png", &[0xff, 0xd8, 0xff]);
    let tree = Tree::read(folder.path()).expect("a tree");
    assert_eq!(tree.files().map(|(file, _)| file).collect::<Vec<_>>(), [".gitignore", "new.rs"]);
    assert_eq!(tree.text("new.rs"), Some("//! New.\n"));
}

#[test]
fn crates_come_with_folder_and_uses() {
    let metadata = json!({
        "workspace_root": "/somewhere",
        "packages": [{
            "name": "rt",
            "manifest_path": "/somewhere/crates/rt/Cargo.toml",
            "dependencies": [{ "name": "stdx", "kind": null }, { "name": "testkit", "kind": "dev" }],
        }],
    });
    let wanted = Crate::plain("rt", "crates/rt").using(Purpose::Program, &["stdx"]).using(Purpose::Tests, &["testkit"]);
    assert_eq!(crates_in(&metadata).expect("metadata as cargo writes it"), [wanted]);
}

#[test]
fn sources_are_those_of_the_workspaces_crates() {
    let files = [("crates/rt/src/lib.rs", ""), ("crates/rt/src/note.txt", ""), ("guests/hello/src/lib.rs", "")];
    let repository = Repository { tree: Tree::of(&files), crates: vec![Crate::plain("rt", "crates/rt")] };
    assert_eq!(repository.sources("src").map(|(_, file, _)| file).collect::<Vec<_>>(), ["crates/rt/src/lib.rs"]);
}
