//! Connections to servers, made anew when they are lost.
//!
//! A backend that keeps its things on a server opens a [`Line`] to it and says in a [`Dial`] how to connect. For streams of
//! NATS that is said here, in [`jetstream`], since more than one contract keeps things in them.
//!
//! # Not here
//!
//! Pools: a line is one connection, which many calls use at once; [`Lanes`] are one for each thread. What is called, and what an answer means, the backends know.

mod lanes;
mod line;

pub mod jetstream;

pub use lanes::Lanes;
pub use line::{ConnectError, Dial, Line, Loss, NoConnection};
