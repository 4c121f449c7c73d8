//! These are the headers of a message, in the form that NATS gives them.
//!
//! ```text
//! NATS/1.0 503 No Responders\r\n      the version, and a status where a server has something to say
//! Trace: 17\r\n                       a name, and a value: in order, any name more than once
//! \r\n
//! ```
//!
//! # Invariants
//!
//! 1. They are kept as they are sent, and were checked when they were made: printing is free and reading cannot fail.
//! 2. No headers are no bytes. A name is visible ASCII without `:`; a value has no line break and no NUL in it.
//! 3. Names are compared as they are written, as NATS compares them.

use std::fmt;
use std::sync::Arc;

use stdx::{Code, Explain, Trace};

const VERSION: &str = "NATS/1.0";
const LINE_END: &str = "\r\n";

/// Most headers have no more bytes than this: then they are written without moving.
const ROOM: usize = 256;

/// Names and values, in order. Cheap to clone.
///
/// Over NATS the values of one name keep their order; the order of different names may be lost.
#[derive(Clone, Default)]
pub struct Headers {
    /// The block as it is sent, or `None` for none at all.
    block: Option<Arc<str>>,
}

/// What a server says with a message instead of a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status<'a> {
    /// Such as 503 where nobody listens.
    pub code: u16,
    /// The same in words, if any.
    pub text: &'a str,
}

/// The bytes or the text cannot be headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeadersError {
    /// The first line is not the version.
    #[error("the headers do not begin with {VERSION}")]
    Version,
    /// What follows the version is no status.
    #[error("what follows {VERSION} is no status of three digits")]
    Status,
    /// It does not end with an empty line, or something follows it.
    #[error("the headers do not end with the first empty line")]
    End,
    /// There is a line that is no name, a colon and a value.
    #[error("a header is a name of visible ASCII without a colon")]
    Name,
    /// The value would break the line.
    #[error("the value of a header has a line break or a NUL in it")]
    Value,
    /// The bytes are no text.
    #[error("the headers are not UTF-8")]
    Text,
}

// === impl Headers ===

impl Headers {
    /// Reads a block of headers as it was sent.
    pub fn parse(block: &[u8]) -> Result<Self, HeadersError> {
        let Ok(block) = std::str::from_utf8(block) else { return Err(HeadersError::Text) };
        let (first, fields) = block.split_once(LINE_END).ok_or(HeadersError::End)?;
        parse_first(first)?;
        let fields = fields.strip_suffix(LINE_END).ok_or(HeadersError::End)?;
        for line in fields.split_inclusive(LINE_END) {
            let line = line.strip_suffix(LINE_END).ok_or(HeadersError::End)?;
            let (name, value) = match line.split_once(':') {
                Some(field) => field,
                None if line.is_empty() => return Err(HeadersError::End),
                None => return Err(HeadersError::Name),
            };
            check(name, value)?;
        }
        let says_nothing = fields.is_empty() && first == VERSION;
        Ok(Self { block: (!says_nothing).then(|| block.into()) })
    }

    /// The block as it is sent. Empty where there are no headers.
    pub fn as_bytes(&self) -> &[u8] {
        self.block().as_bytes()
    }

    /// Whether there is neither a header nor a status.
    pub fn is_empty(&self) -> bool {
        self.block.is_none()
    }

    /// What a server said, where it said something.
    pub fn status(&self) -> Option<Status<'_>> {
        let (first, _) = self.block.as_deref()?.split_once(LINE_END)?;
        parse_first(first).ok().flatten()
    }

    /// Names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let (_, fields) = self.block().split_once(LINE_END).unwrap_or_default();
        fields
            .split_terminator(LINE_END)
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name, trim(value)))
    }

    /// The first value of a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.get_all(name).next()
    }

    /// All values of a name, in order.
    pub fn get_all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.iter().filter(move |(other, _)| *other == name).map(|(_, value)| value)
    }

    /// These names and values, in order. White space around a value is not kept.
    pub fn of<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, HeadersError> {
        Self::of_status(None, fields)
    }

    /// The same and one more, at the end. White space around the value is not kept.
    pub fn with(self, name: &str, value: &str) -> Result<Self, HeadersError> {
        self.with_all([(name, value)])
    }

    /// The same and more, at the end and in order. White space around values is not kept.
    pub fn with_all<'a>(&self, fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, HeadersError> {
        let mut fields = fields.into_iter().peekable();
        if fields.peek().is_none() {
            return Ok(self.clone());
        }
        let mut block = String::with_capacity(self.block().len() + ROOM);
        match self.block().strip_suffix(LINE_END) {
            Some(before) => block.push_str(before),
            None => [VERSION, LINE_END].into_iter().for_each(|part| block.push_str(part)),
        }
        end(block, fields)
    }

    /// The trace that they say, where they say one.
    pub fn trace(&self) -> Option<Trace> {
        let mut parents = self.get_all(Trace::PARENT);
        let parent = parents.next().filter(|_| parents.next().is_none())?;
        Trace::read(parent, self.get_all(Trace::STATE))
    }

    /// The same with a trace; as they are where something is said of one.
    pub fn within(self, trace: &Trace) -> Self {
        if self.get(Trace::PARENT).is_some() {
            return self;
        }
        self.with_all(trace.fields()).expect("a trace can be a header anywhere")
    }

    /// What is said where nobody listens.
    pub(crate) fn no_responders() -> Self {
        Self { block: Some(format!("{VERSION} 503{LINE_END}{LINE_END}").into()) }
    }

    /// The same with what a server said.
    pub(crate) fn of_status<'a>(
        status: Option<Status<'_>>,
        fields: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, HeadersError> {
        let Some(Status { code, text }) = status else { return Self::default().with_all(fields) };
        let mut block = format!("{VERSION} {code:03} {text}");
        parse_first(&block)?;
        block.push_str(LINE_END);
        end(block, fields)
    }

    fn block(&self) -> &str {
        self.block.as_deref().unwrap_or_default()
    }
}

impl PartialEq for Headers {
    fn eq(&self, other: &Self) -> bool {
        self.status() == other.status() && self.iter().eq(other.iter())
    }
}

impl Eq for Headers {}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.status() {
            Some(status) => f.debug_tuple("Headers").field(&status).field(&self.iter().collect::<Vec<_>>()).finish(),
            None => f.debug_map().entries(self.iter()).finish(),
        }
    }
}

// === impl HeadersError ===

impl Explain for HeadersError {
    fn code(&self) -> Code {
        Code::E0704
    }
}

/// The headers that begin so, and end with these fields, which are checked.
fn end<'a>(mut block: String, fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Headers, HeadersError> {
    for (name, value) in fields {
        check(name, value)?;
        [name, ": ", trim(value), LINE_END].into_iter().for_each(|part| block.push_str(part));
    }
    block.push_str(LINE_END);
    Ok(Headers { block: Some(block.into()) })
}

/// Reads the first line: the version, and a status if there is one.
fn parse_first(line: &str) -> Result<Option<Status<'_>>, HeadersError> {
    let rest = line.strip_prefix(VERSION).ok_or(HeadersError::Version)?;
    if trim(rest).is_empty() {
        return Ok(None);
    }
    if !rest.starts_with([' ', '\t']) {
        return Err(HeadersError::Version);
    }
    if rest.contains(is_break) {
        return Err(HeadersError::Value);
    }
    let rest = trim(rest);
    let (code, text) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
    let is_code = code.len() == 3 && code.bytes().all(|digit| digit.is_ascii_digit());
    match code.parse() {
        Ok(code) if is_code => Ok(Some(Status { code, text: trim(text) })),
        _ => Err(HeadersError::Status),
    }
}

fn check(name: &str, value: &str) -> Result<(), HeadersError> {
    if name.is_empty() || name.bytes().any(|byte| !byte.is_ascii_graphic() || byte == b':') {
        return Err(HeadersError::Name);
    }
    if value.contains(is_break) { Err(HeadersError::Value) } else { Ok(()) }
}

/// Without the white space around it, as every NATS client reads it.
fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

fn is_break(character: char) -> bool {
    matches!(character, '\r' | '\n' | '\0')
}

#[cfg(test)]
mod tests;
