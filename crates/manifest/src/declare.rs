//! Decides what a manifest means: which components there are, what they are linked to, and where they answer.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use model::{ComponentName, Contracts, LinkName, LinkPut, Target, Terms};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::document::{Config, Document, Kind, Link, Metadata, Part, Route, Target as Aim, Trait};
use crate::providers::{self, Provider};
use crate::{Application, Component, Image, Listener, Place, Problem, Problems};

/// How a manifest names a file.
const FILE: &str = "file://";

/// What was made out so far.
#[derive(Default)]
struct Declaring {
    components: Vec<Component>,
    links: Vec<LinkPut>,
    answers: Vec<Answer>,
    notes: BTreeSet<String>,
    problems: Vec<Problem>,
}

/// A server that was told to ask a component.
struct Answer {
    server: String,
    address: Option<SocketAddr>,
    component: ComponentName,
    route: String,
}

/// What a part stands for.
#[derive(Debug, Clone)]
enum Role<'d> {
    Component(ComponentName),
    /// What it is here, and the backend's name.
    Capability(Provider, &'d str),
}

/// All parts by their names. One that is wrong in itself has no role.
type Roles<'d> = BTreeMap<&'d str, (Option<Role<'d>>, &'d Part)>;

/// What a document declares.
pub(crate) fn application(document: Value) -> Result<Application, Problems> {
    let document: Document = piece("the file", document).map_err(|problem| Problems(vec![problem]))?;
    let mut declaring = Declaring::default();
    declaring.check_head(&document);
    let parts = declaring.parts(document.spec.components);
    let mut roles = Roles::new();
    for part in &parts {
        let role = declaring.role(part);
        if roles.insert(&part.name, (role, part)).is_some() {
            declaring.problem(&place(part), "another one has this name");
        }
    }
    for (role, part) in roles.values() {
        let Some(role) = role else { continue };
        for (index, written) in part.traits.iter().enumerate() {
            declaring.add_trait((role, part), (index, written), &roles);
        }
    }
    let Metadata { name, annotations } = document.metadata;
    let version = annotations.get("version").map(|version| version.as_str().map_or(version.to_string(), str::to_owned));
    declaring.finish(name, version)
}

fn place(part: &Part) -> String {
    format!("component {}", part.name)
}

/// Reads a piece of a document. What is wrong with it hides nothing of the others.
fn piece<T: DeserializeOwned>(place: &str, value: Value) -> Result<T, Problem> {
    serde_json::from_value(value).map_err(|error| Problem::new(place, error.to_string()))
}

// === impl Declaring ===

impl Declaring {
    fn problem(&mut self, place: &str, text: impl Into<String>) {
        self.problems.push(Problem::new(place, text));
    }

    fn piece<T: DeserializeOwned>(&mut self, place: &str, value: Value) -> Option<T> {
        piece(place, value).map_err(|problem| self.problems.push(problem)).ok()
    }

    fn check_head(&mut self, document: &Document) {
        if document.kind != "Application" || !document.api_version.starts_with("core.oam.dev/") {
            let kind = format!("{} {}", document.api_version, document.kind);
            self.problem("the file", format!("it declares a {kind}, not an Application of core.oam.dev/v1beta1"));
        }
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let name = &document.metadata.name;
        if name.is_empty() || !name.chars().all(is_allowed) {
            self.problem("metadata.name", format!("{name:?} is no name; letters, digits, '-' and '_' make one"));
        }
        if !document.spec.policies.is_empty() {
            self.problem("spec.policies", "there are no policies here; link what they are for, as in secrets/files");
        }
    }

    fn parts(&mut self, written: Vec<Value>) -> Vec<Part> {
        let named = |(index, value): (usize, Value)| {
            let name = value.get("name").and_then(Value::as_str).map(ToOwned::to_owned);
            (format!("component {}", name.unwrap_or_else(|| (index + 1).to_string())), value)
        };
        let named: Vec<_> = written.into_iter().enumerate().map(named).collect();
        named.into_iter().filter_map(|(place, value)| self.piece(&place, value)).collect()
    }

    /// What a part stands for; a component is declared by it.
    fn role<'d>(&mut self, part: &'d Part) -> Option<Role<'d>> {
        let place = &place(part);
        let properties = &part.properties;
        if properties.application.is_some() {
            self.problem(place, "it is of another application, which this host knows nothing of; declare it here");
            return None;
        }
        let Some(image) = &properties.image else {
            self.problem(place, "it has no image");
            return None;
        };
        if !properties.secrets.is_empty() {
            self.problem(place, "secrets are linked here: a link to wattle+builtin://secrets/files, for instance");
        }
        match part.kind {
            Kind::Capability => match providers::of_image(image) {
                Ok((provider, backend)) => Some(Role::Capability(provider, backend)),
                Err(text) => {
                    self.problem(place, text);
                    None
                }
            },
            Kind::Component => self.component(part, image),
        }
    }

    fn component<'d>(&mut self, part: &'d Part, image: &str) -> Option<Role<'d>> {
        let place = &place(part);
        let name: ComponentName = match part.name.parse() {
            Ok(name) => name,
            Err(error) => {
                self.problem(place, format!("{error}"));
                return None;
            }
        };
        let is_written_so =
            |text: &str| text.starts_with(['.', '/']) || text.ends_with(".wasm") || text.ends_with(".wat");
        let is_file = |text: &&str| !text.contains("://") && is_written_so(text);
        let file = image.strip_prefix(FILE).or(Some(image).filter(is_file));
        let image = file.map_or_else(|| image.parse().map(Image::Registry), |file| Ok(Image::File(file.into())));
        match image {
            Ok(image) => self.components.push(Component { name: name.clone(), image, routes: Vec::new() }),
            Err(error) => {
                let text = format!("{error}; a file is written {FILE}./app.wasm, from the manifest's folder");
                self.problem(place, text);
            }
        }
        let config = self.settings(place, &[&part.properties.config]);
        if !config.is_empty() {
            let target = Target::Capability { capability: "config".into(), backend: "literals".into() };
            let contract = Contracts { namespace: "wasi".into(), package: "config".into(), interface: None };
            self.put(place, LinkPut { config, ..link_to(&name, target, contract) });
        }
        Some(Role::Component(name))
    }

    fn add_trait(&mut self, (role, part): (&Role<'_>, &Part), (index, written): (usize, &Value), roles: &Roles<'_>) {
        let place = format!("{}, trait {}", place(part), index + 1);
        let Some(Trait { kind, properties }) = self.piece(&place, written.clone()) else { return };
        match (kind.as_str(), role) {
            ("link", _) => {
                let Some(link) = self.piece::<Link>(&place, properties) else { return };
                self.add_link((role, part), link, (&place, roles));
            }
            ("route", Role::Component(name)) => {
                let Some(Route { host, path, listener }) = self.piece(&place, properties) else { return };
                self.answer(name, Place { listener, route: format!("{host}{path}") });
            }
            ("spreadscaler" | "daemonscaler", _) => {
                self.notes.insert(format!(
                    "{} is not scaled: one host runs it, as far as --instances and --concurrency say",
                    part.name
                ));
            }
            (kind, _) => {
                self.problem(&place, format!("there is no trait {kind:?}; there are link, route and spreadscaler"))
            }
        }
    }

    fn answer(&mut self, name: &ComponentName, place: Place) {
        if let Some(component) = self.components.iter_mut().find(|component| component.name == *name) {
            component.routes.push(place);
        }
    }

    fn add_link(&mut self, (role, part): (&Role<'_>, &Part), link: Link, (place, roles): (&str, &Roles<'_>)) {
        let (aim, told, secrets) = match &link.target {
            Aim::Name(name) => (name, &[][..], 0),
            Aim::Configured(told) => (&told.name, &told.config[..], told.secrets.len()),
        };
        if secrets + link.source.secrets.len() > 0 {
            self.problem(place, "a secret of a link is a setting with its place: password: file:/run/secrets/db");
        }
        let to_source = self.settings(place, &[&link.source_config, &link.source.config]);
        let to_target = self.settings(place, &[&link.target_config, told]);
        let Some((target, target_part)) = roles.get(aim.as_str()) else {
            let known: Vec<_> = roles.keys().copied().collect();
            return self.problem(place, format!("its target {aim} is not declared; there is {}", known.join(", ")));
        };
        let Some(target) = target else { return };
        let of_part =
            |declaring: &mut Self, part: &Part| declaring.settings(&self::place(part), &[&part.properties.config]);
        match (role, target) {
            (Role::Component(source), Role::Component(target)) => {
                if !(to_source.is_empty() && to_target.is_empty()) {
                    self.problem(place, format!("{target} is a component: it is told nothing by a link"));
                }
                for interface in &link.interfaces {
                    let put = link_to(source, Target::Component(target.clone()), link.contracts(Some(interface)));
                    self.put_as_named(place, put, &link);
                }
            }
            (Role::Component(source), Role::Capability(provider, backend)) => {
                let mut told = of_part(self, target_part);
                told.extend(to_target);
                told.extend(to_source);
                self.use_provider(source, (*provider, backend), (&link, told, place));
            }
            (Role::Capability(provider, backend), Role::Component(target)) => {
                let mut told = of_part(self, part);
                told.extend(to_target);
                told.extend(to_source);
                match provider {
                    Provider::Serves => self.serve((&part.name, target), told, place),
                    _ => self.use_provider(target, (*provider, backend), (&link, told, place)),
                }
            }
            (Role::Capability(..), Role::Capability(..)) => {
                self.problem(place, "neither end of it is a component");
            }
        }
    }

    /// A component uses a capability, or is called by it: both are one link, of the component.
    fn use_provider(
        &mut self,
        component: &ComponentName,
        (provider, backend): (Provider, &str),
        (link, told, place): (&Link, BTreeMap<String, String>, &str),
    ) {
        match provider {
            Provider::Serves => self.problem(place, "a server of HTTP asks components; turn the link around"),
            Provider::Sends => {
                self.notes.insert(format!(
                    "{component} sends requests to the hosts that --allow-http names, and to no others"
                ));
            }
            Provider::Backend(..) => match backend.parse() {
                Ok(target) => {
                    let mut config: BTreeMap<_, _> =
                        told.into_iter().map(|(name, value)| (provider.setting(&name), value)).collect();
                    if let Err(text) = providers::split_groups(&mut config) {
                        self.problem(place, text);
                    }
                    let put = LinkPut { config, ..link_to(component, target, link.contracts(None)) };
                    self.put_as_named(place, put, link);
                }
                Err(error) => self.problem(place, format!("{error}")),
            },
        }
    }

    /// A server asks a component.
    fn serve(&mut self, (server, component): (&str, &ComponentName), told: BTreeMap<String, String>, place: &str) {
        let (mut address, mut host, mut path) = (None, String::new(), "/".to_owned());
        for (name, value) in told {
            match name.as_str() {
                "address" | "default_address" => match value.parse() {
                    Ok(value) => address = Some(value),
                    Err(_) => self.problem(place, format!("{value:?} is no address, as 127.0.0.1:8080 is one")),
                },
                "host" => host = value,
                "path" => path = value,
                "routing_mode" => {}
                _ => {
                    self.problem(place, format!("{name} is no setting of a server here; it has address, host and path"))
                }
            }
        }
        let route = format!("{host}{path}");
        self.answers.push(Answer { server: server.into(), address, component: component.clone(), route });
    }

    fn put_as_named(&mut self, place: &str, put: LinkPut, link: &Link) {
        let name = link.name.as_deref().map_or(Ok(LinkName::default()), str::parse);
        let terms = link.terms.as_deref().map_or(Ok(Terms::default()), str::parse);
        match (name, terms) {
            (Ok(name), Ok(terms)) => self.put(place, LinkPut { name, terms, ..put }),
            (name, terms) => {
                name.err().into_iter().for_each(|error| self.problem(place, error.to_string()));
                terms.err().into_iter().for_each(|error| self.problem(place, error.to_string()));
            }
        }
    }

    /// Puts a link. What a component publishes and what it is called with may be declared as two, and are one.
    fn put(&mut self, place: &str, put: LinkPut) {
        let is_same = |other: &&mut LinkPut| {
            (&other.source, &other.name, &other.contract) == (&put.source, &put.name, &put.contract)
        };
        match self.links.iter_mut().find(is_same) {
            None => self.links.push(put),
            Some(other) if other.target == put.target => {
                let differs = |name: &&String| other.config.get(*name).is_some_and(|told| *told != put.config[*name]);
                let differing = put.config.keys().find(differs).cloned();
                other.config.extend(put.config);
                if let Some(name) = differing {
                    self.problem(place, format!("another link of the same name says otherwise what {name} is"));
                }
            }
            Some(other) => {
                let text = format!("{} leads to {} by another link of the same name", put.source, other.target);
                self.problem(place, text);
            }
        }
    }

    /// All settings of these lists; of those with the same name the last one.
    fn settings(&mut self, place: &str, lists: &[&[Config]]) -> BTreeMap<String, String> {
        let mut settings = BTreeMap::new();
        for config in lists.iter().copied().flatten() {
            match &config.properties {
                Some(properties) => {
                    settings.extend(properties.iter().map(|(name, value)| (name.clone(), value.0.clone())));
                }
                None => self.problem(
                    place,
                    format!(
                        "the settings of config {} are not in the manifest; put them there, as properties",
                        config.name
                    ),
                ),
            }
        }
        settings
    }

    /// Servers that listen at one address are one listener, which needs no name. Of several each has its own.
    fn finish(mut self, name: String, version: Option<String>) -> Result<Application, Problems> {
        let addresses: BTreeSet<_> = self.answers.iter().map(|answer| answer.address).collect();
        let names: BTreeMap<_, _> = addresses
            .iter()
            .map(|address| {
                let server = self.answers.iter().find(|answer| answer.address == *address);
                let port = address.map_or_else(String::new, |address| format!("-{}", address.port()));
                let name = server.map_or_else(String::new, |answer| format!("{}{port}", answer.server));
                let name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
                (*address, Some(name).filter(|_| addresses.len() > 1 && address.is_some()))
            })
            .collect();
        for Answer { address, component, route, .. } in std::mem::take(&mut self.answers) {
            self.answer(&component, Place { listener: names[&address].clone(), route });
        }
        let listeners =
            names.into_iter().filter_map(|(address, name)| address.map(|address| Listener { name, address })).collect();
        if self.problems.is_empty() {
            let Self { components, links, notes, .. } = self;
            Ok(Application { name, version, components, links, listeners, notes: notes.into_iter().collect() })
        } else {
            Err(Problems(self.problems))
        }
    }
}

fn link_to(source: &ComponentName, target: Target, contract: Contracts) -> LinkPut {
    LinkPut {
        source: source.clone(),
        target,
        name: LinkName::default(),
        contract: Some(contract),
        config: BTreeMap::new(),
        terms: Terms::default(),
        unchecked: false,
    }
}

// === impl Link ===

impl Link {
    fn contracts(&self, interface: Option<&str>) -> Contracts {
        let interface = interface.map(ToOwned::to_owned);
        Contracts { namespace: self.namespace.clone(), package: self.package.clone(), interface }
    }
}
