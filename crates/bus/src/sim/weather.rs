//! This is how messages fare on their way.

use std::time::Duration;

/// What becomes of messages. Of each number that is one in a thousand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weather {
    /// The shortest that a message is on its way, in whole milliseconds.
    pub delay_min: Duration,
    /// The longest.
    pub delay_max: Duration,
    /// How many are lost, of a thousand.
    pub lost: u32,
    /// How many come twice, of a thousand.
    pub doubled: u32,
    /// How many may be overtaken by later ones of who sent them, of a thousand.
    pub overtaken: u32,
}

impl Weather {
    /// Everything arrives, soon and in order.
    pub const CALM: Self = Self {
        delay_min: Duration::from_millis(1),
        delay_max: Duration::from_millis(1),
        lost: 0,
        doubled: 0,
        overtaken: 0,
    };

    /// Everything arrives, in order, sooner or later.
    pub const BREEZE: Self = Self { delay_max: Duration::from_millis(50), ..Self::CALM };

    /// Nothing is certain.
    pub const STORM: Self = Self {
        delay_min: Duration::from_millis(1),
        delay_max: Duration::from_millis(2_000),
        lost: 50,
        doubled: 50,
        overtaken: 100,
    };
}
