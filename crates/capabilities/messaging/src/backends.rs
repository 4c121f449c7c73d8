//! These are the backends of messaging: ways to have a [`Carrier`].

mod mqtt;

use std::sync::Arc;
use std::time::Duration;

use bus::{Bus, ConnectError, ConnectOptions, FirstTry, Limits, Login, Pattern};
use capability::settings::{Default as Unsaid, Kind};
use capability::{BackendInfo, OpenError, Setting, Settings};
use stdx::{BoxError, ByteSize};

use crate::carrier::Carrier;
use crate::exchange::{Exchange, Sharing};
use crate::stream::{Stream, StreamError};
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

const BROKER: Setting = Setting {
    name: "url",
    about: "where the broker is; mqtts encrypts",
    kind: Kind::Url(&["mqtt", "mqtts"]),
    default: Unsaid::Required,
};

const CA: Setting =
    Setting { name: "ca", about: "certificates to trust besides, as PEM", kind: Kind::Path, default: Unsaid::Absent };

const SESSION: Setting = Setting {
    name: "session",
    about: "for one host: by this name the broker keeps for a day what comes while the host is away",
    kind: Kind::Text,
    default: Unsaid::Absent,
};

const STREAM: Setting = Setting {
    name: "stream",
    about: "what the stream of the server is called",
    kind: Kind::Text,
    default: Unsaid::Required,
};

const CREATE: Setting = Setting {
    name: "create",
    about: "whether a stream that is not there is made, for `subjects`",
    kind: Kind::Switch,
    default: Unsaid::Is("false"),
};

const SUBJECTS: Setting = Setting {
    name: "subjects",
    about: "what a stream that is made keeps; the subscriptions where nothing is said",
    kind: Kind::Text,
    default: Unsaid::Absent,
};

const ACK_WAIT: Setting = Setting {
    name: "ack-wait",
    about: "a message that nobody has said anything of for so long is brought again",
    kind: Kind::Time,
    default: Unsaid::Is("30s"),
};

const TRIES: Setting = Setting {
    name: "tries",
    about: "how often a message is brought at most; until it was handled well where nothing is said",
    kind: Kind::Count(1, 1_000_000),
    default: Unsaid::Absent,
};

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
    BackendInfo {
        name: "jetstream",
        about: "kept by a stream of a NATS server until it was handled; at least once",
        settings: &[
            URL,
            STREAM,
            SUBSCRIPTIONS,
            QUEUE_GROUP,
            CREATE,
            SUBJECTS,
            ACK_WAIT,
            TRIES,
            USER,
            PASSWORD,
            TOKEN,
            TIMEOUT,
        ],
    },
    BackendInfo {
        name: "mqtt",
        about: "by a broker of MQTT 5, which is told when a message was handled; at least once",
        settings: &[BROKER, SUBSCRIPTIONS, QUEUE_GROUP, SHARED, SESSION, USER, PASSWORD, CA, TIMEOUT],
    },
];

/// Opens the backend of that name; `bus` is that of this host.
pub(crate) async fn open(name: &str, settings: &Settings, bus: &Bus) -> Result<Arc<Exchange>, OpenError> {
    let subscriptions = settings.text("subscriptions").map(patterns).transpose();
    let subscriptions = subscriptions.map_err(|error| OpenError::refused(name, error))?.unwrap_or_default();
    let sharing = sharing(settings).map_err(|error| OpenError::refused(name, error))?;
    let carrier = match name {
        "bus" => Carrier::Bus(queued(bus.clone())),
        "nats" => Carrier::Bus(queued(connect(settings).await?)),
        "jetstream" => Carrier::Stream(settled_stream(settings, &subscriptions).await?),
        "mqtt" => Carrier::Mqtt(mqtt::open(settings, &subscriptions, &sharing).await?),
        _ => return Err(OpenError::refused(name, "there is no such backend")),
    };
    Ok(Arc::new(Exchange::new(carrier, subscriptions, sharing)))
}

/// The same bus, with room for what a component has not taken yet.
fn queued(bus: Bus) -> Bus {
    let (queued_messages_max, queued_bytes_max) = QUEUE;
    bus.with_queue_limits(Limits { queued_messages_max, queued_bytes_max, ..Limits::default() })
}

async fn settled_stream(settings: &Settings, subscriptions: &[Pattern]) -> Result<Stream, OpenError> {
    let make_for = make_for(settings, subscriptions).map_err(|error| OpenError::refused("jetstream", error))?;
    let time = |name| settings.time(name).expect("it has a default");
    let stream = Stream {
        bus: queued(connect(settings).await?),
        name: settings.text("stream").expect("it is required").to_owned(),
        make_for,
        ack_wait: time("ack-wait"),
        tries: settings.count("tries"),
        patience: time("timeout"),
    };
    stream.settle().await.map_err(|error| match error {
        StreamError::Unknown(_) | StreamError::NoConnection => OpenError::unavailable("jetstream", error),
        error => OpenError::refused("jetstream", error),
    })?;
    Ok(stream)
}

/// What a stream keeps that is made because it is not there.
fn make_for(settings: &Settings, subscriptions: &[Pattern]) -> Result<Option<Vec<Pattern>>, BoxError> {
    match (settings.is_on("create"), settings.text("subjects")) {
        (true, Some(subjects)) => Ok(Some(patterns(subjects)?)),
        (true, None) if subscriptions.is_empty() => {
            Err("a stream that is made has to keep something: say subjects=…".into())
        }
        (true, None) => Ok(Some(subscriptions.to_vec())),
        (false, Some(_)) => Err("subjects are for a stream that is made: say create=true, too".into()),
        (false, None) => Ok(None),
    }
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
        // Neither is asked for here, and either says by itself what is wrong.
        error @ (ConnectError::Files { .. } | ConnectError::Untrusted { .. }) => OpenError::refused(&named, error),
    })
}
