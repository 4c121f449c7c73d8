//! This is how large the parts of a call may be.

use stdx::ByteSize;

/// What one call may carry. Beyond it the component gets an error that names the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a key.
    pub key: ByteSize,
    /// Bytes of a value. The engine's `hostcall_bytes` bounds a whole call too, and traps: keep this one below it.
    pub value: ByteSize,
    /// Bytes of all values of a batch together, read or written.
    pub batch: ByteSize,
    /// Keys of a batch.
    pub batch_keys: usize,
    /// Keys of a page.
    pub page: usize,
    /// Characters of a bucket's name.
    pub bucket_name: usize,
}

/// A call that carries too much, in words for the component's author.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} of {actual} is above the limit of {limit}")]
pub(crate) struct TooMuch {
    what: &'static str,
    actual: usize,
    limit: usize,
}

// === impl Limits ===

impl Default for Limits {
    fn default() -> Self {
        Self {
            key: ByteSize::kib(4),
            value: ByteSize::mib(4),
            batch: ByteSize::mib(6),
            batch_keys: 10_000,
            page: 1_000,
            bucket_name: 256,
        }
    }
}

impl Limits {
    pub(crate) fn check_key(&self, key: &str) -> Result<(), TooMuch> {
        within("a key's length in bytes", key.len(), self.key.as_usize())
    }

    pub(crate) fn check_value(&self, value: &[u8]) -> Result<(), TooMuch> {
        within("a value's size in bytes", value.len(), self.value.as_usize())
    }

    pub(crate) fn check_batch(&self, bytes: usize) -> Result<(), TooMuch> {
        within("a batch's size in bytes", bytes, self.batch.as_usize())
    }

    pub(crate) fn check_batch_keys(&self, count: usize) -> Result<(), TooMuch> {
        within("a batch's number of keys", count, self.batch_keys)
    }
}

fn within(what: &'static str, actual: usize, limit: usize) -> Result<(), TooMuch> {
    if actual <= limit { Ok(()) } else { Err(TooMuch { what, actual, limit }) }
}
