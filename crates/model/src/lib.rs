//! The nouns: what components, hosts and links are called, as inert values.
//!
//! Nothing here does anything. What a value means to a decision is said by the crate that decides.

mod ask;
mod contract;
pub mod fact;
pub mod lattice;
mod link;
mod name;
pub mod record;

pub use ask::{
    Answer, BackendView, LATTICE, LinkChange, LinkDel, LinkPut, LinkQuery, LinkView, NotALink, Refusal, SettingView,
    control_prefix,
};
pub use contract::{Contract, NotAContract};
pub use link::{Contracts, Link, LinkId, LinkName, NotATarget, NotContracts, NotTerms, Reach, Target, Terms};
pub use name::{ComponentName, NotAName};
