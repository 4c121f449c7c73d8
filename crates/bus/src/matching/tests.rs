//! Matching agrees with its definition: written as a recursion over lists of words.

use proptest::prelude::*;

use super::matches;

/// What a pattern means, said as directly as can be.
fn means(pattern: &[&str], subject: &[&str]) -> bool {
    match (pattern, subject) {
        ([], []) => true,
        ([">"], [_, ..]) => true,
        (["*", pattern @ ..], [_, subject @ ..]) => means(pattern, subject),
        ([word, pattern @ ..], [token, subject @ ..]) => word == token && means(pattern, subject),
        _ => false,
    }
}

proptest! {
    #[test]
    fn matching_agrees_with_its_definition(
        pattern in "([ab*]\\.){0,4}[ab*>]",
        subject in "([ab]\\.){0,4}[ab]",
    ) {
        let words: [Vec<&str>; 2] = [&pattern, &subject].map(|text| text.split('.').collect());
        prop_assert_eq!(matches(&pattern, &subject), means(&words[0], &words[1]));
    }

    #[test]
    fn nothing_makes_it_panic(pattern in ".*", subject in ".*") {
        matches(&pattern, &subject);
    }
}

#[test]
fn a_word_is_no_part_of_a_word() {
    for (pattern, subject, wanted) in [
        ("a.b", "a.b", true),
        ("a.*", "a.b", true),
        ("a.*", "a.b.c", false),
        ("a.>", "a", false),
        ("a.>", "a.b.c", true),
        (">", "a", true),
        ("*", "a.b", false),
        ("a*", "ab", false),
        ("a", "ab", false),
    ] {
        assert_eq!(matches(pattern, subject), wanted, "{pattern} {subject}");
    }
}
