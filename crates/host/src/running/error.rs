//! Why a host does not start.

use std::net::SocketAddr;

use bus::{ConnectError, NameError, SubscribeError};
use engine::CacheError;
use http_capability::TlsError;
use lattice::{EntranceError, IdentityError};
use route::{Route, RouteError};
use stdx::{Code, Explain};

use crate::load::LoadError;

/// Why a host does not start.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The cache cannot be used.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// Components that cannot be served, all of them.
    #[error("{} of the components cannot be served", .0.len())]
    Load(Vec<LoadError>),
    /// Two files that would be one component.
    #[error("two components would be called {name}: {} and {}; the name comes from the file, and data are kept by it", files.0.display(), files.1.display())]
    SameName {
        /// The name.
        name: model::ComponentName,
        /// The files.
        files: (std::path::PathBuf, std::path::PathBuf),
    },
    /// Two components at one path.
    #[error(transparent)]
    Route(#[from] RouteError),
    /// A route at a listener that is not there.
    #[error("{route} is at a listener that there is not; {}", if known.is_empty() { "none has a name".into() } else { format!("there is {}", known.join(", ")) })]
    NoListener {
        /// The route.
        route: Route,
        /// The names that there are.
        known: Vec<String>,
    },
    /// It cannot be shown who it is.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The address is taken.
    #[error("cannot listen on {address}: {}", holder.as_ref().map_or("it is in use".to_owned(), |holder| format!("{holder} listens there")))]
    AddressInUse {
        /// The address.
        address: SocketAddr,
        /// Who has it, where the system tells.
        holder: Option<String>,
    },
    /// The address cannot be had for another reason.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The bus cannot be used.
    #[error(transparent)]
    Bus(SubscribeError),
    /// There is no bus that carries the lattice.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// It has no key.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// It does not know which lattice it is in.
    #[error(transparent)]
    Entrance(#[from] EntranceError),
    /// It remembers what is no name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// It was told of one lattice, and joined another.
    #[error("the host was told of lattice {told}, and remembers that it joined {joined}")]
    Elsewhere {
        /// By the flag.
        told: String,
        /// By what it remembers.
        joined: String,
    },
    /// A thread cannot be started.
    #[error("the host cannot start its threads")]
    Threads(#[source] std::io::Error),
    /// There is no randomness for a key.
    #[error("the keys that the host and its providers know each other by cannot be made")]
    NoKey(#[source] std::io::Error),
}

impl Explain for HostError {
    fn code(&self) -> Code {
        match self {
            Self::Cache(error) => error.code(),
            Self::Load(errors) => errors.first().map_or(Code::E0203, Explain::code),
            Self::SameName { .. } | Self::NoListener { .. } => Code::E0302,
            Self::Route(error) => error.code(),
            Self::Tls(error) => error.code(),
            Self::AddressInUse { .. } | Self::Listen { .. } => Code::E0301,
            Self::Bus(error) => error.code(),
            Self::Connect(error) => error.code(),
            Self::Identity(error) => error.code(),
            Self::Entrance(error) => error.code(),
            Self::Name(error) => error.code(),
            Self::Elsewhere { .. } => Code::E1004,
            Self::Threads(_) => Code::E0209,
            Self::NoKey(_) => Code::E1001,
        }
    }
}
