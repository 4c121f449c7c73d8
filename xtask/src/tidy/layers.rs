//! The layers: arrows only down.
//!
//! A crate uses crates of lower layers, never of its own. Without a check a boundary is gone in a
//! year; this is the check, and [`layer`] is the only place that lists the crates.
//!
//! # Invariants
//!
//! 1. Up to [`PURE_MAX`] a crate decides and does nothing else: none of [`NOT_PURE`].
//! 2. Tests may use `testkit`, whatever the layer; a program may not.

use super::Problem;
use super::repository::{Crate, Purpose, Repository, Use};

/// Where a crate stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Layer {
    Level(u8),
    /// Beside the layers: uses any of them, and no program uses it.
    Outside,
}

/// The highest layer of those that are pure.
const PURE_MAX: u8 = 3;

/// The layer of the binary, the only one where errors may lose their type.
const BINARY: u8 = 10;

/// What brings I/O, an async runtime or an engine with it.
const NOT_PURE: [&str; 14] = [
    "async-nats",
    "hyper",
    "hyper-util",
    "mio",
    "redb",
    "reqwest",
    "rusqlite",
    "rustix",
    "socket2",
    "tempfile",
    "tokio",
    "tokio-util",
    "wasmtime",
    "wasmtime-wasi",
];

/// Where a crate stands, or `None` where nobody has said so yet.
pub(crate) fn layer(owner: &Crate) -> Option<Layer> {
    if owner.folder.starts_with("crates/capabilities/") {
        return Some(Layer::Level(8));
    }
    Some(match owner.name.as_str() {
        "stdx" => Layer::Level(0),
        "model" => Layer::Level(1),
        "manifest" | "trust" | "view" => Layer::Level(2),
        "plan" | "route" | "fuse" => Layer::Level(3),
        "rt" | "ledger" | "streams" => Layer::Level(4),
        "bus" | "line" | "engine" | "artifact" => Layer::Level(5),
        "lattice" | "provider" | "wire" => Layer::Level(6),
        "capability" => Layer::Level(7),
        "host" | "manager" | "dashboard" | "operator" => Layer::Level(9),
        "wattle" => Layer::Level(BINARY),
        "testkit" | "sim" | "xtask" | "bench" => Layer::Outside,
        _ => return None,
    })
}

pub(super) fn check(repository: &Repository) -> Vec<Problem> {
    repository.crates.iter().flat_map(|owner| problems_of(owner, repository)).collect()
}

fn problems_of(owner: &Crate, repository: &Repository) -> Vec<Problem> {
    let manifest = owner.manifest();
    let Some(own) = layer(owner) else {
        let text = format!("`{}` stands in no layer; give it one in xtask/src/tidy/layers.rs", owner.name);
        return vec![Problem::new(&manifest, 1, text)];
    };
    let wrong = |used: &Use| {
        let why = match repository.crates.iter().find(|other| other.name == used.name) {
            Some(other) => wrong_inside(own, other, used.purpose),
            None => wrong_outside(own, used),
        }?;
        let line = line_of(repository.tree.text(&manifest), &used.name);
        Some(Problem::new(&manifest, line, format!("`{}` uses `{}`, {why}", owner.name, used.name)))
    };
    owner.uses.iter().filter_map(wrong).collect()
}

/// Why a crate in `own` may not use a crate of the workspace.
fn wrong_inside(own: Layer, other: &Crate, purpose: Purpose) -> Option<String> {
    let is_for_tests = purpose == Purpose::Tests && other.name == "testkit";
    match (own, layer(other)?) {
        (Layer::Level(own), Layer::Level(used)) if used >= own => Some(format!(
            "but L{own} may use only what stands lower than itself and that is L{used}; move what both need down, \
             or turn the arrow with a trait"
        )),
        (Layer::Level(_), Layer::Outside) if !is_for_tests => {
            Some("which stands outside the layers; only tests may use `testkit`, nothing uses the others".to_owned())
        }
        _ => None,
    }
}

/// Why a crate in `own` may not use a crate from elsewhere.
fn wrong_outside(own: Layer, used: &Use) -> Option<String> {
    let Layer::Level(own) = own else { return None };
    let is_program = used.purpose == Purpose::Program;
    if own <= PURE_MAX && is_program && NOT_PURE.contains(&used.name.as_str()) {
        return Some(format!(
            "but L0 to L{PURE_MAX} are pure: no runtime, no I/O, no engine; take time, randomness and what was read as \
             arguments"
        ));
    }
    (own < BINARY && is_program && used.name == "anyhow")
        .then(|| "but below `wattle` an error has a type; write an enum with a variant for each thing to do".to_owned())
}

fn line_of(manifest: Option<&str>, name: &str) -> usize {
    let names = |line: &str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['.', ' ', '=']));
    manifest.and_then(|text| text.lines().position(names)).map_or(1, |line| line + 1)
}

#[cfg(test)]
mod tests;
