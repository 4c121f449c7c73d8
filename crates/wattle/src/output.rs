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
    /// What is asked for among arguments that are wrong as a whole, as far as that can be seen.
    pub(crate) fn asked_for_in(arguments: &[String]) -> Self {
        let arguments = arguments.split(|argument| argument == "--").next().unwrap_or_default();
        let is_pair = |pair: &[String]| matches!(pair[0].as_str(), "-o" | "--output") && pair[1] == "json";
        let is_one = |argument: &String| matches!(argument.as_str(), "-ojson" | "-o=json" | "--output=json");
        match arguments.windows(2).any(is_pair) || arguments.iter().any(is_one) {
            true => Self::Json,
            false => Self::Text,
        }
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    fn asked_for(line: &str) -> Output {
        Output::asked_for_in(&line.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn what_is_asked_for_is_seen_among_arguments_that_are_wrong() {
        for line in ["up -o json --nonsense", "--output json", "-ojson up", "up x -o=json", "get --output=json"] {
            assert_eq!(asked_for(line), Output::Json, "{line}");
        }
        for line in ["up --nonsense", "up json", "-o text", "-o", "call -- -o json", "up -o jsonl"] {
            assert_eq!(asked_for(line), Output::Text, "{line}");
        }
    }
}
