//! Invocations over a real NATS server and in process: beside the reference implementation, and under attack.

#![expect(clippy::panic, reason = "a panic fails a test")]

mod attacks;
mod bodies;
mod brief;
mod losses;
mod ours;
mod patience;
mod reference;
mod rig;
mod rosters;
mod stock;
mod streams;
mod versions;
mod windows;
