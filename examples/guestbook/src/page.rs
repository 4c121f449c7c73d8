//! Draws the entries, as HTML for people and as JSON for programs.

use std::fmt::Write;
use std::time::{Duration, SystemTime};

use crate::book::Entry;

/// The whole page.
pub(crate) fn html(entries: &[Entry]) -> String {
    let list: String = entries.iter().map(article).collect();
    let shown = if list.is_empty() { "<p class=\"empty\">Be the first.</p>" } else { &list };
    include_str!("page.html").replace("{entries}", shown)
}

/// The entries as a list of objects.
pub(crate) fn json(entries: &[Entry]) -> String {
    let objects: Vec<String> = entries
        .iter()
        .map(|entry| {
            let seconds = entry.time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
            let (name, message) = (quoted(&entry.name), quoted(&entry.message));
            format!("{{\"time\":{seconds},\"name\":{name},\"message\":{message}}}")
        })
        .collect();
    format!("[{}]\n", objects.join(","))
}

fn article(entry: &Entry) -> String {
    let age = ago(entry.time.elapsed().unwrap_or_default());
    let (name, message) = (escaped(&entry.name), escaped(&entry.message));
    format!("<article><b>{name}</b><time>{age}</time><p>{message}</p></article>\n")
}

fn ago(age: Duration) -> String {
    let seconds = age.as_secs();
    let (number, unit) = match seconds {
        0..60 => return "just now".to_owned(),
        60..3600 => (seconds / 60, "minute"),
        3600..86400 => (seconds / 3600, "hour"),
        _ => (seconds / 86400, "day"),
    };
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {unit}{plural} ago")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            control if control.is_control() => {
                write!(quoted, "\\u{:04x}", u32::from(control)).expect("a string takes all that is written");
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}
