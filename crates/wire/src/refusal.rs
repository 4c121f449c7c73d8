//! This is what is said instead of an answer.
//!
//! The protocol has no word for it: to a stranger, a call that failed is an answer that ends before it began. So the reason is
//! a header of ours on the message that ends the answer, which strangers do not read.
//!
//! # Invariants
//!
//! 1. A reason says whether the function has run. What nobody said counts as "it may have".

use std::fmt;

use bus::Headers;

/// Our own: a word and a text.
const REFUSED: &str = "wattle-refused";

/// The longest text, in characters.
const TEXT_MAX: usize = 1_000;

/// Why there is no answer, as whoever was called says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}{}", Shown(.text))]
pub struct Refusal {
    /// The kind.
    pub reason: Reason,
    /// More about it, if there is more. Of a stranger, and safe to print.
    pub text: String,
}

/// Kinds of refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Too much runs there already. Nothing was done.
    Busy,
    /// It may not be called so. Nothing was done.
    Denied,
    /// It is there in another version only. Nothing was done.
    OtherVersion,
    /// What came is not what the function takes. Nothing was done.
    Garbled,
    /// It has run, and failed.
    Failed,
    /// It has ended without a word, as a component of a stranger does that failed.
    Silent,
}

struct Shown<'a>(&'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, " ({})", self.0) }
    }
}

// === impl Refusal ===

impl Refusal {
    /// A refusal with as much of a text as is carried.
    pub fn new(reason: Reason, text: &str) -> Self {
        let text = stdx::printable(text).to_string();
        Self { reason, text: text.chars().take(TEXT_MAX).collect() }
    }

    /// What these headers refuse with, if they do.
    pub(crate) fn read(headers: &Headers) -> Option<Self> {
        let said = headers.get(REFUSED)?;
        let (word, text) = said.split_once(' ').unwrap_or((said, ""));
        let known = Reason::ALL.into_iter().find(|reason| reason.word() == word);
        Some(Self::new(known.unwrap_or(Reason::Failed), text))
    }

    /// The same as headers.
    pub(crate) fn headers(&self) -> Headers {
        let said = format!("{} {}", self.reason.word(), self.text);
        Headers::of([(REFUSED, said.as_str())]).expect("what is printable breaks no line, see Refusal::new")
    }
}

// === impl Reason ===

impl Reason {
    const ALL: [Self; 6] = [Self::Busy, Self::Denied, Self::OtherVersion, Self::Garbled, Self::Failed, Self::Silent];

    /// Whether nothing was done, so that the same may be asked of somebody else.
    pub fn was_not_run(self) -> bool {
        matches!(self, Self::Busy | Self::Denied | Self::OtherVersion | Self::Garbled)
    }

    /// Whether nothing was done and it is about that host alone: another may well do the same.
    pub fn may_run_elsewhere(self) -> bool {
        matches!(self, Self::Busy | Self::OtherVersion)
    }

    fn word(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Denied => "denied",
            Self::OtherVersion => "other-version",
            Self::Garbled => "garbled",
            Self::Failed => "failed",
            Self::Silent => "silent",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Busy => "too much runs there already",
            Self::Denied => "it may not be called so",
            Self::OtherVersion => "it is there in another version",
            Self::Garbled => "it does not take what was sent",
            Self::Failed => "it failed",
            Self::Silent => "it ended without an answer",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_arrives_and_breaks_no_line() {
        for reason in Reason::ALL {
            let refusal = Refusal::new(reason, "unreachable\r\nPUB x 0");
            assert_eq!(Refusal::read(&refusal.headers()), Some(refusal));
        }
        assert_eq!(Refusal::new(Reason::Failed, "a trap").to_string(), "it failed (a trap)");
        assert_eq!(Refusal::new(Reason::Busy, "").to_string(), "too much runs there already");
    }

    #[test]
    fn a_word_that_nobody_knows_may_mean_that_it_ran() {
        let headers = Headers::of([("wattle-refused", "sulking in a corner")]).expect("headers");
        let refusal = Refusal::read(&headers).expect("a refusal");
        assert_eq!((refusal.reason, refusal.text.as_str()), (Reason::Failed, "in a corner"));
        assert_eq!(Refusal::read(&Headers::default()), None);
    }
}
