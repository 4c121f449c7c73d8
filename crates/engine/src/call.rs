//! Calls functions of programs by name, with arguments and results as text.
//!
//! ```text
//! 'demo:calc/ops.divide(1.0, 2.0)' ── Request::parse ── find ── Function::arguments ── Instance::call ── Results
//! ```
//!
//! Components and core modules look the same from here: a core module's numbers are the numbers of components.
//!
//! # Invariants
//!
//! 1. Arguments are checked against the function before anything runs.
//! 2. A call ends by its deadline, whether it computes or waits.
//!
//! # Not here
//!
//! What values look like (`values`). What a program's imports are linked to (`host`).

mod arguments;
mod function;
mod instance;

use stdx::{Code, Explain};

pub use arguments::Request;
pub use function::{Function, find, functions};
pub use instance::{Call, Instance, Results};

use crate::values::ValueError;

/// Why a function is not called.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The text is not a call.
    #[error("{text:?} is not a call: {why}")]
    NotACall {
        /// What was given.
        text: String,
        /// Where it stops being one.
        why: String,
    },
    /// No function has this name.
    #[error("there is no function {asked}; {}", function::Listed(.there))]
    NoSuchFunction {
        /// The name that was asked for.
        asked: String,
        /// All functions that there are, with their types.
        there: Vec<String>,
    },
    /// Several functions have this name.
    #[error("{asked} is the name of several functions; {}", function::Listed(.candidates))]
    Ambiguous {
        /// The name that was asked for.
        asked: String,
        /// Those that are called so.
        candidates: Vec<String>,
    },
    /// It takes or gives something that only a program can hold.
    #[error("{function} cannot be called from text: it takes or gives {what}, which only another component can hold")]
    NotFromText {
        /// The function with its type.
        function: String,
        /// What that is.
        what: &'static str,
    },
    /// It was given too many or too few arguments.
    #[error("{function} was given {given} argument{}{}", if *.given == 1 { "" } else { "s" }, arguments::AsIn(.example))]
    Count {
        /// The function with its type.
        function: String,
        /// How many there were.
        given: usize,
        /// A call that would be right.
        example: Option<String>,
    },
    /// An argument is of another type.
    #[error("{function}: {parameter} {error}{}", arguments::AsIn(.example))]
    Argument {
        /// The function.
        function: String,
        /// Which argument.
        parameter: String,
        /// What is wrong with it.
        error: Box<ValueError>,
        /// A call that would be right.
        example: Option<String>,
    },
}

impl Explain for CallError {
    fn code(&self) -> Code {
        match self {
            Self::NotACall { .. } | Self::Count { .. } | Self::Argument { .. } => Code::E0501,
            Self::NoSuchFunction { .. } | Self::Ambiguous { .. } | Self::NotFromText { .. } => Code::E0502,
        }
    }
}

#[cfg(test)]
mod tests;
