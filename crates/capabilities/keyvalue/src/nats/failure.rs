//! What goes wrong with a NATS server, and what that says of the store.

use std::error::Error as StdError;

use async_nats::jetstream::context::{PublishError, RequestError};
use async_nats::jetstream::stream::{LastRawMessageError, LastRawMessageErrorKind, PurgeError, PurgeErrorKind};
use async_nats::jetstream::{Error as Answer, ErrorCode};
use rt::Late;
use stdx::ByteSize;

use crate::line::NoConnection;

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
    /// It was not listed.
    #[error("the server did not list its keys")]
    List(#[from] RequestError),
    /// The server says why it did not list them.
    #[error("the server did not list its keys")]
    Said(#[source] Answer),
    /// While a leader is elected a stream looks empty. It is not.
    #[error("the bucket has no leader at present")]
    NoLeader,
    /// More keys than are listed in order.
    #[error("the bucket of the component has more than {0} keys, which is more than this store lists")]
    TooMany(usize),
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
    /// Whether the bucket or the account holds as much as it may.
    pub(super) fn is_full(&self) -> bool {
        let Some(answer) = self.answer() else { return false };
        let is_storing =
            answer.error_code() == ErrorCode::STREAM_STORE_FAILED && answer.to_string().contains("maximum");
        let full = [
            ErrorCode::ACCOUNT_RESOURCES_EXCEEDED,
            ErrorCode::INSUFFICIENT_RESOURCES,
            ErrorCode::MEMORY_RESOURCES_EXCEEDED,
            ErrorCode::STORAGE_RESOURCES_EXCEEDED,
        ];
        is_storing || full.contains(&answer.error_code())
    }

    /// Whether something under our names is not what we put there.
    pub(super) fn is_damage(&self) -> bool {
        matches!(self, Self::NoName)
    }

    /// What the server said.
    fn answer(&self) -> Option<Answer> {
        let from_source = |error: &dyn StdError| error.source()?.downcast_ref::<Answer>().cloned();
        match self {
            Self::Write(error) => from_source(error),
            Self::List(error) => from_source(error),
            Self::Said(answer) => Some(answer.clone()),
            Self::Read(error) => match error.kind() {
                LastRawMessageErrorKind::JetStream(answer) => Some(answer),
                _ => None,
            },
            Self::Delete(error) => match error.kind() {
                PurgeErrorKind::JetStream(answer) => Some(answer),
                _ => None,
            },
            _ => None,
        }
    }
}
