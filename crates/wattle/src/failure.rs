//! This is what the user sees when something fails: what happened, what to do, and an exit code by kind.
//!
//! | exit code | kind |
//! | --- | --- |
//! | 0 | done |
//! | 2 | the command line is wrong |
//! | 65 | the input is wrong: not a program, damaged, not linkable |
//! | 69 | the world: a port, a folder, another process |
//! | 70 | a defect of wattle |
//! | 124 | out of time |
//! | 130 | stopped at once by a second Ctrl-C |
//! | 134 | the program trapped |
//!
//! A program that `wattle run` started and that ended by itself gives its own exit code.

use std::process::ExitCode;

use serde_json::json;
use stdx::{Blame, Chain, Code, Explain};

use crate::output::{Output, complain};

/// Problems that end a command, at least one.
#[derive(Debug)]
pub(crate) struct Failure {
    problems: Vec<Problem>,
}

#[derive(Debug)]
struct Problem {
    text: String,
    code: Code,
}

// === impl Failure ===

impl Failure {
    /// Several problems that were found at once.
    pub(crate) fn all<E: Explain + 'static>(errors: &[E]) -> Self {
        Self {
            problems: errors
                .iter()
                .map(|error| Problem { text: Chain(error).to_string(), code: error.code() })
                .collect(),
        }
    }

    /// A problem in words.
    pub(crate) fn new(code: Code, text: impl Into<String>) -> Self {
        Self { problems: vec![Problem { text: text.into(), code }] }
    }

    /// Whether this is what went wrong, and nothing else.
    pub(crate) fn is(&self, code: Code) -> bool {
        matches!(self.problems.as_slice(), [problem] if problem.code == code)
    }

    /// All of it in words.
    pub(crate) fn text(&self) -> String {
        self.problems.iter().map(|problem| problem.text.as_str()).collect::<Vec<_>>().join("; ")
    }

    fn exit_code(&self) -> u8 {
        let Some(first) = self.problems.first() else { return 70 };
        match (first.code, first.code.blame()) {
            (Code::E0207, _) => 124,
            (Code::E0206 | Code::E0208, _) => 134,
            (_, Blame::You) => 65,
            (_, Blame::World) => 69,
            (_, Blame::Us) => 70,
        }
    }
}

impl<E: Explain + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::all(&[error])
    }
}

/// Prints what failed and what helps, and gives the exit code.
pub(crate) fn report(failure: &Failure, output: Output) -> ExitCode {
    for Problem { text, code } in &failure.problems {
        match output {
            Output::Text => complain(&format!("error[{code}]: {text}\n  help: {}", code.hint())),
            Output::Json => complain(&json!({ "error": { "code": code.to_string(), "blame": code.blame(), "message": text, "help": code.hint() } }).to_string()),
        }
    }
    ExitCode::from(failure.exit_code())
}

/// Prints as JSON what is wrong with the command line, given how that is said to people. It has no code: all that there is to
/// say of it is in its words.
pub(crate) fn report_wrong_line(said: &str) {
    let message = said.strip_prefix("error: ").unwrap_or(said);
    let message = message.split("\n\nFor more information, try").next().unwrap_or_default().trim_end();
    let help = "--help behind the command says what it takes.";
    complain(&json!({ "error": { "code": null, "blame": Blame::You, "message": message, "help": help } }).to_string());
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    /// What people and scripts read of exit codes.
    const PAGE: &str = include_str!("../../../docs/exit-codes.md");

    /// The codes that a row of the page names, as in `blame *Us*: E0101 to E0103, E0203`: those from the first to the last, or one.
    fn named(errors: &str) -> BTreeSet<String> {
        let list = errors.rsplit(": ").next().unwrap_or_default();
        let spans = list.split(", ").map(|part| part.split_once(" to ").unwrap_or((part, part)));
        let codes = || Code::ALL.iter().map(ToString::to_string);
        spans.flat_map(|(first, last)| codes().filter(move |code| (first..=last).contains(&code.as_str()))).collect()
    }

    /// A row of the page: an exit code, and which errors end with it.
    fn row(line: &str) -> Option<(u8, BTreeSet<String>)> {
        let mut cells = line.strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim);
        let (exit_code, _, errors) = (cells.next()?.parse().ok()?, cells.next()?, cells.next()?);
        Some((exit_code, named(errors)))
    }

    #[test]
    fn the_page_of_exit_codes_names_every_code_where_it_belongs() {
        let said: BTreeMap<u8, BTreeSet<String>> =
            PAGE.lines().filter_map(row).filter(|(_, codes)| !codes.is_empty()).collect();
        let mut done = BTreeMap::<u8, BTreeSet<String>>::new();
        for code in Code::ALL {
            done.entry(Failure::new(*code, "").exit_code()).or_default().insert(code.to_string());
        }
        assert_eq!(said, done);
    }
}
