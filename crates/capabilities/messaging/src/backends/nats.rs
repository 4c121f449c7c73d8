//! These are the backends `bus` and `nats`: a bus, inside this host or by a server.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bus::{Bus, ConnectError, ConnectOptions, FirstTry, Gather, Limits, Login, Message, RequestError, Subscription};
use capability::settings::{Default as Unsaid, Kind};
use capability::{BackendInfo, OpenError, Setting, Settings};
use futures::stream::{SelectAll, StreamExt};
use model::ComponentName;
use stdx::{BoxError, ByteSize, Chain};
use tracing::warn;

use super::{Backend, PASSWORD, QUEUE_GROUP, SHARED, SUBSCRIPTIONS, TIMEOUT, Told, USER};
use crate::carrier::{AskError, Carrier, Heard, Receipt, SendError, Wanted};

/// What may wait for one subscription: a component that does not keep up loses what comes after that.
const QUEUE: (usize, ByteSize) = (1_024, ByteSize::mib(8));

pub(super) const URL: Setting =
    Setting { name: "url", about: "where the server is", kind: Kind::Url(&["nats", "tls"]), default: Unsaid::Required };

pub(super) const TOKEN: Setting =
    Setting { name: "token", about: "to log in with", kind: Kind::Secret, default: Unsaid::Absent };

/// The backend `bus`.
pub(super) struct BusBackend;

/// The backend `nats`.
pub(super) struct NatsBackend;

#[async_trait]
impl Backend for BusBackend {
    fn info(&self) -> BackendInfo {
        BackendInfo {
            name: "bus",
            about: "inside this host, to its components and to clients of its bus; at most once",
            settings: &[SUBSCRIPTIONS, QUEUE_GROUP, SHARED],
        }
    }

    async fn open(&self, _: &Settings, told: &Told<'_>) -> Result<Arc<dyn Carrier>, OpenError> {
        Ok(Arc::new(queued(told.bus.clone())))
    }
}

#[async_trait]
impl Backend for NatsBackend {
    fn info(&self) -> BackendInfo {
        BackendInfo {
            name: "nats",
            about: "by a NATS server, to whoever is connected to it; at most once",
            settings: &[URL, SUBSCRIPTIONS, QUEUE_GROUP, SHARED, USER, PASSWORD, TOKEN, TIMEOUT],
        }
    }

    async fn open(&self, settings: &Settings, _: &Told<'_>) -> Result<Arc<dyn Carrier>, OpenError> {
        Ok(Arc::new(connect(settings).await?))
    }
}

/// At most once.
#[async_trait]
impl Carrier for Bus {
    async fn publish(&self, _: &ComponentName, message: Message) -> Result<(), SendError> {
        Ok(Bus::publish(self, message).await?)
    }

    async fn request(&self, _: &ComponentName, question: Message, timeout: Duration) -> Result<Message, AskError> {
        Ok(self.request_with(question, timeout).await?)
    }

    async fn request_many(&self, question: Message, gather: Gather) -> Result<Vec<Message>, AskError> {
        let (subject, late) = (question.subject.clone(), rt::Late(gather.time_max));
        let answers = Bus::request_many(self, question, gather).await?;
        if answers.is_empty() { Err(RequestError::Timeout { subject, late }.into()) } else { Ok(answers) }
    }

    fn payload_max(&self) -> ByteSize {
        Bus::payload_max(self)
    }

    async fn listen(
        &self,
        component: &ComponentName,
        (patterns, group): Wanted<'_>,
    ) -> Result<Box<dyn Heard>, BoxError> {
        let mut all = SelectAll::new();
        for pattern in patterns {
            all.push(self.subscribe(pattern.clone(), group.cloned()).await?);
        }
        // That it did not come back in time only means that messages may be missed for a moment more.
        if let Err(error) = self.flush().await {
            warn!(%component, error = %Chain(&error), "subscribed, and the server has not confirmed it");
        }
        Ok(Box::new(Subscriptions(all)))
    }
}

/// What is heard on a bus, which nobody wants to know was handled.
struct Subscriptions(SelectAll<Subscription>);

#[async_trait]
impl Heard for Subscriptions {
    async fn next(&mut self) -> Option<(Message, Option<Receipt>)> {
        Some((self.0.next().await?, None))
    }

    async fn end(&mut self) {
        self.0.iter_mut().for_each(Subscription::end);
    }

    async fn close(self: Box<Self>) {}

    fn dropped(&self) -> u64 {
        self.0.iter().map(Subscription::dropped).sum()
    }
}

/// The bus of the server that the settings name.
pub(super) async fn connect(settings: &Settings) -> Result<Bus, OpenError> {
    let url = settings.text("url").expect("it is required");
    let named = format!("nats {}", capability::settings::without_password(url));
    let secret = |name| settings.secret(name).map_err(|error| OpenError::refused(&named, error));
    let login = match (settings.text("user"), secret("password")?, secret("token")?) {
        (None, None, None) => Login::Anyone,
        (None, None, Some(token)) => Login::Token(token),
        (Some(name), Some(password), None) => Login::User { name: name.into(), password },
        _ => return Err(OpenError::refused(&named, "it takes user and password together, or a token")),
    };
    let patience = settings.time("timeout").unwrap_or(Duration::from_secs(2));
    let options = ConnectOptions { login, first_try: FirstTry::MustSucceed, patience, ..ConnectOptions::default() };
    let connected = Bus::connect(url, options).await.map_err(|error| match error {
        ConnectError::Unavailable { source, .. } => OpenError::unavailable(&named, source),
        ConnectError::Address { source, .. } | ConnectError::Refused { source, .. } => {
            OpenError::refused(&named, source)
        }
        // Neither is asked for here, and either says by itself what is wrong.
        error @ (ConnectError::Files { .. } | ConnectError::Untrusted { .. }) => OpenError::refused(&named, error),
    });
    connected.map(queued)
}

/// The same bus, with room for what a component has not taken yet.
fn queued(bus: Bus) -> Bus {
    let (queued_messages_max, queued_bytes_max) = QUEUE;
    bus.with_queue_limits(Limits { queued_messages_max, queued_bytes_max, ..Limits::default() })
}
