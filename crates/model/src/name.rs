//! This is what a component is called.

use std::fmt;
use std::str::FromStr;

/// The name of a component on a host: letters, digits, `-`, `_` and `.`, at most 128 of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ComponentName(String);

/// The text cannot name a component.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a name; letters, digits, '-', '_' and '.' make one, at most 128 of them")]
pub struct NotAName(String);

impl ComponentName {
    /// The name that a file suggests: its stem, with what a name cannot hold replaced by `-`.
    pub fn from_stem(stem: &str) -> Self {
        let mut name: String = stem.chars().take(128).map(|c| if is_allowed(c) { c } else { '-' }).collect();
        if name.is_empty() {
            name.push('-');
        }
        Self(name)
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ComponentName {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        let fits = !text.is_empty() && text.len() <= 128 && text.chars().all(is_allowed);
        if fits { Ok(Self(text.into())) } else { Err(NotAName(text.into())) }
    }
}

impl TryFrom<String> for ComponentName {
    type Error = NotAName;

    fn try_from(text: String) -> Result<Self, NotAName> {
        text.parse()
    }
}

impl From<ComponentName> for String {
    fn from(name: ComponentName) -> Self {
        name.0
    }
}

impl fmt::Display for ComponentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stem_always_gives_a_name() {
        for stem in ["shop", "my app!", "", "ü"] {
            let name = ComponentName::from_stem(stem);
            assert_eq!(name.as_str().parse(), Ok(name.clone()), "{stem:?}");
        }
    }
}
