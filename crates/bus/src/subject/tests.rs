//! What is a name, and what is none.

use proptest::prelude::*;
use stdx::{Code, Explain};

use super::*;

#[test]
fn names_are_what_a_line_of_the_protocol_can_hold() {
    for text in ["a", "a.b", "$SYS.REQ", "_INBOX.x.1", "größe.ä", "a*b.c>d", &"a".repeat(1_024)] {
        assert_eq!(text.parse::<Subject>().expect("a subject").as_str(), text);
        assert_eq!(text.parse::<Pattern>().expect("a pattern").as_str(), text);
    }
    for text in ["*", ">", "a.*", "*.a.>", "a.>"] {
        assert!(text.parse::<Subject>().is_err_and(|error| error.flaw == Flaw::Wildcard), "{text}");
        assert!(text.parse::<Pattern>().is_ok_and(|pattern| !pattern.is_literal()), "{text}");
    }
    assert!("workers.of a".parse::<QueueGroup>().is_err());
    assert_eq!("..".parse::<QueueGroup>().expect("dots mean nothing in it").as_str(), "..");
}

#[test]
fn what_is_none_says_why() {
    for (text, why) in [
        ("", "\"\" is no subject: it is empty"),
        (".a", "\".a\" is no subject: there is nothing before, between or after dots"),
        ("a.", "\"a.\" is no subject: there is nothing before, between or after dots"),
        ("a..b", "\"a..b\" is no subject: there is nothing before, between or after dots"),
        ("a b", "\"a b\" is no subject: it has ' ' in it"),
        ("a\r\nPUB b 0", "\"a\\r\\nPUB b 0\" is no subject: it has '\\r' in it"),
        ("a\u{1b}[2J", "\"a\\u{1b}[2J\" is no subject: it has '\\u{1b}' in it"),
        ("a.*", "\"a.*\" is no subject: a wildcard can only be subscribed to"),
    ] {
        let error = text.parse::<Subject>().expect_err(text);
        assert_eq!((error.to_string().as_str(), error.code()), (why, Code::E0704));
    }
    let error = "a.>.b".parse::<Pattern>().expect_err("it goes on");
    assert_eq!(error.to_string(), "\"a.>.b\" is no pattern of subjects: `>` can only stand at its end");
    let error = "x".repeat(1_025).parse::<Subject>().expect_err("it is too long");
    assert!(error.to_string().len() < 200, "what is refused is not repeated whole");
}

#[test]
fn what_is_below_a_subject_is_one_or_says_why_not() {
    let root: Subject = "_INBOX.x".parse().expect("a subject");
    for words in ["results", "results.0.1", "größe"] {
        let below = root.below(words).expect("a subject");
        assert_eq!(Ok(below), format!("_INBOX.x.{words}").parse::<Subject>());
    }
    for words in ["", ".a", "a..b", "a b", "*", "a.>", "a\r\nPUB b 0", &"x".repeat(1_016)] {
        assert!(root.below(words).is_err(), "{words}");
    }
    assert_eq!(root.below(&"x".repeat(1_015)).map(|below| below.as_str().len()), Ok(1_024));
}

proptest! {
    #[test]
    fn no_name_can_break_a_line_or_a_word(text in "\\PC{0,9}[ \t\r\n\0a.]{0,3}\\PC{0,9}") {
        let names = [
            text.parse::<Subject>().ok().map(|name| name.to_string()),
            text.parse::<Pattern>().ok().map(|name| name.to_string()),
            text.parse::<QueueGroup>().ok().map(|name| name.to_string()),
        ];
        for name in names.into_iter().flatten() {
            prop_assert_eq!(&name, &text);
            prop_assert!(!name.is_empty() && name.split_whitespace().eq([name.as_str()]));
            prop_assert!(!name.contains(char::is_control));
        }
    }

    #[test]
    fn a_subject_is_the_pattern_that_means_it_alone(subject in "[a-c]{1,2}(\\.[a-c]{1,2}){0,3}", other in "[a-c]{1,2}(\\.[a-c]{1,2}){0,3}") {
        let [subject, other]: [Subject; 2] = [subject, other].map(|text| text.parse().expect("a subject"));
        let pattern = Pattern::from(subject.clone());
        prop_assert!(pattern.is_literal() && pattern.matches(&subject));
        prop_assert_eq!(pattern.matches(&other), subject == other);
    }
}
