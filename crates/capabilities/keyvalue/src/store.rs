//! This is what a backend has to do, and how it may fail.

use std::sync::Arc;
use std::task::Poll;

use async_trait::async_trait;
use bytes::Bytes;
use capability::Cause;
use futures::stream::BoxStream;
use stdx::{BoxError, ByteSize, Code, Explain};

use crate::number::{Addend, Sum};
use crate::scope::{Key, Scope};

/// Bytes under keys. What it acknowledges is as safe as [`Store::describe`] says.
#[async_trait]
pub trait Store: Send + Sync {
    /// The store in a few words: `memory`, `disk /var/lib/wattle/keyvalue`.
    fn describe(&self) -> String;

    /// The value, or `None` where there is none.
    async fn get(&self, key: &Key) -> Result<Option<Bytes>, StoreError>;

    /// The same where it is known at once: most who read a store on this machine need not be able to wait for it. Not ready where it
    /// takes [`get`](Self::get), also to say what is wrong.
    fn get_now(&self, _: &Key) -> Poll<Option<Bytes>> {
        Poll::Pending
    }

    /// Makes all changes in their order, and answers when all are made.
    async fn apply(&self, changes: Vec<Change>) -> Result<(), StoreError>;

    /// Names of the keys of `scope` in order, a page at a time.
    async fn list(&self, scope: &Scope, page: Page<'_>) -> Result<Vec<String>, StoreError>;

    /// Adds to a number, in one step that nothing comes between.
    async fn increment(&self, key: &Key, addend: Addend) -> Result<Sum, StoreError>;

    /// Writes `value` if what is there still has the stamp `seen`.
    async fn swap(&self, key: &Key, seen: Stamp, value: Bytes) -> Result<Swap, StoreError>;

    /// Tells of the keys of `scope` that change from now on, whoever changes them; not what they become, since that may have
    /// changed again. It ends where nothing more will be told, and may be begun again. What nobody takes is dropped.
    async fn watch(&self, scope: &Scope) -> Result<Changes, StoreError>;

    /// The same store as it is asked for such a cause; nothing where that makes no difference.
    fn within(&self, _: &Cause) -> Option<Arc<dyn Store>> {
        None
    }

    /// Replaces whatever was there.
    async fn put(&self, key: &Key, value: Bytes) -> Result<(), StoreError> {
        self.apply(vec![Change::Put(key.clone(), value)]).await
    }

    /// Succeeds where there is nothing to delete.
    async fn delete(&self, key: &Key) -> Result<(), StoreError> {
        self.apply(vec![Change::Delete(key.clone())]).await
    }
}

/// One change to one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The value is there, whatever was there before.
    Put(Key, Bytes),
    /// There is no value.
    Delete(Key),
}

/// Names of keys that changed, in the order of their changes; one may be named more often than it changed.
pub type Changes = BoxStream<'static, String>;

/// Up to `count_max` keys, in order, that come after `after`.
#[derive(Debug, Clone, Copy)]
pub struct Page<'a> {
    /// The last key of the page before.
    pub after: Option<&'a str>,
    /// How many keys at most.
    pub count_max: usize,
}

/// Tells one value from another without holding either: a digest, or that there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp([u8; 32]);

/// How a swap ended. Losing the race is an answer, not an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Swap {
    /// The new value is there.
    Written,
    /// Someone else was faster; nothing was written.
    ChangedMeanwhile,
}

/// What went wrong, by what can be done about it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It may work in a moment, or when the machine is well again.
    #[error("the key-value store ({store}) did not answer")]
    Unavailable {
        /// Which store.
        store: String,
        /// What it said.
        #[source]
        source: BoxError,
    },

    /// What is stored cannot be trusted; nothing is read from it.
    #[error("the key-value store ({store}) is damaged")]
    Damaged {
        /// Which store.
        store: String,
        /// What was found.
        #[source]
        source: BoxError,
    },

    /// It holds as much as it may.
    #[error("the key-value store ({store}) is full: it holds {limit}")]
    Full {
        /// Which store.
        store: String,
        /// How much it may hold.
        limit: ByteSize,
    },

    /// Whoever keeps it does not do that, and says why.
    #[error("the key-value store ({store}) refuses")]
    Refused {
        /// Which store.
        store: String,
        /// What it said.
        #[source]
        source: Refusal,
    },

    /// It has no way to do that. Nothing was changed.
    #[error("the key-value store ({store}) cannot {what}")]
    Unable {
        /// Which store.
        store: String,
        /// What it cannot.
        what: &'static str,
    },
}

/// Why a store that somebody else keeps does not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It has no bucket of that name.
    #[error("it has no such bucket")]
    NoSuchStore,
    /// The component may not do that.
    #[error("the component has no access to it")]
    AccessDenied,
    /// In words of a stranger, safe to print.
    #[error("it says {0:?}")]
    Other(String),
}

// === impl Change ===

impl Change {
    /// The key that it changes.
    pub(crate) fn key(&self) -> &Key {
        match self {
            Self::Put(key, _) | Self::Delete(key) => key,
        }
    }

    /// How many bytes it carries.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Put(key, value) => key.as_bytes().len() + value.len(),
            Self::Delete(key) => key.as_bytes().len(),
        }
    }
}

// === impl Stamp ===

impl Stamp {
    /// The stamp of a value, or of none.
    pub fn of(value: Option<&[u8]>) -> Self {
        // No digest of a value is all zeros.
        Self(value.map_or([0; 32], |value| *blake3::hash(value).as_bytes()))
    }
}

// === impl StoreError ===

impl Explain for StoreError {
    fn code(&self) -> Code {
        match self {
            Self::Unavailable { .. }
            | Self::Damaged { .. }
            | Self::Full { .. }
            | Self::Refused { .. }
            | Self::Unable { .. } => Code::E0401,
        }
    }
}
