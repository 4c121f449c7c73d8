//! Makes one component of several that call one another.
//!
//! The parts are nested in a new component. What one exports and another imports is joined inside of it, so that the engine makes
//! such a call a jump with an adapter between two memories, instead of a call through the host. What the first part exports, the
//! whole exports.
//!
//! ```text
//! part 0 imports  a:b/c ──join──▶ part 1 exports a:b/c
//!                 wasi:io/streams ─┬─▶ the whole imports wasi:io/streams (both in one)
//! part 1 imports  wasi:io/streams ─┘
//!                 wasi:keyvalue/store ─▶ the whole imports part1-wasi:keyvalue/store (its own)
//! ```
//!
//! # Invariants
//!
//! 1. An import that is a part's own has a name of its own in the whole: two parts never share what differs between them.
//! 2. Bytes go in and bytes come out: nothing is compiled, and nothing is read or written.
//!
//! # Not here
//!
//! Which components are fused, and which imports are their own (`host`). How the composition is encoded (`wac-graph`).

mod rename;

use std::collections::BTreeMap;

use model::ComponentName;
use stdx::BoxError;
use wac_graph::types::{ItemKind, Package};
use wac_graph::{CompositionGraph, EncodeOptions, NodeId};

/// One of the components that are fused.
#[derive(Debug, Clone)]
pub struct Part<'a> {
    /// What it is called.
    pub name: &'a ComponentName,
    /// It.
    pub bytes: &'a [u8],
    /// Those of its imports that it shares with no other part, and what they are called as imports of the whole.
    pub own: BTreeMap<String, String>,
}

/// What one part imports and another one exports.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Join {
    /// The number of the part that imports.
    pub from: usize,
    /// The import, as that part names it.
    pub import: String,
    /// The number of the part that exports.
    pub to: usize,
    /// The export, as that part names it.
    pub export: String,
}

/// Why components are not fused.
#[derive(Debug, thiserror::Error)]
pub enum FuseError {
    /// A part cannot be read.
    #[error("{name} cannot be read as a part of another component")]
    Part {
        /// Which.
        name: ComponentName,
        /// Why.
        #[source]
        source: BoxError,
    },
    /// What one exports is not what the other imports.
    #[error("what {to} exports as {export} does not fit what {from} imports")]
    Join {
        /// Who imports.
        from: ComponentName,
        /// Who exports.
        to: ComponentName,
        /// What is exported.
        export: String,
        /// What differs.
        #[source]
        source: BoxError,
    },
    /// The parts do not make a component.
    #[error("the parts do not make a component")]
    Whole(#[source] BoxError),
}

/// Fuses the parts by these joins, whose numbers are those of the parts. The whole exports what the first part exports.
pub fn fuse(parts: &[Part<'_>], joins: &[Join]) -> Result<Vec<u8>, FuseError> {
    let mut graph = CompositionGraph::new();
    let nodes = parts.iter().enumerate().map(|(number, part)| {
        let failed = |source| FuseError::Part { name: part.name.clone(), source };
        instantiate(&mut graph, number, part).map_err(failed)
    });
    let nodes: Vec<_> = nodes.collect::<Result<_, _>>()?;
    for join in joins {
        let failed = |source| FuseError::Join {
            from: parts[join.from].name.clone(),
            to: parts[join.to].name.clone(),
            export: join.export.clone(),
            source,
        };
        connect(&mut graph, join, &nodes).map_err(failed)?;
    }
    if let Some(first) = nodes.first() {
        export_all(&mut graph, *first).map_err(FuseError::Whole)?;
    }
    // The engine validates what it is given.
    let options = EncodeOptions { validate: false, ..EncodeOptions::default() };
    graph.encode(options).map_err(|error| FuseError::Whole(error.into()))
}

fn instantiate(graph: &mut CompositionGraph, number: usize, part: &Part<'_>) -> Result<NodeId, BoxError> {
    let renamed = rename::imports(part.bytes, &part.own)?;
    let package = Package::from_bytes(&format!("wattle:part{number}"), None, renamed, graph.types_mut())?;
    let package = graph.register_package(package)?;
    Ok(graph.instantiate(package))
}

fn connect(graph: &mut CompositionGraph, join: &Join, nodes: &[NodeId]) -> Result<(), BoxError> {
    let exported = graph.alias_instance_export(nodes[join.to], &join.export)?;
    Ok(graph.set_instantiation_argument(nodes[join.from], &join.import, exported)?)
}

fn export_all(graph: &mut CompositionGraph, first: NodeId) -> Result<(), BoxError> {
    let ItemKind::Instance(exports) = graph[first].item_kind() else {
        unreachable!("a component was instantiated");
    };
    let names: Vec<String> = graph.types()[exports].exports.keys().cloned().collect();
    for name in names {
        let exported = graph.alias_instance_export(first, &name)?;
        graph.export(exported, name)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
