//! This is a watch: it folds what a feed tells into what its owner has to know.
//!
//! A feed begins again whenever it may have missed something. What is told then is compared with what was told before, so that
//! the owner hears of changes only, and of those that nobody announced as well.
//!
//! # Invariants
//!
//! 1. What was told of and is not there when all has been told again is asked for before it is said to be gone.
//! 2. Of one key nothing is told that is older than what was told before, unless the bucket is told anew.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::Arc;

use super::backing::{Backing, Event, Feed, Past};
use super::names::BucketKey;
use super::values::{Entry, Known, Mark, Revision, Told};

/// Tells of all that is in a bucket, and then of what changes, for as long as it is not dropped.
///
/// It bridges whatever comes between by itself. Who does not keep up is not told of each change; of the last one always.
pub struct Watch {
    backing: Arc<dyn Backing>,
    feed: Box<dyn Feed>,
    seen: Seen,
}

/// What was told of, and what is to be told.
#[derive(Debug, Default)]
struct Seen {
    known: BTreeMap<BucketKey, Revision>,
    /// Of these nothing was told since all began to be told again; nothing when that is not so.
    untold: Option<BTreeSet<BucketKey>>,
    /// Of these one has to ask whether they are gone.
    doubted: Vec<BucketKey>,
    /// All was told; it is said when nothing is in doubt.
    caught_up: Option<Mark>,
    ready: VecDeque<Told>,
}

// === impl Watch ===

impl Watch {
    pub(super) fn new(backing: Arc<dyn Backing>, known: Known) -> Self {
        let seen = Seen { known: known.revisions, ..Seen::default() };
        Self { feed: backing.feed(known.mark), backing, seen }
    }

    /// What there is to know next; nothing when there will be no more, because the bus was given up. It may be dropped before it
    /// is ready: nothing is lost.
    pub async fn next(&mut self) -> Option<Told> {
        loop {
            if let Some(told) = self.seen.ready.pop_front() {
                return Some(told);
            }
            if let Some(key) = self.seen.doubted.last().cloned() {
                match self.backing.get(&key).await {
                    Ok(found) => self.seen.settle(key, found),
                    // That it cannot be seen does not mean that it is gone.
                    Err(error) => self.seen.leave(&key, &error),
                }
                continue;
            }
            if let Some(mark) = self.seen.caught_up.take() {
                return Some(Told::Current(mark));
            }
            let event = self.feed.next().await?;
            self.seen.fold(event);
        }
    }

    /// Ends it, and leaves nothing behind on the bus.
    pub async fn end(self) {
        self.feed.end().await;
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("known", &self.seen.known.len()).finish_non_exhaustive()
    }
}

// === impl Seen ===

impl Seen {
    fn fold(&mut self, event: Event) {
        match event {
            Event::Begun(past) => self.begin(past),
            Event::Set(key, entry) => self.set(key, entry),
            Event::Gone(key, revision) => self.remove(key, revision),
            Event::Current(mark) => {
                self.doubted = self.untold.take().unwrap_or_default().into_iter().collect();
                self.caught_up = Some(mark);
            }
            Event::Away => self.ready.push_back(Told::Away),
        }
    }

    fn begin(&mut self, past: Past) {
        if let Past::Another { known, found } = past {
            self.known.clear();
            self.ready.push_back(Told::Anew { known, found });
        }
        self.untold = Some(self.known.keys().cloned().collect());
    }

    fn set(&mut self, key: BucketKey, entry: Entry) {
        self.see(&key);
        if self.known.get(&key).is_none_or(|known| *known < entry.revision) {
            self.known.insert(key.clone(), entry.revision);
            self.ready.push_back(Told::Set { key, entry });
        }
    }

    fn remove(&mut self, key: BucketKey, revision: Revision) {
        self.see(&key);
        if self.known.get(&key).is_some_and(|known| *known < revision) {
            self.known.remove(&key);
            self.ready.push_back(Told::Gone { key });
        }
    }

    /// What was asked for in doubt, as it was found.
    fn settle(&mut self, key: BucketKey, found: Option<Entry>) {
        self.doubted.retain(|doubted| *doubted != key);
        match found {
            Some(entry) => self.set(key, entry),
            None if self.known.remove(&key).is_some() => self.ready.push_back(Told::Gone { key }),
            None => {}
        }
    }

    fn leave(&mut self, key: &BucketKey, error: &super::BucketError) {
        tracing::debug!(%key, error = %stdx::Chain(error), "whether a key is gone is not known");
        self.doubted.retain(|doubted| doubted != key);
    }

    fn see(&mut self, key: &BucketKey) {
        if let Some(untold) = &mut self.untold {
            untold.remove(key);
        }
    }
}

#[cfg(test)]
mod tests;
