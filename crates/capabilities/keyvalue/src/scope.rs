//! This is where a component's keys are, so that no component can name another's.
//!
//! # Invariants
//!
//! 1. No scope is a prefix of another: each part of it is preceded by its length. So whatever bytes a key has, it stays in its
//!    scope, and a scope's keys are neighbours.

use model::ComponentName;

/// The keys of one bucket of one component.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scope {
    prefix: Vec<u8>,
}

/// One key of one bucket of one component, as a store knows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    bytes: Vec<u8>,
}

/// What a scope or a key is made of, for a store that names things by its own rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parts<'a> {
    /// The name of the component.
    pub(crate) component: &'a [u8],
    /// The name of the bucket.
    pub(crate) bucket: &'a [u8],
    /// The name of the key; of a scope, nothing.
    pub(crate) name: &'a [u8],
}

// === impl Scope ===

impl Scope {
    /// The scope of a bucket. The bucket without a name is the one named `default`.
    pub fn new(component: &ComponentName, bucket: &str) -> Self {
        let component = component.as_str().as_bytes();
        let bucket = if bucket.is_empty() { "default" } else { bucket }.as_bytes();
        let mut prefix = Vec::with_capacity(component.len() + bucket.len() + 8);
        for part in [component, bucket] {
            let length = u32::try_from(part.len()).expect("names are short: see ComponentName and Limits::bucket_name");
            prefix.extend_from_slice(&length.to_be_bytes());
            prefix.extend_from_slice(part);
        }
        Self { prefix }
    }

    /// The key of that name in this scope.
    pub fn key(&self, name: &str) -> Key {
        let mut bytes = Vec::with_capacity(self.prefix.len() + name.len());
        bytes.extend_from_slice(&self.prefix);
        bytes.extend_from_slice(name.as_bytes());
        Key { bytes }
    }

    /// What the bytes of each of its keys begin with.
    pub fn as_bytes(&self) -> &[u8] {
        &self.prefix
    }

    /// What it is made of.
    pub(crate) fn parts(&self) -> Parts<'_> {
        Parts::of(&self.prefix)
    }

    /// The name of the key that has these bytes, if it is a key of this scope.
    pub fn name_of<'a>(&self, bytes: &'a [u8]) -> Option<&'a str> {
        bytes.strip_prefix(self.prefix.as_slice()).and_then(|name| std::str::from_utf8(name).ok())
    }
}

// === impl Key ===

impl Key {
    /// The bytes under which a store keeps the value.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What it is made of.
    pub(crate) fn parts(&self) -> Parts<'_> {
        Parts::of(&self.bytes)
    }
}

// === impl Parts ===

impl<'a> Parts<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        let (component, rest) = first(bytes);
        let (bucket, name) = first(rest);
        Self { component, bucket, name }
    }
}

/// The part that the bytes begin with, after its length, and what follows it.
fn first(bytes: &[u8]) -> (&[u8], &[u8]) {
    let part = || {
        let (length, rest) = bytes.split_first_chunk()?;
        rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
    };
    part().expect("Scope::new put a length before each part")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_taken_apart_as_it_was_put_together() {
        let component: ComponentName = "shop.eu".parse().expect("a name");
        for (bucket, shown, name) in [("", "default", ""), ("b\0", "b\0", "\0\0\0\u{1}x"), ("🌿", "🌿", "user:42")]
        {
            let scope = Scope::new(&component, bucket);
            let parts = Parts { component: b"shop.eu", bucket: shown.as_bytes(), name: name.as_bytes() };
            assert_eq!(scope.key(name).parts(), parts);
            assert_eq!(scope.parts(), Parts { name: b"", ..parts });
        }
    }
}
