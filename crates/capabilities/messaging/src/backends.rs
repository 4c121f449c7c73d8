//! These are the backends of messaging: two ways to have a [`Bus`].

use std::sync::Arc;
use std::time::Duration;

use bus::{Bus, ConnectError, ConnectOptions, FirstTry, Limits, Login};
use capability::settings::{Default as Unsaid, Kind};
use capability::{BackendInfo, OpenError, Setting, Settings};
use stdx::ByteSize;

use crate::exchange::{Exchange, Sharing};
use crate::subjects;

/// What may wait for one subscription: a component that does not keep up loses what comes after that.
const QUEUE: (usize, ByteSize) = (1_024, ByteSize::mib(8));

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

const URL: Setting =
    Setting { name: "url", about: "where the server is", kind: Kind::Url(&["nats", "tls"]), default: Unsaid::Required };

const USER: Setting = Setting { name: "user", about: "to log in as", kind: Kind::Text, default: Unsaid::Absent };

const PASSWORD: Setting =
    Setting { name: "password", about: "of the user", kind: Kind::Secret, default: Unsaid::Absent };

const TOKEN: Setting = Setting { name: "token", about: "to log in with", kind: Kind::Secret, default: Unsaid::Absent };

const TIMEOUT: Setting =
    Setting { name: "timeout", about: "for the server", kind: Kind::Time, default: Unsaid::Is("2s") };

/// All backends, as they are listed.
pub(crate) const ALL: &[BackendInfo] = &[
    BackendInfo {
        name: "bus",
        about: "inside this host, to its components and to clients of its bus; at most once",
        settings: &[SUBSCRIPTIONS, QUEUE_GROUP, SHARED],
    },
    BackendInfo {
        name: "nats",
        about: "by a NATS server, to whoever is connected to it; at most once",
        settings: &[URL, SUBSCRIPTIONS, QUEUE_GROUP, SHARED, USER, PASSWORD, TOKEN, TIMEOUT],
    },
];

/// Opens the backend of that name; `bus` is that of this host.
pub(crate) async fn open(name: &str, settings: &Settings, bus: &Bus) -> Result<Arc<Exchange>, OpenError> {
    let subscriptions = settings.text("subscriptions").map(patterns).transpose();
    let subscriptions = subscriptions.map_err(|error| OpenError::refused(name, error))?.unwrap_or_default();
    let sharing = sharing(settings).map_err(|error| OpenError::refused(name, error))?;
    let bus = match name {
        "bus" => bus.clone(),
        "nats" => connect(settings).await?,
        _ => return Err(OpenError::refused(name, "there is no such backend")),
    };
    let (queued_messages_max, queued_bytes_max) = QUEUE;
    let bus = bus.with_queue_limits(Limits { queued_messages_max, queued_bytes_max, ..Limits::default() });
    Ok(Arc::new(Exchange::new(bus, subscriptions, sharing)))
}

fn patterns(text: &str) -> Result<Vec<bus::Pattern>, subjects::Refused> {
    text.split(',').map(|pattern| subjects::pattern(pattern.trim())).collect()
}

fn sharing(settings: &Settings) -> Result<Sharing, Box<dyn std::error::Error + Send + Sync>> {
    match (settings.is_on("shared"), settings.text("queue_group")) {
        (true, None) => Ok(Sharing::ByComponent),
        (true, Some(group)) => Ok(Sharing::Group(group.parse()?)),
        (false, None) => Ok(Sharing::Nobody),
        (false, Some(_)) => Err("a queue_group shares each message; leave one of the two out".into()),
    }
}

async fn connect(settings: &Settings) -> Result<Bus, OpenError> {
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
    Bus::connect(url, options).await.map_err(|error| match error {
        ConnectError::Unavailable { source, .. } => OpenError::unavailable(&named, source),
        ConnectError::Address { source, .. } | ConnectError::Refused { source, .. } => {
            OpenError::refused(&named, source)
        }
    })
}
