//! Pairs of bytes in one file: what it acknowledges survives a power cut, if the disk honours a flush.
//!
//! One thread writes. It takes what is waiting, up to 128 writes, makes one transaction of it, and answers when that is
//! committed; while it commits, the next group gathers. Readers read the last committed state on their own thread, without a
//! lock and without waiting for the writer. A write is a function that sees all that was written before it, so that any
//! condition can be decided in it.
//!
//! ```text
//! write ──▶ bounded queue ──▶ writer ──▶ commit (two flushes) ──▶ publish ──▶ answer
//! read  ──▶ published state
//! ```
//!
//! # Invariants
//!
//! 1. A write is published before it is answered: who was told that it is done can read it.
//! 2. After a failed commit nothing is acknowledged until the file was closed, opened and read again (`writer`).
//! 3. What waits is bounded in number and in bytes; who writes faster than the disk waits too.
//! 4. A damaged file is refused; it is never taken for an empty one (`file`).
//!
//! # Not here
//!
//! What the pairs mean, and who shares a ledger with whom.

mod file;
mod ledger;
mod pairs;
mod writer;

pub use file::{OpenError, settle_folder};
pub use ledger::{Ledger, LedgerError};
pub use pairs::{Enough, Fault, Pairs, State};
