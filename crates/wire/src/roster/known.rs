//! Decides who is called, of those who have answered to rolls.
//!
//! # Invariants
//!
//! 1. Who is in doubt is not chosen: who was silent to a call, or to the last roll. Who was silent to two is forgotten, and who waits
//!    for an answer from there is told.
//! 2. Of two who are well the one with fewer calls of ours is chosen: a host that is slow has more of them, and gets less.
//! 3. Of the wires of the host that is chosen, the same one is asked as long as it has nothing to do: its thread has at hand what a
//!    call needs. Whose wire that is differs from caller to caller.
//! 4. Where all are well a choice is a look at three of them, however many there are: what can be known of hosts before is found out
//!    once a roll.
//! 5. Nothing here waits, or reads a clock.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use bus::{Subject, SubjectError};
use tokio::sync::watch;

use super::MEMBERS_MAX;
use crate::address::{Address, Name};

/// How long a host that has no room is passed over, in milliseconds.
const SPARED: u64 = 50;

/// Those who have answered to rolls.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// By their names, so that the wires of a host stand beside one another.
    members: Vec<Arc<Member>>,
    /// Those who are asked first: of a host whose threads have wires, these. In the same order.
    first: Vec<First>,
}

/// One who is asked first.
#[derive(Debug)]
struct First {
    member: Arc<Member>,
    /// Where among those who are asked first all of its host are.
    host: Range<usize>,
}

/// One who serves an address.
#[derive(Debug)]
pub(crate) struct Member {
    name: Name,
    /// What the words of functions are below where it hears alone: found out when it is asked first.
    root: OnceLock<Subject>,
    /// Calls of ours that it has not answered yet.
    calls: AtomicUsize,
    /// The roll that it has to answer before it is trusted again; none is 0.
    doubted_until: AtomicU64,
    /// Whether it was silent to the last roll.
    is_missed: AtomicBool,
    /// Until when it has no room.
    spared_until: AtomicU64,
    is_gone: watch::Sender<bool>,
}

/// A call that a member has not answered yet.
pub(crate) struct Counted(Arc<Member>);

// === impl Known ===

impl Known {
    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    /// Those who are known after a roll, by its number, that these have answered.
    /// Where these are not all, since there was no room for more, others may have been about to.
    pub(crate) fn after(&self, roll: u64, names: impl Iterator<Item = Name>, are_all: bool) -> Self {
        let mut answered: BTreeSet<Name> = names.collect();
        let mut members = self.members.clone();
        members.retain(|member| {
            let has_answered = answered.remove(&member.name);
            (!are_all && !has_answered) || member.is_kept_after(roll, has_answered)
        });
        members.extend(answered.into_iter().map(Member::new));
        members.truncate(MEMBERS_MAX);
        members.sort_by(|one, other| one.name.cmp(&other.name));
        let first = first(&members);
        Self { members, first }
    }

    /// Whether another roll is needed to know of somebody whether it is there.
    pub(crate) fn is_in_doubt(&self) -> bool {
        self.members.iter().any(|member| !member.is_trusted())
    }

    /// Who is called at `now`, by the fall of dice, by one who is at `home` there.
    pub(crate) fn choose(&self, now: u64, dice: u64, home: u64) -> Option<Arc<Member>> {
        self.glance(now, dice, home).or_else(|| self.search(now, dice)).cloned()
    }

    /// The same by a look at two of those who are asked first, where one of them at least is well and has room.
    fn glance(&self, now: u64, dice: u64, home: u64) -> Option<&Arc<Member>> {
        let at = |number: usize| self.first.get(number).filter(|first| first.member.has_room(now));
        let chosen = match two_of(self.first.len(), dice).map(at) {
            [Some(one), Some(other)] if other.member.running() < one.member.running() => other,
            [one, other] => one.or(other)?,
        };
        let near = &self.first[chosen.host.start + home as usize % chosen.host.len()].member;
        let is_free = near.has_room(now) && near.running() == 0;
        Some(if is_free { near } else { &chosen.member })
    }

    /// The same by a look at all.
    fn search(&self, now: u64, dice: u64) -> Option<&Arc<Member>> {
        let first = || self.first.iter().map(|first| &first.member);
        one_of(first().filter(|member| member.has_room(now)), dice)
            .or_else(|| one_of(self.members.iter().filter(|member| member.has_room(now)), dice))
            // All who are well have no room: one of them says so.
            .or_else(|| one_of(self.members.iter().filter(|member| member.is_trusted()), dice))
    }

    /// Whether there is another host than that of this one.
    pub(crate) fn has_other(&self, but: &Member) -> bool {
        self.members.iter().any(|member| member.is_trusted() && member.name.host() != but.name.host())
    }

    /// All that are known of the host that this is one of.
    pub(crate) fn of_host(&self, one: &Member) -> impl Iterator<Item = &Arc<Member>> {
        self.members.iter().filter(|member| member.name.host() == one.name.host())
    }
}

/// Those of these who are asked first, by host.
fn first(members: &[Arc<Member>]) -> Vec<First> {
    let mut all: Vec<First> = Vec::with_capacity(members.len());
    for wires in members.chunk_by(|one, other| one.name.host() == other.name.host()) {
        // The first wire of a host has the shortest name.
        let beside = wires.iter().position(|wire| wire.name.is_beside()).map_or(wires, |first| &wires[first..]);
        let host = all.len()..all.len() + beside.len();
        all.extend(beside.iter().map(|member| First { member: member.clone(), host: host.clone() }));
    }
    all
}

/// The numbers of two of so many, by the fall of dice; of one twice where there are no more.
fn two_of(count: usize, dice: u64) -> [usize; 2] {
    let (first, step) = ((dice >> 32) as usize % count.max(1), dice as u32 as usize % count.saturating_sub(1).max(1));
    [first, (first + 1 + step) % count.max(1)]
}

/// Of two of these, the one with fewer calls.
fn one_of<'a>(members: impl Iterator<Item = &'a Arc<Member>> + Clone, dice: u64) -> Option<&'a Arc<Member>> {
    let [first, second] = two_of(members.clone().count(), dice).map(|number| members.clone().nth(number));
    let (first, second) = (first?, second?);
    Some(if second.running() < first.running() { second } else { first })
}

// === impl Member ===

impl Member {
    fn new(name: Name) -> Arc<Self> {
        Arc::new(Self {
            name,
            root: OnceLock::new(),
            calls: AtomicUsize::new(0),
            doubted_until: AtomicU64::new(0),
            is_missed: AtomicBool::new(false),
            spared_until: AtomicU64::new(0),
            is_gone: watch::Sender::new(false),
        })
    }

    /// Where it alone hears calls of a function, by the words of that, at the address that it serves.
    pub(crate) fn at(&self, address: &Address, words: &str) -> Result<Subject, SubjectError> {
        let root = match self.root.get() {
            Some(root) => root,
            None => {
                let root = address.root(Some(&self.name)).parse::<Subject>()?;
                self.root.get_or_init(|| root)
            }
        };
        root.below(words)
    }

    /// Counts a call that it is asked for, until that is dropped.
    pub(crate) fn count(self: Arc<Self>) -> Counted {
        self.calls.fetch_add(1, Ordering::Relaxed);
        Counted(self)
    }

    /// Waits until it is taken for gone.
    pub(crate) async fn gone(&self) {
        // It is kept here, so that the sender is.
        self.is_gone.subscribe().wait_for(|is_gone| *is_gone).await.ok();
    }

    pub(super) fn doubt(&self, until: u64) {
        self.doubted_until.fetch_max(until, Ordering::Relaxed);
    }

    pub(super) fn spare(&self, now: u64) {
        self.spared_until.store(now + SPARED, Ordering::Relaxed);
    }

    fn running(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    fn is_trusted(&self) -> bool {
        self.doubted_until.load(Ordering::Relaxed) == 0 && !self.is_missed.load(Ordering::Relaxed)
    }

    /// Whether it is trusted, and can run at `now` what is asked.
    fn has_room(&self, now: u64) -> bool {
        self.is_trusted() && self.spared_until.load(Ordering::Relaxed) <= now
    }

    /// Hears whether it has answered a roll. Says whether it is still to be known.
    fn is_kept_after(&self, roll: u64, has_answered: bool) -> bool {
        if has_answered {
            self.is_missed.store(false, Ordering::Relaxed);
            let trust = |until| (until <= roll).then_some(0);
            // Who is doubted since the roll was called has to answer another.
            self.doubted_until.fetch_update(Ordering::Relaxed, Ordering::Relaxed, trust).ok();
            return true;
        }
        let was_missed = self.is_missed.swap(true, Ordering::Relaxed);
        if was_missed {
            self.is_gone.send_replace(true);
        }
        !was_missed
    }
}

// === impl Counted ===

impl std::ops::Deref for Counted {
    type Target = Member;

    fn deref(&self) -> &Member {
        &self.0
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
