//! This is how large the parts of a call may be.

use stdx::ByteSize;

/// What one call may carry. Beyond it the component gets an error that names the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a container's name.
    pub container_name: ByteSize,
    /// Bytes of an object's name.
    pub object_name: ByteSize,
    /// Bytes of an object that is read at once, not as a stream. The engine's `hostcall_bytes` bounds a whole call too, and
    /// traps: keep this one below it.
    pub whole: ByteSize,
    /// Names of objects that one call deletes.
    pub names: usize,
    /// Names of a page.
    pub page: usize,
}

/// A call that carries too much, in words for the component's author.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} of {actual} is above the limit of {limit}")]
pub(crate) struct TooMuch {
    what: &'static str,
    actual: u64,
    limit: u64,
}

// === impl Limits ===

impl Default for Limits {
    fn default() -> Self {
        Self {
            container_name: ByteSize::kib(1),
            object_name: ByteSize::kib(1),
            whole: ByteSize::mib(4),
            names: 10_000,
            page: 1_000,
        }
    }
}

impl Limits {
    pub(crate) fn check_container(&self, name: &str) -> Result<(), TooMuch> {
        within("the length in bytes of a container's name", name.len() as u64, self.container_name.as_u64())
    }

    pub(crate) fn check_object(&self, name: &str) -> Result<(), TooMuch> {
        within("the length in bytes of an object's name", name.len() as u64, self.object_name.as_u64())
    }

    pub(crate) fn check_whole(&self, size: u64) -> Result<(), TooMuch> {
        within("the size in bytes of an object that is read at once", size, self.whole.as_u64())
    }

    pub(crate) fn check_names(&self, count: usize) -> Result<(), TooMuch> {
        within("the number of names", count as u64, self.names as u64)
    }
}

fn within(what: &'static str, actual: u64, limit: u64) -> Result<(), TooMuch> {
    if actual <= limit { Ok(()) } else { Err(TooMuch { what, actual, limit }) }
}
