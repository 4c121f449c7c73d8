//! This is where in a lattice something is served, and what the functions there are called on the bus.
//!
//! ```text
//! default.hello.wrpc.0.0.1.wrpc:http/incoming-handler@0.1.0.handle
//! └─ prefix ──┘            └─ instance ───────────────────┘ └ name
//! ```
//!
//! # Invariants
//!
//! 1. Those who serve one address are one queue group: one of them gets each invocation.

use std::fmt;

use bus::{QueueGroup, Subject, SubjectError};

/// The version of the protocol, as subjects carry it.
const PROTOCOL: &str = "wrpc.0.0.1";

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

// === impl Address ===

impl Address {
    /// The subject that invocations of a function go to.
    pub fn subject(&self, function: &Function) -> Result<Subject, SubjectError> {
        let name = function.name_on_the_wire();
        match &function.instance {
            Some(instance) => format!("{self}.{PROTOCOL}.{instance}.{name}").parse(),
            None => format!("{self}.{PROTOCOL}.{name}").parse(),
        }
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
    fn what_is_no_subject_is_refused() {
        for id in ["", "a b", "a.*", ">", "a\r\nPUB x"] {
            let address = Address { lattice: "default".into(), id: id.into() };
            assert!(address.subject(&Function::of_world("run")).is_err(), "{id:?}");
        }
    }
}
