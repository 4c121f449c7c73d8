//! What a carrier does for a bucket: as little as can be, since the rest is made of that once.

use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;

use super::error::BucketError;
use super::names::BucketKey;
use super::values::{Durability, Entry, Mark, Revision};

/// One bucket on one carrier.
pub(crate) trait Backing: Send + Sync {
    /// What keeps it, for an error: without a password.
    fn describe(&self) -> String;

    /// What an acknowledgement survives.
    fn durability(&self) -> Durability;

    /// How long a call may take.
    fn patience(&self) -> Duration;

    /// What is under a key: at least what was acknowledged before.
    fn get<'a>(&'a self, key: &'a BucketKey) -> BoxFuture<'a, Result<Option<Entry>, BucketError>>;

    /// Makes a change if its condition holds, and acknowledges it with its revision.
    fn change(&self, change: Change) -> BoxFuture<'_, Result<Revision, BucketError>>;

    /// Tells of what is there and of what changes. `before` is how far the bucket had come, as far as that is known.
    fn feed(&self, before: Option<Mark>) -> Box<dyn Feed>;
}

/// A change to one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) key: BucketKey,
    /// What is to be there; nothing.
    pub(crate) to: Option<Bytes>,
    pub(crate) only_if: Condition,
    /// Whether nothing of what was there before is left either, where that is kept.
    pub(crate) is_purge: bool,
}

/// What has to hold for a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    /// Whatever is there.
    Always,
    /// There is no value.
    Absent,
    /// The value is that of this revision.
    Is(Revision),
}

/// Where what a watch is told of comes from. It begins as often as it has to: each time all that is there is told again.
pub(crate) trait Feed: Send {
    /// What comes next; nothing when the bus was given up. May be dropped and called again.
    fn next(&mut self) -> BoxFuture<'_, Option<Event>>;

    /// Leaves nothing behind, at once. One that is dropped may leave something for a few seconds.
    fn end(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// One thing that a feed tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// All that is there is told from here on, up to [`Event::Current`].
    Begun(Past),
    /// A value is there.
    Set(BucketKey, Entry),
    /// Nothing is there since that revision.
    Gone(BucketKey, Revision),
    /// That was all that was there.
    Current(Mark),
    /// Nothing is seen at present.
    Away,
}

/// What a feed knows of the bucket when it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Past {
    /// It is the one that was told of before, or the first.
    Same,
    /// It is another one, or was set back.
    Another {
        /// What was known of it.
        known: Mark,
        /// What there is now.
        found: Mark,
    },
}

// === impl Past ===

impl Past {
    /// What it is to who knew the one and finds the other.
    pub(crate) fn of(known: Option<Mark>, found: Mark) -> Self {
        match known {
            Some(known) if !known.is_continued_by(found) => Self::Another { known, found },
            _ => Self::Same,
        }
    }
}
