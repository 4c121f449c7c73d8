//! Reads all that a program says of itself, for a person to look at. Nothing is compiled, and nothing runs.
//!
//! # Invariants
//!
//! 1. A program that the scan refuses is not read any further.
//! 2. Whatever is too much to be shown, or is not what it should be, is said so in place and fails nothing else.
//!
//! # Not here
//!
//! What its imports could be linked to (`host`). Whether its claims are signed (`trust`).

mod core_types;
mod sections;
mod weight;
mod world;

use std::collections::BTreeMap;

use crate::anatomy::{Anatomy, Form, ScanError, ScanLimits};

pub use sections::Producer;
pub use world::{Export, FunctionText, World};

/// All that a program says of itself.
#[derive(Debug, Clone)]
pub struct Inspection {
    /// The digest of its bytes: BLAKE3, in hexadecimal.
    pub blake3: String,
    /// What it is.
    pub anatomy: Anatomy,
    /// Its exports, functions with their types.
    pub exports: Vec<Export>,
    /// The WIT world that it was made for.
    pub world: World,
    /// Sections of the outermost level, by kind.
    pub sections: BTreeMap<&'static str, usize>,
    /// Languages and tools that made it or a part of it.
    pub producers: Vec<Producer>,
    /// What it says in sections of text: version, authors, licenses and so on.
    pub annotations: BTreeMap<String, String>,
    /// Tokens of claims, as they are. There should be at most one.
    pub claims: Vec<String>,
}

/// Reads `bytes`.
pub fn inspect(bytes: &[u8], limits: &ScanLimits) -> Result<Inspection, ScanError> {
    let anatomy = Anatomy::scan(bytes, limits)?;
    let sections = sections::read(bytes);
    let world = World::read(bytes, &anatomy);
    let exports = match anatomy.form {
        Form::Component => world.exports(&anatomy),
        Form::CoreModule => core_types::exports(bytes),
    };
    Ok(Inspection {
        blake3: blake3::hash(bytes).to_hex().to_string(),
        anatomy,
        exports,
        world,
        sections: sections.counts,
        producers: sections.producers,
        annotations: sections.annotations,
        claims: sections.claims,
    })
}

#[cfg(test)]
mod tests;
