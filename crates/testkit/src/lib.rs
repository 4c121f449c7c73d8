//! Components, fixtures and processes for tests.
//!
//! ```no_run
//! let wattle = testkit::Wattle::new("target/debug/wattle", "target/tmp");
//! let up = wattle.up([testkit::guest("hello")]);
//! assert_eq!(up.get("/").status, 200);
//! assert_eq!(up.stop().code, Some(0));
//! ```
//!
//! # Invariants
//!
//! 1. Nothing here waits without an end: a read, a process and a condition all have their deadline.
//! 2. A process that a test started is gone when the test is, however the test ends.
//! 3. A process sees nothing of the user's home or environment.

#![expect(
    clippy::panic,
    clippy::print_stdout,
    reason = "it is for tests: a panic fails one, and they say what they skip"
)]

mod clock;
mod gcs;
mod guest;
mod http;
mod load;
mod net;
mod process;
#[cfg(feature = "providers")]
mod provider;
mod s3;
mod server;
mod skip;
mod wait;

pub use clock::clock_off_by;
pub use gcs::Gcs;
pub use guest::{find_guest, guest, program, provider};
pub use http::{Answer, Connection, chunked, request};
pub use load::{Mortal, Over, survives_kills};
pub use net::{Cut, Net, Site};
pub use process::{Ended, Up, Wattle};
#[cfg(feature = "providers")]
pub use provider::{BrokerMessage, ManyPairs, Provider};
pub use s3::S3;
pub use server::{Azurite, Mosquitto, Nats, NatsCluster, Postgres, Redis, Registry, Server, quiet_port};
pub use skip::{Lack, skip};
pub use wait::{PATIENCE, eventually};
