//! How the values of a function are laid out as bytes.
//!
//! The value encoding of wRPC says nothing of types: bytes mean something only to who knows the shape. A [`Shape`] is made of
//! a function's type once, when it is linked; a call only follows it.
//!
//! # Invariants
//!
//! 1. What is encoded and decoded again by the same shapes is the same, and nothing but it has these bytes before or after.
//! 2. Decoding takes no more memory than its reader was allowed, whatever the bytes say of their length.
//! 3. A value takes at least one byte, so that a count can be held against the bytes that are there.
//!
//! # Not here
//!
//! Streams and futures, which travel beside the values (`paths`). Handles mean something to one host only.

mod read;
mod write;

use std::sync::Arc;

use bytes::Bytes;
use stdx::{ByteSize, Code, Explain};
use wasmtime::component::{Type, Val, types::ComponentFunc};

pub use read::{DecodeError, Reader};
pub use write::EncodeError;

pub(crate) use write::{ROOM, write_bytes, write_count, write_leb};

/// How deep types may lie in one another.
const DEPTH_MAX: usize = 64;

/// How the parameters and the results of a function are laid out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// What it is called with.
    pub params: Shapes,
    /// What it answers: nothing or one value, as components have it.
    pub results: Shapes,
}

/// The shapes of values that follow one another. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shapes(Arc<[Shape]>);

/// How one value is laid out. A number is its name here; names of fields and cases are those of the type.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "each says all there is to say by the name that WIT has for it")]
pub enum Shape {
    Bool,
    S8,
    U8,
    S16,
    U16,
    S32,
    U32,
    S64,
    U64,
    F32,
    F64,
    Char,
    String,
    List(Box<Shape>),
    Record(Vec<(String, Shape)>),
    Tuple(Vec<Shape>),
    Variant(Vec<(String, Option<Shape>)>),
    Enum(Vec<String>),
    Option(Box<Shape>),
    Result { ok: Option<Box<Shape>>, err: Option<Box<Shape>> },
    Flags(Vec<String>),
}

/// A function has something among its parameters or results that cannot travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} cannot travel to another host")]
pub struct Unsupported {
    /// What it is, in words.
    pub what: &'static str,
}

// === impl Signature ===

impl Signature {
    /// That of a function of a component.
    pub fn of(function: &ComponentFunc) -> Result<Self, Unsupported> {
        let params: Result<Vec<Shape>, _> = function.params().map(|(_, ty)| Shape::of(&ty)).collect();
        let results: Result<Vec<Shape>, _> = function.results().map(|ty| Shape::of(&ty)).collect();
        Ok(Self { params: Shapes::new(params?)?, results: Shapes::new(results?)? })
    }
}

// === impl Shapes ===

impl Shapes {
    /// Values of these shapes, one after the other.
    pub fn new(shapes: Vec<Shape>) -> Result<Self, Unsupported> {
        shapes.iter().try_for_each(|shape| shape.check(0))?;
        Ok(Self(shapes.into()))
    }

    /// The shape of each value.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Shape> {
        self.0.iter()
    }

    /// Whether there are no values, which takes no bytes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Lays out values.
    pub fn encode(&self, values: &[Val]) -> Result<Bytes, EncodeError> {
        write::encode(self, values)
    }

    /// Reads what was laid out: all of it, and not more of it than takes `memory_max` when it is read.
    pub fn decode(&self, bytes: &[u8], memory_max: ByteSize) -> Result<Vec<Val>, DecodeError> {
        Reader::all(bytes, memory_max, |reader| self.read(reader))
    }

    /// Reads as many values as there are shapes.
    pub fn read(&self, reader: &mut Reader<'_>) -> Result<Vec<Val>, DecodeError> {
        self.iter().map(|shape| reader.value(shape)).collect()
    }
}

// === impl Shape ===

impl Shape {
    /// That of a type of a component.
    pub fn of(ty: &Type) -> Result<Self, Unsupported> {
        Self::at_depth(ty, 0)
    }

    fn at_depth(ty: &Type, depth: usize) -> Result<Self, Unsupported> {
        if depth > DEPTH_MAX {
            return Err(TOO_DEEP);
        }
        let inner = |ty: &Type| Self::at_depth(ty, depth + 1);
        let boxed = |ty: Type| inner(&ty).map(Box::new);
        Ok(match ty {
            Type::Bool => Self::Bool,
            Type::S8 => Self::S8,
            Type::U8 => Self::U8,
            Type::S16 => Self::S16,
            Type::U16 => Self::U16,
            Type::S32 => Self::S32,
            Type::U32 => Self::U32,
            Type::S64 => Self::S64,
            Type::U64 => Self::U64,
            Type::Float32 => Self::F32,
            Type::Float64 => Self::F64,
            Type::Char => Self::Char,
            Type::String => Self::String,
            Type::List(list) => Self::List(boxed(list.ty())?),
            Type::Record(record) => {
                let fields = record.fields().map(|field| Ok((field.name.to_owned(), inner(&field.ty)?)));
                Self::Record(fields.collect::<Result<_, _>>()?)
            }
            Type::Tuple(tuple) => Self::Tuple(tuple.types().map(|ty| inner(&ty)).collect::<Result<_, _>>()?),
            Type::Variant(variant) => {
                let cases =
                    variant.cases().map(|case| Ok((case.name.to_owned(), case.ty.as_ref().map(inner).transpose()?)));
                Self::Variant(cases.collect::<Result<_, _>>()?)
            }
            Type::Enum(cases) => Self::Enum(cases.names().map(ToOwned::to_owned).collect()),
            Type::Option(option) => Self::Option(boxed(option.ty())?),
            Type::Result(result) => {
                Self::Result { ok: result.ok().map(boxed).transpose()?, err: result.err().map(boxed).transpose()? }
            }
            Type::Flags(flags) => Self::Flags(flags.names().map(ToOwned::to_owned).collect()),
            Type::Own(_) | Type::Borrow(_) => return Err(Unsupported { what: "a resource" }),
            Type::Stream(_) => return Err(Unsupported { what: "a stream" }),
            Type::Future(_) => return Err(Unsupported { what: "a future" }),
            Type::ErrorContext => return Err(Unsupported { what: "an error context" }),
            Type::Map(_) => return Err(Unsupported { what: "a map" }),
            Type::FixedLengthList(_) => return Err(Unsupported { what: "a list of fixed length" }),
        })
    }

    /// Whether values of this shape can travel: none takes no bytes, and none lies too deep.
    fn check(&self, depth: usize) -> Result<(), Unsupported> {
        if depth > DEPTH_MAX {
            return Err(TOO_DEEP);
        }
        let below = |shape: &Self| shape.check(depth + 1);
        match self {
            Self::List(inner) | Self::Option(inner) => below(inner),
            Self::Result { ok, err } => [ok, err].into_iter().flatten().try_for_each(|inner| below(inner)),
            Self::Record(fields) if !fields.is_empty() => fields.iter().try_for_each(|(_, inner)| below(inner)),
            Self::Tuple(inner) if !inner.is_empty() => inner.iter().try_for_each(below),
            Self::Variant(cases) if !cases.is_empty() => {
                cases.iter().filter_map(|(_, inner)| inner.as_ref()).try_for_each(below)
            }
            Self::Enum(names) | Self::Flags(names) if !names.is_empty() => Ok(()),
            Self::Record(_) | Self::Tuple(_) | Self::Variant(_) | Self::Enum(_) | Self::Flags(_) => {
                Err(Unsupported { what: "a type without any value, or with one only," })
            }
            Self::Bool
            | Self::S8
            | Self::U8
            | Self::S16
            | Self::U16
            | Self::S32
            | Self::U32
            | Self::S64
            | Self::U64
            | Self::F32
            | Self::F64
            | Self::Char
            | Self::String => Ok(()),
        }
    }
}

const TOO_DEEP: Unsupported = Unsupported { what: "a type of more than 64 types in one another" };

// === impl Unsupported ===

impl Explain for Unsupported {
    fn code(&self) -> Code {
        Code::E1106
    }
}

#[cfg(test)]
mod tests;
