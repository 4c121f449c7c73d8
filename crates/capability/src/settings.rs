//! What a backend may be told, and the check of what it was told.
//!
//! A backend declares its settings as values. They are checked when a link is put, all at once, so that a misspelt name is
//! refused with the one that was meant, and nothing is opened on half of what was said.
//!
//! # Invariants
//!
//! 1. [`Settings`] are only made by [`check`]: a backend that has them has what it declared, in the kinds it declared.
//! 2. A secret is named, never given: a setting of [`Kind::Secret`] says where the secret is, and [`Settings::secret`] fetches
//!    it when the backend is opened. What is printed of settings ([`Settings::shown`]) holds no password.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use stdx::{BoxError, ByteSize, Code, Explain};

/// One thing that a backend may be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// What it is called: `url`.
    pub name: &'static str,
    /// What it is for, in a few words.
    pub about: &'static str,
    /// What it looks like.
    pub kind: Kind,
    /// What it is where nothing is said.
    pub default: Default,
}

/// What the value of a setting looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any text but none.
    Text,
    /// Any text, and none.
    Anything,
    /// An address with one of these schemes. A password in it is not printed.
    Url(&'static [&'static str]),
    /// A whole number in this range, both ends included.
    Count(u64, u64),
    /// A number of bytes: `64MiB`.
    Size,
    /// A time: `250ms`, `5s`, `2m`.
    Time,
    /// `true` or `false`.
    Switch,
    /// A file or folder.
    Path,
    /// Where a secret is: `env:NAME` or `file:PATH`.
    Secret,
}

/// What a setting is where nothing is said of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Default {
    /// It has to be said.
    Required,
    /// Nothing.
    Absent,
    /// This, which is well formed.
    Is(&'static str),
}

/// What a backend was told, checked, with defaults in their places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    values: BTreeMap<String, (Kind, String)>,
}

/// One thing that is wrong with what a backend was told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Nobody knows the setting.
    #[error("{name} is no setting of {backend}; {}", known_or_nearest(.known, *.nearest))]
    Unknown {
        /// What it was told.
        name: String,
        /// Which backend.
        backend: String,
        /// The setting that was probably meant.
        nearest: Option<&'static str>,
        /// All that there are.
        known: Vec<&'static str>,
    },
    /// It has to be said.
    #[error("{name} is missing: {about} (--set {name}=…)")]
    Missing {
        /// Which.
        name: &'static str,
        /// What it is for.
        about: &'static str,
    },
    /// The value is of the wrong kind.
    #[error("{name} cannot be {value}: it is {wanted}")]
    Value {
        /// Which.
        name: &'static str,
        /// What it was told, without a password.
        value: String,
        /// What it should look like.
        wanted: String,
    },
}

/// Everything that is wrong with what a backend was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

/// A secret that is not where a setting says it is.
#[derive(Debug, thiserror::Error)]
#[error("the secret for {setting} is not to be had from {place}")]
pub struct SecretError {
    setting: &'static str,
    place: String,
    #[source]
    source: BoxError,
}

/// Checks what the backend called `backend` was told against what it declares.
pub fn check(
    backend: &str,
    declared: &'static [Setting],
    told: &BTreeMap<String, String>,
) -> Result<Settings, Problems> {
    let mut problems = Vec::new();
    let mut values = BTreeMap::new();
    let any = declared.iter().find(|setting| setting.name == Setting::ANY);
    for (name, value) in told.iter().filter(|(name, _)| declared.iter().all(|setting| setting.name != *name)) {
        match any {
            Some(any) => drop(values.insert(name.clone(), (any.kind, value.clone()))),
            None => problems.push(unknown_setting(backend, declared, name)),
        }
    }
    for setting in declared.iter().filter(|setting| setting.name != Setting::ANY) {
        match (told.get(setting.name), setting.default) {
            (Some(value), _) => match setting.kind.check(value) {
                Ok(()) => drop(values.insert(setting.name.to_owned(), (setting.kind, value.clone()))),
                Err(wanted) => {
                    problems.push(Problem::Value { name: setting.name, value: setting.kind.shown(value), wanted });
                }
            },
            (None, Default::Required) => problems.push(Problem::Missing { name: setting.name, about: setting.about }),
            (None, Default::Is(value)) => {
                drop(values.insert(setting.name.to_owned(), (setting.kind, value.to_owned())));
            }
            (None, Default::Absent) => {}
        }
    }
    if problems.is_empty() { Ok(Settings { values }) } else { Err(Problems(problems)) }
}

fn unknown_setting(backend: &str, declared: &'static [Setting], name: &str) -> Problem {
    let known: Vec<_> = declared.iter().map(|setting| setting.name).collect();
    Problem::Unknown { name: name.to_owned(), backend: backend.to_owned(), nearest: nearest(name, &known), known }
}

/// The known name that was probably meant: one that a slip or two away is typed like it.
pub fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let slips = |other: &&'a str| (strsim::damerau_levenshtein(name, other), *other);
    let (slips, best) = known.iter().map(slips).min()?;
    (slips <= 1 + name.chars().count() / 4).then_some(best)
}

fn known_or_nearest(known: &[&'static str], nearest: Option<&'static str>) -> String {
    match (nearest, known) {
        (Some(nearest), _) => format!("did you mean {nearest}?"),
        (None, []) => "it takes none".to_owned(),
        (None, known) => format!("it takes {}", known.join(", ")),
    }
}

// === impl Setting ===

impl Setting {
    /// The name that stands for all names: such a backend takes whatever the component is to be given.
    pub const ANY: &str = "*";
}

// === impl Kind ===

impl Kind {
    /// Nothing, or what the value should have been.
    fn check(self, value: &str) -> Result<(), String> {
        let is_right = match self {
            Self::Anything => true,
            Self::Text | Self::Path => !value.is_empty(),
            Self::Url(schemes) => value.split_once("://").is_some_and(|(scheme, rest)| {
                schemes.contains(&scheme) && !rest.is_empty() && !rest.contains(char::is_whitespace)
            }),
            Self::Count(least, most) => value.parse().is_ok_and(|count: u64| (least..=most).contains(&count)),
            Self::Size => value.parse::<ByteSize>().is_ok(),
            Self::Time => humantime::parse_duration(value).is_ok(),
            Self::Switch => matches!(value, "true" | "false"),
            Self::Secret => ["env:", "file:"].iter().any(|place| value.len() > place.len() && value.starts_with(place)),
        };
        if is_right { Ok(()) } else { Err(self.to_string()) }
    }

    /// A value as it may be printed: without a password.
    fn shown(self, value: &str) -> String {
        match self {
            Self::Url(_) => without_password(value),
            // What stands there instead of a place may be the secret itself.
            Self::Secret if self.check(value).is_err() => "***".to_owned(),
            _ => stdx::printable(value).to_string(),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text | Self::Anything => f.write_str("a text"),
            Self::Url(schemes) => {
                let schemes: Vec<_> = schemes.iter().map(|scheme| format!("{scheme}://…")).collect();
                f.write_str(&schemes.join(" or "))
            }
            Self::Count(least, most) => write!(f, "a number from {least} to {most}"),
            Self::Size => f.write_str("a size such as 64MiB"),
            Self::Time => f.write_str("a time such as 250ms or 5s"),
            Self::Switch => f.write_str("true or false"),
            Self::Path => f.write_str("a path"),
            Self::Secret => f.write_str("the place of a secret: env:NAME or file:PATH"),
        }
    }
}

/// The address with `***` in the place of its password.
pub fn without_password(url: &str) -> String {
    let url = stdx::printable(url).to_string();
    let Some((scheme, rest)) = url.split_once("://") else { return url };
    let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    // An `@` may stand in a password: the last one before the path ends it.
    let Some(at) = rest[..authority_end].rfind('@') else { return url };
    match rest[..at].split_once(':') {
        Some((user, _)) => format!("{scheme}://{user}:***{}", &rest[at..]),
        // What stands alone may be a token.
        None => format!("{scheme}://***{}", &rest[at..]),
    }
}

// === impl Settings ===

impl Settings {
    /// The text of a setting; nothing where it is absent.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(|(_, value)| value.as_str())
    }

    /// A number, of a setting of [`Kind::Count`].
    pub fn count(&self, name: &str) -> Option<u64> {
        self.text(name)?.parse().ok()
    }

    /// A number of bytes, of a setting of [`Kind::Size`].
    pub fn size(&self, name: &str) -> Option<ByteSize> {
        self.text(name)?.parse().ok()
    }

    /// A time, of a setting of [`Kind::Time`].
    pub fn time(&self, name: &str) -> Option<Duration> {
        humantime::parse_duration(self.text(name)?).ok()
    }

    /// Whether a setting of [`Kind::Switch`] is on.
    pub fn is_on(&self, name: &str) -> bool {
        self.text(name) == Some("true")
    }

    /// A file or folder, of a setting of [`Kind::Path`].
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.text(name).map(PathBuf::from)
    }

    /// Fetches a secret from where a setting of [`Kind::Secret`] says it is. One newline at its end is not part of it.
    pub fn secret(&self, name: &'static str) -> Result<Option<String>, SecretError> {
        let Some(place) = self.text(name) else { return Ok(None) };
        let fetched: Result<String, BoxError> = match place.split_once(':') {
            Some(("env", variable)) => std::env::var(variable).map_err(Into::into),
            Some(("file", path)) => std::fs::read_to_string(path).map_err(Into::into),
            _ => Err("it is no place".into()),
        };
        let secret = fetched.map_err(|source| SecretError { setting: name, place: place.to_owned(), source })?;
        Ok(Some(secret.strip_suffix('\n').map(ToOwned::to_owned).unwrap_or(secret)))
    }

    /// Everything as it was told, to compare with and not to print.
    pub fn told(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values.iter().map(|(name, (_, value))| (name.as_str(), value.as_str()))
    }

    /// Everything as it may be printed: no password in it.
    pub fn shown(&self) -> BTreeMap<&str, String> {
        self.values.iter().map(|(name, (kind, value))| (name.as_str(), kind.shown(value))).collect()
    }
}

// === impl Problems ===

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n  ")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

impl Explain for Problems {
    fn code(&self) -> Code {
        Code::E0601
    }
}

#[cfg(test)]
mod tests;
