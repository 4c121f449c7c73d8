//! Roles in a lattice, with hands that only note what they are told: on a simulated bus, and on a real one.

mod asked;
mod attacked;
mod copies;
mod hosts;
mod kept;
mod lost;
mod served;
mod simulated;
mod story;
mod traffic;
