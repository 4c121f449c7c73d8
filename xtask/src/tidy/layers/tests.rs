//! Arrows that may and may not be drawn.

use super::super::repository::{Crate, Purpose, Repository, Tree};
use super::check;

/// The problems of `owner` in a workspace that has some crates beside it.
fn problems(owner: Crate) -> Vec<String> {
    let beside =
        ["stdx", "model", "rt", "engine", "testkit", "bench"].map(|name| Crate::plain(name, &format!("crates/{name}")));
    let manifest = (owner.manifest(), "[dependencies]\nengine.workspace = true\ntokio = { version = \"1\" }\n");
    let tree = Tree::of(&[(&manifest.0, manifest.1)]);
    let crates = [owner].into_iter().chain(beside).collect();
    check(&Repository { tree, crates }).into_iter().map(|found| format!("{}: {}", found.line, found.text)).collect()
}

fn only(problems: &[String], part: &str) {
    assert!(problems.len() == 1 && problems[0].contains(part), "{problems:?}");
}

#[test]
fn an_arrow_down_is_fine() {
    let owner = Crate::plain("engine", "crates/engine");
    assert_eq!(problems(owner.using(Purpose::Program, &["stdx", "model", "rt", "tokio"])), Vec::<String>::new());
}

#[test]
fn an_arrow_up_is_found_on_its_line() {
    let owner = Crate::plain("route", "crates/route").using(Purpose::Program, &["engine"]);
    only(&problems(owner), "2: `route` uses `engine`, but L3");
}

#[test]
fn an_arrow_sideways_is_found_in_tests_too() {
    let owner = Crate::plain("artifact", "crates/artifact").using(Purpose::Tests, &["engine"]);
    only(&problems(owner), "`artifact` uses `engine`, but L5");
}

#[test]
fn two_capabilities_do_not_know_each_other() {
    let sql = Crate::plain("sql", "crates/capabilities/sql").using(Purpose::Program, &["blobstore"]);
    let crates = vec![sql, Crate::plain("blobstore", "crates/capabilities/blobstore")];
    assert_eq!(check(&Repository { tree: Tree::default(), crates }).len(), 1);
}

#[test]
fn testkit_is_for_tests() {
    let owner = || Crate::plain("rt", "crates/rt");
    assert_eq!(problems(owner().using(Purpose::Tests, &["testkit"])), Vec::<String>::new());
    only(&problems(owner().using(Purpose::Program, &["testkit"])), "only tests may use `testkit`");
    only(&problems(owner().using(Purpose::Tests, &["bench"])), "outside the layers");
}

#[test]
fn a_pure_crate_has_no_runtime() {
    let owner = || Crate::plain("view", "crates/view");
    only(&problems(owner().using(Purpose::Program, &["tokio"])), "3: `view` uses `tokio`, but L0 to L3 are pure");
    assert_eq!(problems(owner().using(Purpose::Tests, &["tokio"])), Vec::<String>::new());
}

#[test]
fn an_error_without_a_type_stays_in_the_binary() {
    let used = ["anyhow"];
    only(&problems(Crate::plain("host", "crates/host").using(Purpose::Program, &used)), "an error has a type");
    assert_eq!(problems(Crate::plain("wattle", "crates/wattle").using(Purpose::Program, &used)), Vec::<String>::new());
}

#[test]
fn a_crate_that_nobody_placed_is_found() {
    only(&problems(Crate::plain("shelf", "crates/shelf")), "`shelf` stands in no layer");
}
