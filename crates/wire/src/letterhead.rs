//! This is what all calls by one link say of who calls, laid out once.
//!
//! Who calls whom by which link is known when the link is made. What a call adds is its time, and where it has any, its trace and
//! how deep it is.
//!
//! # Invariants
//!
//! 1. What is laid out here is what [`Origin::read`] reads.
//! 2. What cannot be a header is left out, never an error: a call does not fail of its link's name.

use std::time::Duration;

use bus::Headers;
use stdx::Trace;

use crate::origin::{DEPTH, LINK, Origin, SOURCE, TARGET};

/// What is said of who calls, ready to be sent but for the time of each call. Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Letterhead {
    /// Who calls whom, and by which link.
    parties: Headers,
    trace: Option<Trace>,
    depth: u16,
}

// === impl Letterhead ===

impl Letterhead {
    /// The same for a call that is a part of this trace, or of none.
    pub fn within(self, trace: Option<Trace>) -> Self {
        Self { trace, ..self }
    }

    /// The same for a call that components have called one another so deep for.
    pub fn at_depth(self, depth: u16) -> Self {
        Self { depth, ..self }
    }

    /// All that is said with a call, with the time that is left for it under this name: without one where there is no end to it.
    pub(crate) fn headers(&self, (name, remaining): (&str, Option<Duration>)) -> Headers {
        let millis = remaining.map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX).to_string());
        let depth = (self.depth > 0).then(|| self.depth.to_string());
        let own = [(DEPTH, depth.as_deref()), (name, millis.as_deref())];
        let own = own.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let headers = self.parties.with_all(self.trace.iter().flat_map(Trace::fields).chain(own));
        headers.expect("a trace can be a header anywhere, and so can a number")
    }
}

impl From<Origin> for Letterhead {
    /// The time that remains is left out: each call has its own.
    fn from(origin: Origin) -> Self {
        let Origin { source, target, link_name, trace, depth, remaining: _ } = origin;
        let fields = [(SOURCE, source.as_deref()), (TARGET, target.as_deref()), (LINK, link_name.as_deref())];
        let given = || fields.iter().filter_map(|(name, value)| Some((*name, (*value)?)));
        let parties = Headers::of(given())
            .or_else(|_| Headers::of(given().filter(|field| Headers::of([*field]).is_ok())))
            .unwrap_or_default();
        Self { parties, trace, depth }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::brief;
    use crate::origin::REMAINING;

    fn trace() -> Option<Trace> {
        Trace::read("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", ["rojo=1"])
    }

    fn origin() -> Origin {
        Origin { source: Some("shop".into()), link_name: Some("default".into()), ..Origin::default() }
    }

    #[test]
    fn what_is_said_arrives_whichever_way_the_time_is_said() {
        let ready = Letterhead::from(origin());
        let remaining = Some(Duration::from_millis(1_500));
        for name in [REMAINING, brief::TIME] {
            let plain = ready.headers((name, remaining));
            assert_eq!(Origin::read(&plain), Origin { remaining, ..origin() });
            let deep = ready.clone().within(trace()).at_depth(7).headers((name, remaining));
            assert_eq!(Origin::read(&deep), Origin { remaining, trace: trace(), depth: 7, ..origin() });
        }
        let deep = Origin { trace: trace(), depth: 7, ..origin() };
        assert_eq!(Letterhead::from(deep), ready.within(trace()).at_depth(7));
    }

    #[test]
    fn what_there_is_none_of_is_not_said() {
        assert!(Letterhead::default().headers((REMAINING, None)).is_empty());
        let ready = Letterhead::from(origin());
        // Nothing is laid out anew where nothing is added.
        assert_eq!(ready.headers((REMAINING, None)).as_bytes().as_ptr(), ready.parties.as_bytes().as_ptr());
        let said = ready.headers((brief::TIME, Some(Duration::MAX)));
        assert_eq!(
            said.as_bytes(),
            b"NATS/1.0\r\nsource-id: shop\r\nlink-name: default\r\nwattle-brief-ms: 18446744073709551615\r\n\r\n"
        );
    }

    #[test]
    fn what_would_break_a_line_is_left_out() {
        let strange = Origin { target: Some("a\r\nb".into()), ..origin() };
        assert_eq!(Letterhead::from(strange), Letterhead::from(origin()));
    }
}
