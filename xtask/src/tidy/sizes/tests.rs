//! Limits and the arithmetic of the statistics.

use super::super::repository::{Crate, Repository, Tree};
use super::{check, notes, percentile, statistics};

/// A crate with files of so many lines.
fn repository(files: &[(&str, usize)]) -> Repository {
    let files: Vec<(String, String)> =
        files.iter().map(|&(file, lines)| (format!("crates/host/{file}"), "//\n".repeat(lines))).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(file, text)| (file.as_str(), text.as_str())).collect();
    Repository { tree: Tree::of(&files), crates: vec![Crate::plain("host", "crates/host")] }
}

#[test]
fn each_kind_of_file_has_its_limit() {
    let right = [("src/a.rs", 600), ("src/lib.rs", 150), ("src/main.rs", 80), ("src/a/tests.rs", 900)];
    assert_eq!(check(&repository(&right)), []);
    let wrong = [("src/a.rs", 601), ("src/lib.rs", 151), ("src/main.rs", 81)];
    assert_eq!(check(&repository(&wrong)).len(), 3);
}

#[test]
fn a_crate_that_grows_is_noted() {
    let files = |count: usize| (0..count).map(|index| format!("src/f{index}.rs")).collect::<Vec<_>>();
    let notes_of = |count: usize| {
        let files = files(count);
        notes(&repository(&files.iter().map(|file| (file.as_str(), 500)).collect::<Vec<_>>())).len()
    };
    assert_eq!((notes_of(8), notes_of(9)), (0, 1));
}

#[test]
fn statistics_name_median_and_p90() {
    let text = statistics(&repository(&[("src/a.rs", 10), ("src/b.rs", 30), ("src/c.rs", 20)]));
    assert_eq!(text, "lines a crate: host 60\nlines a file: 3 files, median 20 (aim 160), p90 30 (aim 400)\n");
}

#[test]
fn a_percentile_of_nothing_is_nothing() {
    assert_eq!(percentile(&[], 50), 0);
    assert_eq!(percentile(&[7], 90), 7);
}
