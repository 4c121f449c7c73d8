//! This is the backend `mqtt`, as a link names it.

use std::time::Duration;

use bus::Pattern;
use capability::settings::without_password;
use capability::{OpenError, Settings};
use stdx::BoxError;
use tokio_rustls::TlsConnector;
use url::Url;

use crate::exchange::Sharing;
use crate::mqtt::{self, ConnectError, Endpoint, Mqtt};

/// Connects to the broker that the settings name, where these can be subscribed to.
pub(super) async fn open(settings: &Settings, subscriptions: &[Pattern], sharing: &Sharing) -> Result<Mqtt, OpenError> {
    let url = settings.text("url").expect("it is required");
    let named = format!("mqtt {}", without_password(url));
    let refused = |error: BoxError| OpenError::refused(&named, error);
    let group = if let Sharing::Group(group) = sharing { Some(group) } else { None };
    mqtt::filters(subscriptions, group).map_err(refused)?;
    let endpoint = endpoint(url, settings).map_err(refused)?;
    let connected = Mqtt::connect(endpoint, settings.text("session").map(ToOwned::to_owned)).await;
    connected.map_err(|error| match error {
        ConnectError::Unavailable(source) => OpenError::unavailable(&named, source),
        ConnectError::Refused(source) => OpenError::refused(&named, source),
    })
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
