//! Draws numbers from a seed (SplitMix64): the same ones each time, on each machine.

use std::time::Duration;

/// Of so many, [`Weather`](super::Weather) says how many fare ill.
const THOUSAND: u64 = 1_000;

/// Where numbers come from.
#[derive(Debug, Clone)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub(super) fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`; nothing is below nothing.
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.draw() % limit.max(1)
    }

    /// Yes in so many of a thousand cases.
    pub(super) fn falls(&mut self, of_thousand: u32) -> bool {
        self.below(THOUSAND) < u64::from(of_thousand)
    }

    /// A time between the two, in whole milliseconds.
    pub(super) fn between(&mut self, min: Duration, max: Duration) -> Duration {
        let span = u64::try_from(max.saturating_sub(min).as_millis()).unwrap_or(u64::MAX - 1);
        min + Duration::from_millis(self.below(span + 1))
    }
}
