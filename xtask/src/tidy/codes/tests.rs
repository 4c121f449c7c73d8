//! Codes without pages, pages without codes, pages that do not answer.

use super::super::repository::{Repository, Tree};
use super::{DECLARED, check};

const PAGE: &str = "# E0101: x\n\n## What happened\na\n## Why it can\nb\n## What to try\nc\n";

/// The files in which a problem is found.
fn found_in(files: &[(&str, &str)]) -> Vec<String> {
    let repository = Repository { tree: Tree::of(files), crates: Vec::new() };
    check(&repository).into_iter().map(|found| format!("{}:{}", found.file, found.line)).collect()
}

const TABLE: (&str, &str) = (DECLARED, "//! As in E0999.\ncodes! {\n    E0101 => \"cannot\",\n}\n");

#[test]
fn a_code_with_its_page_is_fine() {
    let readme = ("docs/errors/README.md", "# Errors\n");
    assert_eq!(found_in(&[TABLE, readme, ("docs/errors/E0101.md", PAGE)]), Vec::<String>::new());
}

#[test]
fn a_code_without_a_page_is_found_where_it_is_declared() {
    assert_eq!(found_in(&[TABLE]), [format!("{DECLARED}:3")]);
}

#[test]
fn a_page_without_a_code_is_found() {
    assert_eq!(found_in(&[("docs/errors/E0101.md", PAGE)]), ["docs/errors/E0101.md:1"]);
}

#[test]
fn a_page_has_its_title_and_answers_in_order() {
    let untitled = PAGE.replace("# E0101", "# E0102");
    let short = PAGE.replace("## Why it can", "## Why");
    for page in [untitled, short] {
        assert_eq!(found_in(&[TABLE, ("docs/errors/E0101.md", &page)]), ["docs/errors/E0101.md:1"]);
    }
}
