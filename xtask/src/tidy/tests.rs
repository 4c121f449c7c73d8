//! The rules together: order, excuses, and what a report looks like.

use super::report;
use super::repository::{Crate, Repository, Tree};

fn repository(files: &[(&str, &str)]) -> Repository {
    Repository { tree: Tree::of(files), crates: vec![Crate::plain("stdx", "crates/stdx")] }
}

const GLOSSARY: (&str, &str) = ("docs/glossary.md", "| word | meaning |\n| --- | --- |\n| host | runs components |\n");

#[test]
fn all_problems_come_at_once_in_the_order_of_the_files() {
    let repository = repository(&[
        GLOSSARY,
        ("crates/stdx/src/lib.rs", "//! Head.\nmod utils;\nfn f() { todo!() }\n"), // tidy: allow(forbidden): made wrong on purpose
        ("crates/stdx/src/utils.rs", "fn f() {}\n"),
    ]);
    let told: Vec<String> = report(&repository)
        .problems
        .iter()
        .map(|(rule, found)| format!("{}:{}: {rule}", found.file, found.line))
        .collect();
    assert_eq!(
        told,
        [
            "crates/stdx/src/lib.rs:3: forbidden",
            "crates/stdx/src/utils.rs:1: names",
            "crates/stdx/src/utils.rs:1: heads",
        ],
    );
}

#[test]
fn an_excuse_needs_a_reason() {
    let with = |line: &str| {
        let text = format!("//! Head.\n{line}\nfn f() {{ todo!() }}\n");
        report(&repository(&[GLOSSARY, ("crates/stdx/src/lib.rs", &text)])).problems.len()
    };
    assert_eq!(with("// tidy: allow(forbidden): shown as an example"), 0);
    assert_eq!(with("// tidy: allow(forbidden): "), 1);
    assert_eq!(with("// tidy: allow(sizes): shown as an example"), 1);
}

#[test]
fn a_report_says_file_line_rule_and_what_to_do() {
    let report = report(&repository(&[GLOSSARY, ("crates/stdx/src/lib.rs", "fn f() {}\n")])).to_string();
    let first = report.lines().next();
    assert_eq!(
        first,
        Some(
            "crates/stdx/src/lib.rs:1: heads: starts without a head; begin the file with `//!` and say what it is for"
        ),
    );
    assert!(report.ends_with("tidy: 1 problems, 1 notes\n"), "{report}");
}
