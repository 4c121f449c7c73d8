//! This is why something in a bucket was not done.

use stdx::{BoxError, ByteSize, Code, Explain};

use super::names::{BucketKey, BucketName};

/// A bucket did not do what it was asked, by what can be done about it.
#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    /// Somebody else was faster. Nothing was changed.
    #[error("{key} in the bucket {bucket} is not as it was seen any more")]
    Conflict {
        /// In which bucket.
        bucket: BucketName,
        /// Under which key.
        key: BucketKey,
    },
    /// The value is larger than the bus takes.
    #[error("the value for {key} has {size}, and {limit} is the most that the bus takes")]
    TooLarge {
        /// Under which key.
        key: BucketKey,
        /// Its size.
        size: ByteSize,
        /// The limit.
        limit: ByteSize,
    },
    /// The bucket holds as much as it may.
    #[error("the bucket {bucket} is full")]
    Full {
        /// Which.
        bucket: BucketName,
        /// What was said.
        #[source]
        source: BoxError,
    },
    /// The bucket cannot be made or used as it is.
    #[error("the bucket {bucket} cannot be used")]
    Refused {
        /// Which.
        bucket: BucketName,
        /// Why not.
        #[source]
        source: BoxError,
    },
    /// Its server answers and stores nothing. What was to be changed may be changed or not.
    #[error("the bucket {bucket} stores nothing more, though its server answers; the server's disk may be full")]
    Stuck {
        /// Which.
        bucket: BucketName,
        /// What happened instead.
        #[source]
        source: BoxError,
    },
    /// What carries the bus keeps nothing.
    #[error("{bus} keeps no buckets")]
    NoBuckets {
        /// Which.
        bus: String,
    },
    /// There is no answer. What was to be changed may be changed or not.
    #[error("{bus} cannot be reached")]
    Unavailable {
        /// Which.
        bus: String,
        /// Why, as far as it is known.
        #[source]
        source: BoxError,
    },
    /// What is on this machine's disk cannot be used.
    #[error("what is kept on this machine cannot be used")]
    Disk(#[source] BoxError),
}

// === impl BucketError ===

impl Explain for BucketError {
    fn code(&self) -> Code {
        match self {
            Self::Conflict { .. } => Code::E0706,
            Self::NoBuckets { .. } => Code::E0707,
            Self::Full { .. } | Self::Refused { .. } | Self::Stuck { .. } => Code::E0708,
            Self::TooLarge { .. } => Code::E0703,
            Self::Unavailable { .. } => Code::E0604,
            Self::Disk(_) => Code::E0401,
        }
    }
}
