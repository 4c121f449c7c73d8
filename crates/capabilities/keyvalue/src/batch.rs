//! These are changes by bucket, for whoever keeps keys elsewhere and takes those of one bucket at once.
//!
//! # Invariants
//!
//! 1. Of several changes to one key the last counts.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::scope::{Key, Scope};
use crate::store::Change;

/// Whose bucket it is, and what it is called.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket<'a> {
    pub(crate) component: &'a str,
    pub(crate) name: &'a str,
}

/// Changes of one bucket, one for each key.
pub(crate) struct Batch<'a> {
    pub(crate) bucket: Bucket<'a>,
    pub(crate) put: Vec<(&'a str, &'a Bytes)>,
    pub(crate) deleted: Vec<&'a str>,
}

/// The changes by bucket.
pub(crate) fn batches(changes: &[Change]) -> Vec<Batch<'_>> {
    let mut last: BTreeMap<(&str, &str), BTreeMap<&str, Option<&Bytes>>> = BTreeMap::new();
    for change in changes {
        let (bucket, name) = parts(change.key());
        let value = match change {
            Change::Put(_, value) => Some(value),
            Change::Delete(_) => None,
        };
        last.entry((bucket.component, bucket.name)).or_default().insert(name, value);
    }
    let batch = |((component, name), keys): ((_, _), BTreeMap<_, Option<_>>)| Batch {
        bucket: Bucket { component, name },
        put: keys.iter().filter_map(|(name, value)| Some((*name, (*value)?))).collect(),
        deleted: keys.iter().filter(|(_, value)| value.is_none()).map(|(name, _)| *name).collect(),
    };
    last.into_iter().map(batch).collect()
}

/// A key as whoever keeps it is told of it.
pub(crate) fn parts(key: &Key) -> (Bucket<'_>, &str) {
    let parts = key.parts();
    (Bucket { component: text(parts.component), name: text(parts.bucket) }, text(parts.name))
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("Scope::new and Scope::key took it from a text")
}

// === impl Bucket ===

impl<'a> Bucket<'a> {
    /// The bucket of that scope.
    pub(crate) fn of(scope: &'a Scope) -> Self {
        let parts = scope.parts();
        Self { component: text(parts.component), name: text(parts.bucket) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_changes_to_one_key_the_last_is_asked_for_in_its_own_bucket() {
        let scope = |bucket| Scope::new(&"shop".parse().expect("a name"), bucket);
        let (one, other) = (scope("one"), scope("other"));
        let put = |scope: &Scope, name, value: &'static str| Change::Put(scope.key(name), value.into());
        let changes = [
            put(&one, "a", "1"),
            put(&one, "b", "1"),
            put(&other, "a", "1"),
            Change::Delete(one.key("b")),
            put(&one, "a", "2"),
            Change::Delete(one.key("c")),
        ];
        let shown = |batch: &Batch<'_>| format!("{} {:?} {:?}", batch.bucket.name, batch.put, batch.deleted);
        let shown: Vec<_> = batches(&changes).iter().map(shown).collect();
        assert_eq!(shown, [r#"one [("a", b"2")] ["b", "c"]"#, r#"other [("a", b"1")] []"#]);
    }
}
