//! Fuses a component with those that its links say it shall be one piece with.
//!
//! ```text
//! links with the terms `fused` ─▶ Plan (who is in it, and what is joined) ─▶ fuse ─▶ engine ─▶ Fusion
//! ```
//!
//! # Invariants
//!
//! 1. What a component is fused of is decided from links alone: a [`Plan`] is a value.
//! 2. What is fused are the bytes that were loaded: a file that has changed since is refused.
//! 3. Each part keeps its own imports of capabilities and of other components, under names of their own.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use engine::{Engines, ImportName, Loaded, Part, PrepareError, Settings, Use};
use fuse::{FuseError, Join};
use model::{ComponentName, Contract, LinkName, Reach, Terms};
use stdx::{BoxError, ByteSize};
use wasmtime::component::Component;

use crate::callee::{self, Functions};
use crate::labels::{self, Label, TooManyParts};

/// One of a component's imports that leads to another component.
#[derive(Debug, Clone)]
pub(crate) struct Lead {
    pub(crate) import: ImportName,
    pub(crate) target: ComponentName,
    /// The interface, as the target exports it.
    pub(crate) export: String,
    pub(crate) terms: Terms,
    /// Where it leads by links that are chosen by name.
    pub(crate) named: Vec<(LinkName, Lead)>,
}

/// What a component is linked as: by itself, or in one piece with others.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// The component, and those that are fused with it.
    pub(crate) parts: Vec<PlannedPart>,
    joins: Vec<Join>,
}

/// One part of a plan.
#[derive(Debug, Clone)]
pub(crate) struct PlannedPart {
    pub(crate) name: ComponentName,
    /// Which part it is.
    pub(crate) part: Part,
    /// Its imports that lead to components outside of the whole.
    pub(crate) leads: Vec<Lead>,
    /// Its imports that other parts meet.
    pub(crate) joined: Vec<ImportName>,
    /// Its imports with a label that capabilities meet, each a part of the whole as well.
    pub(crate) labels: Vec<Label>,
}

/// A component as it was loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Original {
    pub(crate) name: ComponentName,
    pub(crate) path: PathBuf,
    pub(crate) digest: [u8; 32],
    /// Its imports that are its own, and what they are called as imports of the whole.
    pub(crate) own: BTreeMap<String, String>,
}

/// Several components as one.
pub(crate) struct Fusion {
    pub(crate) component: Component,
    pub(crate) settings: Settings,
    pub(crate) functions: Functions,
    recipe: Recipe,
}

/// What a fusion is made of: two that are made of the same are the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recipe {
    pub(crate) parts: Vec<Original>,
    pub(crate) joins: Vec<Join>,
}

/// The fusions of a host. Nothing here keeps one that no component is linked as.
#[derive(Default)]
pub(crate) struct Fusions {
    made: Mutex<Vec<Weak<Fusion>>>,
}

/// Why components are not fused.
#[derive(Debug, thiserror::Error)]
pub enum NotFused {
    /// They call one another in a circle.
    #[error("{} call one another in a circle: leave `fused` out of the terms of one of these links", in_a_row(.0))]
    Circle(Vec<ComponentName>),
    /// There are too many of them.
    #[error(transparent)]
    TooMany(#[from] TooManyParts),
    /// The file is another one now.
    #[error("{} has changed since it was loaded: start the host again to fuse what is there now", .0.display())]
    Changed(PathBuf),
    /// A file cannot be read.
    #[error(transparent)]
    Fetch(#[from] artifact::FetchError),
    /// They do not fit together.
    #[error(transparent)]
    Fuse(#[from] FuseError),
    /// What they make together cannot be made ready.
    #[error("what they make together cannot be run")]
    Prepare(#[from] PrepareError),
    /// Nobody foresaw this.
    #[error("they cannot be fused")]
    Other(#[source] BoxError),
}

fn in_a_row(names: &[ComponentName]) -> String {
    names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// What a component is linked as, where `leads_of` knows what of a component's imports leads to other components.
pub(crate) fn plan<E: From<NotFused>>(
    name: &ComponentName,
    leads_of: &mut impl FnMut(&ComponentName) -> Result<Vec<Lead>, E>,
) -> Result<Plan, E> {
    let mut plan = Plan { parts: Vec::new(), joins: Vec::new() };
    plan.add(name, leads_of, &mut Vec::new())?;
    Ok(plan)
}

// === impl Lead ===

impl Lead {
    /// Whether it is met within one piece. What is chosen by name, time and again, cannot be.
    fn is_fused(&self) -> bool {
        self.terms.reach == Reach::Fused && self.named.is_empty()
    }
}

// === impl Plan ===

impl Plan {
    /// Whether it is of several components.
    pub(crate) fn is_fused(&self) -> bool {
        self.parts.len() > 1
    }

    /// Whether a component is in it.
    pub(crate) fn has(&self, name: &ComponentName) -> bool {
        self.parts.iter().any(|part| part.name == *name)
    }

    /// What it is made of, where `original` knows each component, and its imports that other parts do not share.
    pub(crate) fn recipe(&self, mut original: impl FnMut(&PlannedPart) -> Original) -> Recipe {
        Recipe { parts: self.parts.iter().map(&mut original).collect(), joins: self.joins.clone() }
    }

    /// Counts the labels of all components, which import what `imports_of` knows, once it is known where their imports lead.
    pub(crate) fn count_labels<'a>(
        &mut self,
        imports_of: impl Fn(&ComponentName) -> &'a [ImportName],
    ) -> Result<(), TooManyParts> {
        let mut before = self.parts.len();
        for part in &mut self.parts {
            let is_elsewhere = |import: &&ImportName| part.leads_elsewhere(import);
            let labels = labels::of(imports_of(&part.name).iter().filter(|import| !is_elsewhere(import)), before)?;
            before += labels.len();
            part.labels = labels;
        }
        Ok(())
    }

    /// Adds a component and all that is fused with it, each once, and says which part it is. `above` are those that led to it.
    fn add<E: From<NotFused>>(
        &mut self,
        name: &ComponentName,
        leads_of: &mut impl FnMut(&ComponentName) -> Result<Vec<Lead>, E>,
        above: &mut Vec<ComponentName>,
    ) -> Result<usize, E> {
        if let Some(start) = above.iter().position(|other| other == name) {
            return Err(NotFused::Circle(above[start..].to_vec()).into());
        }
        if let Some(there) = self.parts.iter().position(|part| part.name == *name) {
            return Ok(there);
        }
        let number = self.parts.len();
        let part = Part::new(number).ok_or(NotFused::TooMany(TooManyParts))?;
        self.parts.push(PlannedPart {
            name: name.clone(),
            part,
            leads: Vec::new(),
            joined: Vec::new(),
            labels: Vec::new(),
        });
        above.push(name.clone());
        for lead in leads_of(name)? {
            if lead.is_fused() {
                let to = self.add(&lead.target, leads_of, above)?;
                self.parts[number].joined.push(lead.import.clone());
                self.joins.push(Join {
                    from: number,
                    import: lead.import.as_str().to_owned(),
                    to,
                    export: lead.export,
                });
            } else {
                self.parts[number].leads.push(lead);
            }
        }
        above.pop();
        Ok(number)
    }
}

impl PlannedPart {
    /// Those of its imports that it shares with no other part, and what they are called as imports of the whole: what a
    /// capability offers, since that depends on the component's links, and what leads to other components.
    pub(crate) fn own(&self, imports: &[ImportName], offered: &[Contract]) -> BTreeMap<String, String> {
        let is_offered = |import: &ImportName| {
            let contract = import.interface().parse::<Contract>();
            contract.is_ok_and(|contract| offered.iter().any(|offer| contract.is_met_by(offer)))
        };
        let is_led = |import: &ImportName| self.leads.iter().any(|lead| lead.import == *import);
        let is_own = |import: &&ImportName| !self.joined.contains(import) && (is_offered(import) || is_led(import));
        let own = imports.iter().filter(|import| self.part != Part::FIRST && is_own(import));
        own.map(|import| (import.as_str().to_owned(), self.part.name(import.as_str()))).collect()
    }

    /// Whether an import leads to another component.
    pub(crate) fn leads_elsewhere(&self, import: &ImportName) -> bool {
        self.joined.contains(import) || self.leads.iter().any(|lead| lead.import == *import)
    }
}

// === impl Fusions ===

impl Fusions {
    /// The fusion of that recipe: the one that is there, or a new one. That may have to be compiled, on another thread.
    pub(crate) async fn get(
        &self,
        recipe: Recipe,
        engines: &Arc<Engines>,
        size_max: ByteSize,
    ) -> Result<Arc<Fusion>, NotFused> {
        if let Some(fusion) = self.find(&recipe) {
            return Ok(fusion);
        }
        let engines = engines.clone();
        let made = tokio::task::spawn_blocking(move || recipe.make(&engines, size_max)).await;
        let fusion = Arc::new(made.map_err(|error| NotFused::Other(error.into()))??);
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.retain(|fusion| fusion.strong_count() > 0);
        made.push(Arc::downgrade(&fusion));
        Ok(fusion)
    }

    fn find(&self, recipe: &Recipe) -> Option<Arc<Fusion>> {
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.iter().filter_map(Weak::upgrade).find(|fusion| fusion.recipe == *recipe)
    }
}

// === impl Recipe ===

impl Recipe {
    fn make(self, engines: &Engines, size_max: ByteSize) -> Result<Fusion, NotFused> {
        let read = |part: &Original| -> Result<Vec<u8>, NotFused> {
            let bytes = artifact::fetch(&part.path, size_max)?;
            let program = engines.read(&bytes, Use::Linked)?;
            if program.digest() != part.digest {
                return Err(NotFused::Changed(part.path.clone()));
            }
            Ok(program.to_component()?)
        };
        let bytes: Vec<_> = self.parts.iter().map(read).collect::<Result<_, _>>()?;
        let parts = self.parts.iter().zip(&bytes);
        let parts = parts.map(|(part, bytes)| fuse::Part { name: &part.name, bytes, own: part.own.clone() });
        let whole = fuse::fuse(&parts.collect::<Vec<_>>(), &self.joins)?;
        let program = engines.read(&whole, Use::Fused)?;
        let settings = program.recipe.settings;
        let Loaded::Component(component) = engines.prepare(&program)? else {
            unreachable!("what is linked is made into a component");
        };
        let functions = callee::functions(&component);
        Ok(Fusion { component, settings, functions, recipe: self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lead(target: &str, terms: &str) -> Lead {
        Lead {
            import: ImportName::new(&format!("demo:{target}/api"), None),
            target: target.parse().expect("a name"),
            export: format!("demo:{target}/api"),
            terms: terms.parse().expect("terms"),
            named: Vec::new(),
        }
    }

    /// The plan of `a`, where each component leads to others as `leads` says.
    fn planned(leads: &[(&str, &[(&str, &str)])]) -> Result<Plan, NotFused> {
        let mut leads_of = |name: &ComponentName| {
            let of_name = leads.iter().filter(|(source, _)| *source == name.as_str());
            Ok(of_name.flat_map(|(_, leads)| leads.iter().map(|(target, terms)| lead(target, terms))).collect())
        };
        plan(&"a".parse().expect("a name"), &mut leads_of)
    }

    fn shown(plan: &Plan) -> (Vec<String>, Vec<String>) {
        let part = |part: &PlannedPart| {
            let leads: Vec<_> = part.leads.iter().map(|lead| lead.target.to_string()).collect();
            format!("{}: {}", part.name, leads.join(" "))
        };
        let joins = plan.joins.iter().map(|join| format!("{} {} {}", join.from, join.import, join.to));
        (plan.parts.iter().map(part).collect(), joins.collect())
    }

    #[test]
    fn only_links_that_say_so_fuse() {
        let plan = planned(&[("a", &[("b", "fused"), ("c", "")]), ("b", &[("d", "local")])]).expect("a plan");
        let (parts, joins) = shown(&plan);
        assert_eq!(parts, ["a: c", "b: d"]);
        assert_eq!(joins, ["0 demo:b/api 1"]);
        assert!(!planned(&[("a", &[("b", "")])]).expect("a plan").is_fused());
    }

    #[test]
    fn a_component_is_in_the_whole_once() {
        let plan = planned(&[("a", &[("b", "fused"), ("c", "fused")]), ("b", &[("c", "fused")])]).expect("a plan");
        let (parts, joins) = shown(&plan);
        assert_eq!(parts, ["a: ", "b: ", "c: "]);
        assert_eq!(joins, ["1 demo:c/api 2", "0 demo:b/api 1", "0 demo:c/api 2"]);
    }

    #[test]
    fn a_circle_and_a_crowd_are_refused() {
        let circle = planned(&[("a", &[("b", "fused")]), ("b", &[("a", "fused")])]).expect_err("a circle");
        assert!(matches!(&circle, NotFused::Circle(names) if names.len() == 2), "{circle}");
        // A circle that is not fused all the way round is none here.
        assert!(planned(&[("a", &[("b", "fused")]), ("b", &[("a", "")])]).is_ok());
        let names: Vec<_> = (1..=Part::MAX).map(|number| format!("part-{number}")).collect();
        let crowd: Vec<_> = names.iter().map(|name| (name.as_str(), "fused")).collect();
        assert!(matches!(planned(&[("a", &crowd)]), Err(NotFused::TooMany(_))));
        assert!(planned(&[("a", &crowd[1..])]).is_ok());
    }

    #[test]
    fn what_differs_between_parts_has_a_name_of_its_own() {
        let plan = planned(&[("a", &[("b", "fused")]), ("b", &[("c", "")])]).expect("a plan");
        let imports = ["demo:c/api", "wasi:keyvalue/store@0.2.0-draft", "wasi:io/streams@0.2.0"];
        let imports = imports.map(ImportName::from);
        let offered = ["wasi:keyvalue/store@0.2.0-draft".parse().expect("a contract")];
        let own = plan.parts[1].own(&imports, &offered);
        let names: Vec<_> = own.values().map(String::as_str).collect();
        assert_eq!(names, ["part1-demo:c/api", "part1-wasi:keyvalue/store@0.2.0-draft"]);
        assert!(plan.parts[0].own(&imports, &offered).is_empty());
    }
}
