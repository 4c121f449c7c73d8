//! This is where in a lattice something is served, and what the functions there are called on the bus.
//!
//! ```text
//! default.hello.wrpc.0.0.1.wrpc:http/incoming-handler@0.1.0.handle
//! └─ prefix ──┘            └─ instance ───────────────────┘ └ name
//! ```
//!
//! # Invariants
//!
//! 1. Those who serve one address are one queue group: one of them gets each invocation that is addressed to any.
//! 2. No function of an address has a subject that another meaning has here: a function of the world has one word behind the
//!    protocol, one of an instance has a colon in the next.

use std::fmt;

use bus::{QueueGroup, Subject, SubjectError};

/// The version of the protocol, as subjects carry it.
const PROTOCOL: &str = "wrpc.0.0.1";

/// The longest name of one who serves an address.
const NAME_MAX: usize = 64;

/// A component or a provider of a lattice, wherever it runs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// The lattice.
    pub lattice: String,
    /// What the component or the provider is called there.
    pub id: String,
}

/// A function, as its instance exports it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Function {
    /// The instance with its version, such as `wasi:http/incoming-handler@0.2.0`; none where the world itself exports it.
    pub instance: Option<String>,
    /// The name in it, as WIT has it: `handle`, `[method]bucket.get`.
    pub name: String,
}

/// So many letters of a name are those of a host.
const HOST: usize = 22;

/// What one wire that serves an address is called there, beside all others: a word of letters and digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name(Box<str>);

// === impl Address ===

impl Address {
    /// The subject that invocations of a function go to.
    pub fn subject(&self, function: &Function) -> Result<Subject, SubjectError> {
        format!("{}.{}", self.root(None), function.words()).parse()
    }

    /// What the words of functions are below in such subjects, or in those that are heard by this one alone of those who serve.
    pub(crate) fn root(&self, alone: Option<&Name>) -> String {
        match alone {
            Some(name) => format!("{self}.{PROTOCOL}.at.{}", name.as_str()),
            None => format!("{self}.{PROTOCOL}"),
        }
    }

    /// The subject on which all who serve it are asked for their names.
    pub(crate) fn roll(&self) -> Result<Subject, SubjectError> {
        model::roll_subject(&self.lattice, &self.id).parse()
    }

    /// The subject on which those who serve it tell who spies of its calls.
    pub(crate) fn overheard(&self) -> Result<Subject, SubjectError> {
        model::overheard_subject(&self.lattice, &self.id).parse()
    }

    /// The group of those who serve it.
    pub(crate) fn group(&self) -> Result<QueueGroup, SubjectError> {
        self.to_string().parse()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.lattice, self.id)
    }
}

// === impl Name ===

impl Name {
    /// One that nobody else has.
    pub(crate) fn new() -> Self {
        Self(nuid::next().as_str().into())
    }

    /// That of another wire of the same host.
    pub(crate) fn beside(&self, number: usize) -> Self {
        Self(format!("{}{number}", self.host()).into())
    }

    /// What the names of all wires of one host begin with.
    pub(crate) fn host(&self) -> &str {
        self.0.get(..HOST).unwrap_or(&self.0)
    }

    /// Whether it is that of a wire beside the first of its host: one of a thread that runs components.
    pub(crate) fn is_beside(&self) -> bool {
        self.0.len() > self.host().len()
    }

    /// A name that somebody says, if it can be one.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let is_word = (1..=NAME_MAX).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_alphanumeric);
        std::str::from_utf8(bytes).ok().filter(|_| is_word).map(|name| Self(name.into()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

// === impl Function ===

impl Function {
    /// A function of an instance.
    pub fn of(instance: &str, name: &str) -> Self {
        Self { instance: Some(instance.to_owned()), name: name.to_owned() }
    }

    /// A function of the world itself.
    pub fn of_world(name: &str) -> Self {
        Self { instance: None, name: name.to_owned() }
    }

    /// What it is called in a subject, behind the protocol.
    pub(crate) fn words(&self) -> String {
        let name = self.name_on_the_wire();
        self.instance.as_ref().map_or_else(|| name.to_owned(), |instance| format!("{instance}.{name}"))
    }

    /// The name without the mark that WIT gives to functions of resources: `[method]bucket.get` is `bucket.get`.
    fn name_on_the_wire(&self) -> &str {
        let marks = ["[constructor]", "[method]", "[static]"];
        marks.iter().find_map(|mark| self.name.strip_prefix(mark)).unwrap_or(&self.name)
    }
}

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.instance {
            Some(instance) => write!(f, "{instance}.{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_has_the_subject_that_wasmcloud_gives_it() {
        let address = Address { lattice: "default".into(), id: "hello".into() };
        let subject = |function| address.subject(&function).expect("a subject").to_string();
        let handle = Function::of("wrpc:http/incoming-handler@0.1.0", "handle");
        assert_eq!(subject(handle), "default.hello.wrpc.0.0.1.wrpc:http/incoming-handler@0.1.0.handle");
        assert_eq!(subject(Function::of_world("run")), "default.hello.wrpc.0.0.1.run");
        for (name, there) in [("[constructor]r", "r"), ("[method]r.f", "r.f"), ("[static]r.f", "r.f")] {
            assert_eq!(subject(Function::of("a:b/c", name)), format!("default.hello.wrpc.0.0.1.a:b/c.{there}"));
        }
        assert_eq!(address.group().map(|group| group.to_string()), Ok("default.hello".to_owned()));
    }

    #[test]
    fn one_of_those_who_serve_is_addressed_by_name() {
        let address = Address { lattice: "default".into(), id: "hello".into() };
        let name = Name::read(b"NUID").expect("a name");
        assert_eq!(address.root(Some(&name)), "default.hello.wrpc.0.0.1.at.NUID");
        assert_eq!(address.root(None), "default.hello.wrpc.0.0.1");
        assert_eq!(address.roll().map(|roll| roll.to_string()), Ok("default.hello.roll".to_owned()));
        assert_eq!(address.overheard().map(|told| told.to_string()), Ok("default.hello.overheard".to_owned()));
    }

    #[test]
    fn what_is_no_subject_is_refused() {
        for id in ["", "a b", "a.*", ">", "a\r\nPUB x"] {
            let address = Address { lattice: "default".into(), id: id.into() };
            assert!(address.subject(&Function::of_world("run")).is_err(), "{id:?}");
        }
    }
}
