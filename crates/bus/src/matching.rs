//! Decides whether a pattern means a subject.

/// Whether `pattern` means `subject`, both as the checked types of [`subject`](crate::subject) hold them.
pub(crate) fn matches(pattern: &str, subject: &str) -> bool {
    let mut wanted = pattern.split('.');
    let mut tokens = subject.split('.');
    loop {
        match (wanted.next(), tokens.next()) {
            (None, None) | (Some(">"), Some(_)) => return true,
            (Some("*"), Some(_)) => {}
            (Some(word), Some(token)) if word == token => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests;
