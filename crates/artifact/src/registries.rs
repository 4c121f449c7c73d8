//! Pulls artefacts from registries and pushes them there, as the distribution specification of OCI says.
//!
//! ```text
//! reference ─▶ manifest ─▶ layer ─▶ bytes, checked ─▶ a file that is kept
//!                 └ by its digest, or by the last one of its tag where the registry is away
//! ```
//!
//! What was pulled is a file from then on, like any other that is run.
//!
//! # Invariants
//!
//! 1. A digest is that of bytes that were read here. What a registry says of digests and sizes is compared, and believed nowhere.
//! 2. No more is read than a manifest says, and no layer is begun that says more than may be.
//! 3. What was pulled by its digest needs no registry any more. A tag needs a registry that says where it leads, while there is one.
//! 4. A tag is remembered when all that it led to is there, and not before.
//!
//! # Not here
//!
//! Whether the bytes are a program (`engine`), or an archive whose claims hold (`provider`).

mod challenge;
mod error;
mod kept;
mod logins;
mod manifest;
mod pushing;
mod session;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use model::{Digest, Reference, Registry};
use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use stdx::{ByteSize, Chain};

pub use error::{PullError, PushError, RegistryError};
use kept::{Kept, digest_of};
pub use logins::{Login, Logins, NotDocker, TooManyLogins};
pub use manifest::Kind;
use manifest::{INDEX, Layer, MANIFEST, Manifest};
pub use pushing::Artefact;
use session::{Ask, Intent, Session};

/// The longest manifest, as the specification has it.
const MANIFEST_MAX: usize = 4 << 20;

/// The largest archive of a provider.
pub const ARCHIVE_MAX: ByteSize = ByteSize::mib(1024);

/// What a program begins with.
const PROGRAM: &[u8] = b"\0asm";

/// What a registry says the digest of a manifest is.
const SAID_DIGEST: &str = "docker-content-digest";

/// The registries, as one process sees them: what they are shown, and what was pulled from them.
#[derive(Debug, Clone)]
pub struct Registries(Arc<Shared>);

/// What registries are used with.
#[derive(Debug, Clone)]
pub struct RegistriesConfig {
    /// Where what is pulled is kept.
    pub folder: PathBuf,
    /// Those that are spoken to without encryption, beside those on this machine.
    pub plain: Vec<Registry>,
    /// What each is shown.
    pub logins: Logins,
}

#[derive(Debug)]
struct Shared {
    folder: PathBuf,
    plain: Vec<Registry>,
    logins: Mutex<Logins>,
}

/// What was pulled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// Its file.
    pub path: PathBuf,
    /// The digest of its manifest, by which it is pulled again.
    pub digest: Digest,
}

// === impl Registries ===

impl Registries {
    /// Nothing is asked before something is pulled or pushed.
    pub fn new(config: RegistriesConfig) -> Self {
        let RegistriesConfig { folder, plain, logins } = config;
        Self(Arc::new(Shared { folder, plain, logins: Mutex::new(logins) }))
    }

    /// From now on a registry is shown this, if there are not too many of them.
    pub fn log_in(&self, registry: Registry, login: Login) -> Result<(), TooManyLogins> {
        self.logins().try_put(registry, login)
    }

    /// Pulls an artefact of this kind, if it is not larger than that. What is there already is not fetched again.
    pub async fn pull(&self, reference: &Reference, kind: Kind, size_max: ByteSize) -> Result<Pulled, PullError> {
        let pulled = self.try_pull(reference, kind, size_max).await;
        pulled.map_err(|source| PullError { reference: Box::new(reference.clone()), source })
    }

    /// Where its registry is away, what a tag led to last is pulled, which may be here as a whole.
    async fn try_pull(&self, reference: &Reference, kind: Kind, size_max: ByteSize) -> Result<Pulled, RegistryError> {
        let kept = Kept::open(&self.0.folder).await?;
        let mut session = self.session(reference, Intent::Pull)?;
        let error = match obtain(&mut session, &kept, (reference, kind, size_max)).await {
            Err(error) if error.is_absence() && reference.digest().is_none() => error,
            outcome => return outcome,
        };
        let Some(digest) = kept.last(reference).await? else { return Err(error) };
        let last = reference.at(digest);
        match obtain(&mut session, &kept, (&last, kind, size_max)).await {
            Err(other) if other.is_absence() => Err(error),
            Err(other) => Err(other),
            Ok(pulled) => {
                let error = Chain(&error);
                tracing::warn!(%reference, %last, %error, "its registry is away: what was pulled last is used");
                Ok(pulled)
            }
        }
    }

    fn session<'a>(&'a self, reference: &'a Reference, intent: Intent) -> Result<Session<'a>, RegistryError> {
        let login = self.logins().of(reference.registry()).cloned();
        Session::new(reference, &self.0.plain, login, intent)
    }

    fn logins(&self) -> MutexGuard<'_, Logins> {
        self.0.logins.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gets what a reference leads to now: from what is kept, where that is it, and from its registry. Nothing of a manifest is kept
/// before all that it says has been found true.
async fn obtain(
    session: &mut Session<'_>,
    kept: &Kept,
    (reference, kind, size_max): (&Reference, Kind, ByteSize),
) -> Result<Pulled, RegistryError> {
    let known = match reference.digest() {
        Some(digest) => kept.manifest(digest).await?,
        None => None,
    };
    let is_known = known.is_some();
    let (bytes, content_type) = match known {
        Some(bytes) => (bytes, None),
        None => fetch_manifest(session, reference).await?,
    };
    let digest = digest_of(&bytes);
    let layer = Manifest::read(&bytes, content_type.as_deref())?.layer(kind)?;
    if layer.size > size_max.as_u64() {
        return Err(RegistryError::TooLarge { size: ByteSize::bytes(layer.size), limit: size_max });
    }
    let path = match kept.find(&layer).await? {
        Some(path) => path,
        None => {
            fetch_layer(session, kept, &layer).await?;
            let lost = || RegistryError::Wrong("it was damaged when it was kept".into());
            kept.find(&layer).await?.ok_or_else(lost)?
        }
    };
    // Text is no program here: it would be parsed in this process.
    if kind == Kind::Component && !kept.begins(&path, PROGRAM).await? {
        return Err(RegistryError::OtherKind("its bytes are no WebAssembly program".into()));
    }
    if !is_known {
        kept.keep(&bytes).await?;
    }
    if reference.digest().is_none() {
        kept.note(reference, &digest).await?;
    }
    Ok(Pulled { path, digest })
}

/// The manifest that a registry has for a reference, and what its header calls it. It has the digest that is asked for.
async fn fetch_manifest(
    session: &mut Session<'_>,
    reference: &Reference,
) -> Result<(Vec<u8>, Option<String>), RegistryError> {
    let name = reference.digest().map_or_else(|| reference.tag().to_owned(), ToString::to_string);
    let accepted = HeaderValue::from_str(&format!("{MANIFEST}, {INDEX}")).expect("these are letters of a header");
    let mut ask = Ask::new(Method::GET, session.url(&format!("manifests/{name}")));
    ask.headers.insert(ACCEPT, accepted);
    let response = session.ask(&ask).await?;
    if !response.status().is_success() {
        return Err(session.refusal(response).await);
    }
    let content_type = text(response.headers(), CONTENT_TYPE.as_str());
    let said: Option<Digest> = text(response.headers(), SAID_DIGEST).and_then(|text| text.parse().ok());
    let bytes = session.read(response, MANIFEST_MAX).await?;
    let digest = digest_of(&bytes);
    match reference.digest().into_iter().chain(&said).find(|other| **other != digest) {
        Some(other) => {
            Err(RegistryError::Wrong(format!("its manifest should have the digest {other}, and has {digest}")))
        }
        None => Ok((bytes, content_type)),
    }
}

async fn fetch_layer(session: &mut Session<'_>, kept: &Kept, layer: &Layer) -> Result<(), RegistryError> {
    let Layer { digest, size } = layer;
    let mut response = session.ask(&Ask::new(Method::GET, session.url(&format!("blobs/{digest}")))).await?;
    if !response.status().is_success() {
        return Err(session.refusal(response).await);
    }
    let (mut draft, begun) = (kept.draft().await?, Instant::now());
    while let Some(piece) = session.piece(&mut response, (begun, draft.size())).await? {
        if draft.size() + piece.len() as u64 > *size {
            return Err(RegistryError::Wrong(format!("it has more bytes than the {size} of its manifest")));
        }
        kept.write_to(&mut draft, &piece).await?;
    }
    if draft.size() < *size {
        return Err(RegistryError::Wrong(format!("it has {} bytes, and {size} in its manifest", draft.size())));
    }
    let found = draft.digest();
    if found != *digest {
        return Err(RegistryError::Wrong(format!("it should have the digest {digest}, and has {found}")));
    }
    kept.keep_draft(draft).await
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(ToOwned::to_owned)
}
