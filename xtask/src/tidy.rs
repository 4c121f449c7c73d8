//! Checks that the repository keeps its own rules, and says all at once where it does not.
//!
//! A rule is a function from a [`Repository`] (files and crates, read once) to [`Problem`]s. So a
//! rule is tested with a handful of lines that break it, and a new mistake becomes a new rule in
//! one small file and one row of [`RULES`].
//!
//! # Invariants
//!
//! 1. No rule reads a file or starts a process: only `repository` does.
//! 2. A file leaves a rule only in writing: a line with `tidy: allow(<rule>): <why>`. The layers
//!    cannot be left.

mod repository;

mod architecture;
mod codes;
mod dead;
mod forbidden;
mod glossary;
mod graph;
mod heads;
mod layers;
mod names;
mod sizes;
mod words;

use std::fmt;

use repository::{Repository, Tree};

/// One thing to put right, or to look at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Problem {
    pub(crate) file: String,
    pub(crate) line: usize,
    /// What is wrong and what to do about it.
    pub(crate) text: String,
}

/// Everything a run has to say.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// What has to be put right.
    pub(crate) problems: Vec<(&'static str, Problem)>,
    /// What deserves a look and fails nothing.
    pub(crate) notes: Vec<(&'static str, Problem)>,
    pub(crate) statistics: String,
}

type Rule = fn(&Repository) -> Vec<Problem>;

const RULES: [(&str, Rule); 10] = [
    ("layers", layers::check),
    ("heads", heads::check),
    ("names", names::check),
    ("sizes", sizes::check),
    ("words", words::check),
    ("glossary", glossary::check),
    ("codes", codes::check),
    ("dead", dead::check),
    ("architecture", architecture::check),
    ("forbidden", forbidden::check),
];

const NOTES: [(&str, Rule); 3] =
    [("heads", heads::notes), ("sizes", sizes::notes), ("architecture", architecture::notes)];

/// Reads the repository that the current folder is in and holds every rule against it.
pub(crate) fn run() -> anyhow::Result<Report> {
    Ok(report(&Repository::read()?))
}

/// The graph of crates, as a block of text.
pub(crate) fn layers() -> anyhow::Result<String> {
    Ok(graph::render(&repository::crates()?))
}

fn report(repository: &Repository) -> Report {
    Report {
        problems: found(&RULES, repository),
        notes: found(&NOTES, repository),
        statistics: sizes::statistics(repository),
    }
}

fn found(rules: &[(&'static str, Rule)], repository: &Repository) -> Vec<(&'static str, Problem)> {
    let mut found: Vec<(&'static str, Problem)> = rules
        .iter()
        .flat_map(|&(name, rule)| rule(repository).into_iter().map(move |problem| (name, problem)))
        .filter(|(name, problem)| !is_excused(&repository.tree, name, &problem.file))
        .collect();
    found.sort_by(|(_, left), (_, right)| left.cmp(right));
    found
}

/// Whether the file says in writing, with a reason of some words, why it leaves the rule.
fn is_excused(tree: &Tree, rule: &str, file: &str) -> bool {
    let excuse = format!("tidy: allow({rule}): ");
    let is_excuse = |line: &str| line.split_once(&excuse).is_some_and(|(_, why)| why.contains(' '));
    rule != "layers" && tree.text(file).is_some_and(|text| text.lines().any(is_excuse))
}

// === impl Problem ===

impl Problem {
    fn new(file: &str, line: usize, text: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, text: text.into() }
    }
}

// === impl Report ===

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (rule, Problem { file, line, text }) in &self.problems {
            writeln!(out, "{file}:{line}: {rule}: {text}")?;
        }
        for (rule, Problem { file, line, text }) in &self.notes {
            writeln!(out, "{file}:{line}: {rule}: (note) {text}")?;
        }
        write!(out, "{}", self.statistics)?;
        writeln!(out, "tidy: {} problems, {} notes", self.problems.len(), self.notes.len())
    }
}

#[cfg(test)]
mod tests;
