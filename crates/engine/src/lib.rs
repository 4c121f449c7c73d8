//! Wasmtime: detect, make into a component, compile, cache, limit, pool, invoke.
//!
//! From bytes that nobody trusts to an instance that is held to its limits. The engine knows WASI and the shapes that
//! programs come in; it knows no capability, no link and no network.
//!
//! # Invariants
//!
//! 1. Nothing is compiled in this process, and nothing is loaded that was not checked ([`Engines`]).
//! 2. Nothing runs without a deadline that can end it and a [`Meter`] that counts what it takes.
//!
//! # Not here
//!
//! Which component answers a request (`route`). What its imports are bound to (`capability` and above).

mod account;
mod anatomy;
mod body;
mod cache;
pub mod call;
pub mod claims;
pub mod command;
pub mod compile;
pub mod core_module;
mod egress;
mod engines;
pub mod inspect;
mod met;
mod meter;
mod numbers;
mod part;
mod settings;
mod state;
mod store;
pub mod trace;
mod values;
mod wasi;

pub use account::{Account, Alive, Room};
pub use anatomy::{Anatomy, Form, ImportName, Pattern, ScanError, ScanLimits, Wasi};
pub use body::drop_streams_at_once;
pub use cache::CacheError;
pub use egress::{Answer, Egress, NoEgress, Transmission};
pub use engines::{Engines, EnginesConfig, Loaded, PrepareError, Program, Use};
pub use meter::{Limits, Meter, Refused};
pub use numbers::Numbers;
pub use part::{Getter, Part};
pub use settings::{Compiler, Layout, Settings};
pub use state::{Bound, State};
pub use store::{Failure, Metered, OutOfTime, new_store, start_clock};
pub use wasi::{wasi_contracts, wasi_linker};
