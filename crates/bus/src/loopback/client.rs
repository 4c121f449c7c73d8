//! This is one client: what it said of itself, what it subscribed to, and what each of its operations does.
//!
//! # Invariants
//!
//! 1. What one client does is done in the order in which it said it.
//! 2. A name from a client reaches the broker only as a checked type; what is none is answered with an error.
//! 3. A subscription that has had its number of messages is told nothing more, and is taken out with the next operation.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;

use super::greeting::{self, Options};
use super::outbox::Outbox;
use super::pass::lets_in;
use super::protocol::{Grammar, Operation, Stage};
use super::{Shared, connection::Ending};
use crate::broker::{Echo, Origin, Subscribed};
use crate::carrier::{Reason, Refused, Sink};
use crate::headers::Headers;
use crate::message::Message;
use crate::subject::{Interest, Pattern, QueueGroup, Subject};

/// One client.
pub(super) struct Client {
    shared: Arc<Shared>,
    outbox: Arc<Outbox>,
    origin: Origin,
    stage: Stage,
    /// What it was asked to sign, if it may show a key. No other client ever was.
    nonce: Option<String>,
    options: Options,
    subscriptions: HashMap<Box<[u8]>, Subscription>,
    /// Whether one of the subscriptions has had all its messages.
    has_finished: Arc<AtomicBool>,
}

struct Subscription {
    pattern: Pattern,
    listener: Arc<Listener>,
    _subscribed: Subscribed,
}

/// Puts the messages of one subscription into the outbox.
struct Listener {
    outbox: Arc<Outbox>,
    sid: Box<[u8]>,
    with_headers: bool,
    had: AtomicU64,
    /// How many messages it gets.
    max: AtomicU64,
    has_finished: Arc<AtomicBool>,
}

/// What is wrong with an operation, when the client may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Fault {
    #[error("Invalid Publish Subject")]
    PublishSubject,
    #[error("Invalid Subject")]
    Subject,
    #[error("bad message header detected")]
    Headers,
    #[error("maximum subscriptions exceeded")]
    Subscriptions,
}

// === impl Client ===

impl Client {
    /// A client that just came: it is greeted.
    pub(super) fn greet(shared: Arc<Shared>, outbox: Arc<Outbox>, ip: IpAddr) -> Self {
        let origin = shared.broker.origin();
        let nonce = shared.config.knows_keys().then(|| nuid::NUID::new().next().to_string());
        // Where it is closed already, the connection notices by itself.
        drop(outbox.put_line(&greeting::info(&shared, (origin.0, ip), nonce.as_deref())));
        let stage = if shared.config.asks() { Stage::Greeting } else { Stage::Open };
        Self {
            shared,
            outbox,
            origin,
            stage,
            nonce,
            options: Options::default(),
            subscriptions: HashMap::new(),
            has_finished: Arc::default(),
        }
    }

    /// Whether it may say anything.
    pub(super) fn is_greeted(&self) -> bool {
        self.stage == Stage::Open
    }

    /// What it may send.
    pub(super) fn grammar(&self) -> Grammar {
        Grammar {
            line_max: self.shared.config.line_max.as_usize(),
            payload_max: self.shared.broker.limits().payload_max.as_usize(),
            stage: self.stage,
        }
    }

    /// Does what it wants.
    pub(super) fn act(&mut self, operation: Operation<'_>) -> Result<(), Ending> {
        self.forget_finished();
        let done = match operation {
            Operation::Connect(json) => Ok(self.connect(json)?),
            Operation::Ping => return self.answer("PONG"),
            Operation::Pong => return Ok(()),
            Operation::Publish { headers: Some(_), .. } if !self.options.headers => return Err(Ending::NoHeaders),
            Operation::Publish { subject, reply, headers, payload } => {
                return match message(subject, reply, headers, payload) {
                    Ok(message) => self.acknowledge().map(|()| self.publish(message)),
                    Err(fault) => self.answer(&fault.line()),
                };
            }
            Operation::Subscribe { pattern, group, sid } => self.subscribe(pattern, group, sid),
            Operation::Unsubscribe { sid, max } => {
                self.unsubscribe(sid, max);
                Ok(())
            }
        };
        match done {
            Ok(()) => self.acknowledge(),
            Err(fault) => self.answer(&fault.line()),
        }
    }

    fn connect(&mut self, json: &[u8]) -> Result<(), Ending> {
        self.options = Options::parse(json).map_err(Ending::NotJson)?;
        if !lets_in(&self.shared.config.passes, &self.options, self.nonce.as_deref()) {
            return Err(Ending::Violation);
        }
        self.stage = Stage::Open;
        Ok(())
    }

    fn publish(&self, message: Message) {
        let reply = message.reply.clone();
        let echo = if self.options.echo { Echo::Yes } else { Echo::No(self.origin) };
        let listeners = self.shared.broker.deliver(message, echo);
        if let Some(reply) = reply
            && listeners == 0
            && self.options.no_responders
            && self.options.headers
        {
            self.tell_nobody_listens(reply);
        }
    }

    /// Tells whoever waits for the reply on this connection, and nobody else.
    fn tell_nobody_listens(&self, reply: Subject) {
        let waiting = self.subscriptions.values().find(|subscription| subscription.pattern.matches(&reply));
        if let Some(waiting) = waiting {
            // A listener that takes no more has had its answer.
            drop(waiting.listener.accept(Message::no_responders(reply)));
        }
    }

    fn subscribe(&mut self, pattern: &[u8], group: Option<&[u8]>, sid: &[u8]) -> Result<(), Fault> {
        let pattern: Pattern = parse(pattern).ok_or(Fault::Subject)?;
        let group: Option<QueueGroup> = match group {
            Some(group) => Some(parse(group).ok_or(Fault::Subject)?),
            None => None,
        };
        // As the server does: the subscription that there is stays.
        if self.subscriptions.contains_key(sid) {
            return Ok(());
        }
        if self.subscriptions.len() >= self.shared.config.subscriptions_max {
            return Err(Fault::Subscriptions);
        }
        let listener = Arc::new(Listener {
            outbox: self.outbox.clone(),
            sid: sid.into(),
            with_headers: self.options.headers,
            had: AtomicU64::new(0),
            max: AtomicU64::new(u64::MAX),
            has_finished: self.has_finished.clone(),
        });
        let sink = Box::new(listener.clone());
        let broker = &self.shared.broker;
        let interest = Interest { pattern: pattern.clone(), group };
        let _subscribed = broker.subscribe_sink(interest, self.origin, sink);
        self.subscriptions.insert(sid.into(), Subscription { pattern, listener, _subscribed });
        Ok(())
    }

    fn unsubscribe(&mut self, sid: &[u8], max: Option<u64>) {
        match (self.subscriptions.get(sid), max) {
            (Some(subscription), Some(max)) if subscription.listener.limit(max) => {}
            _ => drop(self.subscriptions.remove(sid)),
        }
    }

    fn forget_finished(&mut self) {
        if self.has_finished.swap(false, Ordering::Relaxed) {
            self.subscriptions.retain(|_, subscription| !subscription.listener.is_finished());
        }
    }

    /// Says that an operation was taken, to a client that wants to know.
    fn acknowledge(&self) -> Result<(), Ending> {
        if self.options.verbose { self.answer("+OK") } else { Ok(()) }
    }

    fn answer(&self, line: &str) -> Result<(), Ending> {
        self.outbox.put_line(line).map_err(|_closed| Ending::Slow)
    }
}

// === impl Fault ===

impl Fault {
    fn line(self) -> String {
        format!("-ERR '{self}'")
    }
}

// === impl Listener ===

impl Listener {
    /// Lets it have so many messages at all. Says whether it has not had them yet.
    fn limit(&self, max: u64) -> bool {
        self.max.store(max, Ordering::Relaxed);
        !self.is_finished()
    }

    fn is_finished(&self) -> bool {
        self.had.load(Ordering::Relaxed) >= self.max.load(Ordering::Relaxed)
    }

    /// Counts one message more, if it may have one.
    fn count(&self) -> bool {
        let count = |had: u64| (had < self.max.load(Ordering::Relaxed)).then_some(had + 1);
        let is_counted = self.had.fetch_update(Ordering::Relaxed, Ordering::Relaxed, count).is_ok();
        if self.is_finished() {
            self.has_finished.store(true, Ordering::Relaxed);
        }
        is_counted
    }
}

impl Sink for Arc<Listener> {
    fn accept(&self, message: Message) -> Result<(), Refused> {
        if self.count() && self.outbox.put_message(&self.sid, &message, self.with_headers).is_ok() {
            return Ok(());
        }
        Err(Refused { message, reason: Reason::Ended })
    }

    /// It is never full: a client that does not read is disconnected.
    fn missed(&self) {}
}

fn parse<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn message(subject: &[u8], reply: Option<&[u8]>, headers: Option<&[u8]>, payload: &[u8]) -> Result<Message, Fault> {
    let subject = parse(subject).ok_or(Fault::PublishSubject)?;
    let reply = match reply {
        Some(reply) => Some(parse(reply).ok_or(Fault::PublishSubject)?),
        None => None,
    };
    let headers = match headers {
        Some(headers) => Headers::parse(headers).map_err(|_flaw| Fault::Headers)?,
        None => Headers::default(),
    };
    Ok(Message { subject, reply, headers, payload: Bytes::copy_from_slice(payload) })
}
