//! Reads what a NATS client sends: from bytes to values, and nothing else.
//!
//! [`parse`] looks at the bytes that there are and either finds an operation at their start, or that more bytes are needed, or
//! why nothing that follows could make them right. It keeps nothing between calls: it can be asked again with one byte more.
//!
//! # Invariants
//!
//! 1. What is refused is refused as soon as it is known: a verb by its letters, a length before what it is the length of.
//! 2. It never asks for more bytes than a control line, or a control line and what [`Grammar::payload_max`] allows.
//! 3. It copies nothing and allocates nothing.

use std::ops::Range;

/// What a client may send.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Grammar {
    /// The longest line, without what ends it.
    pub(crate) line_max: usize,
    /// The largest message, headers included.
    pub(crate) payload_max: usize,
    /// Whether anything but a greeting is heard.
    pub(crate) stage: Stage,
}

/// How far a client has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It has to say who it is: only `CONNECT`, `PING` and `PONG` are heard.
    Greeting,
    /// It may say anything.
    Open,
}

/// What the bytes begin with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Parsed<'a> {
    /// An operation, in so many bytes.
    Whole(Operation<'a>, usize),
    /// The beginning of one.
    Part,
}

/// What a client wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Operation<'a> {
    /// `CONNECT`, with the options as JSON.
    Connect(&'a [u8]),
    Ping,
    Pong,
    /// `PUB` and `HPUB`.
    Publish {
        subject: &'a [u8],
        reply: Option<&'a [u8]>,
        headers: Option<&'a [u8]>,
        payload: &'a [u8],
    },
    /// `SUB`.
    Subscribe {
        pattern: &'a [u8],
        group: Option<&'a [u8]>,
        sid: &'a [u8],
    },
    /// `UNSUB`, at once or after so many messages.
    Unsubscribe {
        sid: &'a [u8],
        max: Option<u64>,
    },
}

/// Why the connection has to end. The text is what a NATS server says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("Unknown Protocol Operation")]
    Unknown,
    #[error("maximum control line exceeded")]
    LineTooLong,
    #[error("Maximum Payload Violation")]
    PayloadTooLarge,
    #[error("Authorization Violation")]
    NotGreeted,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Connect,
    Ping,
    Pong,
    Pub,
    Hpub,
    Sub,
    Unsub,
}

const VERBS: [(&[u8], Verb); 7] = [
    (b"CONNECT", Verb::Connect),
    (b"PING", Verb::Ping),
    (b"PONG", Verb::Pong),
    (b"PUB", Verb::Pub),
    (b"HPUB", Verb::Hpub),
    (b"SUB", Verb::Sub),
    (b"UNSUB", Verb::Unsub),
];

/// The most words that a line has behind its verb.
const WORDS_MAX: usize = 4;

/// What `bytes` begin with.
pub(crate) fn parse<'a>(bytes: &'a [u8], grammar: &Grammar) -> Result<Parsed<'a>, Refusal> {
    let (verb, length) = match (verb(bytes), grammar.stage) {
        (Ok(None), _) => return Ok(Parsed::Part),
        (Ok(Some(found)), Stage::Open) => found,
        (Ok(Some(found @ (Verb::Connect | Verb::Ping | Verb::Pong, _))), Stage::Greeting) => found,
        (_, Stage::Greeting) => return Err(Refusal::NotGreeted),
        (Err(refusal), Stage::Open) => return Err(refusal),
    };
    let Some((rest, start)) = line(bytes, length, grammar)? else { return Ok(Parsed::Part) };
    let operation = match verb {
        Verb::Connect => Operation::Connect(rest.trim_ascii()),
        Verb::Ping => Operation::Ping,
        Verb::Pong => Operation::Pong,
        Verb::Sub => subscribe(rest)?,
        Verb::Unsub => unsubscribe(rest)?,
        Verb::Pub | Verb::Hpub => {
            let line = match verb {
                Verb::Hpub => PublishLine::with_headers(rest)?,
                _ => PublishLine::plain(rest)?,
            };
            return line.take(&bytes[start..], start, grammar);
        }
    };
    Ok(Parsed::Whole(operation, start))
}

/// The verb that the bytes begin with, and its length; nothing where they may still become one.
fn verb(bytes: &[u8]) -> Result<Option<(Verb, usize)>, Refusal> {
    let is_end = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    let length = bytes.iter().position(is_end);
    let word = &bytes[..length.unwrap_or(bytes.len()).min(8)];
    match length {
        Some(length) => {
            let verb = VERBS.iter().find(|(name, _)| name.eq_ignore_ascii_case(word) && name.len() == length);
            verb.map(|(_, verb)| Some((*verb, length))).ok_or(Refusal::Unknown)
        }
        None if VERBS
            .iter()
            .any(|(name, _)| name.len() >= word.len() && name[..word.len()].eq_ignore_ascii_case(word)) =>
        {
            Ok(None)
        }
        None => Err(Refusal::Unknown),
    }
}

/// What stands on the line behind the verb, and where the next line starts; nothing where its end has not come.
fn line<'a>(bytes: &'a [u8], verb: usize, grammar: &Grammar) -> Result<Option<(&'a [u8], usize)>, Refusal> {
    // One byte more, for the `\r` that is no part of the line.
    let seen = &bytes[..bytes.len().min(verb + grammar.line_max + 2)];
    match memchr::memchr(b'\n', &seen[verb..]) {
        Some(end) => {
            let rest = &seen[verb..verb + end];
            let rest = rest.strip_suffix(b"\r").unwrap_or(rest);
            if rest.len() > grammar.line_max { Err(Refusal::LineTooLong) } else { Ok(Some((rest, verb + end + 1))) }
        }
        None if seen.len() > verb + grammar.line_max + 1 => Err(Refusal::LineTooLong),
        None => Ok(None),
    }
}

/// The words of a line: at least `count.start`, and fewer than `count.end`.
fn words(line: &[u8], count: Range<usize>) -> Result<([&[u8]; WORDS_MAX], usize), Refusal> {
    let mut words: [&[u8]; WORDS_MAX] = [b""; WORDS_MAX];
    let mut found = 0;
    for word in line.split(|byte| byte.is_ascii_whitespace()).filter(|word| !word.is_empty()) {
        *words.get_mut(found).ok_or(Refusal::Unknown)? = word;
        found += 1;
    }
    if count.contains(&found) { Ok((words, found)) } else { Err(Refusal::Unknown) }
}

fn subscribe(line: &[u8]) -> Result<Operation<'_>, Refusal> {
    Ok(match words(line, 2..4)? {
        ([pattern, sid, ..], 2) => Operation::Subscribe { pattern, group: None, sid },
        ([pattern, group, sid, ..], _) => Operation::Subscribe { pattern, group: Some(group), sid },
    })
}

fn unsubscribe(line: &[u8]) -> Result<Operation<'_>, Refusal> {
    Ok(match words(line, 1..3)? {
        ([sid, ..], 1) => Operation::Unsubscribe { sid, max: None },
        // As the server does: what is no number is none, and none at all ends it at once.
        ([sid, max, ..], _) => {
            Operation::Unsubscribe { sid, max: number(max).map(|max| max as u64).filter(|max| *max > 0) }
        }
    })
}

/// What stands on the line before a message.
struct PublishLine<'a> {
    subject: &'a [u8],
    reply: Option<&'a [u8]>,
    headers: Option<usize>,
    total: usize,
}

// === impl PublishLine ===

impl<'a> PublishLine<'a> {
    fn plain(line: &'a [u8]) -> Result<Self, Refusal> {
        let (subject, reply, total) = match words(line, 2..4)? {
            ([subject, total, ..], 2) => (subject, None, total),
            ([subject, reply, total, _], _) => (subject, Some(reply), total),
        };
        Ok(Self { subject, reply, headers: None, total: number(total).ok_or(Refusal::Unknown)? })
    }

    fn with_headers(line: &'a [u8]) -> Result<Self, Refusal> {
        let (subject, reply, headers, total) = match words(line, 3..5)? {
            ([subject, headers, total, _], 3) => (subject, None, headers, total),
            ([subject, reply, headers, total], _) => (subject, Some(reply), headers, total),
        };
        let headers = number(headers).ok_or(Refusal::Unknown)?;
        let total = number(total).filter(|total| *total >= headers).ok_or(Refusal::Unknown)?;
        Ok(Self { subject, reply, headers: Some(headers), total })
    }

    /// The message that follows the line, which ends at `start`.
    fn take(self, bytes: &'a [u8], start: usize, grammar: &Grammar) -> Result<Parsed<'a>, Refusal> {
        if self.total > grammar.payload_max {
            return Err(Refusal::PayloadTooLarge);
        }
        let Some((message, end)) = bytes.split_at_checked(self.total) else { return Ok(Parsed::Part) };
        match end {
            [b'\r', b'\n', ..] => {}
            [] | [b'\r'] => return Ok(Parsed::Part),
            _ => return Err(Refusal::Unknown),
        }
        let (headers, payload) = message.split_at(self.headers.unwrap_or(0));
        let headers = self.headers.map(|_| headers);
        let operation = Operation::Publish { subject: self.subject, reply: self.reply, headers, payload };
        Ok(Parsed::Whole(operation, start + self.total + 2))
    }
}

/// A number in decimal: at most nine digits, as the server has it.
fn number(word: &[u8]) -> Option<usize> {
    let is_number = !word.is_empty() && word.len() <= 9 && word.iter().all(u8::is_ascii_digit);
    is_number.then(|| word.iter().fold(0, |number, digit| number * 10 + usize::from(digit - b'0')))
}

#[cfg(test)]
mod tests;
