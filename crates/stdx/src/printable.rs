//! This is text of strangers, made safe to print.

use std::fmt::{self, Write};

/// Prints `text` with all that a terminal would obey, and all that hides in text, written out as `\u{1b}`.
///
/// Names in a file are chosen by whoever made it: printed as they are they could move the cursor, rewrite lines or hide.
pub fn printable(text: &str) -> impl fmt::Display + '_ {
    Printable(text)
}

struct Printable<'a>(&'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| match is_unsafe(character) {
            true => write!(f, "{}", character.escape_unicode()),
            false => f.write_char(character),
        })
    }
}

/// Control characters, line and paragraph separators, and what turns the direction of text or has no width.
fn is_unsafe(character: char) -> bool {
    let is_invisible = matches!(character,
        '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    character.is_control() || is_invisible
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_written_out() {
        assert_eq!(printable("add-größe").to_string(), "add-größe");
        assert_eq!(printable("a\x1b[2Jb\n\u{202e}").to_string(), "a\\u{1b}[2Jb\\u{a}\\u{202e}");
    }
}
