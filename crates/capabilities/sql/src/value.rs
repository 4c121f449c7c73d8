//! These are values as every database here takes and gives them.
//!
//! # Invariants
//!
//! 1. A value is whole: nothing in it refers to a connection or to a result.

/// One value of a row, or of a parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A number.
    Float(f64),
    /// An exact number in digits: `-12.50`.
    Decimal(String),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Microseconds since 1970-01-01T00:00:00Z.
    Timestamp(i64),
}

/// The values of one row, in the order of its columns.
pub type Row = Vec<Value>;

/// A column of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// What the statement calls it.
    pub name: String,
    /// What the database calls its type, in lower case; empty where it says none.
    pub kind: String,
}

// === impl Value ===

impl Value {
    /// About how many bytes it takes.
    pub fn size(&self) -> usize {
        let beside = match self {
            Self::Decimal(text) | Self::Text(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
            Self::Null | Self::Boolean(_) | Self::Integer(_) | Self::Float(_) | Self::Timestamp(_) => 0,
        };
        beside + size_of::<Self>()
    }
}
