//! Decides what each import of a component is linked to, or why it cannot be.
//!
//! # Invariants
//!
//! 1. Every import gets a [`Linked`]: one that nothing meets says which versions there are.
//! 2. Nothing here does anything: `inspect` prints what `up` carries out.

use std::fmt;

use engine::ImportName;
use model::{ComponentName, Contract};
use stdx::{Code, Explain};

/// A contract that this host offers.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Offer {
    /// The contract, in its exact version.
    pub contract: Contract,
    /// What meets it: `this host`, `keyvalue on disk …`.
    pub by: String,
    /// Whether links can lead elsewhere; else there is but one of it, under its own name.
    pub is_linkable: bool,
}

/// An import and what it is linked to.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Import {
    /// The import as the component names it.
    pub name: ImportName,
    /// What it is linked to.
    #[serde(flatten)]
    pub linked: Linked,
}

/// What an import is linked to.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "linked", rename_all = "kebab-case")]
pub enum Linked {
    /// An offer of this host.
    To {
        /// What meets it.
        target: String,
        /// The version that is offered.
        offered: Contract,
    },
    /// Nothing here meets it in this version.
    OtherVersion {
        /// The versions that are offered.
        offered: Vec<Contract>,
    },
    /// Several components export it.
    Several {
        /// Which.
        exporters: Vec<ComponentName>,
    },
    /// Nothing here knows it.
    Unknown,
    /// Nothing yet: other components of the lattice may give it.
    Awaited,
    /// There is but one of it, and the import has a label.
    OneOnly,
    /// It is not an interface: a function or type that only another component can give.
    NotAnInterface,
}

/// Imports that nothing meets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing(pub Vec<Import>);

/// What every import is linked to, in the order of the component.
pub fn link(imports: &[ImportName], offers: &[Offer]) -> Vec<Import> {
    imports.iter().map(|name| Import { name: name.clone(), linked: linked(name, offers) }).collect()
}

/// Nothing where all are linked, else those that are not.
pub fn check(imports: &[Import]) -> Result<(), Missing> {
    let missing: Vec<_> =
        imports.iter().filter(|import| !matches!(import.linked, Linked::To { .. })).cloned().collect();
    if missing.is_empty() { Ok(()) } else { Err(Missing(missing)) }
}

fn linked(name: &ImportName, offers: &[Offer]) -> Linked {
    let Ok(wanted) = name.interface().parse::<Contract>() else { return Linked::NotAnInterface };
    if let Some(offer) = offers.iter().find(|offer| wanted.is_met_by(&offer.contract)) {
        if name.label().is_some() && !offer.is_linkable {
            return Linked::OneOnly;
        }
        return Linked::To { target: offer.by.clone(), offered: offer.contract.clone() };
    }
    let offered: Vec<_> =
        offers.iter().map(|offer| &offer.contract).filter(|offered| offered.is_version_of(&wanted)).cloned().collect();
    if offered.is_empty() { Linked::Unknown } else { Linked::OtherVersion { offered } }
}

// === impl Import ===

impl Import {
    /// Whether a component that is not here may give it, so that a link can come later.
    pub(crate) fn may_come(&self) -> bool {
        let is_labelled = self.name.label().is_some();
        !is_labelled && matches!(self.linked, Linked::Unknown | Linked::OtherVersion { .. } | Linked::Awaited)
    }
}

impl Missing {
    /// Whether all of it may come later.
    pub(crate) fn may_all_come(&self) -> bool {
        self.0.iter().all(Import::may_come)
    }
}

impl fmt::Display for Linked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::To { target, .. } => f.write_str(target),
            Self::OtherVersion { offered } => {
                let versions: Vec<_> =
                    offered.iter().filter_map(|contract| contract.version.as_ref()).map(ToString::to_string).collect();
                write!(f, "not in this version; this host offers {}", versions.join(" and "))
            }
            Self::Several { exporters } => {
                let names: Vec<_> = exporters.iter().map(ToString::to_string).collect();
                write!(f, "exported by {}; say which with --link", names.join(" and "))
            }
            Self::Unknown => f.write_str("nothing on this host offers it"),
            Self::Awaited => f.write_str("nothing yet; a link of the lattice can lead it to another host"),
            Self::OneOnly => f.write_str("this host has one of it, without a label; import it by its own name"),
            Self::NotAnInterface => f.write_str("not an interface; only another component can give it, by composition"),
        }
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        write!(f, "{count} import{} cannot be met:", if count == 1 { "" } else { "s" })?;
        self.0.iter().try_for_each(|import| write!(f, "\n  {}: {}", import.name, import.linked))
    }
}

impl std::error::Error for Missing {}

impl Explain for Missing {
    fn code(&self) -> Code {
        Code::E0204
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offers() -> Vec<Offer> {
        let offer = |name: &str| Offer {
            contract: name.parse().expect("a contract"),
            by: "this host".into(),
            is_linkable: name.starts_with("wasi:keyvalue/"),
        };
        ["wasi:http/types@0.2.12", "wasi:http/types@0.3.0", "wasi:keyvalue/store@0.2.0-draft"].map(offer).into()
    }

    fn said(import: &str) -> String {
        link(&[import.into()], &offers())[0].linked.to_string()
    }

    fn said_of_label(interface: &str) -> String {
        link(&[ImportName::new("left", Some(interface))], &offers())[0].linked.to_string()
    }

    #[test]
    fn a_label_is_for_what_links_lead_to() {
        assert_eq!(said_of_label("wasi:keyvalue/store@0.2.0-draft"), "this host");
        assert_eq!(
            said_of_label("wasi:http/types@0.2.0"),
            "this host has one of it, without a label; import it by its own name"
        );
        assert_eq!(said_of_label("a:b/c"), "nothing on this host offers it");
    }

    #[test]
    fn an_import_is_linked_to_a_version_that_serves_it() {
        assert_eq!(said("wasi:http/types@0.2.3"), "this host");
        assert_eq!(said("wasi:keyvalue/store@0.2.0-draft"), "this host");
    }

    #[test]
    fn what_cannot_be_linked_says_why() {
        assert_eq!(said("wasi:http/types@0.1.0"), "not in this version; this host offers 0.2.12 and 0.3.0");
        assert_eq!(said("wasi:keyvalue/store@0.2.0-draft3"), "not in this version; this host offers 0.2.0-draft");
        assert_eq!(said("acme:weather/forecast@1.2.0"), "nothing on this host offers it");
        assert_eq!(said("log"), "not an interface; only another component can give it, by composition");
    }

    #[test]
    fn all_missing_imports_are_said_at_once() {
        let imports = ["a:b/c", "wasi:http/types@0.2.0", "d:e/f"].map(ImportName::from);
        let missing = check(&link(&imports, &offers())).expect_err("two are missing");
        assert_eq!(
            missing.to_string(),
            "2 imports cannot be met:\n  a:b/c: nothing on this host offers it\n  d:e/f: nothing on this host offers it"
        );
    }
}
