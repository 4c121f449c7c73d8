//! Knows the servers and how to log in at them.

use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use async_nats::jetstream::context::ContextBuilder;
use async_nats::{ConnectErrorKind, ConnectOptions, Event, ServerAddr};
use stdx::BoxError;

use crate::line::{ConnectError, Dial, Loss};

use super::{Connected, Reach};

/// A server that says nothing for three times as long is gone.
const PING_INTERVAL: Duration = Duration::from_secs(1);

/// Knows the servers and what to tell them.
pub(super) struct Servers {
    /// The stream that is used there.
    stream: String,
    login: Login,
    is_encrypted: bool,
    credentials: Option<PathBuf>,
    timeout: Duration,
    /// Those that we were told of, and those that they told of. The first is tried first.
    known: std::sync::Mutex<Vec<ServerAddr>>,
}

/// Who logs in. It is kept out of the addresses, which may be logged.
enum Login {
    Nobody,
    Token(String),
    User(String, String),
}

/// The address cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("it is no address of a NATS server")]
struct BadAddress;

// === impl Servers ===

impl Servers {
    pub(super) fn new(reach: &Reach, stream: String) -> Result<Self, BoxError> {
        let mut known = Vec::new();
        let mut login = Login::Nobody;
        for address in reach.url.split(',') {
            let (server, told) = without_login(address)?;
            known.push(server);
            if matches!(login, Login::Nobody) {
                login = told;
            }
        }
        Ok(Self {
            stream,
            login,
            is_encrypted: known.iter().any(ServerAddr::tls_required),
            credentials: reach.credentials.clone(),
            timeout: reach.timeout,
            known: std::sync::Mutex::new(known),
        })
    }

    /// A panic cannot leave the list half changed.
    fn known(&self) -> std::sync::MutexGuard<'_, Vec<ServerAddr>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The server is to be tried first the next time, and those that it told of after the others.
    fn prefer(&self, server: &ServerAddr, told_of: &[String]) {
        let mut known = self.known();
        known.retain(|other| other != server);
        known.insert(0, server.clone());
        for other in told_of.iter().filter_map(|told| told.parse().ok()) {
            if !known.contains(&other) {
                known.push(other);
            }
        }
    }

    async fn options(&self, loss: Arc<Loss<Connected>>) -> Result<ConnectOptions, std::io::Error> {
        let options = ConnectOptions::new()
            .name("wattle")
            .require_tls(self.is_encrypted)
            .connection_timeout(self.timeout)
            .request_timeout(Some(self.timeout))
            .ping_interval(PING_INTERVAL)
            .ignore_discovered_servers()
            .max_reconnects(1)
            .event_callback(move |event| {
                if matches!(event, Event::Disconnected | Event::Closed) {
                    loss.tell();
                }
                std::future::ready(())
            });
        let options = match &self.login {
            Login::Nobody => options,
            Login::Token(token) => options.token(token.clone()),
            Login::User(user, password) => options.user_and_password(user.clone(), password.clone()),
        };
        match &self.credentials {
            Some(path) => options.credentials_file(path).await,
            None => Ok(options),
        }
    }

    async fn dial_one(&self, server: &ServerAddr, loss: Arc<Loss<Connected>>) -> Result<Connected, BoxError> {
        let options = self.options(loss).await?;
        let client = options.connect(server).await?;
        self.prefer(server, &client.server_info().connect_urls);
        let context = ContextBuilder::new().timeout(self.timeout).ack_timeout(self.timeout).build(client);
        let stream = context.get_stream_no_info(&self.stream).await?;
        Ok(Connected { context, stream })
    }
}

impl Dial for Servers {
    type Connection = Connected;

    fn dial(&self, loss: Loss<Connected>) -> impl Future<Output = Result<Connected, BoxError>> + Send {
        let loss = Arc::new(loss);
        async move {
            let known = self.known().clone();
            let mut failure = BoxError::from(BadAddress);
            for server in &known {
                match self.dial_one(server, loss.clone()).await {
                    Ok(connected) => return Ok(connected),
                    Err(error) => failure = error,
                }
            }
            Err(failure)
        }
    }
}

/// Why a server was not connected to.
pub(super) fn classify(error: BoxError) -> ConnectError {
    let is_refusal = match error.downcast_ref::<async_nats::ConnectError>().map(async_nats::ConnectError::kind) {
        Some(kind) => matches!(
            kind,
            ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication | ConnectErrorKind::ServerParse
        ),
        // What is read to log in is a file.
        None => error.is::<std::io::Error>(),
    };
    if is_refusal { ConnectError::Refused(error) } else { ConnectError::Unavailable(error) }
}

/// Where the servers are, without who logs in. A token stands where a user would.
pub(super) fn addresses(url: &str) -> String {
    let shown = |address| match without_login(address) {
        Ok((server, _)) => server.as_url_str().to_owned(),
        Err(_) => "?".to_owned(),
    };
    url.split(',').map(shown).collect::<Vec<_>>().join(",")
}

/// The address, and who it says logs in.
fn without_login(address: &str) -> Result<(ServerAddr, Login), BoxError> {
    let server: ServerAddr = address.parse()?;
    let login = match (server.username().map(decoded), server.password().map(decoded)) {
        (Some(user), Some(password)) => Login::User(user?, password?),
        (Some(token), None) => Login::Token(token?),
        (None, _) => Login::Nobody,
    };
    let mut url = server.into_inner();
    url.set_password(None).and_then(|()| url.set_username("")).map_err(|()| BadAddress)?;
    Ok((ServerAddr::from_url(url)?, login))
}

/// A part of an address, with what stands behind `%` as what it stands for.
fn decoded(part: &str) -> Result<String, BadAddress> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut parts = part.split('%');
    bytes.extend_from_slice(parts.next().unwrap_or_default().as_bytes());
    for part in parts {
        let (number, rest) = part.split_at_checked(2).ok_or(BadAddress)?;
        bytes.push(u8::from_str_radix(number, 16).map_err(|_no_number| BadAddress)?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).map_err(|_no_text| BadAddress)
}
