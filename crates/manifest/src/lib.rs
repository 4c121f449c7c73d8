//! Reads the files that declare applications: manifests of the Open Application Model, as wasmCloud 1.x has them, in YAML or JSON.
//!
//! ```text
//! text ─▶ document (what may be written) ─▶ declare (what it means) ─▶ Application
//!                                            └ providers (what stands for which backend)
//! ```
//!
//! # Invariants
//!
//! 1. Nothing is left out in silence: what cannot be kept is a problem, and what means nothing on one host is a note.
//! 2. All problems of a file are said at once, each with its place. Only a text that is no YAML has but the first.
//! 3. Pure: a file that a manifest names is not looked for here.
//!
//! # Not here
//!
//! What keeps an application as it is declared. Whether links can be put: the host says that when it puts them.

mod declare;
mod document;
mod providers;

use std::fmt;
use std::net::SocketAddr;

use model::{ComponentName, LinkPut, Reference};
use stdx::{Code, Explain};

/// What is declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Application {
    /// What it is called.
    pub name: String,
    /// Which version of it this is, where an annotation says so.
    pub version: Option<String>,
    /// What runs.
    pub components: Vec<Component>,
    /// What its imports lead to.
    pub links: Vec<LinkPut>,
    /// Where requests come in.
    pub listeners: Vec<Listener>,
    /// What was declared and means nothing on one host, in words.
    pub notes: Vec<String>,
}

/// A component that is declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// What it is called.
    pub name: ComponentName,
    /// What runs.
    pub image: Image,
    /// Where it answers requests; nowhere where there is none.
    pub routes: Vec<Place>,
}

/// What a component is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Image {
    /// A file, as it is written: relative to the manifest's folder.
    File(String),
    /// What a registry has.
    Registry(Reference),
}

/// Where a component answers requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The name of a listener, where it is for one.
    pub listener: Option<String>,
    /// `/shop`, `example.com/shop`.
    pub route: String,
}

/// Where requests come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Which routes are for it: those that name it, or those that name none.
    pub name: Option<String>,
    /// The address, where one is declared.
    pub address: SocketAddr,
}

/// Everything that is wrong with a manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Problems(pub Vec<Problem>);

/// Something that is wrong with a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where: `component till, trait 2`.
    pub place: String,
    /// What.
    pub text: String,
}

/// Reads a manifest. JSON is YAML, too.
pub fn read(text: &str) -> Result<Application, Problems> {
    let unreadable = |error: serde_saphyr::Error| Problems(vec![Problem::new("the file", error.to_string())]);
    // `y` and `no` are names, as in YAML 1.2.
    let options = serde_saphyr::options! { strict_booleans: true };
    let document = serde_saphyr::from_str_with_options(text, options).map_err(unreadable)?;
    declare::application(document)
}

// === impl Problem ===

impl Problem {
    pub(crate) fn new(place: &str, text: impl Into<String>) -> Self {
        Self { place: place.to_owned(), text: text.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.text)
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the manifest cannot be used:")?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl Explain for Problems {
    fn code(&self) -> Code {
        Code::E0901
    }
}

#[cfg(test)]
mod tests;
