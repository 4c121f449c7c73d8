//! Runs components: reads them, links what they import, serves what they export, and drains.
//!
//! # Invariants
//!
//! 1. Everything a host does follows from one [`HostConfig`]; nothing here reads the environment or a file of its own accord.
//! 2. What a component imports is decided before it is compiled: a missing import costs no compiler.
//! 3. All problems of a configuration are said at once.
//!
//! # Not here
//!
//! Command lines and what is printed (`wattle`). How a request is answered (`http-capability`).

mod abroad;
mod applications;
mod callee;
mod capabilities;
mod capacity;
mod control;
mod crossing;
mod foreign;
mod fusing;
mod hands;
mod holder;
mod labels;
pub mod linking;
mod links;
mod load;
mod membership;
mod providers;
mod routing;
mod running;
mod serving;
mod session;
mod shim;
mod targets;
mod world;

pub use capabilities::{Capabilities, CapabilityConfig};
pub use foreign::Foreign;
pub use hands::LatticeConfig;
pub use links::LinkError;
pub use load::{BadClaims, LoadError, LoadedComponent, Source};
pub use membership::connect_options;
pub use running::{BusConfig, HostConfig, HostError, ListenerConfig, Listening, Report, Running, ServedReport};
