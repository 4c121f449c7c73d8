//! Connects to a NATS server and finds or makes the bucket, or says why not.
//!
//! A connection is used until it is lost, and then a new one is made: the client's own way to reconnect keeps what it was
//! asked to send, and would send a write long after its caller was told that nobody knows of it.

use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use async_nats::jetstream::context::{ContextBuilder, GetStreamErrorKind};
use async_nats::jetstream::stream::{Config, DiscardPolicy, Stream};
use async_nats::jetstream::{Context, ErrorCode};
use async_nats::{ConnectErrorKind, ConnectOptions, Event, ServerAddr};
use stdx::{BoxError, ByteSize};
use tokio::sync::Mutex;

use crate::line::{ConnectError, Dial, Line, Loss};

use super::Nats;
use super::names::Bucket;

/// A server that says nothing for three times as long is gone.
const PING_INTERVAL: Duration = Duration::from_secs(1);

/// Where a server is, and which bucket.
#[derive(Clone)]
pub struct Options {
    /// `nats://` or `tls://`; several with commas between them. A user and a password, or a token, may stand in the first.
    pub url: String,
    /// The bucket of the server.
    pub bucket: String,
    /// A file of credentials, read anew for each connection.
    pub credentials: Option<PathBuf>,
    /// For one call, and for one attempt to connect.
    pub timeout: Duration,
    /// What to make where there is no such bucket; nothing.
    pub create: Option<NewBucket>,
}

/// How a bucket is made.
#[derive(Debug, Clone, Copy)]
pub struct NewBucket {
    /// On how many servers it is.
    pub replicas: usize,
    /// How much it may hold.
    pub limit: Option<ByteSize>,
}

/// A connection and the bucket on it.
#[derive(Clone)]
pub(super) struct Connected {
    pub(super) context: Context,
    pub(super) stream: Stream<()>,
}

/// Knows the servers and what to tell them.
struct Servers {
    bucket: Bucket,
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

/// There is no such bucket.
#[derive(Debug, thiserror::Error)]
#[error("there is no bucket {0}; with create=true it is made")]
struct NoBucket(String);

/// The server keeps nothing.
#[derive(Debug, thiserror::Error)]
#[error("JetStream is not enabled on the server, which keeps no buckets without it")]
struct NoJetStream;

/// The bucket is there, and is of no use.
#[derive(Debug, thiserror::Error)]
#[error("the bucket {0} is a mirror, is sealed, lets nothing be purged or holds other subjects; name another one")]
struct UnfitBucket(String);

/// Connects, and answers once the bucket is there.
pub(super) async fn connect(options: &Options) -> Result<Nats, ConnectError> {
    let bucket = Bucket::new(&options.bucket).map_err(|error| ConnectError::Refused(error.into()))?;
    let servers = Servers::new(options, bucket.clone()).map_err(ConnectError::Refused)?;
    let described = format!("nats {} {}", options.addresses(), options.bucket);
    let line = Line::open(servers).await.map_err(classify)?;
    let (connected, _) = line.connection().await.map_err(|error| ConnectError::Unavailable(error.into()))?;
    let limit = settle(&connected.context, &bucket, options.create).await?;
    let turns = std::array::from_fn(|_| Mutex::default());
    Ok(Nats { described, bucket, timeout: options.timeout, line, limit, turns })
}

fn classify(error: BoxError) -> ConnectError {
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

/// Finds the bucket, or makes it; how much it may hold.
async fn settle(
    context: &Context,
    bucket: &Bucket,
    create: Option<NewBucket>,
) -> Result<Option<ByteSize>, ConnectError> {
    let found = match context.get_stream(bucket.stream()).await {
        Ok(stream) => stream,
        Err(error) => match (error.kind(), create) {
            (GetStreamErrorKind::JetStream(answer), Some(create))
                if answer.error_code() == ErrorCode::STREAM_NOT_FOUND =>
            {
                let made = context.create_stream(config(bucket, create)).await;
                made.map_err(|error| ConnectError::Refused(error.into()))?
            }
            (GetStreamErrorKind::JetStream(answer), None) if answer.error_code() == ErrorCode::STREAM_NOT_FOUND => {
                return Err(ConnectError::Refused(NoBucket(bucket.name().into()).into()));
            }
            (GetStreamErrorKind::JetStream(answer), _) if answer.code() < 500 => {
                return Err(ConnectError::Refused(error.into()));
            }
            (GetStreamErrorKind::Request, _) if !context.client().server_info().jetstream => {
                return Err(ConnectError::Refused(NoJetStream.into()));
            }
            _ => return Err(ConnectError::Unavailable(error.into())),
        },
    };
    let config = &found.cached_info().config;
    if config.mirror.is_some() || config.sealed || config.deny_purge || config.subjects != [bucket.all()] {
        return Err(ConnectError::Refused(UnfitBucket(bucket.name().into()).into()));
    }
    Ok(u64::try_from(config.max_bytes).ok().filter(|limit| *limit > 0).map(ByteSize::bytes))
}

/// A bucket as any client knows it, but for one thing: it is read from its leader alone, so that nobody reads what was before.
fn config(bucket: &Bucket, create: NewBucket) -> Config {
    Config {
        name: bucket.stream(),
        subjects: vec![bucket.all()],
        max_messages_per_subject: 1,
        max_bytes: create.limit.and_then(|limit| i64::try_from(limit.as_u64()).ok()).unwrap_or(-1),
        max_messages: -1,
        max_consumers: -1,
        max_message_size: -1,
        num_replicas: create.replicas,
        discard: DiscardPolicy::New,
        allow_rollup: true,
        deny_delete: true,
        deny_purge: false,
        allow_direct: false,
        ..Config::default()
    }
}

// === impl Options ===

impl Options {
    /// Where the servers are, without who logs in. A token stands where a user would.
    pub(super) fn addresses(&self) -> String {
        let shown = |address| match without_login(address) {
            Ok((server, _)) => server.as_url_str().to_owned(),
            Err(_) => "?".to_owned(),
        };
        self.url.split(',').map(shown).collect::<Vec<_>>().join(",")
    }
}

// === impl Servers ===

impl Servers {
    fn new(options: &Options, bucket: Bucket) -> Result<Self, BoxError> {
        let mut known = Vec::new();
        let mut login = Login::Nobody;
        for address in options.url.split(',') {
            let (server, told) = without_login(address)?;
            known.push(server);
            if matches!(login, Login::Nobody) {
                login = told;
            }
        }
        Ok(Self {
            bucket,
            login,
            is_encrypted: known.iter().any(ServerAddr::tls_required),
            credentials: options.credentials.clone(),
            timeout: options.timeout,
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
        let stream = context.get_stream_no_info(self.bucket.stream()).await?;
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
