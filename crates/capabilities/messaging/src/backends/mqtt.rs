//! This is the backend `mqtt`, as a link names it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bus::Message;
use capability::settings::{Default as Unsaid, Kind, without_password};
use capability::{BackendInfo, OpenError, Setting, Settings};
use model::ComponentName;
use stdx::{BoxError, ByteSize};
use tokio_rustls::TlsConnector;
use url::Url;

use super::{Backend, PASSWORD, QUEUE_GROUP, SHARED, SUBSCRIPTIONS, TIMEOUT, Told, USER};
use crate::carrier::{AskError, Carrier, Heard, Receipt, SendError, Wanted};
use crate::exchange::Sharing;
use crate::mqtt::{self, ConnectError, Endpoint, Listening, Mqtt};

/// For what is said to a broker in the end.
const PATIENCE: Duration = Duration::from_secs(2);

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

/// The backend `mqtt`.
pub(super) struct MqttBackend;

#[async_trait]
impl Backend for MqttBackend {
    fn info(&self) -> BackendInfo {
        BackendInfo {
            name: "mqtt",
            about: "by a broker of MQTT 5, which is told when a message was handled; at least once",
            settings: &[BROKER, SUBSCRIPTIONS, QUEUE_GROUP, SHARED, SESSION, USER, PASSWORD, CA, TIMEOUT],
        }
    }

    /// Connects to the broker that the settings name, where what is wanted can be subscribed to.
    async fn open(&self, settings: &Settings, told: &Told<'_>) -> Result<Arc<dyn Carrier>, OpenError> {
        let url = settings.text("url").expect("it is required");
        let named = format!("mqtt {}", without_password(url));
        let refused = |error: BoxError| OpenError::refused(&named, error);
        let group = if let Sharing::Group(group) = told.sharing { Some(group) } else { None };
        mqtt::filters(told.subscriptions, group).map_err(refused)?;
        let endpoint = endpoint(url, settings).map_err(refused)?;
        match Mqtt::connect(endpoint, settings.text("session").map(ToOwned::to_owned)).await {
            Ok(broker) => Ok(Arc::new(broker)),
            Err(ConnectError::Unavailable(source)) => Err(OpenError::unavailable(&named, source)),
            Err(ConnectError::Refused(source)) => Err(OpenError::refused(&named, source)),
        }
    }
}

/// At least once, as the broker promises it.
#[async_trait]
impl Carrier for Mqtt {
    async fn publish(&self, _: &ComponentName, message: Message) -> Result<(), SendError> {
        Mqtt::publish(self, message).await
    }

    async fn request(&self, _: &ComponentName, question: Message, timeout: Duration) -> Result<Message, AskError> {
        Mqtt::request(self, question, timeout).await
    }

    fn payload_max(&self) -> ByteSize {
        Mqtt::payload_max(self)
    }

    async fn listen(&self, component: &ComponentName, wanted: Wanted<'_>) -> Result<Box<dyn Heard>, BoxError> {
        Ok(Box::new(Mqtt::listen(self, component, wanted).await?))
    }
}

#[async_trait]
impl Heard for Listening {
    async fn next(&mut self) -> Option<(Message, Option<Receipt>)> {
        let (message, receipt) = Listening::next(self).await?;
        Some((message, receipt.map(|receipt| Box::new(move || receipt.settle()) as Receipt)))
    }

    async fn end(&mut self) {
        Listening::end(self, PATIENCE).await;
    }

    async fn close(self: Box<Self>) {
        Listening::close(*self, PATIENCE).await;
    }

    fn dropped(&self) -> u64 {
        Listening::dropped(self)
    }
}

fn endpoint(url: &str, settings: &Settings) -> Result<Endpoint, BoxError> {
    let url: Url = url.parse()?;
    let is_encrypted = url.scheme() == "mqtts";
    let host = url.host_str().ok_or("the url names no host")?;
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return Err("the url ends with the port: subscriptions say what is heard".into());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("who logs in is for user=… and password=… to say, not for the url".into());
    }
    let login = match (settings.text("user"), settings.secret("password")?) {
        (None, None) => None,
        (Some(user), password) => Some((user.to_owned(), password.unwrap_or_default())),
        (None, Some(_)) => return Err("a password is somebody's: say user=…, too".into()),
    };
    let ca = settings.path("ca");
    if ca.is_some() && !is_encrypted {
        return Err("certificates are for mqtts://".into());
    }
    let tls = is_encrypted.then(|| capability::tls::client(ca.as_deref())).transpose()?;
    Ok(Endpoint {
        // An address of IPv6 has brackets in a url alone.
        host: host.trim_matches(['[', ']']).to_owned(),
        port: url.port().unwrap_or(if is_encrypted { 8883 } else { 1883 }),
        tls: tls.map(TlsConnector::from),
        login,
        patience: settings.time("timeout").unwrap_or(Duration::from_secs(2)),
    })
}
