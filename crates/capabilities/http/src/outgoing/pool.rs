//! Keeps connections for a component's next requests.
//!
//! A line is kept from the moment the head of its answer is there, and given out once it takes requests again: nobody has to
//! wait for the end of an answer to give its line back.
//!
//! # Invariants
//!
//! 1. A line is given out on the thread that made it: no request wakes another thread of the data plane.
//! 2. There are no more lines than a component may have requests on their way; of those that nobody uses the oldest goes first.
//! 3. A line that nobody used for [`IDLE`] is closed. None is given out [`LIFE`] after it was made: what names lead to, changes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::thread::ThreadId;
use std::time::Duration;

use rt::Task;
use tokio::time::{Instant, sleep};

use super::CONNECTIONS;
use super::line::Line;
use super::target::Target;

/// So long a line is kept that nobody uses.
pub(super) const IDLE: Duration = Duration::from_secs(60);

/// So long a line is given out after it was made.
pub(super) const LIFE: Duration = Duration::from_secs(300);

/// The lines that a component can use again.
#[derive(Default)]
pub(super) struct Pool {
    lines: Arc<Lines>,
    /// Begun with the first line: a component that sends nothing costs nothing.
    sweeper: OnceLock<Task>,
}

#[derive(Default)]
struct Lines(Mutex<HashMap<Key, Vec<Kept>>>);

type Key = (ThreadId, Target);

struct Kept {
    line: Line,
    since: Instant,
}

// === impl Pool ===

impl Pool {
    /// A line to the target that takes a request now.
    pub(super) fn take(&self, target: &Target) -> Option<Line> {
        let mut lines = self.lines.lock();
        let of_target = lines.get_mut(&key(target))?;
        let is_young = |line: &Line| line.opened().elapsed() < LIFE;
        // The one that was used last: the others grow old and are closed.
        let index = of_target.iter().rposition(|kept| kept.line.is_free() && is_young(&kept.line))?;
        let kept = &mut of_target[index];
        kept.since = Instant::now();
        kept.line.share().or_else(|| Some(of_target.remove(index).line))
    }

    /// Keeps a line for when it takes requests again.
    pub(super) fn keep(&self, target: &Target, line: Line) {
        let mut lines = self.lines.lock();
        let of_target = lines.entry(key(target)).or_default();
        let takes_all = |line: &Line| line.is_shared() && line.is_free() && line.opened().elapsed() < LIFE;
        if line.is_shared() && of_target.iter().any(|kept| takes_all(&kept.line)) {
            return;
        }
        of_target.push(Kept { line, since: Instant::now() });
        let total: usize = lines.values().map(Vec::len).sum();
        if total > CONNECTIONS {
            drop_oldest(&mut lines);
        }
        drop(lines);
        self.sweeper.get_or_init(|| Task::spawn(sweep(Arc::downgrade(&self.lines))));
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lines.lock().values().map(Vec::len).sum()
    }
}

fn key(target: &Target) -> Key {
    (std::thread::current().id(), target.clone())
}

/// Closes the line that was not used for the longest time.
fn drop_oldest(lines: &mut HashMap<Key, Vec<Kept>>) {
    let unused = lines.iter().flat_map(|(key, kept)| {
        let unused = kept.iter().enumerate().filter(|(_, kept)| !kept.line.is_used());
        unused.map(move |(index, kept)| (kept.since, key, index))
    });
    let oldest = unused.min_by_key(|(since, ..)| *since).map(|(_, key, index)| (key.clone(), index));
    if let Some((key, index)) = oldest
        && let Some(kept) = lines.get_mut(&key)
    {
        kept.remove(index);
        if kept.is_empty() {
            lines.remove(&key);
        }
    }
}

/// Closes what grew old, until the pool is gone.
async fn sweep(lines: Weak<Lines>) {
    loop {
        sleep(IDLE / 4).await;
        let Some(lines) = lines.upgrade() else { return };
        lines.sweep();
    }
}

// === impl Lines ===

impl Lines {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Key, Vec<Kept>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sweep(&self) {
        let is_wanted = |kept: &Kept| {
            let Kept { line, since } = kept;
            !line.is_closed() && (line.is_used() || (since.elapsed() < IDLE && line.opened().elapsed() < LIFE))
        };
        self.lock().retain(|_, kept| {
            kept.retain(is_wanted);
            !kept.is_empty()
        });
    }
}
