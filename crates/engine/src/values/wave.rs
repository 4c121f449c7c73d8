//! These are component values as WAVE, the text form of the component model.

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

/// What was given, and where in it the problem is when that is only a part.
fn problem(text: &str, error: &wasm_wave::parser::ParserError) -> String {
    let whole = text.trim();
    let part = text.get(error.span()).unwrap_or_default().trim();
    let detail = error.detail().map_or(String::new(), |detail| format!(": {detail}"));
    match part {
        "" => format!("{} ({}{detail})", cut(whole), error.kind()),
        part if part == whole => cut(whole),
        part => format!("{} ({}{detail} in {})", cut(whole), error.kind(), cut(part)),
    }
}

pub(super) fn cut(text: &str) -> String {
    match text.char_indices().nth(REPEATED_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
