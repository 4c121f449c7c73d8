//! This reads of a statement what concerns everyone: whether it is about transactions, which have functions of their own.
//!
//! # Invariants
//!
//! 1. Nothing is decided here that safety rests on: sessions are cleaned of what a statement left, however it was written.

/// What begins, ends or divides a transaction.
const CONTROL: [&str; 9] = ["begin", "start", "commit", "end", "rollback", "abort", "savepoint", "release", "prepare"];

/// The word that a statement begins with, where it is one that controls transactions.
pub(crate) fn control(statement: &str) -> Option<&'static str> {
    let rest = after_comments(statement);
    let word = &rest[..rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len())];
    CONTROL.into_iter().find(|control| word.eq_ignore_ascii_case(control))
}

/// The statement without what may stand before its first word.
fn after_comments(mut statement: &str) -> &str {
    loop {
        statement = statement.trim_start_matches(|c: char| c.is_whitespace() || c == ';' || c == '\u{feff}');
        if let Some(comment) = statement.strip_prefix("--") {
            statement = comment.split_once('\n').map_or("", |(_, rest)| rest);
        } else if let Some(comment) = statement.strip_prefix("/*") {
            statement = comment.split_once("*/").map_or("", |(_, rest)| rest);
        } else {
            return statement;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_controls_transactions_is_known_however_it_is_written() {
        for (statement, word) in [
            ("BEGIN", "begin"),
            ("begin immediate", "begin"),
            (" ;\n-- so\n /* and */ Commit;", "commit"),
            ("rollback to a", "rollback"),
            ("/**/--\nSAVEPOINT a", "savepoint"),
            ("prepare transaction 'a'", "prepare"),
        ] {
            assert_eq!(control(statement), Some(word), "{statement}");
        }
        for statement in
            ["", "select 1", "beginning", "insert into begin values (1)", "/* begin", "-- begin", "é begin"]
        {
            assert_eq!(control(statement), None, "{statement}");
        }
    }
}
