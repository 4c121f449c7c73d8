//! Messages by an MQTT 5 broker: at least once, as far as it keeps its word.
//!
//! ```text
//! publish ─▶ one connection of the link ─▶ broker: acknowledged
//! broker ─▶ a connection of each component that listens ─▶ handler ─▶ it has ended: acknowledged
//! ```
//!
//! # Invariants
//!
//! 1. `publish` returns when the broker has acknowledged the message. What is said while there is no connection is refused at once.
//! 2. A message is acknowledged after its handler has ended, well or not: MQTT knows no "not now". Until then it comes again
//!    where the broker keeps the session and the connection breaks.
//! 3. A broker brings only so much that was not acknowledged: a component that is slow is waited for.
//!
//! # Not here
//!
//! MQTT 3.1.1, which neither limits what is brought nor knows where to answer. Retained messages and wills.

mod connect;
mod session;
mod topics;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bus::{Headers, Message, Pattern, QueueGroup, RequestError, Subject};
use model::ComponentName;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{PubAckReason, Publish, PublishProperties};
use stdx::{BoxError, ByteSize, Chain};
use tokio::sync::{OnceCell, oneshot};
use tracing::{info, warn};

use self::session::{Deliveries, Lost, Session};
use crate::carrier::{AskError, SendError};

pub(crate) use self::connect::{ConnectError, Endpoint};
pub(crate) use self::session::Receipt;

/// The pause before the next attempt to connect: the first, and the longest.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// A broker, as one link uses it.
pub(crate) struct Mqtt {
    shared: Arc<Shared>,
    _keeper: rt::Task,
}

struct Shared {
    endpoint: Endpoint,
    /// The name of the session that the broker keeps for who listens, where it shall keep one.
    session: Option<String>,
    current: Mutex<Option<Arc<Current>>>,
    /// The beginning of the subjects that answers come to: nobody can guess it.
    inbox: String,
    questions: AtomicU64,
    /// Those who wait for an answer.
    asking: Mutex<HashMap<Subject, oneshot::Sender<Message>>>,
}

/// The connection of now.
struct Current {
    session: Session,
    hears_answers: OnceCell<()>,
}

/// One who waits for an answer. Dropping it ends the waiting.
struct Asking<'a> {
    shared: &'a Shared,
    inbox: Subject,
}

/// What one component hears, on a connection of its own.
pub(crate) struct Listening {
    session: Session,
    deliveries: Deliveries,
    patterns: Vec<Pattern>,
    /// What it has subscribed to, where that ends with it.
    filters: Vec<String>,
    is_ended: bool,
}

// === impl Mqtt ===

impl Mqtt {
    /// Connects; later connections are made as they are needed. What that needs to run runs on the runtime that this is called in.
    pub(crate) async fn connect(endpoint: Endpoint, session: Option<String>) -> Result<Self, ConnectError> {
        let (wire, agreed) = endpoint.connect(None).await?;
        let shared = Arc::new(Shared {
            endpoint,
            session,
            current: Mutex::default(),
            inbox: format!("_INBOX.{}", nuid::next()),
            questions: AtomicU64::new(0),
            asking: Mutex::default(),
        });
        let deliveries = shared.use_now(Session::start(wire, &agreed));
        let keeper = rt::Task::spawn(shared.clone().keep(deliveries));
        Ok(Self { shared, _keeper: keeper })
    }

    /// The largest message, as far as it is known now.
    pub(crate) fn payload_max(&self) -> ByteSize {
        self.shared.current().map_or(ByteSize::mib(1), |current| current.session.payload_max)
    }

    pub(crate) async fn publish(&self, message: Message) -> Result<(), SendError> {
        self.shared.send(message).await.map(drop)
    }

    /// Asks, and waits for one answer.
    pub(crate) async fn request(&self, question: Message, timeout: Duration) -> Result<Message, AskError> {
        let subject = question.subject.clone();
        match rt::within(Some(timeout), self.shared.ask(question)).await {
            Ok(answered) => answered,
            Err(late) => Err(AskError::NotAnswered(RequestError::Timeout { subject, late })),
        }
    }

    /// Listens to all of these; as a member of the group, shares them with the other members.
    pub(crate) async fn listen(
        &self,
        component: &ComponentName,
        (patterns, group): (&[Pattern], Option<&QueueGroup>),
    ) -> Result<Listening, BoxError> {
        let Shared { endpoint, session, .. } = &*self.shared;
        // Each has its own, though several are linked in the same words.
        let kept = session.as_ref().map(|session| format!("{session}-{component}"));
        let (wire, agreed) = endpoint.connect(kept.as_deref()).await?;
        let (session, deliveries) = Session::start(wire, &agreed);
        let filters = filters(patterns, group)?;
        rt::within(Some(endpoint.patience), session.subscribe(&filters)).await??;
        let filters = if kept.is_some() { Vec::new() } else { filters };
        Ok(Listening { session, deliveries, patterns: patterns.to_vec(), filters, is_ended: false })
    }
}

/// What a broker is asked for; refused where MQTT cannot say it.
pub(crate) fn filters(patterns: &[Pattern], group: Option<&QueueGroup>) -> Result<Vec<String>, BoxError> {
    if let Some(group) = group.filter(|group| group.as_str().contains(['/', '+', '#'])) {
        return Err(format!("{group} is no name of a group on MQTT: there is no / + or # in one").into());
    }
    let filter = |pattern: &Pattern| match (topics::filter(pattern), group) {
        (Some(filter), Some(group)) => Ok(format!("$share/{group}/{filter}")),
        (Some(filter), None) => Ok(filter),
        (None, _) => Err(format!("{pattern} matches no topic of MQTT: there is no / + or # in a word").into()),
    };
    patterns.iter().map(filter).collect()
}

// === impl Shared ===

impl Shared {
    /// Brings answers to those who asked, from one connection to the next.
    async fn keep(self: Arc<Self>, mut deliveries: Deliveries) {
        loop {
            while let Some((message, receipt)) = deliveries.next().await {
                self.answer(&message);
                receipt.into_iter().for_each(Receipt::settle);
            }
            *self.lock_current() = None;
            warn!(broker = self.endpoint.host, "the connection to a broker of MQTT was lost");
            deliveries = self.connect_again().await;
            info!(broker = self.endpoint.host, "connected to the broker of MQTT again");
        }
    }

    async fn connect_again(&self) -> Deliveries {
        let (mut pause, longest) = PAUSE;
        loop {
            tokio::time::sleep(pause).await;
            match self.endpoint.connect(None).await {
                Ok((wire, agreed)) => return self.use_now(Session::start(wire, &agreed)),
                Err(error) => tracing::debug!(error = %Chain(&error), "the broker of MQTT cannot be reached"),
            }
            pause = longest.min(pause * 2);
        }
    }

    fn use_now(&self, (session, deliveries): (Session, Deliveries)) -> Deliveries {
        *self.lock_current() = Some(Arc::new(Current { session, hears_answers: OnceCell::new() }));
        deliveries
    }

    fn current(&self) -> Result<Arc<Current>, Lost> {
        self.lock_current().clone().ok_or(Lost)
    }

    /// Sends a message; whether anybody has heard it, as far as the broker says so.
    async fn send(&self, message: Message) -> Result<PubAckReason, SendError> {
        let unavailable = |error: BoxError| SendError::Unavailable(error);
        let topic = |subject: &Subject| topics::topic(subject).ok_or_else(|| SendError::NoTopic(subject.clone()));
        let response_topic = message.reply.as_ref().map(topic).transpose()?;
        let properties = PublishProperties { response_topic, ..properties(&message.headers) };
        let properties = Some(properties).filter(|properties| *properties != PublishProperties::default());
        let publish = Publish::new(topic(&message.subject)?, QoS::AtLeastOnce, message.payload, properties);
        let current = self.current().map_err(|lost| unavailable(lost.into()))?;
        let sent = rt::within(Some(self.endpoint.patience), current.session.publish(publish)).await;
        let reason = sent.map_err(|late| unavailable(late.into()))?.map_err(|lost| unavailable(lost.into()))?;
        match reason {
            PubAckReason::Success | PubAckReason::NoMatchingSubscribers => Ok(reason),
            PubAckReason::NotAuthorized => Err(SendError::Refused("it may not be said there")),
            PubAckReason::TopicNameInvalid => Err(SendError::Refused("it has no such topic")),
            PubAckReason::QuotaExceeded => Err(SendError::Refused("more than is allowed was said")),
            PubAckReason::PayloadFormatInvalid => Err(SendError::Refused("it takes no such message")),
            other => Err(unavailable(format!("the broker answers {other:?}").into())),
        }
    }

    async fn ask(&self, question: Message) -> Result<Message, AskError> {
        let lost = |error: BoxError| AskError::NotAsked(SendError::Unavailable(error));
        let current = self.current().map_err(|error| lost(error.into()))?;
        let everything = [format!("{}/+", self.inbox.replace('.', "/"))];
        let hears = current.hears_answers.get_or_try_init(|| current.session.subscribe(&everything)).await;
        hears.map_err(lost)?;
        let (asking, answer) = self.expect_answer();
        let subject = question.subject.clone();
        let question = Message { reply: Some(asking.inbox.clone()), ..question };
        match self.send(question).await.map_err(AskError::NotAsked)? {
            PubAckReason::NoMatchingSubscribers => Err(AskError::NotAnswered(RequestError::NoResponders { subject })),
            // The sender is kept until it is used or `asking` is dropped.
            _ => Ok(answer.await.expect("whoever asks is waited for")),
        }
    }

    fn expect_answer(&self) -> (Asking<'_>, oneshot::Receiver<Message>) {
        let number = self.questions.fetch_add(1, Ordering::Relaxed);
        let inbox: Subject = format!("{}.{number}", self.inbox).parse().expect("it is words of letters and digits");
        let (sender, answer) = oneshot::channel();
        self.lock_asking().insert(inbox.clone(), sender);
        (Asking { shared: self, inbox }, answer)
    }

    fn answer(&self, answer: &Publish) {
        let Some(answer) = message(answer) else { return };
        if let Some(asking) = self.lock_asking().remove(&answer.subject) {
            // Whoever went away in this moment waits no longer.
            asking.send(answer).ok();
        }
    }

    /// A panic cannot leave it half changed.
    fn lock_current(&self) -> MutexGuard<'_, Option<Arc<Current>>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A panic cannot leave it half changed.
    fn lock_asking(&self) -> MutexGuard<'_, HashMap<Subject, oneshot::Sender<Message>>> {
        self.asking.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The header that MQTT has a property for.
const CONTENT_TYPE: &str = "Content-Type";

/// What is said about a message.
fn properties(headers: &Headers) -> PublishProperties {
    let others = headers.iter().filter(|(name, _)| *name != CONTENT_TYPE);
    PublishProperties {
        content_type: headers.get(CONTENT_TYPE).map(ToOwned::to_owned),
        user_properties: others.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        ..PublishProperties::default()
    }
}

/// A message as it came, if it has a subject. Of what is said about it, what no header can say is left out.
fn message(came: &Publish) -> Option<Message> {
    let subject = topics::subject(std::str::from_utf8(&came.topic).ok()?)?;
    let told = came.properties.as_ref();
    let reply = told.and_then(|told| topics::subject(told.response_topic.as_deref()?));
    let content_type = told.and_then(|told| told.content_type.as_deref()).map(|value| (CONTENT_TYPE, value));
    let others = told.iter().flat_map(|told| &told.user_properties).map(|(name, value)| (&**name, &**value));
    let fields = content_type.into_iter().chain(others).filter(|field| Headers::of([*field]).is_ok());
    let headers = Headers::of(fields).unwrap_or_default();
    Some(Message { reply, headers, ..Message::new(subject, came.payload.clone()) })
}

// === impl Asking ===

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.shared.lock_asking().remove(&self.inbox);
    }
}

// === impl Listening ===

impl Listening {
    /// The next message; none when the connection has broken, or after the end.
    pub(crate) async fn next(&mut self) -> Option<(Message, Option<Receipt>)> {
        loop {
            let (came, receipt) = match self.is_ended {
                true => self.deliveries.take()?,
                false => self.deliveries.next().await?,
            };
            match message(&came).filter(|message| self.patterns.iter().any(|it| it.matches(&message.subject))) {
                Some(message) => return Some((message, receipt)),
                // `orders/#` brings `orders`, too; and white space is in no subject.
                None => receipt.into_iter().for_each(Receipt::settle),
            }
        }
    }

    /// Hears no more than what the broker has sent before. A session that it keeps goes on without us: what is not begun there
    /// is brought to who comes next.
    pub(crate) async fn end(&mut self, patience: Duration) {
        self.is_ended = true;
        if self.filters.is_empty() {
            while self.deliveries.take().is_some() {}
        } else if let Err(error) = rt::within(Some(patience), self.session.unsubscribe(&self.filters)).await {
            warn!(error = %Chain(&error), "the broker of MQTT does not confirm the end of a subscription");
        }
    }

    /// Closes the connection after all that was handled is acknowledged.
    pub(crate) async fn close(self, patience: Duration) {
        // Where it has broken, there is nothing to close.
        rt::within(Some(patience), self.session.close()).await.ok();
    }

    /// How many messages found no room.
    pub(crate) fn dropped(&self) -> u64 {
        self.deliveries.dropped()
    }
}

#[cfg(test)]
mod tests;
