//! Every error code has a page, every page a code.

use std::collections::BTreeMap;

use super::Problem;
use super::repository::Repository;

/// Where the codes are declared, one `E0101 => "title"` each.
const DECLARED: &str = "crates/stdx/src/code.rs";

/// Where the pages are, `E0101.md` each.
const PAGES: &str = "docs/errors/";

/// What a page answers, in this order.
const HEADINGS: [&str; 3] = ["## What happened", "## Why it can", "## What to try"];

pub(super) fn check(repository: &Repository) -> Vec<Problem> {
    let declared = repository.tree.text(DECLARED).map(declared).unwrap_or_default();
    let mut problems: Vec<Problem> =
        declared.iter().filter_map(|(code, &line)| wrong_code(code, line, repository)).collect();
    for (file, _) in repository.tree.files().filter(|(file, _)| file.starts_with(PAGES)) {
        problems.extend(wrong_page(file, &declared));
    }
    problems
}

/// The codes of the table, with the line of each. What a comment mentions is not declared.
fn declared(text: &str) -> BTreeMap<String, usize> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"));
    let mut codes = BTreeMap::new();
    for (index, line) in lines {
        for word in line.split(|letter: char| !letter.is_alphanumeric()).filter(|word| is_code(word)) {
            codes.entry(word.to_owned()).or_insert(index + 1);
        }
    }
    codes
}

fn is_code(word: &str) -> bool {
    word.strip_prefix('E').is_some_and(|digits| digits.len() == 4 && digits.bytes().all(|digit| digit.is_ascii_digit()))
}

fn wrong_code(code: &str, line: usize, repository: &Repository) -> Option<Problem> {
    let file = format!("{PAGES}{code}.md");
    let Some(text) = repository.tree.text(&file) else {
        let text = format!("{code} has no page; write {file} with {}", HEADINGS.join(", "));
        return Some(Problem::new(DECLARED, line, text));
    };
    if !text.starts_with(&format!("# {code}")) {
        return Some(Problem::new(&file, 1, format!("begins without its title `# {code}: ...`")));
    }
    let found: Vec<&str> = text.lines().filter(|line| line.starts_with("## ")).map(str::trim_end).collect();
    let text = format!("has the headings {found:?}; a page answers {HEADINGS:?}, in this order");
    (found != HEADINGS).then(|| Problem::new(&file, 1, text))
}

fn wrong_page(file: &str, declared: &BTreeMap<String, usize>) -> Option<Problem> {
    let code = file.strip_prefix(PAGES)?.strip_suffix(".md")?;
    let is_known = code == "README" || declared.contains_key(code);
    let text = format!("explains a code that {DECLARED} does not declare; delete the page or declare the code");
    (!is_known).then(|| Problem::new(file, 1, text))
}

#[cfg(test)]
mod tests;
