//! Says which subjects a component may use.
//!
//! Subjects are shared with whoever else is on a bus: the commands of hosts, the inboxes of those who wait for an answer, and
//! what a server keeps for itself. A component that could say something there could stop a host, or answer for another.
//!
//! # Invariants
//!
//! 1. What was checked here begins with a word that is nobody's: so does all that a pattern matches.

use bus::{Pattern, Subject, SubjectError};

/// What the platform and its relatives keep for themselves: commands, events and calls between hosts.
const RESERVED: [&str; 3] = ["wattle", "wasmbus", "wadm"];

/// What a component may not say or hear.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is no subject, or no pattern of them.
    #[error(transparent)]
    Malformed(#[from] SubjectError),
    /// It belongs to somebody else.
    #[error("{0:?} is not for components: subjects that begin with {1:?} belong to the platform or to the server")]
    Reserved(String, String),
    /// It would match what belongs to somebody else.
    #[error("{0:?} would match subjects that are not for components: a subscription begins with a word")]
    TooWide(String),
    /// Nobody asked this component.
    #[error("{0:?} is the inbox of somebody who does not wait for this component's answer")]
    NotAsked(String),
}

/// The subject, if components may say something there.
pub fn subject(text: &str) -> Result<Subject, Refused> {
    let subject: Subject = text.parse()?;
    check_first(text)?;
    Ok(subject)
}

/// The pattern, if components may hear all that it matches.
pub fn pattern(text: &str) -> Result<Pattern, Refused> {
    let pattern: Pattern = text.parse()?;
    if matches!(first(text), "*" | ">") {
        return Err(Refused::TooWide(text.into()));
    }
    check_first(text)?;
    Ok(pattern)
}

/// Whether somebody waits there for answers, as clients of NATS do.
pub fn is_inbox(subject: &Subject) -> bool {
    first(subject.as_str()) == "_INBOX"
}

/// Servers keep words for themselves that begin with `$` or `_`.
fn check_first(text: &str) -> Result<(), Refused> {
    let first = first(text);
    let is_reserved = first.starts_with(['$', '_']) || RESERVED.contains(&first);
    if is_reserved { Err(Refused::Reserved(text.into(), first.into())) } else { Ok(()) }
}

fn first(text: &str) -> &str {
    text.split('.').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_has_the_subjects_that_are_nobodys() {
        for text in ["orders", "orders.eu.new", "wattles.x", "größe.a", "a.wattle.ctl", "x.$JS"] {
            assert!(subject(text).is_ok() && pattern(text).is_ok(), "{text}");
        }
        for text in ["orders.*", "orders.>", "a.*.b"] {
            assert!(subject(text).is_err() && pattern(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_is_somebodys_is_refused() {
        let control = format!("{}.link.put", model::control_prefix(model::LATTICE));
        for text in
            [&control, "wattle.x", "wasmbus.ctl.v1.default.x", "wadm.api.x", "$JS.API.INFO", "$SYS.x", "_INBOX.a.b"]
        {
            assert!(matches!(subject(text), Err(Refused::Reserved(..))), "{text}");
            assert!(matches!(pattern(text), Err(Refused::Reserved(..))), "{text}");
        }
        for text in [">", "*", "*.ctl.>", "*.*.*"] {
            assert!(matches!(pattern(text), Err(Refused::TooWide(_))), "{text}");
        }
    }

    #[test]
    fn what_is_no_subject_is_refused() {
        for text in ["", "a b", "a\r\nPUB x", ".a", "a.", "a..b", &"a".repeat(10_240)] {
            assert!(matches!(subject(text), Err(Refused::Malformed(_))), "{text}");
            assert!(matches!(pattern(text), Err(Refused::Malformed(_))), "{text}");
        }
    }
}
