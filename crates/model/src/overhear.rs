//! This is how those who serve a component tell somebody who spies which calls come to them.
//!
//! A subscription to the calls themselves would count as one who may answer: a caller of what nobody serves would wait for it. So who
//! spies says so to those who serve, again and again, and they say of each call on another subject what there is to say.

use std::time::Duration;

/// The subject on which all who serve a component are asked for their names, and told that somebody spies.
pub fn roll_subject(lattice: &str, component: &str) -> String {
    format!("{lattice}.{component}.roll")
}

/// The subject on which those who serve a component tell of its calls.
pub fn overheard_subject(lattice: &str, component: &str) -> String {
    format!("{lattice}.{component}.overheard")
}

/// The header of a roll that says that somebody spies.
pub const SPIES: &str = "wattle-spies";

/// For so long after that they tell of calls.
pub const OVERHEARD_FOR: Duration = Duration::from_secs(5);

/// The header that says which function was called, as a subject has it.
pub const CALLED: &str = "wattle-called";

/// The header that says how many bytes the call's first message has.
pub const CALLED_WITH: &str = "wattle-called-with";
