//! What the capability says of itself, and that it is so.

use std::path::Path;

use capability::Capability;

use crate::KeyValue;
use crate::suite::{open_documented, scope};

#[test]
fn all_that_is_offered_links_on_both_kinds_of_engine() {
    let keyvalue = KeyValue::new(capability::Place { folder: std::path::PathBuf::new() });
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../wit");
    let linked =
        capability::conformance::links(&keyvalue, &[&wit.join("keyvalue-draft"), &wit.join("keyvalue-draft2")]);
    assert_eq!(linked, keyvalue.contracts().into_iter().collect());
}

/// It is built with these tests, and held to the suite as all others are.
#[test]
fn the_backend_that_the_documents_show_is_one() {
    let page = include_str!("../../../../docs/links.md");
    let (_, page) = page.split_once("## A new backend").expect("there is such a part");
    let (_, shown) = page.split_once("```rust\n").expect("it shows one");
    let (shown, _) = shown.split_once("```").expect("it ends");
    assert!(
        include_str!("../../../../docs/backend.rs").contains(shown),
        "what is shown is not what is built:\n{shown}"
    );

    let folder = tempfile::tempdir().expect("a folder for the test");
    let (path, scope) = (folder.path().join("pairs"), scope("shop", ""));
    let store = open_documented(&path);
    capability::conformance::run(async {
        for name in ["a", "b"] {
            store.put(&scope.key(name), name.into()).await.expect("it writes");
        }
        store.delete(&scope.key("a")).await.expect("it deletes");
    });
    // A change that somebody could not write to its end.
    let whole = std::fs::read(&path).expect("it is there");
    std::fs::write(&path, [&whole[..], &whole[..9]].concat()).expect("it is ours");
    let store = open_documented(&path);
    let values = ["a", "b"].map(|name| capability::conformance::run(store.get(&scope.key(name))).expect("it reads"));
    assert_eq!(values, [None, Some("b".into())]);
    assert_eq!(std::fs::read(&path).expect("it is there"), whole);
    std::fs::write(&path, &whole[..9]).expect("it is ours");
    assert_eq!(capability::conformance::run(open_documented(&path).get(&scope.key("a"))).expect("it reads"), None);
}
