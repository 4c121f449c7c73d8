//! This is `wasi:messaging@0.2.0-draft`: messages are handles, with metadata, and are answered by what they are.
//!
//! # Invariants
//!
//! 1. What a component's handles keep in the host's memory is bounded, by [`HELD_MAX`].
//! 2. What a message came with is the bus's headers; its content type is the one that is called `Content-Type`.

use std::time::Duration;

use bus::{Gather, Headers, HeadersError, Message, RequestError};
use engine::State;
use stdx::{ByteSize, Trace};
use wasmtime::component::Resource;

use self::wasi::messaging::types::Error;
use self::wasi::messaging::{producer, request_reply, types};
use super::broker::is_usable;
use crate::held::{HELD_MAX, Room};
use crate::way::{Binding, Failure, Said, Way, way};

wasmtime::component::bindgen!({
    path: "../../../wit/wasi-messaging",
    world: "wasi:messaging/imports",
    imports: { default: async | trappable },
    with: {
        "wasi:messaging/types.client": Client,
        "wasi:messaging/types.message": Handle,
        "wasi:messaging/request-reply.request-options": Options,
    },
});

/// What a link is chosen for.
const INTERFACE: &str = "wasi:messaging/producer";

/// The header that says what the bytes of a message are.
const CONTENT_TYPE: &str = "Content-Type";

/// An answer is waited for as long as the component itself may run, where nobody says how long.
const WAIT: Duration = Duration::from_secs(3600);

/// Answers to one question, at most.
const ANSWERS_MAX: u32 = 1024;

/// A way to a broker: a link, by its name.
#[expect(unreachable_pub, reason = "the generated bindings export it again")]
pub struct Client {
    link: String,
}

/// A message that a component has a handle of.
#[expect(unreachable_pub, reason = "the generated bindings export it again")]
#[derive(Default)]
pub struct Handle {
    topic: Option<String>,
    content_type: Option<String>,
    data: Vec<u8>,
    metadata: Vec<(String, String)>,
    /// Where and by which link it is answered, if somebody waits.
    reply: Option<(String, String)>,
    room: Option<Room>,
}

/// How a question is asked.
#[expect(unreachable_pub, reason = "the generated bindings export it again")]
#[derive(Default)]
pub struct Options {
    timeout_ms: Option<u32>,
    expected: Option<u32>,
}

/// A call's answer: an error of the contract, or a trap.
type Answer<T> = wasmtime::Result<Result<T, Error>>;

// === impl Handle ===

impl Handle {
    /// A message that came by the link of that name.
    pub(crate) fn received(message: Message, link: &str) -> Self {
        let mut headers: Vec<_> =
            message.headers.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let content_type = headers.iter().position(|(name, _)| name == CONTENT_TYPE);
        let content_type = content_type.map(|index| headers.remove(index).1);
        Self {
            topic: Some(message.subject.as_str().to_owned()),
            content_type,
            metadata: headers,
            reply: message.reply.filter(is_usable).map(|reply| (reply.as_str().to_owned(), link.to_owned())),
            data: message.payload.into(),
            room: None,
        }
    }

    fn said(&self, subject: &str, trace: Option<&Trace>) -> Result<Said, HeadersError> {
        let content_type = self.content_type.iter().map(|value| (CONTENT_TYPE, value.as_str()));
        let metadata = self.metadata.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let mut fields = content_type.chain(metadata).peekable();
        let headers = if fields.peek().is_some() { Headers::of(fields)? } else { Headers::default() };
        let body = self.data.clone().into();
        Ok(Said { subject: subject.to_owned(), reply: None, headers, body, ..Said::default() }.within(trace))
    }

    fn size(&self) -> usize {
        let metadata = self.metadata.iter().map(|(name, value)| name.len() + value.len() + 48);
        self.data.len() + self.content_type.as_ref().map_or(0, String::len) + metadata.sum::<usize>()
    }
}

/// Changes a message, where there is room for what it becomes.
fn change(state: &mut State, message: &Resource<Handle>, change: impl FnOnce(&mut Handle)) -> wasmtime::Result<()> {
    let bound = state.bound().clone();
    let message = state.table.get_mut(message)?;
    change(message);
    // What it took before is given back first: a message that becomes smaller always fits.
    message.room = None;
    message.room = Some(room(bound.part::<Binding>(), message.size())?);
    Ok(())
}

fn room(binding: Option<&Binding>, bytes: usize) -> wasmtime::Result<Room> {
    let binding = binding.ok_or_else(|| wasmtime::Error::msg("the component is bound to no message broker"))?;
    binding.held().take(bytes).ok_or_else(|| {
        let limit = ByteSize::bytes(HELD_MAX as u64);
        wasmtime::Error::msg(format!("the component has handles of messages of more than {limit}, which is the most"))
    })
}

impl types::Host for State {}

impl types::HostClient for State {
    async fn connect(&mut self, name: String) -> Answer<Resource<Client>> {
        let link = match name.as_str() {
            "" | "default" => self.chosen(INTERFACE).to_owned(),
            _ => name,
        };
        let bound = self.bound().clone();
        if way(&bound, &link).is_err() {
            return Ok(Err(Failure::NoSuchLink(link).into()));
        }
        Ok(Ok(self.table.push(Client { link })?))
    }

    async fn disconnect(&mut self, client: Resource<Client>) -> Answer<()> {
        self.table.get(&client)?;
        Ok(Ok(()))
    }

    async fn drop(&mut self, client: Resource<Client>) -> wasmtime::Result<()> {
        self.table.delete(client)?;
        Ok(())
    }
}

impl types::HostMessage for State {
    async fn new(&mut self, data: Vec<u8>) -> wasmtime::Result<Resource<Handle>> {
        let room = room(self.bound().part::<Binding>(), data.len())?;
        Ok(self.table.push(Handle { data, room: Some(room), ..Handle::default() })?)
    }

    async fn topic(&mut self, message: Resource<Handle>) -> wasmtime::Result<Option<String>> {
        Ok(self.table.get(&message)?.topic.clone())
    }

    async fn content_type(&mut self, message: Resource<Handle>) -> wasmtime::Result<Option<String>> {
        Ok(self.table.get(&message)?.content_type.clone())
    }

    async fn set_content_type(&mut self, message: Resource<Handle>, content_type: String) -> wasmtime::Result<()> {
        change(self, &message, |message| message.content_type = Some(content_type))
    }

    async fn data(&mut self, message: Resource<Handle>) -> wasmtime::Result<Vec<u8>> {
        Ok(self.table.get(&message)?.data.clone())
    }

    async fn set_data(&mut self, message: Resource<Handle>, data: Vec<u8>) -> wasmtime::Result<()> {
        change(self, &message, |message| message.data = data)
    }

    async fn metadata(&mut self, message: Resource<Handle>) -> wasmtime::Result<Option<Vec<(String, String)>>> {
        let metadata = &self.table.get(&message)?.metadata;
        Ok((!metadata.is_empty()).then(|| metadata.clone()))
    }

    async fn add_metadata(&mut self, message: Resource<Handle>, key: String, value: String) -> wasmtime::Result<()> {
        change(self, &message, |message| {
            message.metadata.retain(|(name, _)| *name != key);
            message.metadata.push((key, value));
        })
    }

    async fn set_metadata(
        &mut self,
        message: Resource<Handle>,
        metadata: Vec<(String, String)>,
    ) -> wasmtime::Result<()> {
        change(self, &message, |message| message.metadata = metadata)
    }

    async fn remove_metadata(&mut self, message: Resource<Handle>, key: String) -> wasmtime::Result<()> {
        change(self, &message, |message| message.metadata.retain(|(name, _)| *name != key))
    }

    async fn drop(&mut self, message: Resource<Handle>) -> wasmtime::Result<()> {
        self.table.delete(message)?;
        Ok(())
    }
}

impl producer::Host for State {
    async fn send(&mut self, client: Resource<Client>, topic: String, message: Resource<Handle>) -> Answer<()> {
        let message = self.table.delete(message)?;
        let bound = self.bound().clone();
        let link = &self.table.get(&client)?.link;
        Ok(publish(way(&bound, link), message.said(&topic, self.trace())).await.map_err(Error::from))
    }
}

async fn publish(way: Result<Way<'_>, Failure>, said: Result<Said, HeadersError>) -> Result<(), Failure> {
    way?.publish(said?).await
}

impl request_reply::Host for State {
    async fn request(
        &mut self,
        client: Resource<Client>,
        topic: String,
        message: Resource<Handle>,
        options: Option<Resource<Options>>,
    ) -> Answer<Vec<Resource<Handle>>> {
        let options = options.map(|options| self.table.delete(options)).transpose()?.unwrap_or_default();
        let bound = self.bound().clone();
        let link = self.table.get(&client)?.link.clone();
        let said = self.table.get(&message)?.said(&topic, self.trace());
        let answers = match ask(way(&bound, &link), said, options).await {
            Ok(answers) => answers,
            Err(failure) => return Ok(Err(failure.into())),
        };
        let mut handles = Vec::with_capacity(answers.len());
        for answer in answers {
            let mut handle = Handle::received(answer, &link);
            handle.room = Some(room(bound.part::<Binding>(), handle.size())?);
            handles.push(self.table.push(handle)?);
        }
        Ok(Ok(handles))
    }

    async fn reply(&mut self, to: Resource<Handle>, message: Resource<Handle>) -> Answer<()> {
        let message = self.table.delete(message)?;
        let bound = self.bound().clone();
        let Some((subject, link)) = &self.table.get(&to)?.reply else { return Ok(Ok(())) };
        Ok(publish(way(&bound, link), message.said(subject, self.trace())).await.map_err(Error::from))
    }
}

async fn ask(
    way: Result<Way<'_>, Failure>,
    said: Result<Said, HeadersError>,
    Options { timeout_ms, expected }: Options,
) -> Result<Vec<Message>, Failure> {
    let timeout = timeout_ms.map_or(WAIT, |milliseconds| Duration::from_millis(milliseconds.into()));
    let (way, said) = (way?, said?);
    match expected {
        None | Some(0 | 1) => way.request(said, timeout).await.map(|answer| vec![answer]),
        Some(expected) => {
            let count_max = expected.min(ANSWERS_MAX) as usize;
            way.request_many(said, Gather { time_max: timeout, count_max }).await
        }
    }
}

impl request_reply::HostRequestOptions for State {
    async fn new(&mut self) -> wasmtime::Result<Resource<Options>> {
        Ok(self.table.push(Options::default())?)
    }

    async fn set_timeout_ms(&mut self, options: Resource<Options>, timeout_ms: u32) -> wasmtime::Result<()> {
        self.table.get_mut(&options)?.timeout_ms = Some(timeout_ms);
        Ok(())
    }

    async fn set_expected_replies(&mut self, options: Resource<Options>, expected: u32) -> wasmtime::Result<()> {
        self.table.get_mut(&options)?.expected = Some(expected);
        Ok(())
    }

    async fn drop(&mut self, options: Resource<Options>) -> wasmtime::Result<()> {
        self.table.delete(options)?;
        Ok(())
    }
}

// === impl Error ===

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let text = failure.to_string();
        match failure {
            Failure::NotLinked | Failure::NoSuchLink(_) | Failure::Unavailable => Self::Connection(text),
            Failure::Subject(_) => Self::PermissionDenied(text),
            Failure::Request(RequestError::Timeout { .. }) => Self::Timeout,
            Failure::Headers(_) | Failure::Send(_) | Failure::Request(_) => Self::Other(text),
        }
    }
}
