//! Tells who spies on an address which calls come in there, for as long as somebody does.
//!
//! # Invariants
//!
//! 1. A call is neither delayed nor answered otherwise by it; where nobody spies, it costs a look at nothing.
//! 2. What is called and by whom is told, and never what with.

use std::time::Instant;

use bus::{Headers, Message, Subject, SubjectError};
use bytes::Bytes;
use stdx::Trace;

use crate::address::Address;
use crate::origin;

/// What is told of a call, beside what was called: as its caller says it.
const TOLD: [&str; 4] = [origin::SOURCE, origin::LINK, Trace::PARENT, Trace::STATE];

/// Whether somebody spies, and where that is told.
#[derive(Debug)]
pub(crate) struct Spied {
    subject: Subject,
    /// Nothing where nobody does.
    until: Option<Instant>,
}

// === impl Spied ===

impl Spied {
    /// Nobody does yet.
    pub(crate) fn new(address: &Address) -> Result<Self, SubjectError> {
        Ok(Self { subject: address.overheard()?, until: None })
    }

    /// Hears a roll, with which somebody may say that he spies.
    pub(crate) fn hear(&mut self, roll: &Message) {
        if roll.headers.get(model::SPIES).is_some() {
            self.until = Some(Instant::now() + model::OVERHEARD_FOR);
        }
    }

    /// What is told of a call of what has these words in a subject; nothing where nobody spies.
    pub(crate) fn told(&mut self, words: &str, call: &Message) -> Option<Message> {
        let until = self.until?;
        if Instant::now() > until {
            self.until = None;
            return None;
        }
        let size = call.payload.len().to_string();
        let called = [(model::CALLED, words), (model::CALLED_WITH, size.as_str())];
        let said = TOLD.into_iter().filter_map(|name| Some((name, call.headers.get(name)?)));
        let headers = Headers::of(called.into_iter().chain(said)).ok()?;
        Some(Message { headers, ..Message::new(self.subject.clone(), Bytes::new()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_told_of_while_somebody_spies() {
        let address = Address { lattice: "default".into(), id: "price".into() };
        let mut spied = Spied::new(&address).expect("an address");
        let message = |headers: &[(&str, &str)]| {
            let headers = Headers::of(headers.iter().copied()).expect("headers");
            Message { headers, ..Message::new("a".parse().expect("a subject"), "secret".into()) }
        };
        let call = message(&[("source-id", "till"), ("other", "x")]);
        assert_eq!(spied.told("demo:shop/tag.price", &call), None);
        spied.hear(&message(&[]));
        assert_eq!(spied.told("demo:shop/tag.price", &call), None, "a roll is called by who calls, too");
        spied.hear(&message(&[(model::SPIES, "")]));
        let told = spied.told("demo:shop/tag.price", &call).expect("somebody spies");
        assert_eq!((told.subject.as_str(), told.payload.len(), &told.reply), ("default.price.overheard", 0, &None));
        let said: Vec<_> = told.headers.iter().collect();
        let expected = [("wattle-called", "demo:shop/tag.price"), ("wattle-called-with", "6"), ("source-id", "till")];
        assert_eq!(said, expected);
        spied.until = Some(Instant::now() - std::time::Duration::from_secs(1));
        assert_eq!(spied.told("demo:shop/tag.price", &call), None, "who spied has said nothing more");
        assert_eq!(spied.until, None);
    }
}
