//! These are the limits of invocations.

use std::time::Duration;

use stdx::ByteSize;

/// What an invocation, and all of a wire together, may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most that the values of one direction may take as bytes, and that of streams may wait to be read.
    pub size_max: ByteSize,
    /// The most that the values of one direction may take when they were read. A byte of a list becomes a value of 40 bytes.
    pub memory_max: ByteSize,
    /// The most bytes that have come and wait to be read, over all invocations together.
    pub waiting_max: ByteSize,
    /// How long whoever was called may take to say that it has heard. What is longer is a black hole.
    pub accept_max: Duration,
    /// After how long without that word a host is passed over, and what may run twice is asked of another.
    pub accept_soon: Duration,
    /// How long parameters may take to come once the first of them are there.
    pub params_max: Duration,
    /// How long nothing may move of a body. Where a call has less time, less is waited for who is silent.
    pub idle_max: Duration,
    /// How many invocations one served address answers at once. More are told so.
    pub at_once_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            size_max: ByteSize::mib(16),
            memory_max: ByteSize::mib(256),
            waiting_max: ByteSize::mib(256),
            accept_max: Duration::from_secs(2),
            accept_soon: Duration::from_millis(250),
            params_max: Duration::from_secs(10),
            idle_max: Duration::from_secs(60),
            at_once_max: 1_024,
        }
    }
}
