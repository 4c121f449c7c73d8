//! Every module begins by saying what it is for.

use super::Problem;
use super::repository::Repository;

/// A head that is longer explains some other module as well.
const LINES_MAX: usize = 25;

pub(super) fn check(repository: &Repository) -> Vec<Problem> {
    let text = "starts without a head; begin the file with `//!` and say what it is for";
    heads(repository).filter(|&(_, lines)| lines == 0).map(|(file, _)| Problem::new(file, 1, text)).collect()
}

pub(super) fn notes(repository: &Repository) -> Vec<Problem> {
    let long = |(file, lines)| {
        let text = format!("the head has {lines} lines, {LINES_MAX} are enough for one thought; is this one module?");
        (lines > LINES_MAX).then(|| Problem::new(file, lines, text))
    };
    heads(repository).filter_map(long).collect()
}

fn heads(repository: &Repository) -> impl Iterator<Item = (&str, usize)> {
    let head = |text: &str| text.lines().take_while(|line| line.starts_with("//!")).count();
    repository.sources("src").map(move |(_, file, text)| (file, head(text)))
}

#[cfg(test)]
mod tests {
    use super::super::repository::{Crate, Repository, Tree};
    use super::{check, notes};

    #[test]
    fn a_missing_head_is_a_problem_and_a_long_one_a_note() {
        let long = "//! Line.\n".repeat(26);
        let files = [
            ("bench/src/bare.rs", "use std::io;\n//! Late.\n"),
            ("bench/src/long.rs", long.as_str()),
            ("bench/src/main.rs", "//! Head.\n"),
        ];
        let repository = Repository { tree: Tree::of(&files), crates: vec![Crate::plain("bench", "bench")] };
        assert_eq!(check(&repository).iter().map(|found| found.file.as_str()).collect::<Vec<_>>(), [files[0].0]);
        assert_eq!(notes(&repository).iter().map(|found| found.file.as_str()).collect::<Vec<_>>(), [files[1].0]);
    }
}
