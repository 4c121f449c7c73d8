//! Providers as real processes: scripts that misbehave in the ways that processes can, and one that others publish.

mod lives;
mod stock;
