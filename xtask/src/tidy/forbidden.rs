//! What is never committed: one machine's paths, tests that do not run, code that is not there.
// tidy: allow(forbidden): the list of the texts has to name them

use super::Problem;
use super::repository::Repository;

/// Absolute folders of one machine. Found only where a path begins.
const FOLDERS: [&str; 2] = ["/work/", "/root/"];

const TEXTS: [(&str, &str); 3] = [
    ("#[ignore", "a test that does not run proves nothing; make it run or delete it"),
    ("todo!(", "write it, or leave it out and say so where it is missed"),
    ("unimplemented!(", "write it, or make the state unsayable"),
];

pub(super) fn check(repository: &Repository) -> Vec<Problem> {
    repository.tree.files().flat_map(|(file, text)| problems_of(file, text)).collect()
}

fn problems_of(file: &str, text: &str) -> Vec<Problem> {
    let is_code = file.ends_with(".rs");
    let mut problems = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let folders = FOLDERS.iter().filter(|folder| begins_a_path(line, folder)).map(|folder| {
            format!("names `{folder}`, a folder of one machine; start from the root of the repository or an argument")
        });
        let texts = TEXTS
            .iter()
            .filter(|(text, _)| is_code && line.contains(text))
            .map(|(text, why)| format!("has `{text}`; {why}"));
        problems.extend(folders.chain(texts).map(|text| Problem::new(file, index + 1, text)));
    }
    problems
}

fn begins_a_path(line: &str, folder: &str) -> bool {
    let goes_on = |before: &str| before.ends_with(|letter: char| letter.is_alphanumeric() || "_-.}$*".contains(letter));
    line.match_indices(folder).any(|(at, _)| !goes_on(&line[..at]))
}

#[cfg(test)]
mod tests {
    use super::problems_of;

    #[test]
    fn machine_paths_and_unfinished_code_are_found() {
        let text = "let a = \"/work/x\";\n#[ignore]\ntodo!()\nunimplemented!()\ncd /root/y\n";
        let lines: Vec<usize> = problems_of("a.rs", text).iter().map(|found| found.line).collect();
        assert_eq!(lines, [1, 2, 3, 4, 5]);
    }

    #[test]
    fn relative_paths_and_pages_about_code_are_fine() {
        assert_eq!(problems_of("a.sh", "cd $HOME/work/x ${X}/root/y target/work/z\n"), []);
        assert_eq!(problems_of("HACKING.md", "Never `#[ignore]`.\n"), []);
    }
}
