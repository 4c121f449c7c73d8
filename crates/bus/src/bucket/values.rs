//! These are the values that a bucket takes and gives.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use stdx::ByteSize;

use super::names::BucketKey;

/// How a bucket is made. One that is there stays as it is, but for the number of its servers: see [`Replicas`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Keep {
    /// How much it may hold, keys and values; nothing: as much as there is room for. What does not fit is refused.
    pub bytes_max: Option<ByteSize>,
}

/// On how many servers buckets are, where several carry the bus. In process they are in one place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Replicas {
    /// A new one is on three where there are as many, else on one. One that is there stays as it is.
    #[default]
    AsFound,
    /// The same, and one that is on fewer than three is put on three as soon as there are as many.
    Auto,
    /// Each is put on so many at least. Where there are not as many servers, none is made.
    AtLeast(usize),
}

/// The text is no number of servers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("buckets are on 1, 3 or 5 servers, or on as many as there are for it: `auto`")]
pub struct NoReplicas;

/// What is under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The value.
    pub value: Bytes,
    /// Which change put it there.
    pub revision: Revision,
}

/// The number of a change. Of two changes in a bucket the later one has the higher number; between buckets it means nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(u64);

/// What an acknowledgement survives. The later includes the earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Durability {
    /// Nothing: what keeps the bucket forgets it when it ends.
    Memory,
    /// That what keeps the bucket is killed. A power cut may take the last changes.
    Process,
    /// A power cut, if the disk honours a flush.
    Disk,
}

/// The text is no class of acknowledgements.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an acknowledgement survives `memory`, `process` or `disk`")]
pub struct NoDurability;

/// What a watch tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// There is this value. Values in between may have been left out, and none is told after a later one of the same key.
    Set {
        /// Under which key.
        key: BucketKey,
        /// What.
        entry: Entry,
    },
    /// There is nothing any more. Told of keys that were told of before.
    Gone {
        /// Under which key.
        key: BucketKey,
    },
    /// All that is there has been told. Told once at first, and again each time that the watch has caught up.
    Current(Mark),
    /// What changes is not seen at present: what was told may be old until [`Told::Current`] is told again. It is not gone.
    Away,
    /// The bucket is not the one that was told of: it was made again, or has gone back to what it was earlier. What follows is
    /// all that is in it. Of what it does not have any more nothing is told: whether that is gone is for others to say.
    Anew {
        /// What was known of it.
        known: Mark,
        /// What there is now.
        found: Mark,
    },
}

/// By what a bucket is known again: which one it is, and how far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Differs between two buckets that were made under one name, one after the other.
    pub made: u64,
    /// The last change in it. One that was set back to an earlier state has a lower one than before.
    pub last: Revision,
}

/// What somebody knows of a bucket already, who then has to be told of changes only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// How far the bucket had come; nothing where that is not known.
    pub mark: Option<Mark>,
    /// Of which keys there is a value, and of which revision.
    pub revisions: BTreeMap<BucketKey, Revision>,
}

// === impl Durability ===

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "memory",
            Self::Process => "process",
            Self::Disk => "disk",
        })
    }
}

impl FromStr for Durability {
    type Err = NoDurability;

    fn from_str(text: &str) -> Result<Self, NoDurability> {
        let all = [Self::Memory, Self::Process, Self::Disk];
        all.into_iter().find(|class| class.to_string() == text).ok_or(NoDurability)
    }
}

// === impl Replicas ===

/// One of three may be gone, and the other two are more than the half.
const ENOUGH: usize = 3;

impl Replicas {
    /// On how many servers a bucket is to be.
    pub(crate) fn wanted(self) -> usize {
        match self {
            Self::AsFound | Self::Auto => ENOUGH,
            Self::AtLeast(count) => count,
        }
    }

    /// Whether one is made as well where that cannot be.
    pub(crate) fn may_be_fewer(self) -> bool {
        !matches!(self, Self::AtLeast(_))
    }

    /// Whether one that is there already is put on more servers.
    pub(crate) fn grows(self) -> bool {
        self != Self::AsFound
    }
}

impl FromStr for Replicas {
    type Err = NoReplicas;

    fn from_str(text: &str) -> Result<Self, NoReplicas> {
        match text {
            "auto" => Ok(Self::Auto),
            "1" => Ok(Self::AtLeast(1)),
            "3" => Ok(Self::AtLeast(3)),
            "5" => Ok(Self::AtLeast(5)),
            _ => Err(NoReplicas),
        }
    }
}

// === impl Mark ===

impl Mark {
    /// Whether a bucket that is found like that is the same one, and has everything that was known.
    pub(crate) fn is_continued_by(self, found: Mark) -> bool {
        self.made == found.made && self.last <= found.last
    }
}

// === impl Revision ===

impl Revision {
    /// The revision of that number.
    pub fn new(number: u64) -> Self {
        Self(number)
    }

    /// Its number.
    pub fn as_u64(self) -> u64 {
        self.0
    }

    pub(crate) fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
