//! The glossary can be read by a program: tables of words, each said once, each with a meaning.

use std::collections::BTreeSet;

use super::Problem;
use super::repository::Repository;

const FILE: &str = "docs/glossary.md";

pub(super) fn check(repository: &Repository) -> Vec<Problem> {
    match repository.tree.text(FILE) {
        Some(text) => problems_of(text),
        None => vec![Problem::new(FILE, 1, "is missing; the words of the project are listed there")],
    }
}

fn problems_of(text: &str) -> Vec<Problem> {
    let mut words = BTreeSet::new();
    let mut problems = Vec::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| line.starts_with('|')) {
        if let Some(wrong) = wrong(line, &mut words) {
            problems.push(Problem::new(FILE, index + 1, wrong));
        }
    }
    if words.is_empty() {
        problems.push(Problem::new(FILE, 1, "has no table `| word | meaning |`"));
    }
    problems
}

/// What is wrong with a row; the words that it explains are added to `words`.
fn wrong(row: &str, words: &mut BTreeSet<String>) -> Option<String> {
    let cells: Vec<&str> = row.trim_end().strip_prefix('|')?.split('|').map(str::trim).collect();
    let [word, meaning, ""] = cells.as_slice() else {
        return Some("a row is `| word | meaning |`, two cells and no bar inside them".to_owned());
    };
    let is_frame = *word == "word" || word.starts_with("--");
    if is_frame {
        return None;
    }
    if word.is_empty() || meaning.is_empty() {
        return Some("a word without a meaning, or the reverse".to_owned());
    }
    let again = word.split(", ").find(|word| !words.insert(word.to_lowercase()));
    again.map(|word| format!("`{word}` is explained twice; a word has one meaning"))
}

#[cfg(test)]
mod tests {
    use super::problems_of;

    #[test]
    fn rows_that_break_the_table_are_found() {
        let rows = "| word | meaning |\n| --- | --- |\n| host | runs |\n| lattice, Host | many |\n| bus |\n| a | |\n";
        let lines: Vec<usize> = problems_of(rows).iter().map(|found| found.line).collect();
        assert_eq!(lines, [4, 5, 6]);
    }

    #[test]
    fn a_page_without_a_table_is_no_glossary() {
        assert_eq!(problems_of("# Words\n").len(), 1);
    }
}
