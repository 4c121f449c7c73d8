//! What a NATS server says of the streams that it keeps, read in one way by all who keep something in them.
//!
//! # Invariants
//!
//! 1. Asks nothing and has no connection: what was said is an argument.
//!
//! # Not here
//!
//! How a server is reached and asked: `bus`, and `line` for what is kept beside the bus. What follows from what it says is for who asked.

use std::error::Error;

use async_nats::jetstream::{Error as Said, ErrorCode};

/// What the server said, where something failed because of that.
pub fn said<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Said> {
    std::iter::successors(Some(error), |&error| error.source()).find_map(|error| error.downcast_ref())
}

/// Whether something failed because the stream or the account holds as much as it may.
pub fn is_full(error: &(dyn Error + 'static)) -> bool {
    let Some(said) = said(error) else { return false };
    let is_storing = said.error_code() == ErrorCode::STREAM_STORE_FAILED && said.to_string().contains("maximum");
    let full = [
        ErrorCode::ACCOUNT_RESOURCES_EXCEEDED,
        ErrorCode::INSUFFICIENT_RESOURCES,
        ErrorCode::MEMORY_RESOURCES_EXCEEDED,
        ErrorCode::STORAGE_RESOURCES_EXCEEDED,
    ];
    is_storing || full.contains(&said.error_code())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("it was not written")]
    struct NotWritten(#[source] Said);

    #[test]
    fn full_is_what_the_server_says_is_full_however_deep_it_is_said() {
        let is_full = |code: u64, description: &str| {
            let said = serde_json::json!({ "code": 503, "err_code": code, "description": description });
            is_full(&NotWritten(serde_json::from_value(said).expect("what a server says")))
        };
        assert!(is_full(10_002, "resource limits exceeded for account"));
        assert!(is_full(10_077, "maximum bytes exceeded"));
        assert!(!is_full(10_077, "the disk is gone") && !is_full(10_059, "stream not found"));
        assert!(!super::is_full(&std::fmt::Error), "nobody said so");
    }
}
