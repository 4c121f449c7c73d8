//! This is who calls, by which link, and until when: what an invocation carries beside its values.
//!
//! # Invariants
//!
//! 1. All of it is said by the caller and nothing is proved: who decides by it has to know who may say it.
//! 2. What cannot be a header is left out, never an error: a call does not fail of its trace.

use std::time::Duration;

use bus::Headers;
use stdx::Trace;

/// Our own: the milliseconds that are left until nobody waits for an answer any more. Strangers do not know it.
const REMAINING: &str = "wattle-remaining-ms";

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
    /// How long the caller waits from now on.
    pub remaining: Option<Duration>,
}

// === impl Origin ===

impl Origin {
    /// What is said with an invocation that these headers came with.
    pub(crate) fn read(headers: &Headers) -> Self {
        let mut origin = Self { trace: headers.trace(), ..Self::default() };
        let mut millis = None;
        for (name, value) in headers.iter() {
            let place = match name {
                "source-id" => &mut origin.source,
                "target-id" => &mut origin.target,
                "link-name" => &mut origin.link_name,
                REMAINING => {
                    millis.get_or_insert(value);
                    continue;
                }
                _ => continue,
            };
            // The first of a name counts.
            place.get_or_insert_with(|| value.to_owned());
        }
        origin.remaining = millis.and_then(|text| text.parse().ok()).map(Duration::from_millis);
        origin
    }

    /// The same as headers.
    pub(crate) fn headers(&self) -> Headers {
        let millis = self.remaining.map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX).to_string());
        let fields = [
            ("source-id", self.source.as_deref()),
            ("target-id", self.target.as_deref()),
            ("link-name", self.link_name.as_deref()),
            (Trace::PARENT, self.trace.as_ref().map(Trace::parent)),
            (Trace::STATE, self.trace.as_ref().and_then(Trace::state)),
            (REMAINING, millis.as_deref()),
        ];
        let given = || fields.iter().filter_map(|(name, value)| Some((*name, (*value)?)));
        Headers::of(given())
            .or_else(|_| Headers::of(given().filter(|field| Headers::of([*field]).is_ok())))
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_arrives() {
        let origin = Origin {
            source: Some("shop".into()),
            target: None,
            link_name: Some("default".into()),
            trace: Trace::read("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", ["rojo=1"]),
            remaining: Some(Duration::from_millis(1_500)),
        };
        assert_eq!(Origin::read(&origin.headers()), origin);
        assert_eq!(origin.headers().get("source-id"), Some("shop"));
        assert!(Origin::default().headers().is_empty());
    }

    #[test]
    fn what_would_break_a_line_is_left_out() {
        let origin = Origin { source: Some("shop".into()), target: Some("a\r\nb".into()), ..Origin::default() };
        assert_eq!(Origin::read(&origin.headers()), Origin { target: None, ..origin });
    }

    #[test]
    fn a_stranger_may_say_what_he_likes() {
        let headers = [(REMAINING, "-1"), ("link-name", ""), ("traceparent", "00-1-2-01"), ("tracestate", "a=b")];
        let headers = Headers::of(headers).expect("headers");
        assert_eq!(Origin::read(&headers), Origin { link_name: Some(String::new()), ..Origin::default() });
    }
}
