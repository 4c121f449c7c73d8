//! Connects to where a request goes, and judges each address before it does.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use wasmtime_wasi_http::Error;

use super::allow::AllowList;
use super::host::Host;
use super::target::{Scheme, Target};

/// One address is tried for so long while there are others.
const ATTEMPT: Duration = Duration::from_secs(3);

/// Addresses of one name that are tried.
const ATTEMPTS: usize = 8;

/// What HTTP/2 is called where protocols are agreed on (RFC 7301).
const HTTP_2: &[u8] = b"h2";

/// A connection, encrypted or not.
pub(super) type Stream = Box<dyn Transport>;

/// What a connection can do.
pub(super) trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

/// What is spoken on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

/// Connects to allowed targets.
pub(super) struct Connector {
    pub(super) allowed: Arc<AllowList>,
    pub(super) resolve: Resolve,
    pub(super) tls: Arc<ClientConfig>,
}

/// Finds the addresses of a name. A test has its own.
pub(super) type Resolve = Box<dyn Fn(String) -> Addresses + Send + Sync>;

/// The addresses of a name, some time.
pub(super) type Addresses = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// The usual certificate authorities, read once.
static TLS: LazyLock<Arc<ClientConfig>> = LazyLock::new(|| {
    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.into() };
    Arc::new(trusting(roots))
});

/// Settings that trust those authorities and speak HTTP/2, or HTTP/1.1 where the server does not.
pub(super) fn trusting(roots: RootCertStore) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let mut config =
        versions.expect("ring has the default versions").with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![HTTP_2.to_vec(), b"http/1.1".to_vec()];
    config
}

// === impl Connector ===

impl Connector {
    /// Connects to what is on the list, with the system's resolver and the usual authorities.
    pub(super) fn new(allowed: Arc<AllowList>) -> Self {
        Self { allowed, resolve: Box::new(ask_system), tls: TLS.clone() }
    }

    /// A connection to the target, which is allowed, at an address that is too; and what is spoken on it.
    pub(super) async fn connect(&self, target: &Target) -> Result<(Stream, Protocol), Error> {
        let mut addresses = self.addresses(&target.host).await?;
        addresses.retain(|address| self.allowed.allows_address(target, *address));
        addresses.truncate(ATTEMPTS);
        if addresses.is_empty() {
            return Err(Error::DestinationIpProhibited);
        }
        let (stream, address) = dial(&addresses, target.port).await.map_err(Error::Connect)?;
        stream.set_nodelay(true).map_err(Error::Connect)?;
        match target.scheme {
            Scheme::Http if self.allowed.says_h2c(target, address) => Ok((Box::new(stream), Protocol::Http2)),
            Scheme::Http => Ok((Box::new(stream), Protocol::Http1)),
            Scheme::Https => {
                let stream = TlsConnector::from(self.tls.clone()).connect(server_name(&target.host)?, stream).await;
                let stream = stream.map_err(Error::Tls)?;
                let is_http2 = stream.get_ref().1.alpn_protocol() == Some(HTTP_2);
                Ok((Box::new(stream), if is_http2 { Protocol::Http2 } else { Protocol::Http1 }))
            }
        }
    }

    /// The addresses of a host. This machine's own name is not asked for: an answer from elsewhere could be another.
    async fn addresses(&self, host: &Host) -> Result<Vec<IpAddr>, Error> {
        match host {
            Host::Address(address) => Ok(vec![*address]),
            host if host.is_localhost() => Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]),
            Host::Name(name) => match (self.resolve)(name.clone()).await {
                Ok(addresses) if !addresses.is_empty() => Ok(addresses),
                Ok(_) | Err(_) => {
                    Err(Error::DnsError { rcode: Some("address not available".into()), info_code: Some(0) })
                }
            },
        }
    }
}

/// A connection to the first of the addresses that takes it, or the error of the last.
async fn dial(addresses: &[IpAddr], port: u16) -> io::Result<(TcpStream, IpAddr)> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for (index, address) in addresses.iter().enumerate() {
        let attempt = TcpStream::connect(SocketAddr::new(*address, port));
        let is_last = index + 1 == addresses.len();
        let outcome = if is_last { Ok(attempt.await) } else { timeout(ATTEMPT, attempt).await };
        match outcome {
            Ok(Ok(stream)) => return Ok((stream, *address)),
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(last)
}

fn server_name(host: &Host) -> Result<ServerName<'static>, Error> {
    match host {
        Host::Address(address) => Ok(ServerName::from(*address)),
        Host::Name(name) => Ok(ServerName::try_from(name.clone())?),
    }
}

fn ask_system(name: String) -> Addresses {
    Box::pin(async move {
        // The port does not matter: it is the target's in the end.
        let addresses = tokio::net::lookup_host((name, 0)).await?;
        Ok(addresses.map(|address| address.ip()).collect())
    })
}
