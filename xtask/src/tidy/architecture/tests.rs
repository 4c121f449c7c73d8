//! A page that is true, and the ways in which it stops being so.

use super::super::repository::{Crate, Purpose, Repository, Tree};
use super::{check, notes, type_in};

const PAGE: &str = "\
# Architecture
`stdx` has `Code`, `rt` has `rt::Tasks` for `ARCHITECTURE.md`.
<!-- layers -->
```text
L0  stdx
L4  rt    stdx
```
<!-- /layers -->
";

fn repository(page: &str) -> Repository {
    let crates =
        vec![Crate::plain("rt", "crates/rt").using(Purpose::Program, &["stdx"]), Crate::plain("stdx", "crates/stdx")];
    let files = [
        ("ARCHITECTURE.md", page),
        ("crates/rt/src/lib.rs", "pub struct Tasks;"),
        ("crates/stdx/src/lib.rs", "pub enum Code {}"),
    ];
    Repository { tree: Tree::of(&files), crates }
}

fn only(page: &str, part: &str) {
    let problems = check(&repository(page));
    assert!(problems.len() == 1 && problems[0].text.contains(part), "{problems:?}");
}

#[test]
fn a_true_page_is_fine() {
    assert_eq!(check(&repository(PAGE)), []);
    assert_eq!(notes(&repository(PAGE)), []);
}

#[test]
fn a_page_that_is_not_there_is_noted() {
    let nothing = Repository::default();
    assert_eq!((check(&nothing).len(), notes(&nothing).len()), (0, 1));
}

#[test]
fn what_is_no_longer_true_is_found() {
    only(&PAGE.replace("`rt` has", "it has"), "nothing of the crate `rt`");
    only(&PAGE.replace("rt    stdx", "rt"), "an old graph");
    only(&PAGE.replace("<!-- layers -->", ""), "no graph");
    only(&PAGE.replace("rt::Tasks", "rt::Jobs"), "the type `Jobs`");
    only(&(PAGE.to_owned() + &"\n".repeat(300)), "at most 300");
}

#[test]
fn a_type_is_told_from_other_quotes() {
    assert_eq!(type_in("engine::Compiler"), Some("Compiler"));
    assert_eq!(type_in("Compiler::compile"), Some("Compiler"));
    for other in ["engine", "NATS", "a.rs", "wattle up", "E0101", ""] {
        assert_eq!(type_in(other), None, "{other}");
    }
}
