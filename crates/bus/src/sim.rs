//! A bus that is not there: several hosts' buses in one process, with bad weather between them, all of it under a seed.
//!
//! What keeps a lattice together is decided by what arrives and when. Here both are drawn, so that a test can be run under a
//! thousand weathers, and one that fails is run again as it was.
//!
//! ```
//! # use bus::sim::{Network, Weather};
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let network = Network::new(7);
//! network.set_weather(Weather { lost: 100, ..Weather::BREEZE });
//! let mut heard = network.bus("one").subscribe("news".parse()?, None).await?;
//! network.bus("other").publish(bus::Message::new("news".parse()?, "hello".into())).await?;
//! # Ok(()) }
//! ```
//!
//! # Invariants
//!
//! 1. The same seed and the same program give the same [`Network::trace`], byte for byte, on a runtime of one thread with a paused
//!    clock. Nothing here asks for the time of day, for randomness or for another thread. A `select!` in the program that is not
//!    `biased` does: tokio draws which branch it looks at first, and not from this seed. So does its `watch`, with the order in
//!    which it wakes.
//! 2. A bucket is in one place, and each change is made there at one moment between question and answer.
//! 3. A [`Disk`] outlives the host that writes to it: who drops all that a host is has killed it, and may start it again.
//!
//! # Not here
//!
//! The speed and the protocol of a server: tests over a real one have those.

mod bucket;
mod carrier;
mod changes;
mod dice;
mod disk;
mod flight;
mod network;
mod weather;

pub use disk::Disk;
pub(crate) use disk::Drawer;
pub use network::Network;
pub use weather::Weather;
