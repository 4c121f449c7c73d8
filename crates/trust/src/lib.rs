//! Keys, claims and credentials: who says what of a component, whether they signed it, and by what a user is let in.
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

mod challenge;
mod claims;
mod credentials;
mod key;
mod seed;
mod vouch;

pub use challenge::{Answer, signer_of};
pub use claims::{ClaimsError, ClaimsView, Period, Signature, read_claims};
pub use credentials::{Credentials, CredentialsError};
pub use key::{KeyKind, NotAKey, PublicKey};
pub use seed::{NotASeed, Seed};
pub use vouch::{NotVouched, vouch};
