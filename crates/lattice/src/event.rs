//! This is a fact as it is said: with who says it, when, and an id of its own.

use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use model::fact::{Event, Fact};

/// What tells a fact from all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// The time of day.
    pub time: SystemTime,
    /// Differs each time.
    pub random: [u8; 10],
}

/// Where stamps come from: the only thing in a role that is otherwise each time. Cheap to clone.
#[derive(Clone)]
pub struct Stamps(Arc<dyn Fn() -> Option<Stamp> + Send + Sync>);

// === impl Stamps ===

impl Stamps {
    /// The time and the randomness of this machine.
    pub fn of_this_machine() -> Self {
        Self::new(|| {
            let mut random = [0; 10];
            match getrandom::fill(&mut random) {
                Ok(()) => Some(Stamp { time: SystemTime::now(), random }),
                Err(error) => {
                    tracing::error!(%error, "a fact cannot be told from others");
                    None
                }
            }
        })
    }

    /// Whatever `stamp` gives; where that is nothing, the fact is not said.
    pub fn new(stamp: impl Fn() -> Option<Stamp> + Send + Sync + 'static) -> Self {
        Self(Arc::new(stamp))
    }

    pub(crate) fn stamp(&self) -> Option<Stamp> {
        (self.0)()
    }
}

impl fmt::Debug for Stamps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stamps").finish_non_exhaustive()
    }
}

/// The event as bytes. Nothing where the fact has no JSON, which is in the log.
pub(crate) fn bytes(host: &str, Stamp { time, random }: Stamp, fact: Fact) -> Option<Bytes> {
    let milliseconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
    let event = Event {
        specversion: "1.0".into(),
        id: id(milliseconds, random),
        source: host.to_owned(),
        datacontenttype: "application/json".into(),
        time: humantime::format_rfc3339_nanos(time).to_string(),
        fact,
    };
    match serde_json::to_vec(&event) {
        Ok(bytes) => Some(bytes.into()),
        Err(error) => {
            tracing::error!(%error, "a fact cannot be written");
            None
        }
    }
}

/// A ULID, 48 bits of time before 80 bits of randomness, printed as a UUID: ids sort by time.
fn id(milliseconds: u64, random: [u8; 10]) -> String {
    let time = &milliseconds.to_be_bytes()[2..];
    let hex: String = time.iter().chain(&random).map(|byte| format!("{byte:02x}")).collect();
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_id_begins_with_the_time() {
        assert_eq!(id(0x0191_0203_0405, [0xab; 10]), "01910203-0405-abab-abab-abababababab");
    }

    #[test]
    fn an_event_is_read_again() {
        let stamp = Stamp { time: UNIX_EPOCH + Duration::from_nanos(1_773_057_600_123_456_789), random: [0; 10] };
        let bytes = bytes("N", stamp, Fact::ConfigSet { config_name: "a".into() }).expect("bytes");
        let event: Event = serde_json::from_slice(&bytes).expect("an event");
        assert_eq!((event.source.as_str(), event.fact.name()), ("N", "config_set"));
        assert_eq!(event.time, "2026-03-09T12:00:00.123456789Z");
    }

    #[test]
    fn no_two_stamps_of_a_machine_are_the_same() {
        let stamps = Stamps::of_this_machine();
        assert_ne!(stamps.stamp(), stamps.stamp());
    }
}
