//! This is the backend `jetstream`, as a link names it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bus::{Gather, Message, Pattern};
use capability::settings::{Default as Unsaid, Kind};
use capability::{BackendInfo, Duty, OpenError, Service, Setting, Settings};
use model::ComponentName;
use stdx::{BoxError, ByteSize};

use super::nats::{TOKEN, URL, connect};
use super::{Backend, PASSWORD, QUEUE_GROUP, SUBSCRIPTIONS, TIMEOUT, Told, USER, patterns};
use crate::carrier::{AskError, Carrier, Heard, SendError, Wanted};
use crate::serve::Server;
use crate::stream::{Stream, StreamError};
use crate::subjects;

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

const SETTINGS: &[Setting] =
    &[URL, STREAM, SUBSCRIPTIONS, QUEUE_GROUP, CREATE, SUBJECTS, ACK_WAIT, TRIES, USER, PASSWORD, TOKEN, TIMEOUT];

/// The backend `jetstream`.
pub(super) struct JetStreamBackend;

#[async_trait]
impl Backend for JetStreamBackend {
    fn info(&self) -> BackendInfo {
        BackendInfo {
            name: "jetstream",
            about: "kept by a stream of a NATS server until it was handled; at least once",
            settings: SETTINGS,
        }
    }

    async fn open(&self, settings: &Settings, told: &Told<'_>) -> Result<Arc<dyn Carrier>, OpenError> {
        let make_for =
            make_for(settings, told.subscriptions).map_err(|error| OpenError::refused("jetstream", error))?;
        let time = |name| settings.time(name).expect("it has a default");
        let stream = Stream {
            bus: connect(settings).await?,
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
        Ok(Arc::new(stream))
    }
}

/// At least once, but for answers, which nobody keeps.
#[async_trait]
impl Carrier for Stream {
    async fn publish(&self, source: &ComponentName, message: Message) -> Result<(), SendError> {
        if subjects::is_inbox(&message.subject) {
            return Carrier::publish(&self.bus, source, message).await;
        }
        match message.reply {
            Some(_) => Err(SendError::NoReply),
            None => self.put(message).await,
        }
    }

    async fn request(&self, source: &ComponentName, question: Message, timeout: Duration) -> Result<Message, AskError> {
        Carrier::request(&self.bus, source, question, timeout).await
    }

    async fn request_many(&self, question: Message, gather: Gather) -> Result<Vec<Message>, AskError> {
        Carrier::request_many(&self.bus, question, gather).await
    }

    fn payload_max(&self) -> ByteSize {
        self.bus.payload_max()
    }

    async fn listen(&self, component: &ComponentName, wanted: Wanted<'_>) -> Result<Box<dyn Heard>, BoxError> {
        Carrier::listen(&self.bus, component, wanted).await
    }

    fn serve(&self, server: Server, duty: Duty) -> Service {
        Box::pin(server.run_stream(self.clone(), duty))
    }
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
