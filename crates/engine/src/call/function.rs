//! These are the functions that a program exports, and how one is found by name.

use std::fmt;

use wasmtime::component::{Type, types};
use wasmtime::{FuncType, ValType};

use super::CallError;
use crate::engines::Loaded;
use crate::values::{TypeText, handle_in};

/// How many functions an error lists.
const LISTED_MAX: usize = 40;

/// A function that a program exports.
#[derive(Debug, Clone)]
pub struct Function {
    /// The exported interface that it is in, with its version, or nothing at the outermost level.
    pub interface: Option<String>,
    /// Its name there.
    pub name: String,
    pub(super) signature: Signature,
}

/// What it takes and gives.
#[derive(Debug, Clone)]
pub(super) enum Signature {
    Component(types::ComponentFunc),
    CoreModule(FuncType),
}

/// All functions that `loaded` exports, those of the outermost level first. What a reactor does once, before all else, is not among them.
pub fn functions(loaded: &Loaded) -> Vec<Function> {
    match loaded {
        Loaded::Component(component) => {
            let (ty, engine) = (component.component_type(), component.engine());
            let exports = ty.exports(engine).flat_map(|(name, export)| in_export(engine, name, export.ty));
            let mut functions: Vec<_> = exports.collect();
            functions.sort_by_key(|function| function.interface.is_some());
            functions
        }
        Loaded::CoreModule(module) => {
            let exports = module.exports().filter(|export| export.name() != "_initialize");
            let functions = exports.filter_map(|export| {
                let signature = Signature::CoreModule(export.ty().func()?.clone());
                Some(Function { interface: None, name: export.name().to_owned(), signature })
            });
            functions.collect()
        }
    }
}

fn in_export(engine: &wasmtime::Engine, name: &str, item: types::ComponentItem) -> Vec<Function> {
    use types::ComponentItem;
    match item {
        ComponentItem::ComponentFunc(function) => {
            vec![Function { interface: None, name: name.to_owned(), signature: Signature::Component(function) }]
        }
        ComponentItem::ComponentInstance(instance) => {
            let functions = instance.exports(engine).filter_map(|(inner, item)| match item.ty {
                ComponentItem::ComponentFunc(function) => Some(Function {
                    interface: Some(name.to_owned()),
                    name: inner.to_owned(),
                    signature: Signature::Component(function),
                }),
                _ => None,
            });
            functions.collect()
        }
        _ => Vec::new(),
    }
}

/// The function that `name` means: `function`, `interface.function` or `package:name/interface.function`, with or without
/// a version at either end.
///
/// A function of the outermost level goes before one of an interface.
pub fn find<'a>(functions: &'a [Function], name: &str) -> Result<&'a Function, CallError> {
    if let Some(function) = functions.iter().find(|function| function.interface.is_none() && function.name == name) {
        return Ok(function);
    }
    let found: Vec<&Function> = functions.iter().filter(|function| function.is_called(name)).collect();
    match found[..] {
        [function] => Ok(function),
        [] => Err(CallError::NoSuchFunction { asked: name.to_owned(), there: listed(functions.iter()) }),
        _ => Err(CallError::Ambiguous { asked: name.to_owned(), candidates: listed(found.into_iter()) }),
    }
}

/// Their texts, as many as are printed, and how many there are beside those.
fn listed<'a>(functions: impl ExactSizeIterator<Item = &'a Function>) -> Vec<String> {
    let more = functions.len().saturating_sub(LISTED_MAX);
    let mut texts: Vec<String> = functions.take(LISTED_MAX).map(ToString::to_string).collect();
    if more > 0 {
        texts.push(format!("and {more} more"));
    }
    texts
}

/// The functions of an error, one a line.
pub(super) struct Listed<'a>(pub(super) &'a [String]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("it exports none");
        }
        f.write_str("there are:")?;
        self.0.iter().try_for_each(|text| write!(f, "\n  {text}"))
    }
}

// === impl Function ===

impl Function {
    /// The name that calls it and no other.
    pub fn path(&self) -> String {
        match &self.interface {
            Some(interface) => format!("{interface}.{}", self.name),
            None => self.name.clone(),
        }
    }

    /// The names and types of its parameters. Those of a core module have no names, only places.
    pub(super) fn parameters(&self) -> Vec<(String, Type)> {
        match &self.signature {
            Signature::Component(function) => {
                function.params().map(|(name, ty)| (format!("parameter {name}"), ty)).collect()
            }
            Signature::CoreModule(function) => {
                let types = function.params().filter_map(|ty| component_type(&ty));
                types.enumerate().map(|(at, ty)| (format!("argument {}", at + 1), ty)).collect()
            }
        }
    }

    /// How many values it gives.
    pub fn results(&self) -> usize {
        match &self.signature {
            Signature::Component(function) => function.results().len(),
            Signature::CoreModule(function) => function.results().len(),
        }
    }

    /// Whether it is one of a core module, whose numbers have no sign.
    pub(super) fn is_core(&self) -> bool {
        matches!(self.signature, Signature::CoreModule(_))
    }

    /// Nothing where all it takes and gives can be written as text.
    pub fn refusal(&self) -> Option<CallError> {
        let what = match &self.signature {
            Signature::Component(function) => {
                let parameters = function.params().map(|(_, ty)| ty);
                parameters.chain(function.results()).find_map(|ty| handle_in(&ty))
            }
            Signature::CoreModule(function) => {
                let types = function.params().chain(function.results());
                types.filter(|ty| component_type(ty).is_none()).map(|ty| core_handle(&ty)).next()
            }
        };
        what.map(|what| CallError::NotFromText { function: self.to_string(), what })
    }

    /// Whether `name` can mean this function of an interface.
    fn is_called(&self, name: &str) -> bool {
        let Some(interface) = &self.interface else { return false };
        if name == self.name {
            return true;
        }
        let (unversioned, version) = interface.split_once('@').unwrap_or((interface, ""));
        let short = unversioned.rsplit_once('/').map_or(unversioned, |(_, short)| short);
        let Some((at, function)) = split_version(name, version).rsplit_once('.') else { return false };
        function == self.name && (at == interface || at == unversioned || at == short)
    }
}

/// `name` without the version where that comes last, as in `demo:calc/ops.add@0.1.0`.
fn split_version<'a>(name: &'a str, version: &str) -> &'a str {
    match name.rsplit_once('@') {
        Some((before, last)) if last == version => before,
        _ => name,
    }
}

/// The type of components that a core module's number is read and written as.
pub(super) fn component_type(ty: &ValType) -> Option<Type> {
    match ty {
        ValType::I32 => Some(Type::S32),
        ValType::I64 => Some(Type::S64),
        ValType::F32 => Some(Type::Float32),
        ValType::F64 => Some(Type::Float64),
        ValType::V128 | ValType::Ref(_) => None,
    }
}

fn core_handle(ty: &ValType) -> &'static str {
    if matches!(ty, ValType::V128) { "a vector (v128)" } else { "a reference" }
}

/// `demo:calc/ops@0.1.0.divide: func(dividend: f64, divisor: f64) -> result<f64, string>`
impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", stdx::printable(&self.path()))?;
        match &self.signature {
            Signature::Component(function) => {
                f.write_str(if function.async_() { "async func(" } else { "func(" })?;
                separated(f, function.params(), |f, (name, ty)| write!(f, "{name}: {}", TypeText(&ty)))?;
                f.write_str(")")?;
                function.results().try_for_each(|ty| write!(f, " -> {}", TypeText(&ty)))
            }
            Signature::CoreModule(function) => {
                f.write_str("func(")?;
                separated(f, function.params(), |f, ty| write!(f, "{ty}"))?;
                f.write_str(")")?;
                match function.results().len() {
                    0 => return Ok(()),
                    1 => f.write_str(" -> ")?,
                    _ => f.write_str(" -> (")?,
                }
                separated(f, function.results(), |f, ty| write!(f, "{ty}"))?;
                f.write_str(if function.results().len() > 1 { ")" } else { "" })
            }
        }
    }
}

fn separated<T>(
    f: &mut fmt::Formatter<'_>,
    items: impl Iterator<Item = T>,
    mut write: impl FnMut(&mut fmt::Formatter<'_>, T) -> fmt::Result,
) -> fmt::Result {
    for (position, item) in items.enumerate() {
        f.write_str(if position > 0 { ", " } else { "" })?;
        write(f, item)?;
    }
    Ok(())
}
