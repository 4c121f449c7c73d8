//! Serves HTTP with components, and sends their requests.
//!
//! The serving side is the data plane: a request is read, routed, run and answered on one thread, and the component is driven
//! inside the task of the connection that the request came on. What other hosts hand on comes in beside the connections, and what
//! other hosts run is asked there. The other side, `outgoing`, decides which hosts a component may
//! send requests to.
//!
//! # Invariants
//!
//! 1. The hot path takes no lock, sets no timer and clones no configuration.
//! 2. Whatever a component does, its client gets an answer or a closed connection, and the next request is served.
//!
//! # Not here
//!
//! Which component is at which path (`route`). What components import beside HTTP (the other capabilities).

mod answer;
mod asked;
mod away;
mod connection;
mod core;
mod directory;
mod exchange;
mod headers;
pub mod outgoing;
mod p2;
mod p3;
mod plane;
mod pool;
mod request;
mod served;
mod tls;

pub use away::Away;
pub use directory::{Answers, Directory};
pub use plane::{Door, Entrance, OpenDoor, Plane, PlaneActivity, PlaneConfig, PlaneCounts, Publisher, Receiving};
pub use served::{Counts, Handler, NewState, NotAHandler, Outcome, Reuse, Served, ServedParts};
pub use tls::{Tls, TlsError, TlsFiles};
