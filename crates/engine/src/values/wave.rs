//! These are component values as WAVE, the text form of the component model.

use std::error::Error as _;

use wasm_wave::parser::{ParserError, ParserErrorKind};
use wasm_wave::untyped::UntypedValue;
use wasmtime::component::{Type, Val};

use super::ValueError;

/// How much of a wrong text is repeated.
const REPEATED_MAX: usize = 80;

/// A value as text.
///
/// Of a type without handles: see [`super::handle_in`].
pub(crate) fn to_wave(value: &Val) -> String {
    wasm_wave::wasm::DisplayValue(value).to_string()
}

/// Reads a value of this type from text.
pub(crate) fn from_wave(ty: &Type, text: &str) -> Result<Val, ValueError> {
    let value = UntypedValue::parse(text).map_err(|error| ValueError::new(ty, problem(text, &error)))?;
    value.to_wasm_value(ty).map_err(|error| ValueError::new(ty, problem(text, &error)))
}

/// What was given, and what is wrong with it where that is more than its type.
fn problem(text: &str, error: &ParserError) -> String {
    let whole = text.trim();
    let part = text.get(error.span()).unwrap_or_default().trim();
    let reason = match (error.source(), error.detail()) {
        (Some(source), _) => source.to_string(),
        (None, Some(detail)) => format!("{}: {detail}", error.kind()),
        (None, None) => error.kind().to_string(),
    };
    let is_only_the_type = matches!(error.kind(), ParserErrorKind::InvalidType | ParserErrorKind::InvalidValue);
    match part {
        "" => format!("{} ({reason})", cut(whole)),
        part if part == whole && is_only_the_type => cut(whole),
        part if part == whole => format!("{} ({reason})", cut(whole)),
        part => format!("{} ({reason} in {})", cut(whole), cut(part)),
    }
}

pub(super) fn cut(text: &str) -> String {
    match text.char_indices().nth(REPEATED_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
