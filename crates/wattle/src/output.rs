//! This is how results reach the user: as text, or as JSON with `-o json`.

use std::io::Write;

/// The two ways in which results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    /// For people.
    Text,
    /// For programs: one value a line.
    Json,
}

impl Output {
    /// Prints a result: `text` for people, `value` for programs.
    pub(crate) fn print(self, text: &str, value: &serde_json::Value) {
        match self {
            Self::Text => say(text),
            Self::Json => say(&value.to_string()),
        }
    }
}

/// A line on standard output. A reader that went away ends nothing: whoever serves goes on serving.
pub(crate) fn say(line: &str) {
    if let Err(error) = writeln!(std::io::stdout().lock(), "{line}") {
        tracing::debug!(%error, "standard output is closed");
    }
}

/// A line on standard error.
pub(crate) fn complain(line: &str) {
    if let Err(error) = writeln!(std::io::stderr().lock(), "{line}") {
        tracing::debug!(%error, "standard error is closed");
    }
}
