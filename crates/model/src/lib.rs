//! The nouns: what components, hosts and links are called, as inert values.
//!
//! Nothing here does anything. What a value means to a decision is said by the crate that decides.

mod contract;
mod name;

pub use contract::{Contract, NotAContract};
pub use name::{ComponentName, NotAName};
