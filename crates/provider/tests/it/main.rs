//! Providers as real processes: scripts that misbehave in the ways that processes can.

mod lives;
