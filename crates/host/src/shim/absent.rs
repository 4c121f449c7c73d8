//! What a component is told where nobody is there to answer its call: the error of its contract, where that can say so.
//!
//! A function whose `result` has a text for an error, or an error with a case `other` or `internal-error` that has one, answers with
//! that. The call of any other function fails, and with it what the component was doing. The cause is for the host's log.
//!
//! # Invariants
//!
//! 1. What fails in a component that was called is never taken for its absence: that is the caller's failure.
//! 2. Of calls that nobody answers, one after the other, the first is logged.

use std::sync::atomic::{AtomicBool, Ordering};

use model::ComponentName;
use wasmtime::component::Val;
use wasmtime::component::types::{ComponentFunc, Type};

use crate::callee::CallError;

/// What is said in the place of whoever does not answer.
const SAID: &str = "the component that answers this is not available";

/// The cases of an error that are for whatever has no case of its own, the likelier one first.
const CASES: [&str; 2] = ["other", "internal-error"];

/// How callers of one function are told that nobody answers it.
pub(crate) struct Absent {
    source: ComponentName,
    function: String,
    form: Form,
    is_failing: AtomicBool,
}

/// How an error says it.
enum Form {
    /// It is a text.
    Text,
    /// By a case with a text.
    Case(String),
    /// By a case with a text that may be left out.
    MaybeCase(String),
}

/// An answer of a type that is known here.
pub(crate) trait Answer: Sized {
    /// The answer that is an error of these words, where it can be.
    fn absent(said: &str) -> Option<Self>;
}

// === impl Absent ===

impl Absent {
    /// Of a function that `source` imports; nothing where no answer of it can say so.
    pub(super) fn of(source: &ComponentName, (name, function): (&str, &ComponentFunc)) -> Option<Self> {
        let Some(Type::Result(result)) = function.results().next() else { return None };
        let form = Form::of(&result.err()?)?;
        Some(Self { source: source.clone(), function: name.to_owned(), form, is_failing: AtomicBool::new(false) })
    }

    /// Puts what is said in the place of the answer where there is none for lack of who would give it.
    pub(super) fn told(&self, outcome: wasmtime::Result<()>, results: &mut [Val]) -> wasmtime::Result<()> {
        match results {
            [result] if self.is_why(&outcome) => *result = self.form.said(),
            _ => return outcome,
        }
        Ok(())
    }

    /// The same for an answer of a type that is known here.
    pub(super) fn told_typed<R: Answer>(&self, outcome: wasmtime::Result<R>) -> wasmtime::Result<R> {
        let said = if self.is_why(&outcome) { R::absent(SAID) } else { None };
        said.map_or(outcome, Ok)
    }

    /// Whether there is no answer for lack of who would give it. That is logged unless it is known.
    fn is_why<T>(&self, outcome: &wasmtime::Result<T>) -> bool {
        let Err(error) = outcome else {
            // What all cores look at is written only where it changes.
            if self.is_failing.load(Ordering::Relaxed) {
                self.is_failing.store(false, Ordering::Relaxed);
            }
            return false;
        };
        let is_why = error.downcast_ref().is_some_and(CallError::is_absence);
        if is_why && !self.is_failing.swap(true, Ordering::Relaxed) {
            tracing::warn!(component = %self.source, function = self.function, "a call has no answer: {error:#}");
        }
        is_why
    }
}

// === impl Form ===

impl Form {
    /// How a type of errors says it, if it can.
    fn of(error: &Type) -> Option<Self> {
        match error {
            Type::String => Some(Self::Text),
            Type::Variant(variant) => CASES.iter().find_map(|name| {
                let case = variant.cases().find(|case| case.name == *name)?;
                match case.ty? {
                    Type::String => Some(Self::Case((*name).to_owned())),
                    Type::Option(option) if option.ty() == Type::String => Some(Self::MaybeCase((*name).to_owned())),
                    _ => None,
                }
            }),
            _ => None,
        }
    }

    /// The answer that says it.
    fn said(&self) -> Val {
        let text = || Box::new(Val::String(SAID.to_owned()));
        let error = match self {
            Self::Text => *text(),
            Self::Case(name) => Val::Variant(name.clone(), Some(text())),
            Self::MaybeCase(name) => Val::Variant(name.clone(), Some(Box::new(Val::Option(Some(text()))))),
        };
        Val::Result(Err(Some(Box::new(error))))
    }
}
