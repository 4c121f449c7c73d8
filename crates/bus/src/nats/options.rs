//! This is how a connection to a NATS server is asked for, and why there is none.

use std::error::Error as StdError;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::time::Duration;

use async_nats::{AuthError, ConnectErrorKind, ServerAddr, ServerError, rustls};
use stdx::{BoxError, Chain, Code, Explain};

use super::files::{self, BadFile};
use super::login::Login;
use super::tls::{self, Tls};
use crate::bucket::{Domain, Durability, Replicas};
use crate::limits::Limits;

/// The longest pause between two attempts to connect again.
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// Messages that may wait to be written, each as large as any may be: who says more waits until the server takes some.
const UNWRITTEN_MAX: usize = 256;

/// How to connect.
#[derive(Debug, Clone)]
pub struct ConnectOptions {
    /// What the server lists the connection as.
    pub name: String,
    /// Who connects.
    pub login: Login,
    /// How the connection is encrypted.
    pub tls: Tls,
    /// Whose JetStream keeps the buckets: where servers are leaf nodes of others, each may have its own. It is that of the server
    /// that is connected to where nothing is said.
    pub domain: Option<Domain>,
    /// Whether there has to be a server yet.
    pub first_try: FirstTry,
    /// How long anything waits for the server before it is an error.
    pub patience: Duration,
    /// What a message and a subscriber may use.
    pub limits: Limits,
    /// What an acknowledgement of the server survives when it keeps something on disk, where somebody knows. No server tells those
    /// who use it: one as it is by default answers before it flushes, one with `sync_interval: always` after it. Where nothing is
    /// said it is [`Durability::Process`].
    pub durability: Option<Durability>,
    /// On how many servers the buckets are.
    pub replicas: Replicas,
}

/// What becomes of a connection that cannot be made at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstTry {
    /// It is an error.
    MustSucceed,
    /// It is made as soon as it can be. Until then nothing can be said, and what is subscribed to is heard later.
    MayFail,
}

/// There is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The address is none.
    #[error("{bus} is not the address of a bus")]
    Address {
        /// What was given, without what may be a password.
        bus: String,
        /// What is wrong with it.
        #[source]
        source: BoxError,
    },
    /// Files that are needed to connect cannot be used.
    #[error("{bus} cannot be logged in to: {}", in_one_line(problems))]
    Files {
        /// Which.
        bus: String,
        /// All that is wrong with them.
        problems: Vec<BadFile>,
    },
    /// Nobody answers there as a NATS server does.
    #[error("{bus} cannot be reached")]
    Unavailable {
        /// Which.
        bus: String,
        /// What happened instead.
        #[source]
        source: BoxError,
    },
    /// The server does not let us in.
    #[error("{bus} refuses the login")]
    Refused {
        /// Which.
        bus: String,
        /// What it said.
        #[source]
        source: BoxError,
    },
    /// The encrypted connection was not made, since one of the two does not trust the other.
    #[error("{bus} {}", tls::in_words(source))]
    Untrusted {
        /// Which.
        bus: String,
        /// What happened.
        #[source]
        source: rustls::Error,
    },
}

// === impl ConnectOptions ===

impl ConnectOptions {
    /// What is wrong with the files that are needed to connect, at this moment.
    pub(super) fn problems(&self) -> Vec<BadFile> {
        self.login.prove().err().into_iter().chain(self.tls.problems()).collect()
    }

    /// Says in the log which of the files others can read.
    pub(super) fn warn_of_open_files(&self) {
        let key = self.tls.certificate.as_ref().map(|ours| ours.key.as_path());
        self.login.file().into_iter().chain(key).for_each(files::warn_if_open);
    }

    /// What the client is told, where it connects to these addresses.
    pub(super) fn for_client(&self, addresses: &[ServerAddr]) -> async_nats::ConnectOptions {
        // So that hosts that lost the same server do not all come back at the same moment.
        let phase = RandomState::new().hash_one("phase");
        let login = match &self.login {
            // The client itself does not look at what stands there.
            Login::Anyone => addresses.iter().find_map(login_in).unwrap_or(Login::Anyone),
            login => login.clone(),
        };
        // It is asked for each connection, so that what has changed on the disk counts.
        let settings = async_nats::ConnectOptions::with_auth_callback(move |nonce| {
            let login = login.clone();
            async move {
                let read = tokio::task::spawn_blocking(move || login.prove().map(|proof| proof.answer(&nonce))).await;
                read.expect("reading returns its errors").map_err(|error| AuthError::new(Chain(&error)))
            }
        });
        let settings = self.tls.tell(settings);
        let settings = settings
            .name(&self.name)
            .client_capacity(UNWRITTEN_MAX)
            // Servers that are learned of later have no scheme that could say so.
            .require_tls(self.tls.is_wanted() || addresses.iter().any(ServerAddr::tls_required))
            .connection_timeout(self.patience)
            .reconnect_delay_callback(move |attempt| pause_before(attempt, phase));
        match self.first_try {
            FirstTry::MustSucceed => settings,
            FirstTry::MayFail => settings.retry_on_initial_connect(),
        }
    }
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self {
            name: "wattle".into(),
            login: Login::Anyone,
            tls: Tls::default(),
            domain: None,
            first_try: FirstTry::MustSucceed,
            patience: Duration::from_secs(5),
            limits: Limits::default(),
            durability: None,
            replicas: Replicas::default(),
        }
    }
}

// === impl ConnectError ===

impl ConnectError {
    pub(super) fn address(bus: &str, source: impl Into<BoxError>) -> Self {
        Self::Address { bus: bus.into(), source: source.into() }
    }

    pub(super) fn failed(bus: &str, error: async_nats::ConnectError) -> Self {
        let bus = bus.into();
        if let Some(failure) = tls::failure(&error) {
            return Self::Untrusted { bus, source: failure.clone() };
        }
        match error.kind() {
            ConnectErrorKind::ServerParse => Self::Address { bus, source: error.into() },
            ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
                Self::Refused { bus, source: error.into() }
            }
            _ if is_about_the_login(&error) => Self::Refused { bus, source: error.into() },
            _ => Self::Unavailable { bus, source: error.into() },
        }
    }
}

impl Explain for ConnectError {
    fn code(&self) -> Code {
        match self {
            Self::Unavailable { .. } => Code::E0604,
            Self::Address { .. } | Self::Files { .. } | Self::Refused { .. } => Code::E0705,
            Self::Untrusted { .. } => Code::E0710,
        }
    }
}

/// Whether a server said that it is the login that it does not like, such as one that has expired.
fn is_about_the_login(error: &(dyn StdError + 'static)) -> bool {
    let said = std::iter::successors(Some(error), |&error| error.source()).find_map(|error| error.downcast_ref());
    matches!(said, Some(ServerError::Other(text)) if text.to_ascii_lowercase().contains("authentication"))
}

/// All of the problems, one after the other.
fn in_one_line(problems: &[BadFile]) -> String {
    problems.iter().map(|problem| Chain(problem).to_string()).collect::<Vec<_>>().join("; ")
}

/// The addresses of one bus, with commas between.
pub(super) fn addresses(url: &str) -> io::Result<Vec<ServerAddr>> {
    let nobody = || io::Error::new(io::ErrorKind::InvalidInput, "it names no host");
    url.split(',')
        .map(|address| {
            let address: ServerAddr = address.trim().parse()?;
            if address.host().is_empty() { Err(nobody()) } else { Ok(address) }
        })
        .collect()
}

/// The login that stands in an address, if one does.
fn login_in(address: &ServerAddr) -> Option<Login> {
    let decode = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    let name = decode(address.username()?);
    Some(match address.password() {
        Some(password) => Login::User { name, password: decode(password) },
        None => Login::Token(name),
    })
}

/// The addresses without what may be a password.
pub(super) fn describe(url: &str) -> String {
    let shown = url.split(',').map(|address| {
        let address = address.trim();
        let (scheme, rest) = address.split_once("://").unwrap_or(("nats", address));
        format!("{scheme}://{}", rest.rsplit('@').next().unwrap_or_default())
    });
    shown.collect::<Vec<_>>().join(",")
}

/// How long to wait before an attempt to connect: nothing at first, then twice as long each time, up to [`PAUSE_MAX`]; of that
/// at least the half, and how much more depends on `phase`.
fn pause_before(attempt: usize, phase: u64) -> Duration {
    let Some(doublings) = attempt.checked_sub(2) else { return Duration::ZERO };
    let factor = u32::try_from(doublings).ok().and_then(|doublings| 2u32.checked_pow(doublings)).unwrap_or(u32::MAX);
    let whole = Duration::from_millis(50).saturating_mul(factor).min(PAUSE_MAX);
    let share = (phase.rotate_left(doublings as u32 % 64) % 1_024) as u32;
    whole / 2 + whole / 2 * share / 1_024
}

#[cfg(test)]
mod tests;
