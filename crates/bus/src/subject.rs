//! These are the names that messages go to: subjects, patterns of subjects, and queue groups.
//!
//! A name from anywhere, checked once: what is inside these types can be put on a line of the NATS protocol as it is.
//!
//! # Invariants
//!
//! 1. A name is not empty, at most [`LENGTH_MAX`] bytes long, and has no white space and no control character in it.
//! 2. A [`Subject`] names one subject: no token of it is a wildcard. No token is empty.

use std::str::{FromStr, Split};
use std::sync::Arc;

use stdx::{Code, Explain};

use crate::as_text::as_text;

use crate::matching;

/// The longest name, in bytes.
const LENGTH_MAX: usize = 1_024;

/// How much of a name that was refused is kept to be shown.
const SHOWN_MAX: usize = 80;

/// What a message is about: words joined by dots, such as `orders.eu.new`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject(Arc<str>);

/// Which subjects are meant: a subject in which `*` stands for any word, and `>` at the end for one or more. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern(Arc<str>);

/// Those who share the work: one member of a group gets each message. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueGroup(Arc<str>);

/// What somebody wants to hear, and whether the work is shared.
#[derive(Debug, Clone)]
pub(crate) struct Interest {
    pub(crate) pattern: Pattern,
    pub(crate) group: Option<QueueGroup>,
}

/// The text cannot be a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no {kind}: {flaw}")]
pub struct SubjectError {
    kind: &'static str,
    text: String,
    flaw: Flaw,
}

/// Why a text cannot be a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Flaw {
    #[error("it is empty")]
    Empty,
    #[error("it is longer than {LENGTH_MAX} bytes")]
    TooLong,
    #[error("there is nothing before, between or after dots")]
    EmptyToken,
    #[error("it has {0:?} in it")]
    Character(char),
    #[error("a wildcard can only be subscribed to")]
    Wildcard,
    #[error("`>` can only stand at its end")]
    RestNotLast,
}

// === impl Subject ===

impl Subject {
    /// The subject as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The words between the dots.
    pub fn tokens(&self) -> impl Iterator<Item = &str> {
        self.0.split('.')
    }

    /// The subject of these words below this one: `a.b` and `c.d` are `a.b.c.d`.
    ///
    /// # Errors
    ///
    /// Where the words are no subject, or there is no room for them.
    pub fn below(&self, words: &str) -> Result<Self, SubjectError> {
        let text = [&*self.0, ".", words].concat();
        let checked = check_subject(words).and_then(|()| check_length(&text));
        checked.map_err(|flaw| SubjectError::new("subject", &text, flaw))?;
        Ok(Self(text.into()))
    }
}

impl FromStr for Subject {
    type Err = SubjectError;

    fn from_str(text: &str) -> Result<Self, SubjectError> {
        check_subject(text).map(|()| Self(text.into())).map_err(|flaw| SubjectError::new("subject", text, flaw))
    }
}

// === impl Pattern ===

impl Pattern {
    /// The pattern as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether messages on `subject` are meant.
    pub fn matches(&self, subject: &Subject) -> bool {
        matching::matches(&self.0, &subject.0)
    }

    /// Whether it means one subject only.
    pub fn is_literal(&self) -> bool {
        !self.tokens().any(|token| matches!(token, "*" | ">"))
    }

    pub(crate) fn tokens(&self) -> Split<'_, char> {
        self.0.split('.')
    }
}

impl FromStr for Pattern {
    type Err = SubjectError;

    fn from_str(text: &str) -> Result<Self, SubjectError> {
        let mut before_last = text.rsplit('.').skip(1);
        let checked = check_tokens(text).and_then(|()| match before_last.any(|token| token == ">") {
            true => Err(Flaw::RestNotLast),
            false => Ok(()),
        });
        checked.map(|()| Self(text.into())).map_err(|flaw| SubjectError::new("pattern of subjects", text, flaw))
    }
}

impl From<Subject> for Pattern {
    fn from(subject: Subject) -> Self {
        Self(subject.0)
    }
}

// === impl QueueGroup ===

impl QueueGroup {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for QueueGroup {
    type Err = SubjectError;

    fn from_str(text: &str) -> Result<Self, SubjectError> {
        check(text).map(|()| Self(text.into())).map_err(|flaw| SubjectError::new("queue group", text, flaw))
    }
}

as_text! { Subject Pattern QueueGroup }

// === impl SubjectError ===

impl SubjectError {
    fn new(kind: &'static str, text: &str, flaw: Flaw) -> Self {
        Self { kind, text: text.chars().take(SHOWN_MAX).collect(), flaw }
    }
}

impl Explain for SubjectError {
    fn code(&self) -> Code {
        Code::E0704
    }
}

/// What holds for every name.
fn check(text: &str) -> Result<(), Flaw> {
    if text.is_empty() {
        return Err(Flaw::Empty);
    }
    check_length(text)?;
    // Nearly all are of such letters, which are seen at a glance.
    if text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    let breaks = text.chars().find(|character| character.is_whitespace() || character.is_control());
    breaks.map_or(Ok(()), |character| Err(Flaw::Character(character)))
}

fn check_length(text: &str) -> Result<(), Flaw> {
    if text.len() > LENGTH_MAX { Err(Flaw::TooLong) } else { Ok(()) }
}

/// What holds for every name that has dots in it.
fn check_tokens(text: &str) -> Result<(), Flaw> {
    check(text)?;
    if text.split('.').any(str::is_empty) { Err(Flaw::EmptyToken) } else { Ok(()) }
}

/// What holds for every subject. Each message has one that is checked, so it is gone through once.
fn check_subject(text: &str) -> Result<(), Flaw> {
    check(text)?;
    text.split('.').try_for_each(|token| match token {
        "" => Err(Flaw::EmptyToken),
        "*" | ">" => Err(Flaw::Wildcard),
        _ => Ok(()),
    })
}

#[cfg(test)]
mod tests;
