//! Decides who is called, of those who have answered to rolls.
//!
//! # Invariants
//!
//! 1. Who is in doubt is not chosen: who was silent to a call, or to the last roll. Who was silent to two is forgotten, and who waits
//!    for an answer from there is told.
//! 2. Of two who are well the one with fewer calls of ours is chosen: a host that is slow has more of them, and gets less.
//! 3. Of the wires of the host that is chosen, the same one is asked as long as it has nothing to do: its thread has at hand what a
//!    call needs. Whose wire that is differs from caller to caller.
//! 4. Nothing here waits, or reads a clock.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use tokio::sync::watch;

use super::MEMBERS_MAX;
use crate::address::Name;

/// How long a host that has no room is passed over, in milliseconds.
const SPARED: u64 = 50;

/// Those who have answered to rolls.
#[derive(Debug, Default)]
pub(crate) struct Known {
    members: Vec<Arc<Member>>,
    /// Those who are asked first: of a host whose threads have wires, these.
    first: Vec<Arc<Member>>,
}

/// One who serves an address.
#[derive(Debug)]
pub(crate) struct Member {
    name: Name,
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
        let beside = || members.iter().filter(|member| member.name.is_beside());
        let hosts: BTreeSet<&str> = beside().map(|member| member.name.host()).collect();
        let has_none = |member: &&Arc<Member>| !hosts.contains(member.name.host());
        let first = beside().chain(members.iter().filter(has_none)).cloned().collect();
        Self { members, first }
    }

    /// Whether another roll is needed to know of somebody whether it is there.
    pub(crate) fn is_in_doubt(&self) -> bool {
        self.members.iter().any(|member| !member.is_trusted())
    }

    /// Who is called at `now`, by the fall of dice, by one who is at `home` there.
    pub(crate) fn choose(&self, now: u64, dice: u64, home: u64) -> Option<Arc<Member>> {
        let has_room = |member: &&Arc<Member>| member.spared_until.load(Ordering::Relaxed) <= now;
        let trusted = |members| trusted(members).filter(has_room);
        for members in [&self.first, &self.members] {
            let Some(chosen) = one_of(trusted(members), dice) else { continue };
            let beside = || trusted(members).filter(|member| member.name.host() == chosen.name.host());
            let near = beside().nth(home as usize % beside().count().max(1)).filter(|near| near.running() == 0);
            return near.cloned().or(Some(chosen));
        }
        // All who are well have no room: one of them says so.
        one_of(self::trusted(&self.members), dice)
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

/// Those who are not in doubt.
fn trusted(members: &[Arc<Member>]) -> impl Iterator<Item = &Arc<Member>> + Clone {
    members.iter().filter(|member| member.is_trusted())
}

/// Of two of these, the one with fewer calls.
fn one_of<'a>(members: impl Iterator<Item = &'a Arc<Member>> + Clone, dice: u64) -> Option<Arc<Member>> {
    let count = members.clone().count();
    let (first, step) = ((dice >> 32) as usize % count.max(1), dice as u32 as usize % count.saturating_sub(1).max(1));
    let second = (first + 1 + step) % count.max(1);
    let (first, second) = (members.clone().nth(first)?, members.clone().nth(second)?);
    Some(if second.running() < first.running() { second } else { first }.clone())
}

// === impl Member ===

impl Member {
    fn new(name: Name) -> Arc<Self> {
        Arc::new(Self {
            name,
            calls: AtomicUsize::new(0),
            doubted_until: AtomicU64::new(0),
            is_missed: AtomicBool::new(false),
            spared_until: AtomicU64::new(0),
            is_gone: watch::Sender::new(false),
        })
    }

    /// What it is addressed by.
    pub(crate) fn name(&self) -> &Name {
        &self.name
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
