//! A lattice as its facts have made it: one fold over what is said, kept and answered, for whoever wants to know what there is.
//!
//! Facts get lost, and what is kept may be old. So nothing here is certain of a host but what was heard of it last and when; what
//! that comes to is asked for with the time, and comes with its reason.
//!
//! # Invariants
//!
//! 1. Equal news in equal order make equal lattices: nothing here has a clock, and every collection is ordered.
//! 2. "I cannot see it" is never "it is gone": a host is lost when its lattice says so, and until then at most silent.
//!
//! # Not here
//!
//! Who decides that a host is lost (`lattice`). What a lattice keeps beside its hosts: links and settings have one place.

mod host;
mod lattice;

pub use host::{HostView, Presence};
pub use lattice::{Lattice, News};
