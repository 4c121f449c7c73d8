//! This is what is heard of functions that are served: their calls, and those of nearby versions that they stand in for.
//!
//! The dots of a version make words of it, so that one pattern hears of all versions that may stand in for each other:
//!
//! ```text
//! default.price.wrpc.0.0.1.demo:shop/tag@1.0.0.price   a call by who imports version 1.0.0
//! default.price.wrpc.0.0.1.demo:shop/tag@1.*.*.price   what who exports version 1.2.0 hears of
//! ```
//!
//! # Invariants
//!
//! 1. Of offers that are made together one hears a call, so that nobody runs it twice.
//! 2. Which version stands in for which is decided by [`Contract::is_met_by`]. What a pattern hears beyond that is refused.
//! 3. A version with more than three numbers is called as itself alone: what a pre-release or a build has behind a dot cannot be
//!    told from the name of a function that has a dot in it.
//!
//! # Not here
//!
//! Whether versions have the same types: values are read by those of who is called.

use bus::{Pattern, Subject, SubjectError};
use model::Contract;

use crate::address::Function;
use crate::desk::ServeError;
use crate::refusal::{Reason, Refusal};

/// Functions whose calls are heard by one pattern.
#[derive(Debug)]
pub(crate) struct Offer {
    /// The pattern, behind the protocol.
    heard: Pattern,
    /// One at least.
    functions: Vec<Offered>,
}

/// One of the functions that are served.
#[derive(Debug)]
struct Offered {
    number: usize,
    function: Function,
    /// What it is called in a subject, behind the protocol.
    words: Subject,
    /// Its interface, where that is called by the names of other versions, too.
    contract: Option<Contract>,
}

// === impl Offer ===

impl Offer {
    /// What is to be heard of these functions, which are numbered in their order.
    pub(crate) fn all(functions: &[Function]) -> Result<Vec<Self>, ServeError> {
        let offered = functions.iter().enumerate().map(|(number, function)| {
            let contract = function.instance.as_deref().and_then(of_three_numbers);
            Self::of(number, function, contract)
        });
        let mut offered: Vec<Self> = offered.collect::<Result<_, _>>()?;
        // What hears of many versions hears of single ones among them: it comes first.
        offered.sort_by_key(|offer| offer.heard.is_literal());
        let mut offers: Vec<Self> = Vec::new();
        for offer in offered {
            match offers.iter_mut().find(|other| other.heard.matches(&offer.functions[0].words)) {
                Some(other) => other.functions.extend(offer.functions),
                None => offers.push(offer),
            }
        }
        Ok(offers)
    }

    /// What is to be heard of a single function that is called by its own version alone.
    pub(crate) fn exact(function: &Function) -> Result<Self, ServeError> {
        Self::of(0, function, None)
    }

    fn of(number: usize, function: &Function, contract: Option<Contract>) -> Result<Self, ServeError> {
        let named = |source| ServeError::Name { function: function.clone(), source };
        let words: Subject = function.words().parse().map_err(named)?;
        let offered = Offered { number, function: function.clone(), words, contract };
        Ok(Self { heard: offered.heard().map_err(named)?, functions: vec![offered] })
    }

    /// A function of it, for an error.
    pub(crate) fn function(&self) -> &Function {
        &self.functions[0].function
    }

    /// What is subscribed to, where this is before the words of functions.
    pub(crate) fn heard_behind(&self, before: &str) -> Result<Pattern, SubjectError> {
        format!("{before}{}", self.heard).parse()
    }

    /// The number of the function that is meant by what was heard; the one of the version that is named, where that is there.
    pub(crate) fn meant(&self, words: &str) -> Result<usize, Refusal> {
        let named = self.functions.iter().find(|offered| offered.words.as_str() == words);
        let nearby = || self.functions.iter().find(|offered| offered.stands_in_for(words));
        named.or_else(nearby).map(|offered| offered.number).ok_or_else(|| self.refusal(words))
    }

    fn refusal(&self, words: &str) -> Refusal {
        let here: Vec<_> = self.functions.iter().map(|offered| offered.words.as_str()).collect();
        Refusal::new(Reason::OtherVersion, &format!("{words} is wanted, and {} is there", here.join(" and ")))
    }
}

// === impl Offered ===

impl Offered {
    /// What hears of its own version, and of those near it.
    fn heard(&self) -> Result<Pattern, SubjectError> {
        let series = self.contract.as_ref().and_then(Contract::series);
        match (series, self.instance_and_rest()) {
            (Some(series), Some((instance, rest))) => {
                let interface = instance.split_once('@').map_or(instance, |(interface, _version)| interface);
                format!("{interface}@{series}{rest}").parse()
            }
            _ => Ok(self.words.clone().into()),
        }
    }

    /// Whether it answers what these words mean: the same function of another version.
    fn stands_in_for(&self, words: &str) -> bool {
        let (Some(own), Some((_, rest))) = (&self.contract, self.instance_and_rest()) else { return false };
        let wanted = words.strip_suffix(rest).and_then(of_three_numbers);
        wanted.is_some_and(|wanted| wanted.is_met_by(own))
    }

    /// Its instance, and what follows that in its words: a dot, and its name.
    fn instance_and_rest(&self) -> Option<(&str, &str)> {
        let instance = self.function.instance.as_deref()?;
        Some((instance, self.words.as_str().strip_prefix(instance)?))
    }
}

/// The interface that this names, where its version is three numbers and no more.
fn of_three_numbers(instance: &str) -> Option<Contract> {
    let contract: Contract = instance.parse().ok()?;
    let is_plain = contract.version.as_ref().is_some_and(|version| version.pre.is_empty() && version.build.is_empty());
    is_plain.then_some(contract)
}

#[cfg(test)]
mod tests;
