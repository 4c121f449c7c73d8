//! How long one side of a body waits for the other: for a piece of it, or for room for one.
//!
//! A body lasts as long as it moves. An invocation is not worked on when its time is over, so what has not come by then, and a moment
//! later for the way, does not come. Who takes nothing is another matter: he may have a slow client, and is waited for as long as he
//! is there. Whether he is, he is asked: see [`allowance`](crate::allowance).
//!
//! # Invariants
//!
//! 1. In a call no wait is longer than the limits of the wire, whatever time it has.
//! 2. When a wait is over is decided by values, see [`Wait`]; time passes in [`Patience::run_out`] alone.
//! 3. What cannot be said does not make a wait longer.

use std::time::Duration;

use rt::Late;

use crate::limits::Limits;

/// What was said in time has so long to arrive.
const WAY: Duration = Duration::from_secs(5);

/// Who waits for so long asks whether there is somebody to wait for.
const ASK_AFTER: Duration = Duration::from_secs(1);

/// How long one side waits for the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Patience {
    /// While nothing is heard of the other.
    silent_max: Duration,
    /// While the other is there, and nothing moves.
    still_max: Duration,
}

/// A wait that goes on.
#[derive(Debug)]
pub(crate) struct Wait {
    patience: Patience,
    silent: Duration,
    still: Duration,
}

/// Why a wait is over without what was waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over {
    /// Nothing was heard of the other side.
    Silent(Late),
    /// It may be there, and nothing has moved.
    Still(Late),
}

// === impl Patience ===

impl Patience {
    /// As long as it takes.
    pub(crate) const ENDLESS: Self = Self::each(Duration::MAX);

    /// So long for each wait, whatever is heard.
    pub(crate) const fn each(time: Duration) -> Self {
        Self { silent_max: time, still_max: time }
    }

    /// In a call that has so much time, as far as that is known.
    pub(crate) fn in_call(time: Option<Duration>, limits: &Limits) -> Self {
        let most = limits.idle_max;
        let silent_max = time.map_or(most, |time| time.saturating_add(WAY).min(most));
        Self { silent_max, still_max: most }
    }

    /// The same with a stranger: he does not know how much time a call has, and does not answer when he is asked.
    pub(crate) fn with_stranger(self) -> Self {
        Self::each(self.still_max)
    }

    /// Ready when it is over. Until then `ask` asks the other now and then, and `has_spoken` says whether anything was heard of it
    /// since that was asked last.
    pub(crate) async fn run_out<F>(self, ask: impl Fn() -> F, has_spoken: impl Fn() -> bool) -> Over
    where
        F: Future<Output = ()>,
    {
        let mut wait = Wait::begin(self);
        // What was heard before says nothing of now.
        has_spoken();
        let mut pause = wait.pause();
        tokio::time::sleep(pause).await;
        loop {
            // Who is there answers at once: as soon as the pause had begun.
            if has_spoken() {
                wait.hear();
            }
            wait.pass(pause);
            if let Some(over) = wait.over() {
                return over;
            }
            pause = wait.pause();
            let asked = async {
                if let Err(late) = rt::within(Some(pause), ask()).await {
                    tracing::debug!(error = %late, "a question was not taken by the bus");
                }
            };
            tokio::join!(tokio::time::sleep(pause), asked);
        }
    }
}

// === impl Wait ===

impl Wait {
    fn begin(patience: Patience) -> Self {
        Self { patience, silent: Duration::ZERO, still: Duration::ZERO }
    }

    /// How long nothing is to be decided now.
    fn pause(&self) -> Duration {
        let Patience { silent_max, still_max } = self.patience;
        ASK_AFTER.min(silent_max.saturating_sub(self.silent)).min(still_max.saturating_sub(self.still))
    }

    fn pass(&mut self, time: Duration) {
        self.silent = self.silent.saturating_add(time);
        self.still = self.still.saturating_add(time);
    }

    /// The other side was there at this moment.
    fn hear(&mut self) {
        self.silent = Duration::ZERO;
    }

    fn over(&self) -> Option<Over> {
        let Patience { silent_max, still_max } = self.patience;
        if self.still >= still_max {
            return Some(Over::Still(Late(still_max)));
        }
        (self.silent >= silent_max).then_some(Over::Silent(Late(silent_max)))
    }
}

// === impl Over ===

impl Over {
    /// How long was waited.
    pub(crate) fn late(self) -> Late {
        match self {
            Self::Silent(late) | Self::Still(late) => late,
        }
    }
}

#[cfg(test)]
mod tests;
