//! These are the ways in which pulling and pushing fail, by what can be done about each.

use std::io;
use std::path::PathBuf;

use model::{Reference, Registry};
use stdx::{BoxError, ByteSize, Code, Explain, printable};

/// An artefact was not pulled.
#[derive(Debug, thiserror::Error)]
#[error("cannot pull {reference}")]
pub struct PullError {
    /// Which.
    pub reference: Box<Reference>,
    /// Why not.
    #[source]
    pub source: RegistryError,
}

/// An artefact was not pushed.
#[derive(Debug, thiserror::Error)]
#[error("cannot push {reference}")]
pub struct PushError {
    /// Which.
    pub reference: Box<Reference>,
    /// Why not.
    #[source]
    pub source: RegistryError,
}

/// What went wrong with a registry.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// Nobody answers, or not to the end.
    #[error("{registry} cannot be reached")]
    Unreachable {
        /// Which.
        registry: Registry,
        /// Why.
        #[source]
        source: BoxError,
    },
    /// Somebody answers who is not known to be it.
    #[error("{registry} is not trusted")]
    Untrusted {
        /// Which.
        registry: Registry,
        /// Why.
        #[source]
        source: BoxError,
    },
    /// It does not let us.
    #[error("{registry} does not let {} do that: {}", who(*is_known), shown(said))]
    Unauthorized {
        /// Which.
        registry: Registry,
        /// What it says.
        said: String,
        /// Whether it was shown who asks.
        is_known: bool,
    },
    /// It has no such artefact.
    #[error("{registry} does not have it: {}", shown(said))]
    NotFound {
        /// Which.
        registry: Registry,
        /// What it says.
        said: String,
    },
    /// It answers, and not with what was asked for.
    #[error("{registry} answers {status}: {}", shown(said))]
    Failed {
        /// Which.
        registry: Registry,
        /// The status of HTTP.
        status: u16,
        /// What it says.
        said: String,
    },
    /// What it gives is not what it says that it is, or would lead elsewhere.
    #[error("what the registry gives is not taken: {}", shown(.0))]
    Wrong(String),
    /// It is an artefact of another kind.
    #[error("{}", shown(.0))]
    OtherKind(String),
    /// It is too large.
    #[error("it has {size}, which is more than {limit}")]
    TooLarge {
        /// How large it is said to be.
        size: ByteSize,
        /// How large it may be.
        limit: ByteSize,
    },
    /// It cannot be kept.
    #[error("the artefacts in {} cannot be read or written", folder.display())]
    Disk {
        /// Where they are kept.
        folder: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

/// So many letters of what others wrote are shown.
const SHOWN_MAX: usize = 300;

/// What others wrote, so that it harms no terminal and fills none.
fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}…", printable(&text[..end])),
        None => printable(text).to_string(),
    }
}

fn who(is_known: bool) -> &'static str {
    if is_known { "this user" } else { "strangers" }
}

// === impl RegistryError ===

impl RegistryError {
    /// Whether the registry is not there at this moment: it neither has the artefact nor has it not.
    pub(super) fn is_absence(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Failed { status, .. } => *status >= 500 || *status == 429,
            _ => false,
        }
    }
}

impl Explain for RegistryError {
    fn code(&self) -> Code {
        match self {
            Self::Unreachable { .. } | Self::Failed { .. } => Code::E0108,
            Self::Unauthorized { .. } => Code::E0109,
            Self::NotFound { .. } => Code::E0110,
            Self::Wrong(_) => Code::E0112,
            Self::OtherKind(_) => Code::E0113,
            Self::Untrusted { .. } => Code::E0114,
            Self::TooLarge { .. } => Code::E0104,
            Self::Disk { .. } => Code::E0401,
        }
    }
}

impl Explain for PullError {
    fn code(&self) -> Code {
        self.source.code()
    }
}

impl Explain for PushError {
    fn code(&self) -> Code {
        self.source.code()
    }
}
