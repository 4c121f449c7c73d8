//! The nouns: what components, hosts and links are called, as inert values.
//!
//! Nothing here does anything. What a value means to a decision is said by the crate that decides.

mod application;
mod ask;
mod briefing;
mod call;
mod claims;
mod contract;
pub mod fact;
mod joining;
pub mod lattice;
mod limits;
mod link;
mod name;
mod overhear;
pub mod record;
mod reference;
mod secret;

pub use application::{Declaration, DeclaredApplication, DeclaredComponent, applications_subject};
pub use ask::{
    Answer, BackendView, LATTICE, LinkChange, LinkDel, LinkPut, LinkQuery, LinkView, NotALink, Refusal, RouteId,
    RoutePut, SettingView, control_prefix,
};
pub use briefing::{Briefing, LinkDefinition};
pub use call::{TextAnswer, TextCall, TextForm, call_subject};
pub use claims::{CLAIMS, KeptClaims};
pub use contract::{Contract, NotAContract, Series};
pub use joining::{Entrance, JoinLattice, MembershipView, NatsLogin, Prefer, Standing, lattice_subject};
pub use limits::{ComponentLimits, NotLimits};
pub use link::{Contracts, Link, LinkId, LinkName, NotATarget, NotContracts, NotTerms, Reach, Target, Terms};
pub use name::{ComponentName, NotAName};
pub use overhear::{CALLED, CALLED_WITH, OVERHEARD_FOR, SPIES, overheard_subject, roll_subject};
pub use reference::{Digest, NotADigest, NotAReference, NotARegistry, Reference, Registry};
pub use secret::Secret;
