//! What a role has done, as values, and what does it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use model::lattice::{Labels, RegistryCredential};
use model::{Briefing, ComponentLimits, ComponentName, LinkDel, LinkPut, Registry, RouteId, RoutePut, Target};
use stdx::BoxError;
use trust::ClaimsView;

/// Does what a role has decided, to whatever runs on the host.
#[async_trait]
pub trait Hands: Send + Sync + 'static {
    /// Does it, or changes nothing and says why not. Of one component nothing is done before the last thing is; of several at once.
    async fn carry_out(&self, deed: Deed) -> Result<(), BoxError>;

    /// What is said of a component that runs here by who signed it: checked, and about the bytes that run.
    async fn claims(&self, _component: &ComponentName) -> Option<Arc<ClaimsView>> {
        None
    }

    /// What is to be seen of a provider that runs here.
    fn look(&self, _provider: &ComponentName) -> Option<ProviderView> {
        None
    }
}

/// What is to be seen of a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderView {
    /// What is said of it by who signed it, checked.
    pub claims: Option<Arc<ClaimsView>>,
    /// What has become of its process.
    pub condition: String,
}

/// One thing that is done on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// A component that does not run begins, with so many invocations at once.
    Start {
        /// Which.
        id: ComponentName,
        /// Where it comes from, as somebody on the bus said it: what may not be fetched for that is refused.
        image_ref: String,
        /// How many invocations run at once.
        count: u32,
        /// Its own limits.
        limits: ComponentLimits,
    },
    /// Another program takes the place of a component's. Nothing that runs is cut off.
    Exchange {
        /// Which.
        id: ComponentName,
        /// Where the other one comes from.
        image_ref: String,
    },
    /// From now on a component has so many invocations at once.
    Allow {
        /// Which.
        id: ComponentName,
        /// How many.
        count: u32,
    },
    /// From now on a component has these limits of its own, and no others. What runs ends with those that it began with.
    Limit {
        /// Which.
        id: ComponentName,
        /// All of them.
        limits: ComponentLimits,
    },
    /// A component ends. It is done where there is none.
    Stop {
        /// Which.
        id: ComponentName,
    },
    /// A component has other settings. One that asks for none has none.
    Tell {
        /// Which.
        id: ComponentName,
        /// All of them; those that the host has for it, where nothing is said.
        settings: Option<Labels>,
    },
    /// A provider begins that does not run, and is told this.
    StartProvider {
        /// Which.
        id: ComponentName,
        /// Where it comes from, as somebody on the bus said it.
        image_ref: String,
        /// What it is to know.
        briefing: Briefing,
    },
    /// From now on a provider is to know this.
    Brief {
        /// Which.
        id: ComponentName,
        /// All of it.
        briefing: Briefing,
    },
    /// A provider ends. It is done where there is none.
    StopProvider {
        /// Which.
        id: ComponentName,
    },
    /// From now on registries are shown this, each what is said of it.
    LogIn(BTreeMap<Registry, RegistryCredential>),
    /// It is found out whether a link could be put, as far as that is known before it is.
    Check(LinkPut),
    /// A link is put, in the place of one for the same imports.
    Put(LinkPut),
    /// The same of one that counts already: whether its target can be opened or not, nothing else is followed in its place.
    Recall(LinkPut),
    /// A link is gone. It is done where there is none.
    Delete {
        /// Which.
        link: LinkDel,
        /// Where links for the same imports lead now: one of them may have its place already, and stays.
        successors: Vec<Target>,
    },
    /// It is found out whether requests could be led to a component, as far as that is known before they are.
    CheckRoute(RoutePut),
    /// Requests are led to a component, in the place of those that the same link led there.
    Route(RoutePut),
    /// A link leads no requests any more. It is done where there are none.
    Unroute(RouteId),
}

impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start { id, image_ref, count, limits } => {
                write!(f, "start {id} from {image_ref}, {count} at once")?;
                if limits.is_none() { Ok(()) } else { write!(f, ", with {limits}") }
            }
            Self::Exchange { id, image_ref } => write!(f, "exchange {id} for what comes from {image_ref}"),
            Self::Allow { id, count } => write!(f, "allow {id} {count} at once"),
            Self::Limit { id, limits } => write!(f, "limit {id} to {limits}"),
            Self::Stop { id } => write!(f, "stop {id}"),
            // What they are may be a secret.
            Self::Tell { id, settings: Some(settings) } => {
                let names: Vec<_> = settings.keys().map(String::as_str).collect();
                write!(f, "tell {id} [{}]", names.join(", "))
            }
            Self::Tell { id, settings: None } => write!(f, "tell {id} what the host has for it"),
            Self::StartProvider { id, image_ref, .. } => write!(f, "start provider {id} from {image_ref}"),
            Self::Brief { id, briefing } => {
                let links: Vec<_> =
                    briefing.links.iter().map(|link| format!("{} -> {}", link.source_id, link.target)).collect();
                let names: Vec<_> = briefing.config.keys().map(String::as_str).collect();
                write!(f, "brief {id} of [{}] with [{}]", links.join(", "), names.join(", "))
            }
            Self::StopProvider { id } => write!(f, "stop provider {id}"),
            // What they are shown is a secret.
            Self::LogIn(logins) => {
                let registries: Vec<_> = logins.keys().map(Registry::as_str).collect();
                write!(f, "log in to [{}]", registries.join(", "))
            }
            Self::Check(LinkPut { source, target, .. }) => {
                write!(f, "check whether {source} can be linked to {target}")
            }
            Self::Put(LinkPut { source, target, .. }) => write!(f, "link {source} to {target}"),
            Self::Recall(LinkPut { source, target, .. }) => write!(f, "link {source} to {target}, as is kept"),
            Self::Delete { link: LinkDel { source, name, .. }, .. } => write!(f, "unlink {source} ({name})"),
            Self::CheckRoute(RoutePut { id, .. }) => {
                write!(f, "check whether requests can be led from {} to {}", id.source, id.target)
            }
            Self::Route(RoutePut { id, .. }) => write!(f, "lead requests from {} to {}", id.source, id.target),
            Self::Unroute(id) => write!(f, "lead no requests from {} to {}", id.source, id.target),
        }
    }
}
