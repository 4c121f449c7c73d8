//! Is what measuring hands to printing: one figure of one arm, round by round.
//!
//! A table measures and gives rows; what is printed, compared and judged is made of rows alone. So a verdict can be
//! tested without a server, and a run can be kept as JSON and looked at again.

use serde_json::json;

use crate::statistics::{self, Spread};
use crate::tables::Table;

/// One figure of one arm in one case, round by round.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    /// What was served: a component and an interface.
    pub(crate) subject: String,
    /// Under what: connections, or the state of a cache.
    pub(crate) case: String,
    /// Who served it.
    pub(crate) arm: &'static str,
    pub(crate) figure: Figure,
    /// `None` for a round that failed, so that rounds of two arms stay side by side.
    pub(crate) rounds: Vec<Option<f64>>,
}

/// What was measured, and in which unit its numbers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Figure {
    /// CPU time of the server for each request, in microseconds.
    Cpu,
    /// The latency that half of the requests do not exceed, in microseconds.
    P50,
    /// The latency that 99 of 100 requests do not exceed, in microseconds.
    P99,
    /// Requests a second.
    Rate,
    /// From the start of a process to something, in milliseconds.
    Start,
    /// Memory, in kilobytes (1,000 bytes).
    Memory,
    /// CPU time of the server for each second that went by.
    Cores,
    /// Time of one call of a component, or by one, in nanoseconds.
    Call,
}

/// The row of an arm, where it was measured.
pub(crate) fn find<'a>(rows: &'a [Row], like: &Row, arm: &str) -> Option<&'a Row> {
    rows.iter()
        .find(|row| row.arm == arm && row.figure == like.figure && row.subject == like.subject && row.case == like.case)
}

/// All rows with all rounds, for whoever wants to look at them again.
pub(crate) fn to_json(rows: &[(Table, Row)]) -> serde_json::Value {
    let row = |(table, row): &(Table, Row)| {
        json!({
            "table": table.name(), "subject": row.subject, "case": row.case, "arm": row.arm,
            "figure": row.figure.name(), "unit": row.figure.unit(), "rounds": row.rounds,
        })
    };
    rows.iter().map(row).collect()
}

// === impl Row ===

impl Row {
    /// What its rounds come to.
    pub(crate) fn spread(&self) -> Option<Spread> {
        statistics::spread(&self.rounds)
    }

    /// What its ratios to another row come to, round by round.
    pub(crate) fn ratio(&self, reference: &Row) -> Option<Spread> {
        statistics::spread(&statistics::ratios(&self.rounds, &reference.rounds))
    }
}

// === impl Figure ===

impl Figure {
    /// What stands over a column of it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Cpu => "CPU per request",
            Self::P50 => "p50",
            Self::P99 => "p99",
            Self::Rate => "requests a second",
            Self::Start => "time",
            Self::Memory => "memory",
            Self::Cores => "CPU of the server",
            Self::Call => "time per call",
        }
    }

    /// The unit of its numbers.
    pub(crate) fn unit(self) -> &'static str {
        match self {
            Self::Cpu | Self::P50 | Self::P99 => "µs",
            Self::Rate => "/s",
            Self::Start => "ms",
            Self::Memory => "KB",
            Self::Cores => "cores",
            Self::Call => "ns",
        }
    }
}
