//! What goes wrong with an object store of NATS, and what that says of the store.

use async_nats::jetstream::context::PublishError;
use async_nats::jetstream::stream::{PurgeError, RawMessageError};
use line::NoConnection;
use line::jetstream::SubjectsError;
use rt::Late;

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
    /// It was not read: what is known of the object, or its bytes.
    #[error("the server did not read it")]
    Read(#[from] RawMessageError),
    /// It was not deleted, or nobody knows.
    #[error("the server did not delete it")]
    Delete(#[from] PurgeError),
    /// The objects were not listed.
    #[error("the objects of the bucket are not listed")]
    List(#[from] SubjectsError),
    /// Others were faster, again and again.
    #[error("the object was changed by others in each of {0} attempts")]
    Contended(usize),
    /// A piece did not get there, and those after it are of no use.
    #[error("an earlier piece was not written")]
    Broken,
    /// The version that is read is not there any more.
    #[error("the object was replaced or deleted while it was read")]
    Gone,
    /// What is known of it is not what anybody should have written.
    #[error("what is known of the object cannot be read")]
    Unknown(#[from] serde_json::Error),
    /// Others may let an object stand for another one.
    #[error("the object is a link to another object, which this store does not follow")]
    Link,
    /// The bytes are others than those that were written.
    #[error("the object has not the bytes that it was written with")]
    OtherBytes,
}

// === impl Failure ===

impl Failure {
    /// Whether something under our names is not what we put there.
    pub(super) fn is_damage(&self) -> bool {
        matches!(self, Self::Unknown(_) | Self::Link | Self::OtherBytes)
    }
}
