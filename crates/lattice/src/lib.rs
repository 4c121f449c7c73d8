//! A host as one of a lattice, whatever it runs: it answers the control interface, is told, says facts, and follows what is kept.
//!
//! ```text
//! bus ─▶ question (which) ─▶ answers (rules decide) ─▶ reply ─▶ bus
//!                                   └─▶ command ─▶ rules (a course of steps) ─▶ deeds ─▶ Hands
//!                                                                          └─▶ facts ─▶ bus
//! ```
//!
//! A [`Role`] decides what is to be done, in values, and [`Hands`] do it: those of a real host run components, and those of a test
//! need no engine. So a role is run on a simulated bus as it is on a real one.
//!
//! # Invariants
//!
//! 1. What is done, said and answered is decided by `rules`, which neither wait nor know of a bus.
//! 2. Nothing here asks for the time of day or for randomness but through [`Stamps`]; what is measured is the runtime's clock.
//!
//! # Not here
//!
//! What runs components and opens what they are linked to (`host`). What travels (`model`).

mod answers;
mod entrance;
mod errands;
mod event;
mod hands;
mod identity;
mod keeping;
mod kept;
mod leases;
mod leasing;
mod linkdefs;
mod merge;
mod moving;
mod names;
mod question;
mod role;
mod rules;
mod state;
mod stop;
mod voice;

pub use entrance::{EntranceError, forget, remember, remembered};
pub use event::{Stamp, Stamps};
pub use hands::{Deed, Hands, ProviderView};
pub use identity::{Identity, IdentityError};
pub use kept::Keeps;
pub use merge::{Contradiction, Holdings};
pub use moving::{MoveError, copy, keep_only, take_along};
pub use role::{NotKept, Retired, Role, RoleConfig, RoleSetup};
pub use state::Runs;
pub use stop::Stop;
pub use voice::Voice;
