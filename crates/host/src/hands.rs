//! This is what a lattice has done on a host: its deeds, carried out on the components that run here.
//!
//! # Not here
//!
//! What is decided, answered and said (`lattice`).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use artifact::{ARCHIVE_MAX, Kind, Login, PullError, Registries, TooManyLogins};
use async_trait::async_trait;
use lattice::{Deed, Hands, ProviderView, RoleConfig, Runs};
use model::lattice::{Labels, RegistryCredential};
use model::{ComponentName, LinkDel, LinkPut, NotAReference, Reference, Registry, Target, Terms};
use stdx::{BoxError, Code, Explain};
use trust::ClaimsView;

use crate::links::LinkError;
use crate::load::Source;
use crate::providers::Providers;
use crate::world::World;

/// How files are named over the bus.
const FILE: &str = "file://";

/// A host's place in a lattice.
#[derive(Debug, Clone)]
pub struct LatticeConfig {
    /// What the host is in it.
    pub role: RoleConfig,
    /// The NATS servers that carry it; without, it is this host's own bus, and the host may be alone in it.
    pub nats: Option<(String, bus::ConnectOptions)>,
    /// Whether a lattice was named: it counts before what the host remembers, or contradicts it.
    pub is_named: bool,
    /// Whether the host forgets which lattice it joined.
    pub forgets: bool,
    /// Whether whoever reaches the bus may have files of this machine run. It is so where the bus is on this machine.
    pub allows_files: bool,
    /// Whether whoever reaches the bus may have whatever a tag `latest` leads to run.
    pub allows_latest: bool,
    /// The registries that whoever reaches the bus may have pulled from.
    pub registries: Registries,
    /// What providers find in their environment.
    pub provider_variables: Vec<(String, String)>,
}

/// Hands that work on the components and providers of a host.
pub(crate) struct WorldHands {
    pub(crate) world: Arc<World>,
    pub(crate) providers: Arc<Providers>,
    pub(crate) allows_files: bool,
    pub(crate) allows_latest: bool,
    pub(crate) registries: Registries,
}

/// What is to run cannot be fetched from where somebody on the bus said.
#[derive(Debug, thiserror::Error)]
enum NotFetched {
    #[error("it is not fetched by this host, which takes references and file:///PATH")]
    Unknown(#[from] NotAReference),
    #[error("this host runs no files that are named over the bus; start it with --allow-file-load")]
    Files,
    #[error("{0} is on the machine of this host, which asks it nothing for the bus; start it with --allow-file-load")]
    Local(Registry),
    #[error(
        "this host does not run whatever is the latest of {0}: name a tag or a digest, or start it with --allow-latest"
    )]
    Latest(Reference),
    #[error(transparent)]
    Pull(#[from] PullError),
}

/// Hosts of one user have one folder of data where nobody says otherwise.
#[derive(Debug, thiserror::Error)]
#[error("another process has the data of this host, which needs a folder of its own then: start it with --data DIR")]
struct DataInUse(#[source] BoxError);

/// Who hears of it by a lattice has no command line that would say what helps.
fn with_help(error: impl Explain + Send + Sync + 'static) -> BoxError {
    if error.code() == Code::E0402 { DataInUse(error.into()).into() } else { error.into() }
}

/// What runs when the host begins to answer: all that it was started with.
pub(crate) async fn running(world: &World) -> BTreeMap<ComponentName, Runs> {
    let count = world.concurrency();
    let runs = |component: crate::LoadedComponent| {
        let Source { path, origin, .. } = &component.source;
        let file = || format!("file://{}", std::path::absolute(path).as_deref().unwrap_or(path).display());
        let image_ref = origin.clone().unwrap_or_else(file);
        let claims = component.claims;
        (component.source.name, Runs { image_ref, count, claims, ..Runs::default() })
    };
    world.components().await.into_iter().map(runs).collect()
}

// === impl WorldHands ===

#[async_trait]
impl Hands for WorldHands {
    async fn carry_out(&self, deed: Deed) -> Result<(), BoxError> {
        let world = &self.world;
        match deed {
            Deed::Start { id, image_ref, count, limits } => {
                let prepared = world.prepare(self.source(id, image_ref).await?).await?;
                Ok(world.add(prepared, (count, limits)).await.map_err(with_help)?)
            }
            Deed::Exchange { id, image_ref } => {
                let prepared = world.prepare(self.source(id, image_ref).await?).await?;
                Ok(world.update(prepared).await.map_err(with_help)?)
            }
            Deed::Allow { id, count } => {
                world.allow(&id, count).await;
                Ok(())
            }
            Deed::Limit { id, limits } => Ok(world.limit(&id, limits).await?),
            Deed::Stop { id } => {
                world.remove(&id).await;
                Ok(())
            }
            Deed::Tell { id, settings } => Ok(tell(world, id, settings).await?),
            Deed::StartProvider { id, image_ref, briefing } => {
                let path = self.path(&image_ref, Kind::Provider).await?;
                self.providers.start(id, path, briefing).await
            }
            Deed::Brief { id, briefing } => {
                self.providers.brief(&id, briefing);
                Ok(())
            }
            Deed::StopProvider { id } => {
                self.providers.stop(&id).await;
                Ok(())
            }
            Deed::LogIn(logins) => {
                let mut logins = logins.into_iter();
                Ok(logins.try_for_each(|(registry, credential)| self.log_in(registry, credential))?)
            }
            Deed::Check(put) => Ok(world.check(put).await?),
            Deed::Put(put) => Ok(world.put(put).await.map(drop).map_err(with_help)?),
            Deed::Recall(put) => Ok(world.put_kept(put).await.map(drop).map_err(with_help)?),
            Deed::Delete { link, successors } => Ok(unless_missing(world.take_back(link, &successors).await)?),
            Deed::CheckRoute(put) => Ok(world.check_route(&put).await?),
            Deed::Route(put) => Ok(world.route(put).await?),
            Deed::Unroute(id) => {
                world.unroute(&id).await;
                Ok(())
            }
        }
    }

    async fn claims(&self, component: &ComponentName) -> Option<Arc<ClaimsView>> {
        self.world.claims(component).await
    }

    fn look(&self, provider: &ComponentName) -> Option<ProviderView> {
        self.providers.look(provider)
    }
}

impl WorldHands {
    async fn source(&self, name: ComponentName, image_ref: String) -> Result<Source, NotFetched> {
        let path = self.path(&image_ref, Kind::Component).await?;
        let origin = Some(image_ref).filter(|image_ref| !image_ref.starts_with(FILE));
        Ok(Source { name, path, origin, route: None })
    }

    /// The file that somebody on the bus names, or the one that is pulled for what is named.
    async fn path(&self, image_ref: &str, kind: Kind) -> Result<PathBuf, NotFetched> {
        match image_ref.strip_prefix(FILE) {
            Some(_) if !self.allows_files => return Err(NotFetched::Files),
            Some(path) => return Ok(PathBuf::from(path)),
            None => {}
        }
        let reference: Reference = image_ref.parse()?;
        // What answers on this machine alone is as little for everybody as its files.
        if reference.registry().is_local() && !self.allows_files {
            return Err(NotFetched::Local(reference.registry().clone()));
        }
        if reference.is_latest() && !self.allows_latest {
            return Err(NotFetched::Latest(reference));
        }
        let size_max = match kind {
            Kind::Component => self.world.size_max(),
            Kind::Provider => ARCHIVE_MAX,
        };
        Ok(self.registries.pull(&reference, kind, size_max).await?.path)
    }

    fn log_in(&self, registry: Registry, credential: RegistryCredential) -> Result<(), TooManyLogins> {
        match Login::of_credential(credential) {
            Some(login) => {
                tracing::info!(%registry, "who asks this registry was said over the bus");
                self.registries.log_in(registry, login)
            }
            None => {
                tracing::warn!(%registry, "what was said over the bus shows nobody to this registry");
                Ok(())
            }
        }
    }
}

/// Links a component to its settings, or to those of the host where there are none of its own.
async fn tell(world: &World, source: ComponentName, settings: Option<Labels>) -> Result<(), LinkError> {
    match settings {
        Some(config) => match world.put(told(source, config)).await {
            // What asks for no settings has none.
            Ok(_) | Err(LinkError::NothingInCommon { .. }) => Ok(()),
            Err(error) => Err(error),
        },
        None => {
            let contract = Some("wasi:config".parse().expect("these are contracts"));
            unless_missing(world.take_back(LinkDel { source, name: Default::default(), contract }, &[]).await)
        }
    }
}

/// The link by which a component has these settings.
fn told(source: ComponentName, config: Labels) -> LinkPut {
    LinkPut {
        source,
        target: Target::Capability { capability: "config".into(), backend: "literals".into() },
        name: Default::default(),
        contract: None,
        config,
        terms: Terms::default(),
        unchecked: false,
    }
}

fn unless_missing<T>(deleted: Result<T, LinkError>) -> Result<(), LinkError> {
    match deleted {
        Ok(_) | Err(LinkError::Missing(_)) => Ok(()),
        Err(error) => Err(error),
    }
}
