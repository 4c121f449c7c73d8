//! Reaches a PostgreSQL server: its address, its name, encryption, and who logs in.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use stdx::BoxError;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Client, Config, NoTls};
use tokio_rustls::TlsConnector;

use crate::limits::Limits;

use super::Options;
use super::bounded::Bounded;
use super::failure::ConnectError;

/// What a message may have beside a row's values.
const BESIDE: usize = 64 << 10;
/// What asks a server whether it encrypts: its length, and a number that no version of the protocol has.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// A stream of any kind.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// The half of a connection that has to be driven.
pub(super) type Driver = tokio_postgres::Connection<Bounded<Box<dyn Stream>>, tokio_postgres::tls::NoTlsStream>;

/// Knows where a server is and what to tell it.
#[derive(Clone)]
pub(super) struct Server {
    config: Config,
    described: String,
    encryption: SslMode,
    tls: TlsConnector,
    pub(super) timeout: Duration,
    connect_timeout: Duration,
    pub(super) limits: Limits,
}

/// The server does not encrypt.
#[derive(Debug, thiserror::Error)]
#[error("the server does not encrypt; where that is meant to be so, add sslmode=disable to the url")]
struct NotEncrypted;

// === impl Server ===

impl Server {
    pub(super) fn new(options: &Options) -> Result<Self, ConnectError> {
        let refused = |error: BoxError| ConnectError::Refused(error);
        // Every certificate is verified in full: the other words for it are as good.
        let url = options
            .url
            .replace("sslmode=verify-full", "sslmode=require")
            .replace("sslmode=verify-ca", "sslmode=require");
        let mut config: Config = url.parse().map_err(|error: tokio_postgres::Error| refused(error.into()))?;
        if let Some(password) = &options.password {
            config.password(password);
        }
        if config.get_application_name().is_none() {
            config.application_name("wattle");
        }
        let encryption = match config.get_ssl_mode() {
            SslMode::Prefer if !url.contains("sslmode=") => by_default(&config),
            told => told,
        };
        config.ssl_mode(SslMode::Disable);
        let tls = TlsConnector::from(capability::tls::client(options.ca.as_deref()).map_err(refused)?);
        Ok(Self {
            described: describe(&config),
            config,
            encryption,
            tls,
            timeout: options.timeout,
            connect_timeout: options.connect_timeout,
            limits: options.limits,
        })
    }

    /// Where it is, without who logs in.
    pub(super) fn describe(&self) -> &str {
        &self.described
    }

    /// Connects to the first of its addresses that answers, and logs in.
    pub(super) async fn connect(&self, is_exceeded: Arc<AtomicBool>) -> Result<(Client, Driver), ConnectError> {
        let connect = async {
            let stream = self.reach().await?;
            let bounded = Bounded::new(stream, self.limits.row.as_usize() + BESIDE, is_exceeded);
            Ok(self.config.connect_raw(bounded, NoTls).await?)
        };
        rt::within(Some(self.connect_timeout), connect).await.map_err(|late| ConnectError::Unavailable(late.into()))?
    }

    async fn reach(&self) -> Result<Box<dyn Stream>, ConnectError> {
        let ports = self.config.get_ports();
        let mut failure: BoxError = "the url names no host".into();
        for (index, host) in self.config.get_hosts().iter().enumerate() {
            let port = ports.get(index).or(ports.first()).copied().unwrap_or(5432);
            let outcome = match host {
                Host::Tcp(name) => self.reach_name(name, port).await,
                Host::Unix(folder) => match UnixStream::connect(folder.join(format!(".s.PGSQL.{port}"))).await {
                    Ok(stream) => return Ok(Box::new(stream)),
                    Err(error) => Err(error.into()),
                },
            };
            match outcome {
                Ok(stream) => return Ok(stream),
                Err(error) => failure = error,
            }
        }
        Err(ConnectError::Unavailable(failure))
    }

    async fn reach_name(&self, name: &str, port: u16) -> Result<Box<dyn Stream>, BoxError> {
        let mut stream = TcpStream::connect((name, port)).await?;
        set_up(&stream, self.timeout)?;
        if self.encryption == SslMode::Disable {
            return Ok(Box::new(stream));
        }
        stream.write_all(&SSL_REQUEST).await?;
        match (stream.read_u8().await?, self.encryption) {
            (b'S', _) => {
                let server = ServerName::try_from(name.to_owned())?;
                Ok(Box::new(self.tls.connect(server, stream).await?))
            }
            (_, SslMode::Prefer) => Ok(Box::new(stream)),
            _ => Err(NotEncrypted.into()),
        }
    }
}

/// Whether to encrypt where nothing is said: to any other machine.
fn by_default(config: &Config) -> SslMode {
    let is_here = |host: &Host| match host {
        Host::Tcp(name) => {
            name == "localhost" || name.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
        }
        Host::Unix(_) => true,
    };
    if config.get_hosts().iter().all(is_here) { SslMode::Disable } else { SslMode::Require }
}

fn describe(config: &Config) -> String {
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(name)) => name.clone(),
        Some(Host::Unix(folder)) => folder.display().to_string(),
        None => String::new(),
    };
    let port = config.get_ports().first().copied().unwrap_or(5432);
    let database = config.get_dbname().or(config.get_user()).unwrap_or_default();
    format!("postgres {}", stdx::printable(&format!("{host}:{port}/{database}")))
}

/// A peer that takes no byte for so long is gone: the machine went down, or something on the way forgot about us.
fn set_up(stream: &TcpStream, timeout: Duration) -> io::Result<()> {
    stream.set_nodelay(true)?;
    // The system counts these in whole seconds, and takes no zero.
    let silence = timeout.max(Duration::from_secs(1));
    let socket = SockRef::from(stream);
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(silence).with_interval(silence))?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(timeout))?;
    Ok(())
}
