//! This is a fact as it is said: with who says it, when, and an id of its own.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use model::fact::{Event, Fact};

/// The event as bytes. Nothing where the machine has no randomness or the fact no JSON, which is in the log.
pub(super) fn bytes(host: &str, fact: Fact) -> Option<Bytes> {
    let now = SystemTime::now();
    let mut random = [0; 10];
    if let Err(error) = getrandom::fill(&mut random) {
        tracing::error!(%error, "a fact cannot be told from others");
        return None;
    }
    let milliseconds = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
    let event = Event {
        specversion: "1.0".into(),
        id: id(milliseconds, random),
        source: host.to_owned(),
        datacontenttype: "application/json".into(),
        time: humantime::format_rfc3339_nanos(now).to_string(),
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
    use super::*;

    #[test]
    fn an_id_begins_with_the_time() {
        assert_eq!(id(0x0191_0203_0405, [0xab; 10]), "01910203-0405-abab-abab-abababababab");
    }

    #[test]
    fn an_event_is_read_again() {
        let bytes = bytes("N", Fact::ConfigSet { config_name: "a".into() }).expect("bytes");
        let event: Event = serde_json::from_slice(&bytes).expect("an event");
        assert_eq!((event.source.as_str(), event.fact.name()), ("N", "config_set"));
        assert!(
            event.time.ends_with('Z') && event.time.len() == "2026-03-09T12:00:00.123456789Z".len(),
            "{}",
            event.time
        );
    }
}
