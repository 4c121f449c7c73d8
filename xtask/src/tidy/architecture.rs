//! ARCHITECTURE.md stays short and true: every crate is in it, its graph is today's, and no type
//! that it names is gone.

use std::collections::BTreeSet;

use super::repository::Repository;
use super::{Problem, graph};

const FILE: &str = "ARCHITECTURE.md";
const LINES_MAX: usize = 300;
const MARK: &str = "<!-- layers -->";
const MARK_END: &str = "<!-- /layers -->";

pub(super) fn check(repository: &Repository) -> Vec<Problem> {
    let Some(text) = repository.tree.text(FILE) else { return Vec::new() };
    let lines = text.lines().count();
    let long = (lines > LINES_MAX).then(|| {
        Problem::new(FILE, LINES_MAX + 1, format!("{lines} lines, at most {LINES_MAX}; it is read in one go"))
    });
    let missing = repository.crates.iter().filter(|owner| !text.contains(&format!("`{}`", owner.name))).map(|owner| {
        Problem::new(
            FILE,
            1,
            format!("says nothing of the crate `{}`; write its paragraph in the code map", owner.name),
        )
    });
    let graph = wrong_graph(text, &graph::render(&repository.crates));
    long.into_iter().chain(missing).chain(graph).chain(gone(text, repository)).collect()
}

/// Says that there is nothing to check yet.
pub(super) fn notes(repository: &Repository) -> Vec<Problem> {
    let is_missing = repository.tree.text(FILE).is_none();
    is_missing.then(|| Problem::new(FILE, 1, "is not written yet, and so not checked")).into_iter().collect()
}

fn wrong_graph(text: &str, graph: &str) -> Option<Problem> {
    let how = format!("put the output of `cargo xtask layers` between {MARK} and {MARK_END}");
    let Some((before, rest)) = text.split_once(MARK) else {
        return Some(Problem::new(FILE, 1, format!("shows no graph of the crates; {how}")));
    };
    let shown = rest.split_once(MARK_END).map_or(rest, |(shown, _)| shown);
    let shown: Vec<&str> =
        shown.lines().map(str::trim_end).filter(|line| !line.is_empty() && !line.starts_with("```")).collect();
    let line = before.lines().count() + 1;
    (shown != graph.lines().collect::<Vec<_>>()).then(|| Problem::new(FILE, line, format!("shows an old graph; {how}")))
}

/// Types named in back-ticks that no source has a word for.
fn gone(text: &str, repository: &Repository) -> Vec<Problem> {
    let split = |text| str::split(text, |letter: char| !letter.is_alphanumeric() && letter != '_');
    let known: BTreeSet<&str> = repository.sources("src").flat_map(|(_, _, text)| split(text)).collect();
    let mut problems = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for name in line.split('`').skip(1).step_by(2).filter_map(type_in).filter(|name| !known.contains(name)) {
            let text = format!("names the type `{name}`, which no crate has; name what took its place");
            problems.push(Problem::new(FILE, index + 1, text));
        }
    }
    problems
}

/// The type in `Type`, `krate::Type` or `Type::method`; `None` where it is something else.
fn type_in(quoted: &str) -> Option<&str> {
    let is_name = |part: &str| !part.is_empty() && part.chars().all(|letter| letter.is_alphanumeric() || letter == '_');
    let is_type = |part: &str| {
        part.starts_with(|letter: char| letter.is_ascii_uppercase())
            && part.contains(|letter: char| letter.is_lowercase())
    };
    quoted.split("::").all(is_name).then(|| quoted.split("::").find(|part| is_type(part)))?
}

#[cfg(test)]
mod tests;
