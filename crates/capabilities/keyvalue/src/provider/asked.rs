//! What a provider is asked for, and what its refusals mean. Values, without a provider.

use std::collections::BTreeMap;

use bytes::Bytes;
use wire::{Decode, DecodeError, Encode, Reader};

use super::{Bucket, parts};
use crate::store::{Change, Refusal};

/// Changes of one bucket, one for each key.
pub(super) struct Batch<'a> {
    pub(super) bucket: Bucket<'a>,
    pub(super) put: Vec<(&'a str, &'a Bytes)>,
    pub(super) deleted: Vec<&'a str>,
}

/// The changes by bucket. Of several to one key the last counts.
pub(super) fn batches(changes: &[Change]) -> Vec<Batch<'_>> {
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

// === impl Refusal ===

impl Decode for Refusal {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match reader.case(3)? {
            0 => Self::NoSuchStore,
            1 => Self::AccessDenied,
            _ => Self::Other(stdx::printable(reader.text()?).to_string()),
        })
    }
}

impl Encode for Refusal {
    fn write(&self, out: &mut Vec<u8>) -> Option<()> {
        match self {
            Self::NoSuchStore => 0_u32.write(out),
            Self::AccessDenied => 1_u32.write(out),
            Self::Other(words) => (2_u32, words).write(out),
        }
    }
}

#[cfg(test)]
mod tests {
    use stdx::ByteSize;

    use super::*;
    use crate::scope::Scope;

    #[test]
    fn a_refusal_is_read_as_it_was_said() {
        for refusal in [Refusal::NoSuchStore, Refusal::AccessDenied, Refusal::Other("boom".into())] {
            let bytes = wire::encode(&refusal).expect("it can be said");
            assert_eq!(wire::decode(&bytes, ByteSize::kib(1)), Ok(refusal));
        }
    }

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
