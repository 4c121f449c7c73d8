//! These are the limits of a bus.

use stdx::ByteSize;

/// What a message, and a subscriber that does not keep up, may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The largest message: its headers as they are sent, and its payload. A server may allow less.
    pub payload_max: ByteSize,
    /// How many messages may wait for one subscriber.
    pub queued_messages_max: usize,
    /// How many bytes may wait for one subscriber. Where nothing waits, one message of any size may.
    pub queued_bytes_max: ByteSize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { payload_max: ByteSize::mib(1), queued_messages_max: 8_192, queued_bytes_max: ByteSize::mib(32) }
    }
}
