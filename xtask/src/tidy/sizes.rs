//! Sizes: a smell to look into before it is a habit.
//!
//! Counted are all lines of a file, tests that stand in it included. Files that are tests only
//! (`tests.rs`, `tests/`) have no limit and are counted with their crate.

use std::fmt::Write as _;

use super::Problem;
use super::repository::Repository;

const FILE_MAX: usize = 600;
const LIB_MAX: usize = 150;
const MAIN_MAX: usize = 80;
const CRATE_MAX: usize = 4_000;
const CAPABILITY_MAX: usize = 1_500;

pub(super) fn check(repository: &Repository) -> Vec<Problem> {
    let large = |(file, lines): (&str, usize)| {
        let most = most(file);
        let text = format!("{lines} lines, at most {most}; which thought in it could stand alone?");
        (lines > most).then(|| Problem::new(file, most + 1, text))
    };
    files(repository).filter_map(large).collect()
}

/// Crates that have grown past what is read in one go.
pub(super) fn notes(repository: &Repository) -> Vec<Problem> {
    let large = |(name, lines): (&str, usize)| {
        let owner = repository.crates.iter().find(|owner| owner.name == name)?;
        let most = if owner.folder.starts_with("crates/capabilities/") { CAPABILITY_MAX } else { CRATE_MAX };
        let text = format!("`{name}` has {lines} lines, look again past {most}: is it one thought?");
        (lines > most).then(|| Problem::new(&owner.manifest(), 1, text))
    };
    crates(repository).filter_map(large).collect()
}

/// Lines a file and lines a crate, for the eye.
pub(super) fn statistics(repository: &Repository) -> String {
    let mut lines: Vec<usize> = files(repository).map(|(_, lines)| lines).collect();
    lines.sort_unstable();
    let mut text = String::from("lines a crate:");
    for (name, lines) in crates(repository) {
        write!(text, " {name} {lines}").expect("writing to a String never fails");
    }
    let (median, p90) = (percentile(&lines, 50), percentile(&lines, 90));
    writeln!(text, "\nlines a file: {} files, median {median} (aim 160), p90 {p90} (aim 400)", lines.len())
        .expect("writing to a String never fails");
    text
}

fn most(file: &str) -> usize {
    match file {
        _ if file.ends_with("/src/lib.rs") => LIB_MAX,
        _ if file.ends_with("/src/main.rs") => MAIN_MAX,
        _ => FILE_MAX,
    }
}

/// Files that are not only tests, with their lines.
fn files(repository: &Repository) -> impl Iterator<Item = (&str, usize)> {
    let is_tests = |file: &str| file.ends_with("/tests.rs") || file.contains("/tests/");
    let sources = repository.sources("src").filter(move |(_, file, _)| !is_tests(file));
    sources.map(|(_, file, text)| (file, text.lines().count()))
}

/// Crates with the lines of all that is compiled into them.
fn crates(repository: &Repository) -> impl Iterator<Item = (&str, usize)> {
    repository.crates.iter().map(|owner| {
        let own = repository.sources("src").filter(|(other, ..)| *other == owner);
        (owner.name.as_str(), own.map(|(_, _, text)| text.lines().count()).sum())
    })
}

/// The smallest value that `percent` of the values do not exceed; 0 where there are none.
fn percentile(sorted: &[usize], percent: usize) -> usize {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;
