//! One word a concept: the synonyms that would creep in are kept out of code and pages.
// tidy: allow(words): the list of the words has to name them

use super::Problem;
use super::repository::Repository;

/// What is not said, and what is said instead.
const SYNONYMS: [(&str, &str); 2] = [("workload", "component"), ("plugin", "capability, provider or component")];

/// The page that may name a word in order to forbid it.
const GLOSSARY: &str = "docs/glossary.md";

pub(super) fn check(repository: &Repository) -> Vec<Problem> {
    let sources = repository.sources("src").chain(repository.sources("tests")).map(|(_, file, text)| (file, text));
    let pages = repository.tree.files().filter(|(file, _)| file.ends_with(".md") && *file != GLOSSARY);
    sources.chain(pages).flat_map(|(file, text)| problems_of(file, text)).collect()
}

fn problems_of(file: &str, text: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.to_lowercase();
        for (word, instead) in SYNONYMS.iter().filter(|(word, _)| line.contains(word)) {
            problems.push(Problem::new(file, index + 1, format!("says `{word}`; the word is {instead} ({GLOSSARY})")));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::super::repository::{Crate, Repository, Tree};
    use super::check;

    #[test]
    fn synonyms_are_found_in_code_and_pages_but_not_in_the_glossary() {
        let files = [
            ("README.md", "Runs your Workloads.\n"),
            ("crates/host/src/lib.rs", "//! Head.\nstruct PluginHost;\n"),
            ("docs/glossary.md", "never workload\n"),
        ];
        let repository = Repository { tree: Tree::of(&files), crates: vec![Crate::plain("host", "crates/host")] };
        let found: Vec<(String, usize)> =
            check(&repository).into_iter().map(|found| (found.file, found.line)).collect();
        assert_eq!(found, [(files[1].0.to_owned(), 2), (files[0].0.to_owned(), 1)]);
    }
}
