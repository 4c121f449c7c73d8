//! What goes wrong with a NATS server, and what that says of the store.

use async_nats::jetstream::context::PublishError;
use async_nats::jetstream::stream::{LastRawMessageError, PurgeError};
use line::NoConnection;
use line::jetstream::SubjectsError;
use rt::Late;
use stdx::{BoxError, ByteSize};

/// Why a call came to nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// There is nobody to ask.
    #[error(transparent)]
    NoConnection(#[from] NoConnection),
    /// Nobody answered.
    #[error(transparent)]
    Late(#[from] Late),
    /// It was not written, or nobody knows.
    #[error("the server did not store it")]
    Write(#[from] PublishError),
    /// It was not read.
    #[error("the server did not read it")]
    Read(#[from] LastRawMessageError),
    /// It was not deleted, or nobody knows.
    #[error("the server did not delete it")]
    Delete(#[from] PurgeError),
    /// The keys were not listed.
    #[error("the keys of the component's bucket are not listed")]
    List(#[from] SubjectsError),
    /// Nobody tells of changes.
    #[error("the server does not tell of changes")]
    Watch(#[source] BoxError),
    /// Others were faster, again and again.
    #[error("the value was changed by others in each of {0} attempts")]
    Contended(u32),
    /// What was read is not what we put there.
    #[error("the name of a key is not in what is stored under it")]
    NoName,
    /// A message of this size is refused by the server.
    #[error("with its name it has {size} bytes, and the server takes messages of {limit} (max_payload)")]
    TooLarge {
        /// How large it is.
        size: usize,
        /// How large it may be.
        limit: ByteSize,
    },
}

// === impl Failure ===

impl Failure {
    /// Whether something under our names is not what we put there.
    pub(super) fn is_damage(&self) -> bool {
        matches!(self, Self::NoName)
    }
}
