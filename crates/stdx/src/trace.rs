//! A trace: what all that is done for one request has in common, as W3C Trace Context has it.
//!
//! A request that comes with a trace is followed by it through components, hosts and providers, and is found by it in their
//! logs. This host reports no spans, so it forwards a trace and does not take part in it, in the words of the specification: both
//! fields go on as they came. With a parent-id of its own, what others report would hang on a span that nobody has ever seen.
//!
//! # Invariants
//!
//! 1. A [`Trace`] is only made of a well-formed `traceparent`, and is printable ASCII: it can be a header anywhere. Anything else
//!    counts as if it were not there, and is no error.
//! 2. None is made here: who did not ask for a trace has none, and pays for none.

use std::fmt;
use std::sync::Arc;

/// Bytes of a `traceparent` of version 00.
const LENGTH: usize = 55;

/// Members that a `tracestate` may have.
const MEMBERS_MAX: usize = 32;

/// Bytes of a `tracestate` that are handed on.
const STATE_MAX: usize = 512;

/// Bytes of the key and of the value of one member.
const MEMBER_PART_MAX: usize = 256;

/// Where something belongs among all that is done for one request. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Trace(Arc<Fields>);

#[derive(PartialEq, Eq)]
struct Fields {
    parent: Box<str>,
    state: Option<Box<str>>,
}

// === impl Trace ===

impl Trace {
    /// The name of the field that says the trace.
    pub const PARENT: &str = "traceparent";

    /// The name of the field that says what vendors add to it.
    pub const STATE: &str = "tracestate";

    /// The trace that these two fields say, of which the second may stand more than once. Nothing where the first is not well
    /// formed; without what vendors add where the second is not.
    pub fn read<'a>(parent: &str, states: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let parent = known(parent)?;
        Some(Self(Arc::new(Fields { parent, state: members(states) })))
    }

    /// The first field, as it is handed on.
    pub fn parent(&self) -> &str {
        &self.0.parent
    }

    /// The second, where there is one.
    pub fn state(&self) -> Option<&str> {
        self.0.state.as_deref()
    }

    /// Both fields with their names.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        let state = self.state().map(|state| (Self::STATE, state));
        [(Self::PARENT, self.parent())].into_iter().chain(state)
    }

    /// What all that belongs together has in common: 32 digits.
    pub fn id(&self) -> &str {
        &self.0.parent[3..35]
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Trace").field(&self.parent()).field(&self.state()).finish()
    }
}

/// A `traceparent` as it is handed on (3.2): one of a version that is not known here as the one of version 00 that it begins with.
fn known(parent: &str) -> Option<Box<str>> {
    let (parent, rest) = parent.split_at_checked(LENGTH)?;
    let mut parts = parent.split('-');
    let mut hex = |length| parts.next().filter(|part| part.len() == length && part.bytes().all(is_lower_hex));
    let (version, id, span, flags) = (hex(2)?, hex(32)?, hex(16)?, hex(2)?);
    let is_something = |part: &str| part.bytes().any(|digit| digit != b'0');
    if version == "ff" || !is_something(id) || !is_something(span) {
        return None;
    }
    if version == "00" {
        return rest.is_empty().then(|| parent.into());
    }
    let is_sampled = u8::from_str_radix(flags, 16).is_ok_and(|flags| flags & 1 == 1);
    let is_whole = rest.is_empty() || rest.starts_with('-');
    is_whole.then(|| format!("00-{id}-{span}-0{}", u8::from(is_sampled)).into())
}

/// The members of a `tracestate` (3.3), without those at its end that are too many bytes; nothing where one is no member.
fn members<'a>(states: impl IntoIterator<Item = &'a str>) -> Option<Box<str>> {
    let mut kept = String::new();
    let (mut count, mut is_full) = (0, false);
    let all = states.into_iter().flat_map(|state| state.split(',')).map(|member| member.trim_matches([' ', '\t']));
    for member in all.filter(|member| !member.is_empty()) {
        count += 1;
        if count > MEMBERS_MAX || !is_member(member) {
            return None;
        }
        is_full = is_full || kept.len() + 1 + member.len() > STATE_MAX;
        if !is_full {
            kept.push_str(if kept.is_empty() { "" } else { "," });
            kept.push_str(member);
        }
    }
    (!kept.is_empty()).then(|| kept.into())
}

fn is_member(member: &str) -> bool {
    let Some((key, value)) = member.split_once('=') else { return false };
    let fits = |part: &str| (1..=MEMBER_PART_MAX).contains(&part.len());
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_of_key = |byte: u8| is_word(byte) || matches!(byte, b'_' | b'-' | b'*' | b'/' | b'@');
    let is_of_value = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'=';
    let is_key = fits(key) && key.bytes().all(is_of_key) && key.bytes().next().is_some_and(is_word);
    is_key && fits(value) && value.bytes().all(is_of_value)
}

fn is_lower_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

#[cfg(test)]
mod tests;
