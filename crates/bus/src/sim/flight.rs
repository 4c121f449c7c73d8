//! These are the messages that are on their way, in the order in which they arrive.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use tokio::time::Instant;

use crate::message::Message;

/// Messages on their way.
#[derive(Debug, Default)]
pub(super) struct Flights {
    by_arrival: BinaryHeap<Reverse<(Instant, u64)>>,
    messages: BTreeMap<u64, Flight>,
    count: u64,
    /// When the last one arrives that is not to be overtaken, by sender and subscription.
    last: BTreeMap<(String, u64), Instant>,
}

/// A message on its way to one subscription.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) from: String,
    pub(super) subscription: u64,
    pub(super) message: Message,
}

// === impl Flights ===

impl Flights {
    /// Sends a message off, to arrive then; later, where it may not come before what was sent before it.
    pub(super) fn send(&mut self, flight: Flight, arrival: Instant, may_overtake: bool) {
        let way = (flight.from.clone(), flight.subscription);
        let last = self.last.entry(way).or_insert(arrival);
        let arrival = if may_overtake { arrival } else { arrival.max(*last) };
        *last = arrival.max(*last);
        self.count += 1;
        self.by_arrival.push(Reverse((arrival, self.count)));
        self.messages.insert(self.count, flight);
    }

    /// When the next one arrives.
    pub(super) fn next(&self) -> Option<Instant> {
        self.by_arrival.peek().map(|Reverse((arrival, _))| *arrival)
    }

    /// The next one, if it has arrived by now.
    pub(super) fn land(&mut self, now: Instant) -> Option<Flight> {
        let Reverse((arrival, _)) = self.by_arrival.peek()?;
        if *arrival > now {
            return None;
        }
        let Reverse((_, number)) = self.by_arrival.pop()?;
        self.messages.remove(&number)
    }
}
