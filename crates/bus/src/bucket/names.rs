//! These are the names of buckets and of what is in them, as the key-value buckets of NATS have them.

use std::str::FromStr;
use std::sync::Arc;

use stdx::{Code, Explain};

use crate::as_text::as_text;

/// Bytes of a name at most.
const LENGTH_MAX: usize = 512;

/// What a bucket is called: letters, digits, `-` and `_`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BucketName(Arc<str>);

/// What a value in a bucket is called: letters, digits, `-`, `_`, `/`, `=`, and dots between.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BucketKey(Arc<str>);

/// Which JetStream is meant where servers are leaf nodes of others: letters, digits, `-` and `_`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Domain(Arc<str>);

/// The text names no bucket, or nothing in one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no {kind}: {rule} make one, {LENGTH_MAX} of them at most")]
pub struct NameError {
    kind: &'static str,
    rule: &'static str,
    text: String,
}

// === impl BucketName ===

impl BucketName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for BucketName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let is_legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        check(text, is_legal)
            .then(|| Self(text.into()))
            .ok_or_else(|| NameError::new("name of a bucket", "letters, digits, '-' and '_'", text))
    }
}

// === impl BucketKey ===

impl BucketKey {
    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for BucketKey {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let is_legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '/' | '=' | '.');
        (check(text, is_legal) && !text.split('.').any(str::is_empty))
            .then(|| Self(text.into()))
            .ok_or_else(|| NameError::new("key", "letters, digits, '-', '_', '/', '=' and dots between", text))
    }
}

// === impl Domain ===

impl Domain {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Domain {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let is_legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        check(text, is_legal)
            .then(|| Self(text.into()))
            .ok_or_else(|| NameError::new("name of a domain", "letters, digits, '-' and '_'", text))
    }
}

as_text! { BucketName BucketKey Domain }

// === impl NameError ===

impl NameError {
    fn new(kind: &'static str, rule: &'static str, text: &str) -> Self {
        Self { kind, rule, text: text.chars().take(64).collect() }
    }
}

impl Explain for NameError {
    fn code(&self) -> Code {
        Code::E0709
    }
}

fn check(text: &str, is_legal: impl Fn(char) -> bool) -> bool {
    !text.is_empty() && text.len() <= LENGTH_MAX && text.chars().all(is_legal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_nats_takes() {
        for good in ["LATTICEDATA_default", "a", "A-b_9"] {
            assert_eq!(good.parse::<BucketName>().expect("a name").as_str(), good);
            assert_eq!(good.parse::<Domain>().expect("a name").as_str(), good);
        }
        for bad in ["", "a.b", "a b", "a/b", "é", "*", &"a".repeat(513)] {
            assert_eq!(bad.parse::<BucketName>().expect_err("no name").code(), Code::E0709);
            bad.parse::<Domain>().expect_err("no name");
        }
        for good in ["COMPONENT_a-1", "a.b.c", "a/b=c"] {
            assert_eq!(good.parse::<BucketKey>().expect("a key").as_str(), good);
        }
        for bad in ["", ".", ".a", "a.", "a..b", "a*", ">", "a b", "a\0", "ä"] {
            bad.parse::<BucketKey>().expect_err("no key");
        }
    }
}
