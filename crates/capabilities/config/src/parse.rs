//! Reads settings from flags, the environment and files, and says all that is wrong with them at once.
//!
//! # Invariants
//!
//! 1. Text in, value out: only [`read`] and [`read_environment`] touch the world.
//! 2. A value is text. Numbers and truth values of TOML and JSON become the text that they are written as; tables, lists and
//!    dates are problems, since a component could not tell how they were meant.

use std::ffi::OsString;
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

use stdx::{ByteSize, Code, Explain};

use crate::Settings;

/// What an environment variable's name begins with to be a setting. The rest, in lower case, is the setting's name:
/// `WATTLE_CONFIG_DATABASE_URL` is `database_url`.
pub const ENVIRONMENT_PREFIX: &str = "WATTLE_CONFIG_";

/// Files of settings are small; a larger one is a mistake.
const FILE_MAX: ByteSize = ByteSize::mib(4);

/// How a file of settings is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A table of `name = value`.
    Toml,
    /// An object of `"name": value`.
    Json,
    /// Lines of `NAME=VALUE`, empty ones and those that begin with `#` aside.
    Lines,
}

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Something is wrong with what was given: all of it, in order.
    #[error("{}", all(problems))]
    Wrong {
        /// At least one.
        problems: Vec<Problem>,
    },

    /// The file cannot be read.
    #[error("the configuration file {} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },

    /// The file is too large to be one of settings.
    #[error("the configuration file {} is larger than {FILE_MAX}", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
}

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The line, counted from one, where there are lines.
    pub line: Option<usize>,
    /// What is wrong there.
    pub wrong: Wrong,
}

/// What can be wrong with a setting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// There is no `=` in it.
    #[error("{0:?} has no '=': write NAME=VALUE")]
    NoValue(String),
    /// There is nothing before the `=`.
    #[error("{0:?} has no name before the '='")]
    NoName(String),
    /// The same name again, with another value.
    #[error("{0:?} is given twice with different values")]
    Twice(String),
    /// The value is a table, a list, a date or nothing at all.
    #[error("{name:?} is {kind}; a setting is text, a number, true or false")]
    NoText {
        /// The setting.
        name: String,
        /// What it is instead.
        kind: &'static str,
    },
    /// The text is not in the format that its name promises.
    #[error("{0}")]
    Syntax(String),
}

/// Reads a file of settings. Its name tells the format: `.toml`, `.json`, anything else is lines.
pub fn read(path: &Path) -> Result<Settings, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable { path: path.into(), source };
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let size = file.take(FILE_MAX.as_u64() + 1).read_to_string(&mut text).map_err(unreadable)?;
    if size > FILE_MAX.as_usize() {
        return Err(ConfigError::TooLarge { path: path.into() });
    }
    Settings::parse(&text, Format::of(path))
}

/// Reads the settings among this process's variables: those whose names begin with `prefix`.
pub fn read_environment(prefix: &str) -> Result<Settings, ConfigError> {
    let text = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
    Settings::from_environment(prefix, std::env::vars_os().filter_map(text))
}

// === impl Format ===

impl Format {
    /// The format of a file of that name.
    pub fn of(path: &Path) -> Self {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("toml") => Self::Toml,
            Some("json") => Self::Json,
            _ => Self::Lines,
        }
    }
}

// === impl Settings ===

impl Settings {
    /// Settings from `NAME=VALUE`, one each, as flags are given. The value is all after the first `=`.
    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = &'a str>) -> Result<Self, ConfigError> {
        collect(pairs.into_iter().map(|pair| (None, pair_of(pair))))
    }

    /// Settings from the variables whose names begin with `prefix`, such as [`ENVIRONMENT_PREFIX`].
    pub fn from_environment(
        prefix: &str,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let named = variables.into_iter().filter_map(|(variable, value)| {
            let name = variable.strip_prefix(prefix)?.to_lowercase();
            Some((None, if name.is_empty() { Err(Wrong::NoName(variable)) } else { Ok((name, value)) }))
        });
        collect(named)
    }

    /// Settings from the text of a file.
    pub fn parse(text: &str, format: Format) -> Result<Self, ConfigError> {
        match format {
            Format::Toml => collect(toml_pairs(text).into_iter()),
            Format::Json => collect(json_pairs(text).into_iter()),
            Format::Lines => collect(line_pairs(text)),
        }
    }
}

/// A setting or what is wrong with it, and its line.
type Found = (Option<usize>, Result<(String, String), Wrong>);

fn collect(found: impl Iterator<Item = Found>) -> Result<Settings, ConfigError> {
    let mut settings = Settings::default();
    let mut problems = Vec::new();
    for (line, outcome) in found {
        let wrong = match outcome {
            Ok((name, value)) => match settings.0.insert(name.clone(), value.clone()) {
                Some(other) if other != value => Wrong::Twice(name),
                _ => continue,
            },
            Err(wrong) => wrong,
        };
        problems.push(Problem { line, wrong });
    }
    if problems.is_empty() { Ok(settings) } else { Err(ConfigError::Wrong { problems }) }
}

fn pair_of(text: &str) -> Result<(String, String), Wrong> {
    let (name, value) = text.split_once('=').ok_or_else(|| Wrong::NoValue(text.into()))?;
    let name = name.trim();
    if name.is_empty() { Err(Wrong::NoName(text.into())) } else { Ok((name.into(), value.into())) }
}

fn line_pairs(text: &str) -> impl Iterator<Item = Found> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    text.lines().enumerate().map(|(index, line)| (index + 1, line.trim())).filter_map(|(number, line)| {
        if line.is_empty() || line.starts_with('#') {
            return None;
        }
        let pair = pair_of(line.strip_prefix("export ").unwrap_or(line));
        Some((Some(number), pair.map(|(name, value)| (name, unquote(value.trim()).to_owned()))))
    })
}

/// The text between a pair of quotes, if it is between a pair.
fn unquote(value: &str) -> &str {
    ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote)).unwrap_or(value)
}

fn toml_pairs(text: &str) -> Vec<Found> {
    let table = match text.parse::<toml::Table>() {
        Ok(table) => table,
        Err(error) => {
            let line = error.span().map(|span| line_at(text, span.start));
            return vec![(line, Err(Wrong::Syntax(error.message().into())))];
        }
    };
    let pair = |(name, value)| {
        let kind = match value {
            toml::Value::String(text) => return Ok((name, text)),
            toml::Value::Integer(number) => return Ok((name, number.to_string())),
            toml::Value::Float(number) => return Ok((name, number.to_string())),
            toml::Value::Boolean(truth) => return Ok((name, truth.to_string())),
            toml::Value::Datetime(_) => "a date",
            toml::Value::Array(_) => "a list",
            toml::Value::Table(_) => "a table",
        };
        Err(Wrong::NoText { name, kind })
    };
    table.into_iter().map(pair).map(|outcome| (None, outcome)).collect()
}

fn json_pairs(text: &str) -> Vec<Found> {
    let object = match serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text) {
        Ok(object) => object,
        Err(error) => return vec![(Some(error.line()), Err(Wrong::Syntax(error.to_string())))],
    };
    let pair = |(name, value)| {
        let kind = match value {
            serde_json::Value::String(text) => return Ok((name, text)),
            serde_json::Value::Number(number) => return Ok((name, number.to_string())),
            serde_json::Value::Bool(truth) => return Ok((name, truth.to_string())),
            serde_json::Value::Null => "null",
            serde_json::Value::Array(_) => "a list",
            serde_json::Value::Object(_) => "an object",
        };
        Err(Wrong::NoText { name, kind })
    };
    object.into_iter().map(pair).map(|outcome| (None, outcome)).collect()
}

fn line_at(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

fn all(problems: &[Problem]) -> String {
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("; ")
}

// === impl ConfigError ===

impl Explain for ConfigError {
    fn code(&self) -> Code {
        match self {
            Self::Wrong { .. } | Self::TooLarge { .. } => Code::E0403,
            Self::Unreadable { .. } => Code::E0101,
        }
    }
}

// === impl Problem ===

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.wrong),
            None => write!(f, "{}", self.wrong),
        }
    }
}

#[cfg(test)]
mod tests;
