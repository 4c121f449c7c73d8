//! This is what a component may use where who starts it says so: limits of its own, beside those of its host.
//!
//! They travel as texts by name, in the words of wasmCloud 1.x: `max_memory_limit` is a number of bytes, `max_execution_time` one of
//! seconds.
//!
//! # Invariants
//!
//! 1. What was said is a limit or is refused: no name and no number is passed over in silence.
//! 2. A limit is never zero: nothing could run with it.
//!
//! # Not here
//!
//! What a component may use in the end (`engine::Limits`): of its own limits and those of its host the smaller ones count.

use std::fmt;
use std::time::Duration;

use stdx::ByteSize;

use crate::lattice::Labels;

const MEMORY: &str = "max_memory_limit";
const TIME: &str = "max_execution_time";

/// Limits of one component. Nothing where its host's count alone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ComponentLimits {
    /// Linear memory of one instance.
    pub memory: Option<ByteSize>,
    /// Wall-clock time of one invocation.
    pub time: Option<Duration>,
}

/// The texts are no limits: says what would be some.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotLimits {
    /// A limit that nobody knows.
    #[error("a component has no limit {0:?}; it has {MEMORY}, in bytes, and {TIME}, in seconds")]
    Unknown(String),
    /// No number.
    #[error("{name} is a whole number of {unit}, 1 or more, and not {text:?}")]
    NotANumber {
        /// The limit.
        name: &'static str,
        /// What it counts.
        unit: &'static str,
        /// What was said.
        text: String,
    },
}

// === impl ComponentLimits ===

impl ComponentLimits {
    /// The limits that these texts say.
    pub fn read(texts: &Labels) -> Result<Self, NotLimits> {
        let mut limits = Self::default();
        for (name, text) in texts {
            match name.as_str() {
                MEMORY => limits.memory = Some(ByteSize::bytes(number((MEMORY, "bytes"), text)?)),
                TIME => limits.time = Some(Duration::from_secs(number((TIME, "seconds"), text)?)),
                _ => return Err(NotLimits::Unknown(name.clone())),
            }
        }
        Ok(limits)
    }

    /// The texts that say these limits; none where there are none.
    pub fn texts(&self) -> Option<Labels> {
        let memory = self.memory.map(|memory| (MEMORY.to_owned(), memory.as_u64().to_string()));
        let time = self.time.map(|time| (TIME.to_owned(), time.as_secs().to_string()));
        let texts: Labels = memory.into_iter().chain(time).collect();
        (!texts.is_empty()).then_some(texts)
    }

    /// Whether its host's limits count alone.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for ComponentLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.memory, self.time) {
            (Some(memory), Some(time)) => write!(f, "{memory} of memory and {} s", time.as_secs()),
            (Some(memory), None) => write!(f, "{memory} of memory"),
            (None, Some(time)) => write!(f, "{} s", time.as_secs()),
            (None, None) => f.write_str("no limits of its own"),
        }
    }
}

fn number((name, unit): (&'static str, &'static str), text: &str) -> Result<u64, NotLimits> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| NotLimits::NotANumber { name, unit, text: text.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(texts: &[(&str, &str)]) -> String {
        let texts = texts.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        match ComponentLimits::read(&texts) {
            Ok(limits) => {
                assert_eq!(limits.texts().unwrap_or_default(), texts, "what is read is said again");
                limits.to_string()
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn limits_are_bytes_and_seconds() {
        assert_eq!(said(&[]), "no limits of its own");
        assert_eq!(said(&[("max_memory_limit", "67108864")]), "64 MiB of memory");
        assert_eq!(
            said(&[("max_memory_limit", "1"), ("max_execution_time", "18446744073709551615")]),
            "1 B of memory and 18446744073709551615 s"
        );
    }

    #[test]
    fn what_is_no_limit_is_refused_with_what_would_be_one() {
        let memory = |text| said(&[("max_memory_limit", text)]);
        assert_eq!(memory("64MiB"), r#"max_memory_limit is a whole number of bytes, 1 or more, and not "64MiB""#);
        for text in ["", "0", "-1", "1.5", " 1", "18446744073709551616", "\u{661}"] {
            assert!(memory(text).starts_with("max_memory_limit is a whole number"), "{text:?}");
        }
        assert_eq!(
            said(&[("max_execution_time", "5s")]),
            r#"max_execution_time is a whole number of seconds, 1 or more, and not "5s""#
        );
        assert_eq!(
            said(&[("max_cpu", "1")]),
            r#"a component has no limit "max_cpu"; it has max_memory_limit, in bytes, and max_execution_time, in seconds"#
        );
    }
}
