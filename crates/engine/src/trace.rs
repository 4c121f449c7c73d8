//! A trace among the headers of a request: read where one comes in, written where one goes out.
//!
//! # Invariants
//!
//! 1. What a component says of a trace itself goes out as it said it.

use http::{HeaderMap, HeaderName, HeaderValue};
use stdx::Trace;

static PARENT: HeaderName = HeaderName::from_static(Trace::PARENT);
static STATE: HeaderName = HeaderName::from_static(Trace::STATE);

/// The trace that a request is a part of, where it says one.
pub fn of(headers: &HeaderMap) -> Option<Trace> {
    let mut parents = headers.get_all(&PARENT).iter();
    let parent = parents.next().filter(|_| parents.next().is_none())?;
    let states = headers.get_all(&STATE).iter().filter_map(|state| state.to_str().ok());
    Trace::read(parent.to_str().ok()?, states)
}

/// Makes a request a part of a trace, unless it says something of one already.
pub fn add(trace: &Trace, headers: &mut HeaderMap) {
    if headers.contains_key(&PARENT) {
        return;
    }
    let value = |text: &str| HeaderValue::from_str(text).expect("a trace can be a header anywhere");
    headers.insert(&PARENT, value(trace.parent()));
    headers.remove(&STATE);
    if let Some(state) = trace.state() {
        headers.insert(&STATE, value(state));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let field = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        fields.iter().map(field).collect()
    }

    #[test]
    fn a_request_says_its_trace_once() {
        let trace = of(&headers(&[(Trace::PARENT, TEXT), (Trace::STATE, "a=1"), (Trace::STATE, "b=2")]));
        assert_eq!(trace, Trace::read(TEXT, ["a=1,b=2"]));
        assert!(trace.is_some());
        assert_eq!(of(&headers(&[(Trace::PARENT, TEXT), (Trace::PARENT, TEXT)])), None);
        assert_eq!(of(&headers(&[(Trace::PARENT, "00-0"), (Trace::STATE, "a=1")])), None);
        assert_eq!(of(&headers(&[])), None);
    }

    #[test]
    fn a_trace_is_added_where_nothing_is_said_of_one() {
        let trace = Trace::read(TEXT, ["a=1"]).expect("it is well formed");
        let mut bare = headers(&[(Trace::STATE, "lost=1")]);
        add(&trace, &mut bare);
        assert_eq!(bare, headers(&[(Trace::PARENT, TEXT), (Trace::STATE, "a=1")]));
        let mut own = headers(&[(Trace::PARENT, "mine")]);
        add(&trace, &mut own);
        assert_eq!(own, headers(&[(Trace::PARENT, "mine")]));
    }
}
