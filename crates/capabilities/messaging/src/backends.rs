//! These are the backends of messaging: ways to have a [`Carrier`]. A new one is a file and a line here.

mod jetstream;
mod mqtt;
mod nats;

use std::sync::Arc;

use async_trait::async_trait;
use bus::{Bus, Pattern};
use capability::settings::{Default as Unsaid, Kind};
use capability::{BackendInfo, OpenError, Setting, Settings};

use crate::carrier::Carrier;
use crate::exchange::{Exchange, Sharing};
use crate::subjects;

/// What a link can name. The first is what a component gets that has no link.
const ALL: [&dyn Backend; 4] =
    [&nats::BusBackend, &nats::NatsBackend, &jetstream::JetStreamBackend, &mqtt::MqttBackend];

/// One way to carry messages.
#[async_trait]
pub(crate) trait Backend: Send + Sync {
    /// The backend, as it is listed.
    fn info(&self) -> BackendInfo;

    /// Opens it. Answers when it is known to work, or why it does not.
    async fn open(&self, settings: &Settings, told: &Told<'_>) -> Result<Arc<dyn Carrier>, OpenError>;
}

/// What a backend is opened for, beside its settings.
pub(crate) struct Told<'a> {
    /// The bus of this host.
    bus: &'a Bus,
    subscriptions: &'a [Pattern],
    sharing: &'a Sharing,
}

const SUBSCRIPTIONS: Setting = Setting {
    name: "subscriptions",
    about: "subjects that the component is called with, with commas between: orders.*,tasks.>",
    kind: Kind::Text,
    default: Unsaid::Absent,
};

const QUEUE_GROUP: Setting = Setting {
    name: "queue_group",
    about: "of whose members one gets each message; the component's name where nothing is said",
    kind: Kind::Text,
    default: Unsaid::Absent,
};

const SHARED: Setting = Setting {
    name: "shared",
    about: "whether each message is handled once, or on every host",
    kind: Kind::Switch,
    default: Unsaid::Is("true"),
};

const USER: Setting = Setting { name: "user", about: "to log in as", kind: Kind::Text, default: Unsaid::Absent };

const PASSWORD: Setting =
    Setting { name: "password", about: "of the user", kind: Kind::Secret, default: Unsaid::Absent };

const TIMEOUT: Setting =
    Setting { name: "timeout", about: "for the server", kind: Kind::Time, default: Unsaid::Is("2s") };

/// All backends, as they are listed.
pub(crate) fn infos() -> impl Iterator<Item = BackendInfo> {
    ALL.into_iter().map(|backend| backend.info())
}

/// Opens the backend of that name; `bus` is that of this host.
pub(crate) async fn open(name: &str, settings: &Settings, bus: &Bus) -> Result<Arc<Exchange>, OpenError> {
    let backend = ALL.into_iter().find(|backend| backend.info().name == name);
    let backend = backend.ok_or_else(|| OpenError::refused(name, "there is no such backend"))?;
    let subscriptions = settings.text("subscriptions").map(patterns).transpose();
    let subscriptions = subscriptions.map_err(|error| OpenError::refused(name, error))?.unwrap_or_default();
    let sharing = sharing(settings).map_err(|error| OpenError::refused(name, error))?;
    let told = Told { bus, subscriptions: &subscriptions, sharing: &sharing };
    let carrier = backend.open(settings, &told).await?;
    Ok(Arc::new(Exchange::new(carrier, subscriptions, sharing)))
}

fn patterns(text: &str) -> Result<Vec<Pattern>, subjects::Refused> {
    text.split(',').map(|pattern| subjects::pattern(pattern.trim())).collect()
}

fn sharing(settings: &Settings) -> Result<Sharing, Box<dyn std::error::Error + Send + Sync>> {
    // What is kept by a stream is always shared: it is brought until one has handled it.
    let is_shared = settings.text("shared").is_none_or(|shared| shared == "true");
    let has_session = settings.text("session").is_some();
    match (is_shared && !has_session, settings.text("queue_group")) {
        (_, Some(_)) if has_session => Err("a session is one host alone's: leave queue_group out".into()),
        (true, None) => Ok(Sharing::ByComponent),
        (true, Some(group)) => Ok(Sharing::Group(group.parse()?)),
        (false, None) => Ok(Sharing::Nobody),
        (false, Some(_)) => Err("a queue_group shares each message; leave one of the two out".into()),
    }
}
