//! This is a call in text: what is asked of a component over the bus by who knows none of its types, and what is answered.

use serde::{Deserialize, Serialize};

use crate::ask::control_prefix;

/// What a component is called about, on whichever host of the lattice runs it.
pub fn call_subject(lattice: &str, component: &str) -> String {
    format!("{}.call.{component}", control_prefix(lattice))
}

/// A call as it was typed. The host that runs the component knows what it means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextCall {
    /// `name(arguments)` in WAVE; the name alone, where the arguments are given beside it.
    pub call: String,
    /// The arguments as an array in JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<String>,
    /// How the result is to be written.
    pub form: TextForm,
    /// How long the caller waits, in milliseconds.
    pub time_ms: u64,
}

/// How values are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TextForm {
    /// As WAVE.
    Wave,
    /// As JSON.
    Json,
}

/// What a call gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextAnswer {
    /// In the form that was asked for.
    pub result: String,
}
