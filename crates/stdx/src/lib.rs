//! What the standard library lacks: errors that explain themselves, and sizes in bytes.
//!
//! Everything here is a value or a format. There is no I/O and no clock.

mod bytesize;
mod chain;
mod code;
mod printable;

pub use bytesize::ByteSize;
pub use chain::Chain;
pub use code::{Blame, Code, Explain};
pub use printable::printable;

/// Any error that can cross threads: the cause inside a typed one.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
