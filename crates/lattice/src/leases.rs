//! Decides which hosts a host looks at, when one of them is lost, and what it says of itself; from what it has seen, and when.
//!
//! Each host renews a lease with each of its beats. It is not watched by all, since then each beat would be told to every host:
//! the [`NEXT`] hosts before it in the order of keys, around, look at it once a beat. So what a host says and hears in a beat does
//! not depend on how many hosts there are.
//!
//! # Invariants
//!
//! 1. A lease has expired when looks found it unchanged for its whole time, each soon after the last. A look that failed is none:
//!    whoever saw nothing for a while, for whatever reason, begins to count anew.
//! 2. What is counted is the time of who looks. Times that others write are not looked at.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::Duration;

use model::record::{HostCard, HostRecord};

/// How many beats a lease holds when it is not renewed.
pub(crate) const BEATS: u32 = 4;

/// Further apart than so many beats, two looks are not taken for one sight.
const BEATS_APART: u32 = 2;

/// How many hosts one host looks at, and by how many it is looked at.
pub(crate) const NEXT: usize = 2;

/// For so long a host that is lost is remembered.
pub(crate) const REMEMBERED: Duration = Duration::from_secs(24 * 60 * 60);

/// Time by the clock of one host, since its role began.
pub(crate) type Moment = Duration;

/// What a host has in its care.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Care {
    /// The next hosts after it that are there.
    pub(crate) present: Vec<String>,
    /// Those between that are lost.
    pub(crate) lost: Vec<String>,
}

/// What is told apart by numbers that differ each time that it is changed.
type Number = u64;

/// What was seen in looks at something that others change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Looks(BTreeMap<String, Sight>);

/// One look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Look {
    /// When it was asked for.
    pub(crate) asked: Moment,
    /// When it was answered.
    pub(crate) answered: Moment,
    /// What was there.
    pub(crate) found: Option<Number>,
}

/// What looks have come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sight {
    found: Option<Number>,
    /// When it was seen to have changed.
    changed: Moment,
    last: Moment,
}

/// What a host does about what the lattice keeps of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Own {
    /// Nothing: it is right.
    Leave,
    /// It puts it.
    Put,
    /// It puts it, and says that it is there: it was lost, and others were told so.
    Return,
}

/// What this host looks at, of all that the lattice keeps.
pub(crate) fn care(own: &str, records: &BTreeMap<String, HostRecord>) -> Care {
    let after = records.range::<str, _>((Bound::Excluded(own), Bound::Unbounded));
    let around = after.chain(records.range::<str, _>((Bound::Unbounded, Bound::Excluded(own))));
    let mut care = Care::default();
    for (host, record) in around {
        if care.present.len() == NEXT {
            break;
        }
        match record {
            HostRecord::Present(_) => care.present.push(host.clone()),
            HostRecord::Lost(_) => care.lost.push(host.clone()),
        }
    }
    care
}

/// What this host does about its own record, when it has seen all that there are; `was_there` says whether it may have been
/// lost since it said that it has begun: it has put a record before or found it right, or has begun a while ago.
pub(crate) fn own(kept: Option<&HostRecord>, card: &HostCard, was_there: bool) -> Own {
    match kept {
        Some(HostRecord::Present(kept)) if kept == card => Own::Leave,
        Some(HostRecord::Lost(_)) if was_there => Own::Return,
        Some(HostRecord::Present(_) | HostRecord::Lost(_)) | None => Own::Put,
    }
}

/// How far apart two looks may be.
pub(crate) fn apart_max(beat: Duration) -> Duration {
    beat * BEATS_APART
}

// === impl Looks ===

impl Looks {
    /// Takes a look at a host into account. Gives since when nothing has changed, where that is for so long that it is over.
    pub(crate) fn take(&mut self, host: &str, look: Look, (time, apart_max): (Duration, Duration)) -> Option<Moment> {
        let Look { asked, answered, found } = look;
        let fresh = Sight { found, changed: answered, last: answered };
        let sight = self.0.entry(host.to_owned()).or_insert(fresh);
        // That it is gone is nothing new from its host: whoever took it may not have come to an end with that.
        let is_news = found.is_some() && found != sight.found;
        if is_news || answered.saturating_sub(sight.last) > apart_max {
            *sight = fresh;
        }
        sight.last = answered;
        (asked.saturating_sub(sight.changed) >= time).then_some(sight.changed)
    }

    /// Forgets all hosts but these.
    pub(crate) fn keep_only(&mut self, hosts: &[String]) {
        self.0.retain(|host, _| hosts.contains(host));
    }
}

#[cfg(test)]
mod tests;
