//! This is one line of a component, and how it is printed.
//!
//! # Invariants
//!
//! 1. A printed line has no control character but tabs, and none of the characters that turn the direction of text: whatever
//!    a component says, it is seen as text and on one line.

use std::fmt;

use engine::Numbers;
use model::ComponentName;

/// Bytes of a message that are printed.
const MESSAGE_MAX: usize = 16 * 1024;

/// Bytes of a context that are printed.
const CONTEXT_MAX: usize = 256;

/// Something that a component said. Its `Display` is how it is printed.
#[derive(Debug, Clone, Copy)]
pub struct LogLine<'a> {
    /// Who said it.
    pub component: &'a ComponentName,
    /// How it was said.
    pub kind: Kind,
    /// What it was said for.
    pub occasion: Occasion<'a>,
    /// What it belongs to, in the component's words; may be empty.
    pub context: &'a str,
    /// What was said.
    pub message: &'a str,
}

/// What a line was said for, as far as that is known: of what is written to a standard stream nothing is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Occasion<'a> {
    /// The instance that said it, and the invocation that it was said for.
    pub numbers: Option<Numbers>,
    /// The trace that it was said for, where there is one.
    pub trace: Option<&'a str>,
}

/// How a line was said: with a level, or to a standard stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Level `trace` of `wasi:logging`.
    Trace,
    /// Level `debug`.
    Debug,
    /// Level `info`.
    Info,
    /// Level `warn`.
    Warn,
    /// Level `error`.
    Error,
    /// Level `critical`.
    Critical,
    /// Written to standard output.
    Stdout,
    /// Written to standard error.
    Stderr,
    /// Said by the host about the component's lines.
    Notice,
}

// === impl Kind ===

impl Kind {
    /// The word that is printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Critical => "critical",
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
            Self::Notice => "notice",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

// === impl LogLine ===

impl fmt::Display for LogLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:<6} {}", self.component, self.kind, self.occasion)?;
        if !self.context.is_empty() {
            escape(f, head(self.context, CONTEXT_MAX))?;
            f.write_str(": ")?;
        }
        let shown = head(self.message, MESSAGE_MAX);
        escape(f, shown)?;
        if shown.len() < self.message.len() {
            write!(f, " [the first {} of {} bytes]", shown.len(), self.message.len())?;
        }
        Ok(())
    }
}

// === impl Occasion ===

impl fmt::Display for Occasion<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Numbers { instance, invocation }) = self.numbers {
            write!(f, "instance={instance} ")?;
            if let Some(invocation) = invocation {
                write!(f, "invocation={invocation} ")?;
            }
        }
        if let Some(trace) = self.trace {
            f.write_str("trace=")?;
            escape(f, trace)?;
            f.write_str(" ")?;
        }
        Ok(())
    }
}

/// The first so many bytes, or a few less so that no character is cut.
fn head(text: &str, max: usize) -> &str {
    &text[..text.floor_char_boundary(max)]
}

fn escape(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    let mut rest = text;
    while let Some(start) = rest.find(is_unsafe) {
        let (safe, from) = rest.split_at(start);
        f.write_str(safe)?;
        let mut characters = from.chars();
        match characters.next() {
            Some('\n') => f.write_str("\\n")?,
            Some('\r') => f.write_str("\\r")?,
            Some(character) => write!(f, "{}", character.escape_unicode())?,
            None => {}
        }
        rest = characters.as_str();
    }
    f.write_str(rest)
}

/// Control characters, line and paragraph separators, and what turns the direction of text or hides in it.
fn is_unsafe(character: char) -> bool {
    let is_control = character.is_control() && character != '\t';
    is_control
        || matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200b}'..='\u{200f}' | '\u{61c}' | '\u{feff}')
}
