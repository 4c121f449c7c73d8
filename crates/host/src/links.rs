//! Decides what a wanted link becomes: which contracts it is for, whether its target can give them, and what it may be told.
//!
//! # Invariants
//!
//! 1. Nothing here does anything: a link that was resolved is not yet open, and one that was refused changed nothing.
//! 2. A refusal names what there is instead.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use capability::provider;
use capability::settings::{self, Problems};
use capability::{BackendInfo, OpenError, Settings};
use model::{ComponentName, Contract, Contracts, Link, LinkDel, LinkId, LinkPut, NotAName, Reach, Target};
use stdx::{Code, Explain};

use crate::fusing::NotFused;

/// Links of one component, at most. Each is looked at whenever one of them changes.
pub(crate) const LINKS_MAX: usize = 256;

/// Why terms with a `retry` that nobody would keep are refused.
const ASKED_ONCE: &str = "retry is for key-value stores, blob stores, databases and components on other hosts, which are asked again \
                          for what changes nothing; all else is asked once: leave retry out";

/// What is known of the components and capabilities of a host.
pub(crate) trait Facts {
    /// What a component imports and exports; nothing where there is no such component.
    fn component(&self, name: &ComponentName) -> Option<&Shape>;

    /// All components.
    fn components(&self) -> Vec<&ComponentName>;

    /// What a capability offers, and on which backends; nothing where there is no such capability.
    fn capability(&self, name: &str) -> Option<(&[Contract], &[BackendInfo])>;

    /// All capabilities.
    fn capabilities(&self) -> Vec<&str>;

    /// Whether components may be made one piece here.
    fn may_fuse(&self) -> bool;

    /// Whether a capability asks again what changes nothing, where the terms of a link say so.
    fn tries_again(&self, capability: &str) -> bool;

    /// Whether a capability offers this, and is what calls the components that links for it lead to.
    fn is_kept_by_components(&self, contract: &Contract) -> bool;

    /// What capabilities make of a component with these exports, since they call it for those who are linked to it: what it exports
    /// in one version they offer in all.
    fn kept_by(&self, exports: &[Contract]) -> Vec<Contract>;
}

/// What a component imports and exports.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) imports: Vec<Contract>,
    pub(crate) exports: Vec<Contract>,
}

/// The links of all components.
#[derive(Debug, Default)]
pub(crate) struct LinkTable {
    links: BTreeMap<LinkId, (Link, Said)>,
}

/// When a link was said. What was said later counts before what was said earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Said {
    /// When the host was started, by flags or a manifest.
    AtStart,
    /// While it runs; or earlier, where it was kept since.
    Since,
}

/// A link that can be put, with what its backend is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Resolved {
    pub(crate) link: Link,
    /// For a backend; a component is told nothing.
    pub(crate) settings: Option<Settings>,
}

/// What the target of a wanted link offers.
#[derive(Clone, Copy)]
struct Offered<'a> {
    /// By itself.
    given: &'a [Contract],
    /// By a capability that calls it.
    kept: &'a [Contract],
}

/// Why a link is not put or deleted.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// There is no such component.
    #[error("there is no component {name}; {}", there_are(.known))]
    NoSuchComponent {
        /// Which.
        name: ComponentName,
        /// Those that there are.
        known: Vec<String>,
    },
    /// There is no such capability.
    #[error("there is no capability {name}; {}", there_are(.known))]
    NoSuchCapability {
        /// Which.
        name: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// The capability has no such backend.
    #[error("{capability} has no backend {name}; {}", there_are(.known))]
    NoSuchBackend {
        /// Of which capability.
        capability: String,
        /// Which.
        name: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// The target cannot give the source anything that it imports.
    #[error("{target} gives {link_source} nothing that it imports; it imports {}", list(.imports))]
    NothingInCommon {
        /// The source.
        link_source: ComponentName,
        /// The target.
        target: Target,
        /// What the source imports.
        imports: Vec<Contract>,
    },
    /// The source does not import, or the target does not give, what was named.
    #[error("{who} does not {what} {contract}; it {what}s {}", list(.known))]
    NotThere {
        /// The source or the target.
        who: String,
        /// `import` or `export`.
        what: &'static str,
        /// What was named.
        contract: Box<Contracts>,
        /// What there is.
        known: Vec<Contract>,
    },
    /// The target could give several things.
    #[error("{target} could give {link_source} {}; say which with --contract", list(.contracts))]
    Ambiguous {
        /// The source.
        link_source: ComponentName,
        /// The target.
        target: Target,
        /// What it could give.
        contracts: Vec<Contracts>,
    },
    /// A component is told nothing.
    #[error("{0} is a component: its settings are not those of a link; start it with --config")]
    ToldAComponent(ComponentName),
    /// The backend is told something that it does not take.
    #[error("the link cannot be put:\n  {0}")]
    Settings(#[from] Problems),
    /// Too many links.
    #[error("{0} has {max} links, and cannot have more", max = LINKS_MAX)]
    TooMany(ComponentName),
    /// There is no such link.
    #[error("{0} has no link of that name that somebody put")]
    Missing(Box<LinkId>),
    /// There is no link at all, or several, where the contract was not said.
    #[error("{name} has {}; say which with --contract", if .known.is_empty() { "no link that somebody put".into() } else { list(.known) })]
    WhichOne {
        /// The source.
        name: ComponentName,
        /// Those that it has.
        known: Vec<Contracts>,
    },
    /// The target cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The target cannot be linked as it is.
    #[error("{target} cannot stand in for what {link_source} imports: {why}")]
    Shape {
        /// The source.
        link_source: ComponentName,
        /// The target.
        target: Target,
        /// What differs.
        why: String,
    },
    /// The source cannot be linked so.
    #[error("{link} cannot be put: {why}")]
    Other {
        /// The link.
        link: Box<LinkId>,
        /// What went wrong.
        why: String,
    },
    /// Components cannot be made one piece.
    #[error("{name} cannot be fused with what it is linked to")]
    NotFused {
        /// The one that imports.
        name: ComponentName,
        /// Why.
        #[source]
        source: NotFused,
    },
    /// A link whose terms mean nothing for its target.
    #[error("the terms of the link to {target} cannot be kept: {why}")]
    Terms {
        /// The target.
        target: Target,
        /// Why.
        why: &'static str,
    },
    /// What is no component has no imports that the contract could follow from.
    #[error("{0} is no component: say which interface the link is for, with --contract NAMESPACE:PACKAGE/INTERFACE")]
    NoInterface(ComponentName),
    /// A name is none.
    #[error(transparent)]
    Name(#[from] NotAName),
}

/// What a wanted link becomes.
pub(crate) fn resolve(wanted: LinkPut, facts: &impl Facts, table: &LinkTable) -> Result<Resolved, LinkError> {
    let source = component(&wanted.source, facts)?;
    let wanted = to_provider(&wanted, &source.imports, facts).unwrap_or(wanted);
    let (given, kept);
    let (offered, settings) = match &wanted.target {
        Target::Capability { capability, backend } => {
            let (offered, settings) = backend_of(capability, backend, &wanted.config, facts)?;
            (Offered { given: offered, kept: &[] }, Some(settings))
        }
        Target::Component(name) if !wanted.config.is_empty() => return Err(LinkError::ToldAComponent(name.clone())),
        // What runs elsewhere, if anywhere, is taken to give what is wanted of it: only a call finds out.
        Target::Component(name) if wanted.unchecked && facts.component(name).is_none() => {
            (Offered { given: &source.imports, kept: &[] }, None)
        }
        Target::Component(name) => {
            let target = component(name, facts)?;
            let is_called = wanted.terms.reach != Reach::Fused;
            kept = if is_called { facts.kept_by(&target.exports) } else { Vec::new() };
            given = target.given();
            (Offered { given: &given, kept: &kept }, None)
        }
    };
    check_terms(&wanted, facts)?;
    let contract = contracts(&wanted, &source.imports, offered, facts)?;
    let covered: Vec<_> = source.imports.iter().filter(|import| contract.covers(import)).collect();
    check_retry(&wanted, &covered, facts)?;
    let id = LinkId { source: wanted.source, name: wanted.name, contract };
    if !table.links.contains_key(&id) && table.of(&id.source).count() >= LINKS_MAX {
        return Err(LinkError::TooMany(id.source));
    }
    let link = Link { id, target: wanted.target, config: wanted.config, terms: wanted.terms };
    Ok(Resolved { link, settings })
}

/// The same link to the backend by which a provider is called, where it leads to somebody who does not run on this host and some
/// capability knows how such are called for these contracts. What any other contract names there is called by its own names,
/// whoever that is: a provider or a component on another host.
fn to_provider(wanted: &LinkPut, imports: &[Contract], facts: &impl Facts) -> Option<LinkPut> {
    let (Target::Component(id), Some(named)) = (&wanted.target, &wanted.contract) else { return None };
    let stays_here = matches!(wanted.terms.reach, Reach::Fused | Reach::Local);
    if !wanted.unchecked || stays_here || facts.component(id).is_some() {
        return None;
    }
    let is_wanted = |offer: &Contract| imports.iter().any(|import| named.covers(import) && import.is_met_by(offer));
    let calls_providers = |(offered, backends): (&[Contract], &[BackendInfo])| {
        offered.iter().any(is_wanted) && backends.iter().any(|backend| backend.name == provider::NAME)
    };
    let capabilities = facts.capabilities();
    let capability = capabilities.iter().find(|name| facts.capability(name).is_some_and(calls_providers))?;
    Some(LinkPut {
        target: Target::Capability { capability: (*capability).to_owned(), backend: provider::NAME.to_owned() },
        config: provider::tell(id.as_str(), wanted.name.as_str()),
        ..wanted.clone()
    })
}

/// What is fused is called without the host: nobody could keep its time or try again.
fn check_terms(wanted: &LinkPut, facts: &impl Facts) -> Result<(), LinkError> {
    let refused = |why| Err(LinkError::Terms { target: wanted.target.clone(), why });
    match (&wanted.target, &wanted.terms) {
        (_, terms) if terms.reach != Reach::Fused => Ok(()),
        _ if !facts.may_fuse() => {
            refused("this host was started with --no-fuse: its components stay apart; leave `fused` out")
        }
        (Target::Capability { .. }, _) => refused("only a component can be fused with another"),
        _ if !wanted.name.is_default() => {
            refused("what a component chooses by name while it runs cannot be fused with it; leave `fused` out")
        }
        (_, terms) if terms.timeout.is_some() || terms.retry > 0 => refused(
            "a call within one component has no time of its own and is not tried again; leave timeout and retry out",
        ),
        _ => Ok(()),
    }
}

/// Nothing is tried again by the terms of a link where only its target is known to be asked once: a component that may also run on
/// another host is tried again there.
fn check_retry(wanted: &LinkPut, covered: &[&Contract], facts: &impl Facts) -> Result<(), LinkError> {
    let is_kept = match &wanted.target {
        _ if wanted.terms.retry == 0 => true,
        Target::Capability { capability, .. } => facts.tries_again(capability),
        Target::Component(_) if covered.iter().any(|import| is_for_requests(import)) => false,
        Target::Component(_) if covered.iter().any(|import| facts.is_kept_by_components(import)) => true,
        Target::Component(_) if wanted.terms.reach == Reach::Local => false,
        Target::Component(name) => wanted.unchecked || facts.component(name).is_none(),
    };
    if is_kept { Ok(()) } else { Err(LinkError::Terms { target: wanted.target.clone(), why: ASKED_ONCE }) }
}

fn component<'a>(name: &ComponentName, facts: &'a impl Facts) -> Result<&'a Shape, LinkError> {
    let known = || facts.components().into_iter().map(ToString::to_string).collect();
    facts.component(name).ok_or_else(|| LinkError::NoSuchComponent { name: name.clone(), known: known() })
}

fn backend_of<'a>(
    capability: &str,
    backend: &str,
    told: &BTreeMap<String, String>,
    facts: &'a impl Facts,
) -> Result<(&'a [Contract], Settings), LinkError> {
    let known = || facts.capabilities().into_iter().map(ToOwned::to_owned).collect();
    let no_capability = || LinkError::NoSuchCapability { name: capability.into(), known: known() };
    let (offered, backends) = facts.capability(capability).ok_or_else(no_capability)?;
    let known = || backends.iter().map(|backend| backend.name.to_owned()).collect();
    let no_backend =
        || LinkError::NoSuchBackend { capability: capability.into(), name: backend.into(), known: known() };
    let info = backends.iter().find(|info| info.name == backend).ok_or_else(no_backend)?;
    Ok((offered, settings::check(&format!("{capability}/{backend}"), info.settings, told)?))
}

/// The contracts of a wanted link: those that were named, or what source and target have in common. To a component that is one
/// interface, where they have one in common.
fn contracts(
    wanted: &LinkPut,
    imports: &[Contract],
    offered: Offered<'_>,
    facts: &impl Facts,
) -> Result<Contracts, LinkError> {
    let Offered { given, kept } = offered;
    let is_met = |import: &&Contract| given.iter().chain(kept).any(|offer| import.is_met_by(offer));
    let common: Vec<_> = imports.iter().filter(is_met).collect();
    let Some(named) = &wanted.contract else {
        let packages: BTreeSet<_> = common.iter().map(|import| Contracts::of_package(import)).collect();
        let (link_source, target) = (wanted.source.clone(), wanted.target.clone());
        let mut packages = packages.into_iter();
        return match (packages.next(), packages.next()) {
            (Some(only), None) => Ok(narrowed(wanted, &only, (common.as_slice(), facts))),
            (None, _) => Err(LinkError::NothingInCommon { link_source, target, imports: imports.to_vec() }),
            (Some(first), Some(second)) => {
                let contracts = [first, second].into_iter().chain(packages).collect();
                Err(LinkError::Ambiguous { link_source, target, contracts })
            }
        };
    };
    if common.iter().any(|import| named.covers(import)) {
        return Ok(narrowed(wanted, named, (common.as_slice(), facts)));
    }
    let (who, what, known) = match imports.iter().any(|import| named.covers(import)) {
        true => (wanted.target.to_string(), "export", given),
        false => (wanted.source.to_string(), "import", imports),
    };
    Err(LinkError::NotThere { who, what, contract: Box::new(named.clone()), known: known.to_vec() })
}

/// Contracts as a link has them that has these in common with its target.
fn narrowed(wanted: &LinkPut, named: &Contracts, (common, facts): (&[&Contract], &impl Facts)) -> Contracts {
    let covered = || common.iter().filter(|import| named.covers(import));
    let is_kept = wanted.terms.reach != Reach::Fused && covered().any(|import| facts.is_kept_by_components(import));
    // A capability keeps its contracts together: the keys of one interface are those of the others.
    if is_kept || matches!(wanted.target, Target::Capability { .. }) {
        return Contracts { interface: None, ..named.clone() };
    }
    let interfaces: BTreeSet<_> = covered().map(|import| Contracts::of_interface(import)).collect();
    let mut interfaces = interfaces.into_iter();
    match (interfaces.next(), interfaces.next()) {
        (Some(only), None) => only,
        _ => named.clone(),
    }
}

/// The interfaces that are imported of these contracts.
pub(crate) fn interfaces_of(contracts: &Contracts, imports: &[Contract]) -> Vec<String> {
    let covered = imports.iter().filter(|import| contracts.covers(import));
    covered.map(|import| import.interface.clone()).collect::<BTreeSet<_>>().into_iter().collect()
}

fn there_are(known: &[String]) -> String {
    match known {
        [] => "there is none".to_owned(),
        [only] => format!("there is {only}"),
        known => format!("there are {}", known.join(", ")),
    }
}

fn list(known: &[impl Display]) -> String {
    match known {
        [] => "nothing".to_owned(),
        known => known.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    }
}

/// Whether that is what components send HTTP requests by. A link leads requests to whoever answers them.
pub(crate) fn is_for_requests(contract: &Contract) -> bool {
    let Contract { namespace, package, interface, .. } = contract;
    (namespace.as_str(), package.as_str()) == ("wasi", "http")
        && matches!(interface.as_str(), "outgoing-handler" | "client")
}

/// Whether a component that exports that answers HTTP requests.
fn is_for_answers(contract: &Contract) -> bool {
    let Contract { namespace, package, interface, .. } = contract;
    (namespace.as_str(), package.as_str()) == ("wasi", "http")
        && matches!(interface.as_str(), "incoming-handler" | "handler")
}

// === impl Shape ===

impl Shape {
    /// What a component gives others: what it exports and, where it answers requests, what those are sent by.
    fn given(&self) -> Vec<Contract> {
        let requests = || engine::wasi_contracts().into_iter().filter(is_for_requests);
        let answers = self.exports.iter().any(is_for_answers);
        self.exports.iter().cloned().chain(answers.then(requests).into_iter().flatten()).collect()
    }
}

// === impl LinkTable ===

impl LinkTable {
    /// Puts a link, in the place of one of the same identity.
    pub(crate) fn put(&mut self, link: Link, said: Said) -> Option<(Link, Said)> {
        self.links.insert(link.id.clone(), (link, said))
    }

    /// The link of that identity.
    pub(crate) fn get(&self, id: &LinkId) -> Option<&Link> {
        self.links.get(id).map(|(link, _)| link)
    }

    /// When the link of that identity was said.
    pub(crate) fn said(&self, id: &LinkId) -> Option<Said> {
        self.links.get(id).map(|(_, said)| *said)
    }

    /// Takes a link out.
    pub(crate) fn take(&mut self, id: &LinkId) -> Option<(Link, Said)> {
        self.links.remove(id)
    }

    /// The links of a component. Those of others, of which there may be thousands, are not looked at.
    pub(crate) fn of<'a>(&'a self, source: &'a ComponentName) -> impl Iterator<Item = &'a Link> {
        let from_its_first = self.links.range(LinkId::before_all_of(source.clone())..).map(|(_, (link, _))| link);
        from_its_first.take_while(move |link| link.id.source == *source)
    }

    /// Whether any component is to be made one piece with others.
    pub(crate) fn fuses(&self) -> bool {
        self.links.values().any(|(link, _)| link.terms.reach == Reach::Fused)
    }

    /// Of links of one name for one import the one with the highest rank is followed: what was said later before what was said
    /// earlier, and of that the one for its interface before the one for its package.
    pub(crate) fn rank(&self, link: &Link) -> (Option<Said>, bool) {
        (self.said(&link.id), link.id.contract.interface.is_some())
    }

    /// The identity of the link that shall be gone.
    pub(crate) fn find(&self, wanted: LinkDel) -> Result<LinkId, LinkError> {
        let LinkDel { source, name, contract } = wanted;
        let of_name = || self.of(&source).filter(|link| link.id.name == name).map(|link| &link.id.contract);
        let contract = match contract {
            Some(contract) => contract,
            None => {
                let known: Vec<_> = of_name().cloned().collect();
                match known.as_slice() {
                    [only] => only.clone(),
                    _ => return Err(LinkError::WhichOne { name: source, known }),
                }
            }
        };
        let id = LinkId { source, name, contract };
        // A capability keeps its contracts together: the link for one of them is that for all.
        let package = LinkId { contract: Contracts { interface: None, ..id.contract.clone() }, ..id.clone() };
        let is_of_capability = |link: &Link| matches!(link.target, Target::Capability { .. });
        match (self.links.contains_key(&id), self.get(&package).is_some_and(is_of_capability)) {
            (true, _) => Ok(id),
            (false, true) => Ok(package),
            (false, false) => self.only_within(&id).ok_or_else(|| LinkError::Missing(Box::new(id))),
        }
    }

    /// The only link for anything in a package, where that was named as a whole.
    fn only_within(&self, id: &LinkId) -> Option<LinkId> {
        let Contracts { namespace, package, interface: None } = &id.contract else { return None };
        let is_within = |link: &&Link| {
            let Contracts { namespace: of, package: within, .. } = &link.id.contract;
            link.id.name == id.name && (of, within) == (namespace, package)
        };
        let mut within = self.of(&id.source).filter(is_within);
        let first = within.next()?;
        within.next().is_none().then(|| first.id.clone())
    }
}

// === impl LinkError ===

impl Explain for LinkError {
    fn code(&self) -> Code {
        match self {
            Self::NoSuchCapability { .. } | Self::NoSuchBackend { .. } | Self::ToldAComponent(_) => Code::E0601,
            Self::NoSuchComponent { .. }
            | Self::NothingInCommon { .. }
            | Self::NotThere { .. }
            | Self::Ambiguous { .. }
            | Self::TooMany(_)
            | Self::Shape { .. }
            | Self::Other { .. }
            | Self::NotFused { .. }
            | Self::Terms { .. }
            | Self::NoInterface(_)
            | Self::Name(_) => Code::E0602,
            Self::Missing(_) | Self::WhichOne { .. } => Code::E0605,
            Self::Settings(problems) => problems.code(),
            Self::Open(error) => error.code(),
        }
    }
}

#[cfg(test)]
mod tests;
