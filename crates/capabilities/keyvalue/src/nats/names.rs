//! What things are called in NATS.
//!
//! ```text
//! $KV.wattle.shop.default.user=3a42     the value of the key `user:42` of the bucket `default` of `shop`
//! $KV.wattle.shop.default.*             all values of that bucket
//! wattle.deleted.$KV.wattle.shop.…       says that the value of that key was deleted
//! ```
//!
//! Letters, digits, `-` and `_` stand for themselves, each other byte is `=` and its number; nothing at all is `=` alone. A
//! name that would be too long for a line of the protocol is `==` and its digest, and comes along in a header.
//!
//! # Invariants
//!
//! 1. Different names are different tokens, and every token is a legal one: `=` is escaped too, so that neither `=` alone nor
//!    `==` can come from a name's own bytes.
//! 2. A subject is shorter than 2 KiB; a server takes lines of 4 KiB, unless it is told otherwise, and drops who sends more.

use std::fmt::Write;

use async_nats::jetstream::stream::Config;
use line::jetstream::{BadBucket, BucketName, Kept, NewBucket};

use crate::scope::{Key, Parts, Scope};

/// The longest token that is not a digest.
const TOKEN_MAX: usize = 768;

/// What stands before the subject of a key that was deleted: the whole is no subject of the stream.
const DELETED: &str = "wattle.deleted.";

/// Where a store's subjects begin, and what its stream is called.
#[derive(Debug, Clone)]
pub(super) struct Bucket(BucketName);

/// A name that a token stands for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// This one.
    Name(String),
    /// One that is too long to be a token. It stands in the header of what is stored.
    Long,
    /// None: it was not put there by us.
    Nothing,
}

// === impl Bucket ===

impl Bucket {
    pub(super) fn new(name: &str) -> Result<Self, BadBucket> {
        BucketName::new(name).map(Self)
    }

    /// The bucket as any client knows it, but for one thing: it is read from its leader alone, so that nobody reads what was
    /// before.
    pub(super) fn kept(&self, new: Option<NewBucket>) -> Kept {
        let new = new.unwrap_or(NewBucket { replicas: 1, limit: None });
        let config = Config {
            name: self.stream(),
            subjects: vec![self.all()],
            max_messages_per_subject: 1,
            deny_delete: true,
            deny_purge: false,
            allow_direct: false,
            ..new.config()
        };
        Kept { name: self.0.clone(), config }
    }

    /// The stream that keeps it.
    pub(super) fn stream(&self) -> String {
        format!("KV_{}", self.0.as_str())
    }

    /// All of its subjects.
    fn all(&self) -> String {
        format!("$KV.{}.>", self.0.as_str())
    }

    /// The subjects of a bucket of a component.
    pub(super) fn subjects(&self, scope: &Scope) -> String {
        format!("{}.*", self.start(scope.parts()))
    }

    /// Where the deletions of keys of a bucket of a component are announced.
    pub(super) fn deletions(&self, scope: &Scope) -> String {
        format!("{DELETED}{}", self.subjects(scope))
    }

    /// Where the deletion of a key is announced.
    pub(super) fn deletion(&self, key: &Key) -> String {
        format!("{DELETED}{}", self.subject(key))
    }

    /// The subject of a key.
    pub(super) fn subject(&self, key: &Key) -> String {
        let parts = key.parts();
        format!("{}.{}", self.start(parts), token(parts.name))
    }

    fn start(&self, parts: Parts<'_>) -> String {
        format!("$KV.{}.{}.{}", self.0.as_str(), token(parts.component), token(parts.bucket))
    }
}

/// The name for the header, of a key whose token does not say it.
pub(super) fn long_name(key: &Key) -> Option<String> {
    let escaped = escaped(key.parts().name);
    (escaped.len() > TOKEN_MAX).then_some(escaped)
}

/// What the last token of a subject stands for.
pub(super) fn meaning(subject: &str) -> Meaning {
    match subject.rsplit_once('.').map_or(subject, |(_, token)| token) {
        "=" => Meaning::Name(String::new()),
        token if token.starts_with("==") => Meaning::Long,
        token => unescaped(token).map_or(Meaning::Nothing, Meaning::Name),
    }
}

fn token(part: &[u8]) -> String {
    let escaped = escaped(part);
    match escaped.len() {
        0 => "=".to_owned(),
        1..=TOKEN_MAX => escaped,
        _ => format!("=={}", blake3::hash(part)),
    }
}

fn escaped(part: &[u8]) -> String {
    let mut text = String::with_capacity(part.len());
    for byte in part {
        if byte.is_ascii_alphanumeric() || b"-_".contains(byte) {
            text.push(char::from(*byte));
        } else {
            write!(text, "={byte:02x}").expect("a text takes what it is given");
        }
    }
    text
}

/// The text that is escaped so, if any is: each in one way.
pub(super) fn unescaped(token: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(token.len());
    let mut parts = token.split('=');
    bytes.extend_from_slice(parts.next()?.as_bytes());
    for part in parts {
        let (number, rest) = part.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(number, 16).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).ok().filter(|text| escaped(text.as_bytes()) == token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::scope;

    fn subject(component: &str, bucket: &str, name: &str) -> String {
        Bucket::new("wattle").expect("it is legal").subject(&scope(component, bucket).key(name))
    }

    #[test]
    fn subjects_can_be_read_and_mean_what_they_were_made_from() {
        assert_eq!(subject("shop", "", "user:42"), "$KV.wattle.shop.default.user=3a42");
        assert_eq!(subject("a.b", "ü", ""), "$KV.wattle.a=2eb.=c3=bc.=");
        for name in ["", "=", "==", "a.b", "*", ">", "A", "a", "é", "\0", " ", "3a", "=3a"] {
            assert_eq!(meaning(&subject("shop", "", name)), Meaning::Name(name.to_owned()), "{name:?}");
        }
    }

    #[test]
    fn a_long_name_is_a_digest_and_its_text_goes_along() {
        let long = "é".repeat(2_048);
        let key = scope(&"c".repeat(128), &"🌿".repeat(256)).key(&long);
        let subject = Bucket::new(&"b".repeat(64)).expect("it is legal").subject(&key);
        assert!(subject.len() < 2_048, "{}", subject.len());
        assert_eq!(meaning(&subject), Meaning::Long);
        assert_eq!(long_name(&key).as_deref().and_then(unescaped), Some(long));
        assert_eq!(long_name(&scope("shop", "").key(&"k".repeat(TOKEN_MAX))), None);
    }

    #[test]
    fn what_others_put_there_means_nothing() {
        for token in ["a=", "a=3", "a=zz", "=ff", "a=+1", "a=3A", "a=41", "é=c"] {
            assert_eq!(meaning(&format!("$KV.wattle.a.b.{token}")), Meaning::Nothing, "{token}");
        }
    }

    #[test]
    fn a_bucket_has_a_plain_name() {
        for name in ["", "a.b", "a b", "a*", "ü", &"b".repeat(65)] {
            assert!(Bucket::new(name).is_err(), "{name:?}");
        }
    }
}
