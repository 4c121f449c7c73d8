//! This is who calls, by which link, and until when: what an invocation carries beside its values.
//!
//! # Invariants
//!
//! 1. All of it is said by the caller and nothing is proved: who decides by it has to know who may say it.
//! 2. What is not well formed counts as not said.

use std::time::Duration;

use bus::Headers;
use stdx::Trace;

use crate::brief;

/// Who calls, whom, and by which link, as hosts and providers of wasmCloud say it.
pub(crate) const SOURCE: &str = "source-id";
pub(crate) const TARGET: &str = "target-id";
pub(crate) const LINK: &str = "link-name";

/// Our own: the milliseconds that are left until nobody waits for an answer any more. Strangers do not know it.
pub(crate) const REMAINING: &str = "wattle-remaining-ms";

/// Our own, too: how deep components have called one another, on whichever hosts. It is not said where it is 0.
pub(crate) const DEPTH: &str = "wattle-depth";

/// What is said with an invocation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// The component or provider that calls. Providers of wasmCloud find by it what they keep for a link.
    pub source: Option<String>,
    /// What is called, where a provider calls a component.
    pub target: Option<String>,
    /// The link that the call goes by; none is `default`.
    pub link_name: Option<String>,
    /// The trace that the call is a part of. One that is not well formed is none.
    pub trace: Option<Trace>,
    /// How deep components have called one another for it: 0 where none did, and where a stranger calls.
    pub depth: u16,
    /// How long the caller waits from now on.
    pub remaining: Option<Duration>,
}

// === impl Origin ===

impl Origin {
    /// What is said with an invocation that these headers came with.
    pub(crate) fn read(headers: &Headers) -> Self {
        let [mut source, mut target, mut link_name, mut parent, mut depth, mut millis] = [None; 6];
        for (name, value) in headers.iter() {
            let place = match name {
                SOURCE => &mut source,
                TARGET => &mut target,
                LINK => &mut link_name,
                Trace::PARENT => &mut parent,
                DEPTH => &mut depth,
                REMAINING | brief::TIME => &mut millis,
                _ => continue,
            };
            // The first of a name counts.
            place.get_or_insert(value);
        }
        Self {
            source: source.map(ToOwned::to_owned),
            target: target.map(ToOwned::to_owned),
            link_name: link_name.map(ToOwned::to_owned),
            trace: parent.and_then(|_| headers.trace()),
            depth: depth.and_then(|text| text.parse().ok()).unwrap_or(0),
            remaining: millis.and_then(|text| text.parse().ok()).map(Duration::from_millis),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_may_say_what_he_likes() {
        let headers = [
            (REMAINING, "-1"),
            (DEPTH, "70000"),
            (LINK, ""),
            (Trace::PARENT, "00-1-2-01"),
            (Trace::STATE, "a=b"),
            (SOURCE, "shop"),
            (SOURCE, "till"),
        ];
        let headers = Headers::of(headers).expect("headers");
        let read = Origin { source: Some("shop".into()), link_name: Some(String::new()), ..Origin::default() };
        assert_eq!(Origin::read(&headers), read);
    }
}
