//! This is who subscribed to what: a value that is never changed, only replaced by one that shares nearly all of it.
//!
//! Patterns that mean one subject lie in a map by that subject; the others in a tree by their words, in which only the
//! words of the subject are followed, `*` and `>`. So what a message costs grows with the words of its subject and with those
//! who get it, not with all who subscribed. Map and tree are persistent: a change copies the path to what it changes, so
//! that readers keep the table they have and a client with a thousand subscriptions makes a thousand small changes.
//!
//! # Invariants
//!
//! 1. [`Table::find`] finds what [`Pattern::matches`] says, each subscriber once for each of its subscriptions.
//! 2. Nothing is left of a pattern that nobody subscribes to.
//! 3. Subscribing to a pattern that many subscribed to before costs as much as a message to them all.

use std::str::Split;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rpds::HashTrieMapSync;
use smallvec::SmallVec;

use crate::subject::{Interest, Pattern, QueueGroup, Subject};

/// Subscribers of the type `S`, by pattern.
#[derive(Debug, Clone)]
pub(crate) struct Table<S> {
    literal: HashTrieMapSync<Arc<str>, Arc<Here<S>>>,
    root: Node<S>,
}

/// Who gets a message.
pub(crate) struct Found<'a, S> {
    /// Those who get every message.
    pub(crate) alone: SmallVec<[&'a S; 8]>,
    groups: SmallVec<[&'a Group<S>; 4]>,
}

/// What is subscribed to from one word on.
#[derive(Debug, Clone)]
struct Node<S> {
    /// Those whose pattern ends here.
    here: Option<Arc<Here<S>>>,
    /// Those whose pattern ends with `>` here.
    rest: Option<Arc<Here<S>>>,
    any: Option<Arc<Node<S>>>,
    words: Option<HashTrieMapSync<Arc<str>, Arc<Node<S>>>>,
}

/// Those who subscribed to one pattern, each with the number of its subscription.
#[derive(Debug, Clone)]
struct Here<S> {
    alone: Vec<(u64, S)>,
    groups: Vec<Group<S>>,
}

#[derive(Debug, Clone)]
struct Group<S> {
    name: QueueGroup,
    members: Vec<(u64, S)>,
    /// Whose turn it is; shared by all versions of the table.
    turn: Arc<AtomicUsize>,
}

// === impl Table ===

impl<S: Clone> Table<S> {
    /// Adds a subscription. Its number is its own.
    pub(crate) fn insert(&mut self, interest: &Interest, number: u64, subscriber: S) {
        self.change(&interest.pattern, |here| here.insert(interest.group.as_ref(), number, subscriber));
    }

    /// Takes a subscription out, where it is in.
    pub(crate) fn remove(&mut self, pattern: &Pattern, number: u64) {
        self.change(pattern, |here| here.remove(number));
    }

    /// Those who subscribed to a subject.
    pub(crate) fn find(&self, subject: &Subject) -> Found<'_, S> {
        let mut found = Found { alone: SmallVec::new(), groups: SmallVec::new() };
        found.add(self.literal.get(subject.as_str()));
        self.root.find(subject.as_str().split('.'), &mut found);
        found
    }

    fn change(&mut self, pattern: &Pattern, change: impl FnOnce(&mut Here<S>)) {
        if !pattern.is_literal() {
            return self.root.change(&mut pattern.tokens(), change);
        }
        let mut here = self.literal.get(pattern.as_str()).cloned();
        change_here(&mut here, change);
        match here {
            Some(here) => self.literal.insert_mut(pattern.as_str().into(), here),
            None => drop(self.literal.remove_mut(pattern.as_str())),
        }
    }
}

impl<S> Default for Table<S> {
    fn default() -> Self {
        Self { literal: HashTrieMapSync::new_sync(), root: Node::default() }
    }
}

// === impl Node ===

impl<S: Clone> Node<S> {
    /// Changes those who subscribed to what `tokens` lead to.
    fn change(&mut self, tokens: &mut Split<'_, char>, change: impl FnOnce(&mut Here<S>)) {
        match tokens.next() {
            None => change_here(&mut self.here, change),
            Some(">") => change_here(&mut self.rest, change),
            Some("*") => self.any = changed(self.any.take(), tokens, change),
            Some(word) => {
                let words = self.words.get_or_insert_with(HashTrieMapSync::new_sync);
                match changed(words.get(word).cloned(), tokens, change) {
                    Some(node) => words.insert_mut(word.into(), node),
                    None => drop(words.remove_mut(word)),
                }
                if words.is_empty() {
                    self.words = None;
                }
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.here.is_none() && self.rest.is_none() && self.any.is_none() && self.words.is_none()
    }
}

impl<S> Node<S> {
    fn find<'a>(&'a self, mut tokens: Split<'_, char>, found: &mut Found<'a, S>) {
        let Some(token) = tokens.next() else { return found.add(self.here.as_ref()) };
        found.add(self.rest.as_ref());
        if let Some(node) = self.words.as_ref().and_then(|words| words.get(token)) {
            node.find(tokens.clone(), found);
        }
        if let Some(node) = &self.any {
            node.find(tokens, found);
        }
    }
}

impl<S> Default for Node<S> {
    fn default() -> Self {
        Self { here: None, rest: None, any: None, words: None }
    }
}

// === impl Here ===

impl<S> Here<S> {
    fn insert(&mut self, group: Option<&QueueGroup>, number: u64, subscriber: S) {
        let Some(name) = group else { return self.alone.push((number, subscriber)) };
        match self.groups.iter_mut().find(|group| group.name == *name) {
            Some(group) => group.members.push((number, subscriber)),
            None => self.groups.push(Group {
                name: name.clone(),
                members: vec![(number, subscriber)],
                turn: Arc::default(),
            }),
        }
    }

    fn remove(&mut self, number: u64) {
        self.alone.retain(|(other, _)| *other != number);
        self.groups.iter_mut().for_each(|group| group.members.retain(|(other, _)| *other != number));
        self.groups.retain(|group| !group.members.is_empty());
    }
}

impl<S> Default for Here<S> {
    fn default() -> Self {
        Self { alone: Vec::new(), groups: Vec::new() }
    }
}

// === impl Found ===

impl<'a, S> Found<'a, S> {
    /// For each queue group its members, in the order in which they are to be asked: each time another one is the first.
    ///
    /// A group is its name: members that subscribed by different patterns are members of one group.
    pub(crate) fn groups(&self) -> impl Iterator<Item = impl Iterator<Item = &'a S>> {
        let names = self.groups.iter().enumerate();
        let firsts = names.filter(|(index, group)| !self.groups[..*index].iter().any(|other| other.name == group.name));
        firsts.map(|(index, group)| {
            let same = self.groups[index..].iter().filter(|other| other.name == group.name);
            let members = same.flat_map(|group| group.members.iter().map(|(_, subscriber)| subscriber));
            let count = members.clone().count().max(1);
            let first = group.turn.fetch_add(1, Ordering::Relaxed) % count;
            members.clone().skip(first).chain(members.take(first))
        })
    }

    fn add(&mut self, here: Option<&'a Arc<Here<S>>>) {
        let Some(here) = here else { return };
        self.alone.extend(here.alone.iter().map(|(_, subscriber)| subscriber));
        self.groups.extend(&here.groups);
    }
}

/// A node after a change below it; nothing where nothing is left of it.
fn changed<S: Clone>(
    node: Option<Arc<Node<S>>>,
    tokens: &mut Split<'_, char>,
    change: impl FnOnce(&mut Here<S>),
) -> Option<Arc<Node<S>>> {
    let mut node = node.unwrap_or_default();
    Arc::make_mut(&mut node).change(tokens, change);
    (!node.is_empty()).then_some(node)
}

fn change_here<S: Clone>(here: &mut Option<Arc<Here<S>>>, change: impl FnOnce(&mut Here<S>)) {
    let mut changed = here.take().unwrap_or_default();
    change(Arc::make_mut(&mut changed));
    *here = (!changed.alone.is_empty() || !changed.groups.is_empty()).then_some(changed);
}

#[cfg(test)]
mod tests;
