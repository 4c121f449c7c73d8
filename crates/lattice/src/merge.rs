//! Decides how what one host keeps is taken along into a lattice that keeps things already.
//!
//! # Invariants
//!
//! 1. What is only on one side is kept, what is the same on both is the same; nothing is deleted.
//! 2. Where both sides contradict each other, all contradictions are named, unless it was said whose word counts.
//! 3. Pure: nothing here knows of a bus.

use std::collections::BTreeMap;
use std::fmt;

use model::Prefer;
use model::lattice::{ComponentSpec, Labels, LatticeLink};

use crate::rules::HOSTS;

/// What is kept of a lattice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holdings {
    /// Settings by name.
    pub settings: BTreeMap<String, Labels>,
    /// Components, with the links that they are the source of.
    pub components: BTreeMap<String, ComponentSpec>,
}

/// Something that is kept otherwise on both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contradiction {
    /// Settings of one name.
    Settings {
        /// The name.
        name: String,
        /// What differs in them, by name: what it is may be a secret.
        differs: Vec<String>,
    },
    /// Links for the same imports.
    Link {
        /// As the host has it.
        host: Box<LatticeLink>,
        /// As the lattice has it.
        lattice: Box<LatticeLink>,
    },
}

/// What is to be written, so that `lattice` has what `host` has as well; or all contradictions.
pub(crate) fn merge(
    host: &Holdings,
    lattice: &Holdings,
    prefer: Option<Prefer>,
) -> Result<Holdings, Vec<Contradiction>> {
    let mut merging = Merging { prefer, contradictions: Vec::new() };
    let mut written = Holdings::default();
    for (name, settings) in &host.settings {
        let merged = merging.settings(name, settings, lattice.settings.get(name));
        written.settings.extend(merged.map(|settings| (name.clone(), settings)));
    }
    for (id, spec) in &host.components {
        let merged = merging.component(spec, lattice.components.get(id));
        written.components.extend(merged.map(|spec| (id.clone(), spec)));
    }
    if merging.contradictions.is_empty() { Ok(written) } else { Err(merging.contradictions) }
}

struct Merging {
    prefer: Option<Prefer>,
    contradictions: Vec<Contradiction>,
}

// === impl Holdings ===

impl Holdings {
    /// What of this concerns a host that runs these components with settings of these names: what it keeps when it is alone. By
    /// links of the hosts themselves it leads requests to what it runs; that there are no others is something to know as well.
    pub fn concerning(self, runs: &BTreeMap<String, Vec<String>>) -> Self {
        let concerns = |(id, mut spec): (String, ComponentSpec)| match runs.contains_key(&id) {
            true => Some((id, spec)),
            false if id == HOSTS => {
                spec.links.retain(|link| runs.contains_key(&link.target));
                Some((id, spec))
            }
            false => None,
        };
        let components: BTreeMap<_, _> = self.components.into_iter().filter_map(concerns).collect();
        let links = components.values().flat_map(|spec| &spec.links);
        let of_links = links.flat_map(|link| link.source_config.iter().chain(&link.target_config));
        let named: Vec<&String> = runs.values().flatten().chain(of_links).collect();
        let settings = self.settings.into_iter().filter(|(name, _)| named.contains(&name)).collect();
        Self { settings, components }
    }
}

// === impl Merging ===

impl Merging {
    /// What is to be written; nothing where nothing is.
    fn settings(&mut self, name: &str, host: &Labels, lattice: Option<&Labels>) -> Option<Labels> {
        let Some(lattice) = lattice else { return Some(host.clone()) };
        let names: std::collections::BTreeSet<_> = host.keys().chain(lattice.keys()).collect();
        let differs: Vec<_> = names.into_iter().filter(|name| host.get(*name) != lattice.get(*name)).cloned().collect();
        if differs.is_empty() {
            return None;
        }
        let contradiction = Contradiction::Settings { name: name.to_owned(), differs };
        self.counts_host(contradiction).then(|| host.clone())
    }

    fn component(&mut self, host: &ComponentSpec, lattice: Option<&ComponentSpec>) -> Option<ComponentSpec> {
        let Some(lattice) = lattice else { return Some(host.clone()) };
        let mut merged = lattice.clone();
        // Where a component comes from is noted, and followed by nobody: the lattice's note stays.
        if merged.url.is_empty() {
            merged.url.clone_from(&host.url);
        }
        for link in &host.links {
            self.link(link, &mut merged.links);
        }
        (merged != *lattice).then_some(merged)
    }

    fn link(&mut self, link: &LatticeLink, links: &mut Vec<LatticeLink>) {
        if links.contains(link) {
            return;
        }
        let other = links.iter().find(|other| contradicts(other, link)).cloned();
        let Some(other) = other else { return links.push(link.clone()) };
        let contradiction = Contradiction::Link { host: Box::new(link.clone()), lattice: Box::new(other) };
        if self.counts_host(contradiction) {
            links.retain(|other| !contradicts(other, link));
            links.push(link.clone());
        }
    }

    /// Whether the host's word counts in this; where nobody's does, it is noted.
    fn counts_host(&mut self, contradiction: Contradiction) -> bool {
        match self.prefer {
            Some(Prefer::Host) => true,
            Some(Prefer::Lattice) => false,
            None => {
                self.contradictions.push(contradiction);
                false
            }
        }
    }
}

/// Whether two links that are not the same cannot both be there: they are for the same imports, wherever they lead.
fn contradicts(one: &LatticeLink, other: &LatticeLink) -> bool {
    let is_shared = || one.interfaces.iter().any(|interface| other.interfaces.contains(interface));
    one.is_beside(other) && (one.is_for_package() && other.is_for_package() || is_shared())
}

impl fmt::Display for Contradiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settings { name, differs } => {
                write!(f, "settings {name}: not the same on both sides are {}", differs.join(", "))
            }
            Self::Link { host, lattice } => {
                let LatticeLink { source_id, name, wit_namespace, wit_package, target, .. } = host.as_ref();
                write!(f, "link {source_id} {wit_namespace}:{wit_package} ({name}): ")?;
                match *target == lattice.target {
                    true => write!(f, "leads to {target} on both sides, with other interfaces, settings or terms"),
                    false => write!(f, "leads to {target} on the host, and to {} in the lattice", lattice.target),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(source: &str, target: &str, interface: &str) -> LatticeLink {
        LatticeLink {
            source_id: source.into(),
            target: target.into(),
            name: "default".into(),
            wit_namespace: "demo".into(),
            wit_package: "shop".into(),
            interfaces: vec![interface.into()],
            source_config: Vec::new(),
            target_config: Vec::new(),
            terms: None,
            is_whole: false,
        }
    }

    fn settings(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn holdings(named: &[(&str, Labels)], links: &[LatticeLink]) -> Holdings {
        let mut holdings = Holdings::default();
        holdings.settings.extend(named.iter().map(|(name, settings)| ((*name).to_owned(), settings.clone())));
        for link in links {
            let spec = holdings
                .components
                .entry(link.source_id.clone())
                .or_insert_with(|| ComponentSpec { url: format!("file:///{}", link.source_id), links: Vec::new() });
            spec.links.push(link.clone());
        }
        holdings
    }

    #[test]
    fn what_is_on_one_side_is_on_both_then_and_the_same_twice_is_nothing() {
        let host = holdings(&[("a", settings(&[("k", "v")]))], &[link("till", "price", "tag")]);
        assert_eq!(merge(&host, &Holdings::default(), None), Ok(host.clone()));
        assert_eq!(merge(&host, &host, None), Ok(Holdings::default()));
        let lattice =
            holdings(&[("b", settings(&[]))], &[link("till", "stock", "shelf"), link("desk", "price", "tag")]);
        let written = merge(&host, &lattice, None).expect("they do not contradict");
        assert_eq!(written.settings.keys().collect::<Vec<_>>(), ["a"]);
        assert_eq!(written.components.len(), 1, "desk is the lattice's alone");
        let targets: Vec<_> = written.components["till"].links.iter().map(|link| link.target.as_str()).collect();
        assert_eq!(targets, ["stock", "price"]);
    }

    #[test]
    fn all_contradictions_are_named_and_a_word_settles_them() {
        let host = holdings(&[("a", settings(&[("k", "v"), ("l", "x")]))], &[link("till", "price", "tag")]);
        let lattice = holdings(&[("a", settings(&[("k", "w"), ("l", "x")]))], &[link("till", "other", "tag")]);
        let contradictions = merge(&host, &lattice, None).expect_err("they contradict");
        let said: Vec<_> = contradictions.iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                "settings a: not the same on both sides are k",
                "link till demo:shop (default): leads to price on the host, and to other in the lattice",
            ]
        );
        assert_eq!(merge(&host, &lattice, Some(Prefer::Lattice)), Ok(Holdings::default()));
        assert_eq!(merge(&host, &lattice, Some(Prefer::Host)), Ok(host));
    }

    /// They are two where each has terms of its own.
    #[test]
    fn links_to_one_target_for_different_interfaces_do_not_contradict_each_other() {
        let slow = LatticeLink { terms: "timeout=2s".parse().ok(), ..link("till", "price", "offer") };
        let host = holdings(&[], &[link("till", "price", "tag"), slow.clone()]);
        let lattice = holdings(&[], &[link("till", "stock", "shelf")]);
        let written = merge(&host, &lattice, None).expect("they do not contradict");
        assert_eq!(
            written.components["till"].links,
            [link("till", "stock", "shelf"), link("till", "price", "tag"), slow.clone()]
        );
        assert_eq!(merge(&host, &written, None), Ok(Holdings::default()));
        let quick = holdings(&[], &[LatticeLink { terms: None, ..slow }]);
        assert_eq!(merge(&host, &quick, None).map_err(|all| all.len()), Err(1), "of one interface the terms differ");
        let redis = |url: &str| {
            let target_config = vec![url.to_owned()];
            let interfaces = Vec::new();
            LatticeLink { target_config, interfaces, ..link("till", "keyvalue/redis", "store") }
        };
        let [one, other] = ["a", "b"].map(|url| holdings(&[], &[redis(url)]));
        assert_eq!(merge(&one, &other, None).map_err(|all| all.len()), Err(1), "a backend is for the package");
    }

    #[test]
    fn a_host_that_leaves_takes_what_concerns_what_it_runs() {
        let mut named = link("till", "keyvalue/redis", "store");
        named.target_config.push("where".into());
        let mut requests = link("http", "till", "incoming-handler");
        requests.target_config.push("door".into());
        let all = holdings(
            &["door", "where", "polite", "other"].map(|name| (name, settings(&[]))),
            &[named, link("desk", "price", "tag"), requests.clone(), link("http", "desk", "incoming-handler")],
        );
        let own = all.concerning(&[("till".to_owned(), vec!["polite".to_owned()])].into());
        assert_eq!(own.components.keys().collect::<Vec<_>>(), ["http", "till"]);
        assert_eq!(own.components["http"].links, [requests], "what leads requests to it stays");
        assert_eq!(own.settings.keys().collect::<Vec<_>>(), ["door", "polite", "where"]);
    }
}
