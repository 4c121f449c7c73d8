//! Turns component values into text and back: WAVE for people, JSON for programs.
//!
//! What can be typed in a shell has to say the same as what a component takes, for every type that has a text. Handles
//! (resources, streams, futures) have none: they mean something to one instance only.
//!
//! # Invariants
//!
//! 1. A value that is written and read again as the same type is the same value, in WAVE and in JSON.
//! 2. What is read is of the type that was asked for, or the error says where it is not.
//!
//! # Not here
//!
//! Which function a value is for (`call`). The JSON form for users: `docs/values.md`.

mod json;
mod text;
mod wave;

use wasmtime::component::Type;

pub(crate) use json::{from_json, to_json};
pub(crate) use text::{TypeText, example};
pub(crate) use wave::{from_wave, to_wave};

/// A value is not what its type asks for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}wants {wanted}, and was given {found}", Place(.at))]
pub struct ValueError {
    /// Where in the value, as in `.items[2].price`; nothing where it is the whole.
    pub at: String,
    /// The type there.
    pub wanted: String,
    /// What was there, in words.
    pub found: String,
}

struct Place<'a>(&'a str);

impl std::fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, "at {} it ", self.0) }
    }
}

// === impl ValueError ===

impl ValueError {
    fn new(ty: &Type, found: impl Into<String>) -> Self {
        Self { at: String::new(), wanted: TypeText(ty).to_string(), found: found.into() }
    }

    /// The same problem, seen from the value that holds the one with the problem.
    fn below(mut self, step: &str) -> Self {
        self.at.insert_str(0, step);
        self
    }
}

/// What in this type has no text, if anything.
pub(crate) fn handle_in(ty: &Type) -> Option<&'static str> {
    match ty {
        Type::Own(_) | Type::Borrow(_) => Some("a resource"),
        Type::Stream(_) => Some("a stream"),
        Type::Future(_) => Some("a future"),
        Type::ErrorContext => Some("an error context"),
        Type::Map(_) => Some("a map"),
        Type::FixedLengthList(_) => Some("a list of fixed length"),
        Type::List(list) => handle_in(&list.ty()),
        Type::Option(option) => handle_in(&option.ty()),
        Type::Record(record) => record.fields().find_map(|field| handle_in(&field.ty)),
        Type::Tuple(tuple) => tuple.types().find_map(|ty| handle_in(&ty)),
        Type::Variant(variant) => variant.cases().filter_map(|case| case.ty).find_map(|ty| handle_in(&ty)),
        Type::Result(result) => [result.ok(), result.err()].into_iter().flatten().find_map(|ty| handle_in(&ty)),
        Type::Bool
        | Type::S8
        | Type::U8
        | Type::S16
        | Type::U16
        | Type::S32
        | Type::U32
        | Type::S64
        | Type::U64
        | Type::Float32
        | Type::Float64
        | Type::Char
        | Type::String
        | Type::Enum(_)
        | Type::Flags(_) => None,
    }
}

#[cfg(test)]
mod tests;
