//! Subjects as topics of MQTT, and back: `orders.new` is `orders/new`.
//!
//! What a word of a subject cannot have is written as NATS servers write it for their own clients of MQTT: a `.` within a level
//! is `//`, and a level without a character is `/`. So `lamp/v1.2//on` is `lamp.v1//2./.on`.
//!
//! # Invariants
//!
//! 1. What is made from a topic and back is the same topic, and from a subject the same subject.
//! 2. A subject that has no topic is refused, never sent somewhere else: a `/` on its own in a word, and a word of `+` or `#`.

use bus::{Pattern, Subject};

/// The topic of a subject, if it has one.
pub(super) fn topic(subject: &Subject) -> Option<String> {
    joined(subject.tokens().map(|word| level(word).filter(|level| !level.contains(['+', '#']))))
}

/// The filter that matches what a pattern does, if there is one. It may match more: `orders/#` matches `orders`, too.
pub(super) fn filter(pattern: &Pattern) -> Option<String> {
    joined(pattern.as_str().split('.').map(|word| match word {
        "*" => Some("+".to_owned()),
        ">" => Some("#".to_owned()),
        word => level(word).filter(|level| !level.contains(['+', '#'])),
    }))
}

/// The subject of a topic, if it has one: none has white space in it.
pub(super) fn subject(topic: &str) -> Option<Subject> {
    let word = |level: &str| if level.is_empty() { "/".to_owned() } else { level.replace('.', "//") };
    topic.split('/').map(word).collect::<Vec<_>>().join(".").parse().ok()
}

fn joined(levels: impl Iterator<Item = Option<String>>) -> Option<String> {
    Some(levels.collect::<Option<Vec<_>>>()?.join("/"))
}

fn level(word: &str) -> Option<String> {
    let level = if word == "/" { String::new() } else { word.replace("//", ".") };
    (!level.contains('/')).then_some(level)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_come_back_as_they_went() {
        for (text, expected) in [
            ("orders", "orders"),
            ("orders/new", "orders.new"),
            ("lamp/v1.2//on", "lamp.v1//2./.on"),
            ("/lead", "/.lead"),
            ("trail/", "trail./"),
            ("//", "/././"),
            ("a..b", "a////b"),
            (".", "//"),
            ("größe/ß", "größe.ß"),
        ] {
            let made = subject(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!((made.as_str(), topic(&made).as_deref()), (expected, Some(text)));
        }
        assert_eq!((subject("a b"), subject("a/\0")), (None, None));
    }

    #[test]
    fn what_is_no_topic_is_none() {
        for text in ["a.b/c", "a.///", "a.+", "#", "a+b.c", "a.b#"] {
            assert_eq!(topic(&text.parse().unwrap_or_else(|_| panic!("{text}"))), None, "{text}");
        }
    }

    #[test]
    fn a_pattern_is_a_filter() {
        let made = |text: &str| filter(&text.parse().expect("a pattern"));
        assert_eq!(made("orders.*.new"), Some("orders/+/new".into()));
        assert_eq!(made("orders.>"), Some("orders/#".into()));
        assert_eq!(made("v1//2.x"), Some("v1.2/x".into()));
        assert_eq!((made("a.b/c"), made("a.+.b"), made("a.#")), (None, None, None));
    }
}
