//! Providers: processes of others that serve contracts over the bus, kept running by their host.
//!
//! A provider is native code of wasmCloud 1.x: a file that is executed, which learns what it has to know from its standard input
//! and everything else over the bus. Nothing in it is trusted to end, to be quiet or to answer.
//!
//! ```text
//! file ─▶ Program ─▶ Provider ─┬─▶ Process: spawned, heard, ended, and spawned again (Restarts)
//!          (claims)            └─▶ Words: links and settings as they change, health, shutdown
//! ```
//!
//! # Invariants
//!
//! 1. A process ends with its host, however that ends, and what it started with it where the host ends it.
//! 2. It inherits nothing but three streams and the variables that it is given.
//! 3. What it writes costs the host a fixed amount a second; one that crashes costs a start a minute.
//! 4. An archive is executed only where its claims are signed, current, and about the bytes that are executed.
//!
//! # Not here
//!
//! Which links and settings there are and who may start what (`host`), and calls (`wire`).

mod archive;
mod health;
mod output;
mod process;
mod program;
mod provider;
mod restarts;
mod start;
mod telling;
mod words;

pub use health::{Answer, Health, Verdict};
pub use process::SpawnError;
pub use program::{Program, ProgramError};
pub use provider::{Condition, Home, News, Provider, Rhythm};
pub use restarts::Restarts;
pub use start::{HostKey, Login, Place};
