//! Reaches an MQTT broker: its address, encryption, and who logs in.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use rumqttc::v5::mqttbytes::v5::{Codec, ConnAck, Connect, ConnectProperties, ConnectReturnCode, Login, Packet};
use rustls::pki_types::ServerName;
use stdx::BoxError;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_util::codec::Framed;

use super::session::{KEEP_ALIVE, PACKET_MAX, RECEIVE_MAX};

/// How long a broker keeps a session whose client is away.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// A stream of any kind.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A stream with packets on it.
pub(super) type Wire = Framed<Box<dyn Stream>, Codec>;

/// Where a broker is, and what to tell it.
pub(crate) struct Endpoint {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) tls: Option<TlsConnector>,
    pub(crate) login: Option<(String, String)>,
    /// For an attempt, and for each answer.
    pub(crate) patience: Duration,
}

/// There is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    /// It may work later.
    #[error("the broker is not available")]
    Unavailable(#[source] BoxError),
    /// It will not.
    #[error("the broker refuses the connection")]
    Refused(#[source] BoxError),
}

// === impl Endpoint ===

impl Endpoint {
    /// Connects and logs in: with a session of that name, which the broker keeps for a while, or with none.
    pub(super) async fn connect(&self, session: Option<&str>) -> Result<(Wire, ConnAck), ConnectError> {
        let connected = rt::within(Some(self.patience), self.try_connect(session)).await;
        connected.map_err(|late| ConnectError::Unavailable(late.into()))?
    }

    async fn try_connect(&self, session: Option<&str>) -> Result<(Wire, ConnAck), ConnectError> {
        let unavailable = ConnectError::Unavailable;
        let stream = self.reach().await.map_err(unavailable)?;
        let codec = Codec { max_incoming_size: Some(PACKET_MAX), max_outgoing_size: None };
        let mut wire = Framed::new(stream, codec);
        let login = self.login.as_ref().map(|(user, password)| Login::new(user.clone(), password.clone()));
        wire.send(Packet::Connect(hello(session), None, login)).await.map_err(|error| unavailable(error.into()))?;
        match wire.next().await {
            Some(Ok(Packet::ConnAck(answer))) if answer.code == ConnectReturnCode::Success => {
                let limit = answer.properties.as_ref().and_then(|told| told.max_packet_size);
                wire.codec_mut().max_outgoing_size = limit;
                Ok((wire, answer))
            }
            Some(Ok(Packet::ConnAck(answer))) => Err(refused(answer.code)),
            Some(Ok(_)) => Err(unavailable("it answers with something else than MQTT 5 asks for".into())),
            Some(Err(error)) => Err(unavailable(format!("its answer is not of MQTT 5: {error}").into())),
            None => Err(unavailable("it closed the connection, as one that does not speak MQTT 5 would".into())),
        }
    }

    async fn reach(&self) -> Result<Box<dyn Stream>, BoxError> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        stream.set_nodelay(true)?;
        match &self.tls {
            None => Ok(Box::new(stream)),
            Some(tls) => Ok(Box::new(tls.connect(ServerName::try_from(self.host.clone())?, stream).await?)),
        }
    }
}

fn hello(session: Option<&str>) -> Connect {
    let mut told = ConnectProperties::new();
    told.receive_maximum = Some(RECEIVE_MAX);
    told.max_packet_size = Some(PACKET_MAX);
    told.session_expiry_interval = session.map(|_| KEPT.as_secs().try_into().unwrap_or(u32::MAX));
    Connect {
        keep_alive: KEEP_ALIVE.as_secs().try_into().unwrap_or(u16::MAX),
        client_id: session.unwrap_or_default().to_owned(),
        clean_start: session.is_none(),
        properties: Some(told),
    }
}

fn refused(code: ConnectReturnCode) -> ConnectError {
    use ConnectReturnCode as Code;
    let why = |text: &str| ConnectError::Refused(text.into());
    match code {
        Code::BadUserNamePassword => why("user or password is wrong"),
        Code::NotAuthorized => why("it lets nobody in with this user and password"),
        Code::Banned => why("it has banned this client"),
        Code::BadClientId | Code::ClientIdentifierNotValid => why("it takes no client of this session's name"),
        Code::RefusedProtocolVersion | Code::UnsupportedProtocolVersion => why("it does not speak MQTT 5"),
        Code::BadAuthenticationMethod => why("it wants to be logged in to in another way"),
        other => ConnectError::Unavailable(format!("it answers {other:?}").into()),
    }
}
