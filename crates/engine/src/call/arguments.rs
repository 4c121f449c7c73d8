//! Reads calls and their arguments from text.

use std::fmt;

use serde_json::Value as Json;
use wasm_wave::untyped::UntypedFuncCall;
use wasmtime::component::{Type, Val};

use super::{CallError, Function};
use crate::values::{ValueError, example, from_json, from_wave};

/// A call as it was typed: a name and arguments, not yet compared with any function.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The function that is meant.
    pub name: String,
    arguments: Arguments,
}

#[derive(Debug, Clone, PartialEq)]
enum Arguments {
    /// A text for each.
    Wave(Vec<String>),
    /// A value for each.
    Json(Vec<Json>),
}

// === impl Request ===

impl Request {
    /// Reads `name(arguments)` in WAVE. A name alone is a call without arguments.
    pub fn parse(text: &str) -> Result<Self, CallError> {
        let not_a_call = |why: String| CallError::NotACall { text: text.to_owned(), why };
        let text = text.trim();
        let (name, arguments) = match text.find('(') {
            Some(at) => text.split_at(at),
            None => (text, "()"),
        };
        if name.trim().is_empty() {
            return Err(not_a_call("it has no name".into()));
        }
        // The name's form is the component's business, so WAVE reads the arguments only.
        let call = format!("f{arguments}");
        let call = UntypedFuncCall::parse(&call).map_err(|error| {
            let rest = call.get(error.span().start..).unwrap_or_default();
            let at = if rest.is_empty() { String::new() } else { format!(" at {rest:?}") };
            not_a_call(format!("{}{at}", error.kind()))
        })?;
        let nodes = match call.params_node() {
            Some(nodes) => nodes.as_tuple().map_err(|error| not_a_call(error.kind().to_string()))?.collect(),
            None => Vec::new(),
        };
        let texts = nodes.into_iter().map(|node| call.source().get(node.span()).unwrap_or_default().to_owned());
        Ok(Self { name: name.trim().to_owned(), arguments: Arguments::Wave(texts.collect()) })
    }

    /// A call of `name` with arguments as a JSON array.
    pub fn with_json(name: &str, json: &str) -> Result<Self, CallError> {
        let not_a_call = |why: String| CallError::NotACall { text: json.to_owned(), why };
        match serde_json::from_str(json) {
            Ok(Json::Array(values)) => Ok(Self { name: name.trim().to_owned(), arguments: Arguments::Json(values) }),
            Ok(_) => Err(not_a_call("arguments in JSON are an array, as in '[1, \"two\"]'".into())),
            Err(error) => Err(not_a_call(error.to_string())),
        }
    }

    fn count(&self) -> usize {
        match &self.arguments {
            Arguments::Wave(texts) => texts.len(),
            Arguments::Json(values) => values.len(),
        }
    }

    fn read(&self, at: usize, ty: &Type) -> Option<Result<Val, ValueError>> {
        match &self.arguments {
            Arguments::Wave(texts) => texts.get(at).map(|text| from_wave(ty, text)),
            Arguments::Json(values) => values.get(at).map(|value| from_json(ty, value)),
        }
    }
}

// === impl Function ===

impl Function {
    /// The arguments of `request`, checked against what the function takes. Options at the end may be left out.
    pub(super) fn arguments(&self, request: &Request) -> Result<Vec<Val>, CallError> {
        if let Some(refusal) = self.refusal() {
            return Err(refusal);
        }
        let parameters = self.parameters();
        let count = || CallError::Count { function: self.to_string(), given: request.count(), example: self.example() };
        if request.count() > parameters.len() {
            return Err(count());
        }
        let mut arguments = Vec::with_capacity(parameters.len());
        for (at, (parameter, ty)) in parameters.into_iter().enumerate() {
            let read = match (request.read(at, &ty), &ty) {
                (Some(read), _) => read.or_else(|error| self.unsigned(request, at, error)),
                (None, Type::Option(_)) => Ok(Val::Option(None)),
                (None, _) => return Err(count()),
            };
            arguments.push(read.map_err(|error| CallError::Argument {
                function: stdx::printable(&self.path()).to_string(),
                parameter,
                error: Box::new(error),
                example: self.example(),
            })?);
        }
        Ok(arguments)
    }

    /// A core module's numbers are bits: what does not fit with a sign may fit without one.
    fn unsigned(&self, request: &Request, at: usize, error: ValueError) -> Result<Val, ValueError> {
        let wider = match error.wanted.as_str() {
            "s32" if self.is_core() => Type::U32,
            "s64" if self.is_core() => Type::U64,
            _ => return Err(error),
        };
        match request.read(at, &wider) {
            Some(Ok(Val::U32(number))) => Ok(Val::S32(number.cast_signed())),
            Some(Ok(Val::U64(number))) => Ok(Val::S64(number.cast_signed())),
            _ => Err(error),
        }
    }

    /// A call of it, to show how one is written.
    fn example(&self) -> Option<String> {
        let arguments: Option<Vec<String>> = self.parameters().iter().map(|(_, ty)| example(ty)).collect();
        arguments.map(|arguments| format!("{}({})", stdx::printable(&self.path()), arguments.join(", ")))
    }
}

/// The example of an error.
pub(super) struct AsIn<'a>(pub(super) &'a Option<String>);

impl fmt::Display for AsIn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|example| write!(f, "; one call of it is '{example}'"))
    }
}
