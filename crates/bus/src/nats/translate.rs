//! Turns our messages into those of `async-nats`, and theirs into ours.

use async_nats::header::{HeaderName, HeaderValue};
use async_nats::{HeaderMap, Subject};
use bytes::Bytes;

use crate::headers::{Headers, Status};
use crate::message::Message;

/// A payload that is smaller is copied out of the buffer that it was read into, or that buffer would stay for its sake.
const SHARED_MIN: usize = 16 * 1_024;

/// What is sent for a message: subject, reply, headers, payload.
pub(super) fn outbound(message: Message) -> (Subject, Option<Subject>, HeaderMap, Bytes) {
    let mut headers = HeaderMap::new();
    for (name, value) in message.headers.iter() {
        let name: HeaderName = name.parse().expect("a name of ours is one of theirs, see Headers");
        let value: HeaderValue = value.parse().expect("a value of ours has no line break, see Headers");
        headers.append(name, value);
    }
    let reply = message.reply.map(|reply| Subject::from(reply.to_string()));
    (Subject::from(message.subject.to_string()), reply, headers, message.payload)
}

/// The message that came, or nothing where its names or headers are none: a server checks less than we do.
pub(super) fn inbound(message: async_nats::Message) -> Option<Message> {
    let subject = message.subject.parse().ok()?;
    let reply = match &message.reply {
        Some(reply) => Some(reply.parse().ok()?),
        None => None,
    };
    let payload = match message.payload.len() < SHARED_MIN {
        true => Bytes::copy_from_slice(&message.payload),
        false => message.payload,
    };
    let text = message.description.unwrap_or_default();
    let status = message.status.map(|status| Status { code: status.as_u16(), text: &text });
    let fields = message.headers.iter().flat_map(HeaderMap::iter);
    let fields = fields.flat_map(|(name, values)| values.iter().map(move |value| (name.as_ref(), value.as_str())));
    let headers = Headers::of_status(status, fields).ok()?;
    Some(Message { subject, reply, headers, payload })
}

#[cfg(test)]
mod tests;
