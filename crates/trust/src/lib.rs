//! Keys and claims: who says what of a component, and whether they signed it.
//!
//! Nothing here reads a file, a clock or randomness: a token and a time go in, a value comes out.
//!
//! # Invariants
//!
//! 1. What is shown of claims says what was checked and what was not ([`Signature`]).
//! 2. Verification is strict: malleable signatures and weak keys are refused.
//!
//! # Not here
//!
//! Where in a file the token lies (`engine`).

mod claims;
mod key;
mod seed;

pub use claims::{ClaimsError, ClaimsView, Period, Signature, read_claims};
pub use key::{KeyKind, NotAKey, PublicKey};
pub use seed::{NotASeed, Seed};
