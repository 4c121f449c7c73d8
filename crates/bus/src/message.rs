//! This is a message.

use bytes::Bytes;

use crate::headers::Headers;
use crate::subject::Subject;

/// Bytes about a subject. Cheap to clone: nothing in it is copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What it is about.
    pub subject: Subject,
    /// Where an answer is expected, if one is.
    pub reply: Option<Subject>,
    /// What is said about it.
    pub headers: Headers,
    /// What it says.
    pub payload: Bytes,
}

impl Message {
    /// A message that expects no answer and has no headers.
    pub fn new(subject: Subject, payload: Bytes) -> Self {
        Self { subject, reply: None, headers: Headers::default(), payload }
    }

    /// The answer to this message, where one is expected.
    pub fn answer(&self, payload: Bytes) -> Option<Self> {
        self.reply.clone().map(|reply| Self::new(reply, payload))
    }

    /// What counts against the limit of a message: its headers as they are sent, and its payload.
    pub fn size(&self) -> usize {
        self.headers.as_bytes().len() + self.payload.len()
    }

    /// What it takes to keep it.
    pub(crate) fn weight(&self) -> usize {
        let reply = self.reply.as_ref().map_or(0, |reply| reply.as_str().len());
        size_of::<Self>() + self.subject.as_str().len() + reply + self.size()
    }

    /// What the bus answers where nobody listens, as a NATS server does.
    pub(crate) fn no_responders(reply: Subject) -> Self {
        Self { subject: reply, reply: None, headers: Headers::no_responders(), payload: Bytes::new() }
    }

    /// Whether the bus says with it that nobody listens.
    pub(crate) fn is_no_responders(&self) -> bool {
        self.payload.is_empty() && self.headers.status().is_some_and(|status| status.code == 503)
    }
}
