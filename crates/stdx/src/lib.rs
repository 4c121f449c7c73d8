//! What the standard library lacks: errors that explain themselves, sizes in bytes, and what a request is followed by.
//!
//! Everything here is a value or a format. There is no I/O and no clock.

mod bytesize;
mod chain;
mod code;
mod printable;
mod trace;

pub use bytesize::ByteSize;
pub use chain::Chain;
pub use code::{Blame, Code, Explain};
pub use printable::printable;
pub use trace::Trace;

/// Any error that can cross threads: the cause inside a typed one.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
