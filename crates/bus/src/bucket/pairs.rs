//! How the buckets of this process are written down as pairs of bytes, and what a change does to them.
//!
//! ```text
//! 1 bucket          → revision, bytes used, bytes allowed (0: any), which one it is     8 bytes each
//! 2 bucket 0 key    → revision (8 bytes), value
//! ```
//!
//! # Invariants
//!
//! 1. A change is decided where it is made: nothing comes between what it saw and what it did.
//! 2. No bucket's pairs are among another's: a name has no zero in it.

use bytes::Bytes;
use stdx::ByteSize;

use super::backing::{Change, Condition, Event};
use super::names::{BucketKey, BucketName};
use super::values::{Entry, Keep, Mark, Revision};

/// Pairs that can be written, in memory or in a file.
pub(super) trait Pairs {
    /// Why they cannot.
    type Error;

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Self::Error>;
    fn put(&mut self, key: Vec<u8>, value: Vec<u8>) -> Result<(), Self::Error>;
    fn remove(&mut self, key: &[u8]) -> Result<(), Self::Error>;
}

/// What came of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was made, with this revision, and this is to be told.
    Made(Revision, Event),
    /// All was as it should be before.
    Unchanged,
    /// The condition did not hold.
    Conflict,
    /// There is no room.
    Full(ByteSize),
}

/// What a bucket knows of itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct About {
    revision: u64,
    used: u64,
    allowed: u64,
    made: u64,
}

/// Makes the bucket where there is none, and then as the one of that number.
pub(super) fn settle<P: Pairs>(pairs: &mut P, bucket: &BucketName, (keep, made): (Keep, u64)) -> Result<(), P::Error> {
    if about(pairs, bucket)?.is_some() {
        return Ok(());
    }
    let allowed = keep.bytes_max.map_or(0, ByteSize::as_u64);
    pairs.put(about_key(bucket), About { allowed, made, ..About::default() }.to_bytes())
}

/// Makes a change, or says why not.
pub(super) fn change<P: Pairs>(pairs: &mut P, bucket: &BucketName, change: &Change) -> Result<Outcome, P::Error> {
    let mut about = about(pairs, bucket)?.unwrap_or_default();
    let at = entry_key(bucket, &change.key);
    let there = pairs.get(&at)?.and_then(entry_of);
    let holds = match change.only_if {
        Condition::Always => true,
        Condition::Absent => there.is_none(),
        Condition::Is(seen) => there.as_ref().is_some_and(|entry| entry.revision == seen),
    };
    if !holds {
        return Ok(Outcome::Conflict);
    }
    if there.is_none() && change.to.is_none() {
        return Ok(Outcome::Unchanged);
    }
    let size = |value: &Bytes| (change.key.as_str().len() + value.len()) as u64;
    let used = about.used.saturating_sub(there.as_ref().map_or(0, |entry| size(&entry.value)))
        + change.to.as_ref().map_or(0, size);
    if change.to.is_some() && about.allowed > 0 && used > about.allowed {
        return Ok(Outcome::Full(ByteSize::bytes(about.allowed)));
    }
    let revision = Revision::new(about.revision).next();
    about = About { revision: revision.as_u64(), used, ..about };
    pairs.put(about_key(bucket), about.to_bytes())?;
    let key = change.key.clone();
    let event = match &change.to {
        Some(value) => {
            pairs.put(at, [&revision.as_u64().to_be_bytes()[..], value].concat())?;
            Event::Set(key, Entry { value: value.clone(), revision })
        }
        None => {
            pairs.remove(&at)?;
            Event::Gone(key, revision)
        }
    };
    Ok(Outcome::Made(revision, event))
}

/// Under which pair a bucket says of itself what it knows.
pub(super) fn about_key(bucket: &BucketName) -> Vec<u8> {
    [&[1], bucket.as_str().as_bytes()].concat()
}

/// By what a bucket is known again, from what it says of itself.
pub(super) fn mark(about: Option<&[u8]>) -> Mark {
    let about = about.and_then(About::of).unwrap_or_default();
    Mark { made: about.made, last: Revision::new(about.revision) }
}

/// Under which pair an entry is.
pub(super) fn entry_key(bucket: &BucketName, key: &BucketKey) -> Vec<u8> {
    [&start_of(bucket), key.as_str().as_bytes()].concat()
}

/// What the pairs of all entries of a bucket begin with.
pub(super) fn start_of(bucket: &BucketName) -> Vec<u8> {
    [&[2], bucket.as_str().as_bytes(), &[0]].concat()
}

/// The entry, from a pair. Nothing where it is none, which only another program can have written.
pub(super) fn entry_of(pair: Bytes) -> Option<Entry> {
    let revision = Revision::new(u64::from_be_bytes(*pair.first_chunk()?));
    Some(Entry { value: pair.slice(8..), revision })
}

fn about<P: Pairs>(pairs: &P, bucket: &BucketName) -> Result<Option<About>, P::Error> {
    Ok(pairs.get(&about_key(bucket))?.and_then(|bytes| About::of(&bytes)))
}

// === impl About ===

impl About {
    fn of(bytes: &[u8]) -> Option<Self> {
        let (revision, rest) = bytes.split_first_chunk()?;
        let (used, rest) = rest.split_first_chunk()?;
        let (allowed, rest) = rest.split_first_chunk()?;
        let parts = [revision, used, allowed, rest.first_chunk()?];
        let [revision, used, allowed, made] = parts.map(|part| u64::from_be_bytes(*part));
        Some(Self { revision, used, allowed, made })
    }

    fn to_bytes(self) -> Vec<u8> {
        [self.revision, self.used, self.allowed, self.made].map(u64::to_be_bytes).concat()
    }
}
