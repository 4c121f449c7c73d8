//! What things are called in Redis.
//!
//! ```text
//! wattle:{shop/default}             the names of the bucket's keys, a sorted set
//! wattle:{shop/default}:user:42     the value of the key `user:42`
//! ```
//!
//! # Invariants
//!
//! 1. All that belongs to a bucket has the same part in braces, and no other braces before it: on a cluster it lies in one
//!    slot, so that a script may touch all of it.
//! 2. Different buckets have different parts in braces: what could be taken for a separator is escaped in names.
//! 3. A key's own name stands last and as it is, whatever bytes it has.

use std::fmt::Write;

use crate::scope::{Key, Parts, Scope};

/// What all names of a store begin with.
#[derive(Debug, Clone)]
pub(super) struct Prefix(String);

/// The prefix would hide the part in braces.
#[derive(Debug, thiserror::Error)]
#[error("a prefix cannot have braces in it: they are for what belongs together on a cluster")]
pub(super) struct BadPrefix;

// === impl Prefix ===

impl Prefix {
    pub(super) fn new(prefix: &str) -> Result<Self, BadPrefix> {
        if prefix.contains(['{', '}']) { Err(BadPrefix) } else { Ok(Self(prefix.into())) }
    }

    /// Where the names of a bucket's keys are.
    pub(super) fn index(&self, scope: &Scope) -> Vec<u8> {
        self.bucket(scope.parts())
    }

    /// Where the names are among which that of this key is.
    pub(super) fn index_of(&self, key: &Key) -> Vec<u8> {
        self.bucket(key.parts())
    }

    /// Where the value is.
    pub(super) fn value(&self, key: &Key) -> Vec<u8> {
        let parts = key.parts();
        let mut value = self.bucket(parts);
        value.push(b':');
        value.extend_from_slice(parts.name);
        value
    }

    fn bucket(&self, parts: Parts<'_>) -> Vec<u8> {
        let mut index = format!("{}:{{", self.0);
        push_escaped(&mut index, parts.component);
        index.push('/');
        push_escaped(&mut index, parts.bucket);
        index.push('}');
        index.into_bytes()
    }
}

/// Letters, digits, `.`, `-` and `_` as they are, each other byte as `%` and its number.
fn push_escaped(text: &mut String, part: &[u8]) {
    for byte in part {
        if byte.is_ascii_alphanumeric() || b"-_.".contains(byte) {
            text.push(char::from(*byte));
        } else {
            write!(text, "%{byte:02x}").expect("a text takes what it is given");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::scope;

    fn value(component: &str, bucket: &str, name: &str) -> String {
        let prefix = Prefix::new("wattle").expect("it has no braces");
        String::from_utf8(prefix.value(&scope(component, bucket).key(name))).expect("the names here are text")
    }

    #[test]
    fn names_can_be_read_and_never_meet() {
        assert_eq!(value("shop", "", "user:42"), "wattle:{shop/default}:user:42");
        assert_eq!(value("shop", "a/b", ""), "wattle:{shop/a%2fb}:");
        assert_eq!(value("shop", "{x}", "}{"), "wattle:{shop/%7bx%7d}:}{");
        assert_eq!(value("shop", "é%", "é"), "wattle:{shop/%c3%a9%25}:é");
    }

    #[test]
    fn a_prefix_with_braces_is_refused() {
        assert!(Prefix::new("a{b").is_err());
        assert!(Prefix::new("a}b").is_err());
        assert!(Prefix::new("").is_ok());
    }
}
