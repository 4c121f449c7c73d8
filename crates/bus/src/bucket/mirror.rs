//! This is a copy of a bucket on this machine's disk, from which a host boots when its bus is away.
//!
//! It is told what a [`Watch`](super::Watch) tells, and tells the next one what it knows. So it costs one read of the bucket in
//! its life, and what the bucket has lost it still has.
//!
//! # Invariants
//!
//! 1. That something is not in a bucket which was made again or has gone back does not take it from the mirror: see [`Standing`].
//!    What is changed in it from then on is told to the mirror as ever.
//! 2. What it knows of the bucket as a whole is written after everything that this says is there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use bytes::Bytes;
use ledger::{LedgerError, OpenError};
use stdx::{Code, Explain};

use super::folder::{Changes, Pages};
use super::names::BucketKey;
use super::values::{Entry, Known, Mark, Revision, Told};

/// What is written before it is known that all was told is written so many at a time.
const TOGETHER: usize = 256;

/// Under which pair the mark is, and what the pairs of entries begin with.
const MARK: &[u8] = &[1];
const ENTRY: u8 = 2;

/// A copy of a bucket on this machine's disk. One process has it open at a time.
#[derive(Debug)]
pub struct Mirror {
    pages: Pages,
    known: Known,
    /// What is not written yet: a value, or that there is none.
    unwritten: BTreeMap<BucketKey, Option<Entry>>,
    unwritten_mark: Option<Mark>,
    /// Whether what is told from now on changes what was told before, one by one.
    is_current: bool,
    /// Whether what is told is what there is in another bucket than the one that is known, and not what somebody has changed in it.
    compares: bool,
    standing: Standing,
}

/// How a mirror stands to its bucket.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Standing {
    /// It has what the bucket has, as far as it was told.
    #[default]
    Following,
    /// The bucket was made again or has gone back. What it should have and has not stays here until it has it again
    /// (who puts it there brings it back), until somebody puts something else there, or until [`Mirror::forget`].
    WentBack {
        /// How far it had come.
        known: Mark,
        /// How far it has come now.
        found: Mark,
        /// What is here and is not there, or is something else there.
        doubted: BTreeSet<BucketKey>,
    },
}

/// A mirror cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    /// It was not opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It was, and does not do its work.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

// === impl Mirror ===

impl Mirror {
    /// Opens the mirror in that folder, which is made where there is none. The disk is waited for.
    pub fn open(folder: &Path) -> Result<Self, MirrorError> {
        Self::of(Pages::open(folder)?)
    }

    pub(super) fn of(pages: Pages) -> Result<Self, MirrorError> {
        let mark = pages.get(MARK)?;
        let known = Known { mark: mark.as_deref().and_then(read_mark), revisions: BTreeMap::new() };
        let mut mirror = Self {
            pages,
            known,
            unwritten: BTreeMap::new(),
            unwritten_mark: None,
            is_current: false,
            compares: false,
            standing: Standing::Following,
        };
        let revisions = mirror.entries()?.into_iter().map(|(key, entry)| (key, entry.revision));
        mirror.known.revisions = revisions.collect();
        Ok(mirror)
    }

    /// What it knows, for [`Bucket::watch_from`](super::Bucket::watch_from).
    pub fn known(&self) -> Known {
        let mut known = self.known.clone();
        // What was told one by one is further than what was known when all had been told.
        let last = known.revisions.values().copied().max();
        known.mark = known.mark.map(|mark| Mark { last: last.map_or(mark.last, |last| last.max(mark.last)), ..mark });
        known
    }

    /// How it stands to its bucket.
    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    /// All that it has.
    pub fn entries(&self) -> Result<BTreeMap<BucketKey, Entry>, MirrorError> {
        let mut entries = BTreeMap::new();
        self.pages.scan(&[ENTRY], |key, pair| {
            let key = key.get(1..).and_then(|key| std::str::from_utf8(key).ok()).and_then(|key| key.parse().ok());
            entries.extend(key.zip(read_entry(pair)));
        })?;
        for (key, change) in &self.unwritten {
            match change {
                Some(entry) => entries.insert(key.clone(), entry.clone()),
                None => entries.remove(key),
            };
        }
        Ok(entries)
    }

    /// Takes what a watch tells. When this returns after [`Told::Current`] or later, what was told is on disk. To be told
    /// everything that one watch tells, in its order, from one that begins with what the mirror [knows](Self::known).
    pub async fn apply(&mut self, told: &Told) -> Result<&Standing, MirrorError> {
        match told {
            Told::Set { key, entry } => self.set(key, entry)?,
            Told::Gone { key } if self.doubts(key) => {}
            Told::Gone { key } => {
                self.doubt_no_more(key);
                self.known.revisions.remove(key);
                self.unwritten.insert(key.clone(), None);
            }
            Told::Current(mark) => {
                self.is_current = true;
                self.compares = false;
                self.unwritten_mark = Some(*mark);
            }
            Told::Away => self.is_current = false,
            Told::Anew { known, found } => {
                self.is_current = false;
                self.compares = true;
                let doubted = self.known.revisions.keys().cloned().collect();
                self.standing = Standing::WentBack { known: *known, found: *found, doubted };
            }
        }
        self.settle();
        if self.is_current || self.unwritten.len() >= TOGETHER {
            self.write().await?;
        }
        if self.is_current && self.standing == Standing::Following {
            self.write_mark().await?;
        }
        Ok(&self.standing)
    }

    /// Forgets everything, because what the bucket has is what is right. A watch that begins afterwards tells it that.
    pub async fn forget(&mut self) -> Result<(), MirrorError> {
        let keys = self.known.revisions.keys().map(pair_of).chain([MARK.to_vec()]);
        self.pages.write(keys.map(|key| (key, None)).collect()).await?;
        self.known = Known::default();
        self.unwritten.clear();
        self.unwritten_mark = None;
        self.is_current = false;
        self.compares = false;
        self.standing = Standing::Following;
        Ok(())
    }

    fn set(&mut self, key: &BucketKey, entry: &Entry) -> Result<(), MirrorError> {
        if self.doubts(key) {
            let held = self.pages.get(&pair_of(key))?;
            if held.as_deref().and_then(read_entry).is_none_or(|held| held.value != entry.value) {
                return Ok(());
            }
        }
        self.doubt_no_more(key);
        self.known.revisions.insert(key.clone(), entry.revision);
        self.unwritten.insert(key.clone(), Some(entry.clone()));
        Ok(())
    }

    /// Whether what is told of a key is to be taken for something that its bucket has lost.
    fn doubts(&self, key: &BucketKey) -> bool {
        self.compares && matches!(&self.standing, Standing::WentBack { doubted, .. } if doubted.contains(key))
    }

    fn doubt_no_more(&mut self, key: &BucketKey) {
        if let Standing::WentBack { doubted, .. } = &mut self.standing {
            doubted.remove(key);
        }
    }

    /// A bucket that has everything again has not gone back.
    fn settle(&mut self) {
        if self.is_current && matches!(&self.standing, Standing::WentBack { doubted, .. } if doubted.is_empty()) {
            self.standing = Standing::Following;
        }
    }

    async fn write(&mut self) -> Result<(), MirrorError> {
        if self.unwritten.is_empty() {
            return Ok(());
        }
        self.pages.write(changes_of(&self.unwritten)).await?;
        // Kept until here: who drops this while it waits has lost nothing.
        self.unwritten.clear();
        Ok(())
    }

    async fn write_mark(&mut self) -> Result<(), MirrorError> {
        let Some(mark) = self.unwritten_mark else { return Ok(()) };
        let bytes = [mark.made, mark.last.as_u64()].map(u64::to_be_bytes).concat();
        self.pages.write(vec![(MARK.to_vec(), Some(bytes))]).await?;
        self.known.mark = Some(mark);
        self.unwritten_mark = None;
        Ok(())
    }
}

// === impl MirrorError ===

impl Explain for MirrorError {
    fn code(&self) -> Code {
        match self {
            Self::Open(error) => error.code(),
            Self::Ledger(error) => error.code(),
        }
    }
}

fn changes_of(unwritten: &BTreeMap<BucketKey, Option<Entry>>) -> Changes {
    let pair = |entry: &Entry| [&entry.revision.as_u64().to_be_bytes()[..], &entry.value].concat();
    unwritten.iter().map(|(key, change)| (pair_of(key), change.as_ref().map(pair))).collect()
}

fn pair_of(key: &BucketKey) -> Vec<u8> {
    [&[ENTRY], key.as_str().as_bytes()].concat()
}

fn read_entry(pair: &[u8]) -> Option<Entry> {
    let (revision, value) = pair.split_first_chunk()?;
    Some(Entry { value: Bytes::copy_from_slice(value), revision: Revision::new(u64::from_be_bytes(*revision)) })
}

fn read_mark(bytes: &[u8]) -> Option<Mark> {
    let (made, last) = bytes.split_first_chunk()?;
    let last = Revision::new(u64::from_be_bytes(*last.first_chunk()?));
    Some(Mark { made: u64::from_be_bytes(*made), last })
}
