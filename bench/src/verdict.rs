//! Holds what was measured against what was to be reached.
//!
//! The targets are those of the issue that asked for the data plane. A target is met by the median; its range stands
//! beside it, for whoever wonders how sure that is.

use crate::arm::Arm;
use crate::row::{self, Figure, Row};
use crate::statistics::Spread;
use crate::tables::{Table, abroad, hello, memory, start};

/// One figure beside what it should be.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Verdict {
    pub(crate) name: &'static str,
    /// `None` for a figure that is only told.
    pub(crate) reach: Option<f64>,
    pub(crate) unit: &'static str,
    pub(crate) digits: usize,
    pub(crate) measured: Option<Spread>,
}

struct Target {
    name: &'static str,
    reach: Option<f64>,
    of: Of,
}

/// Where a figure is found.
#[derive(Clone, Copy)]
enum Of {
    /// Rust hello, WASI 0.2: an arm against another.
    Ratio { figure: Figure, connections: usize, arm: Arm, reference: Arm },
    /// A call of 64 bytes to another host against a raw request.
    Abroad,
    /// One row by itself; the subject may say more than this.
    Row { table: Table, subject: &'static str, case: &'static str, arm: &'static str, figure: Figure },
}

const fn cpu(arm: Arm, reference: Arm) -> Of {
    Of::Ratio { figure: Figure::Cpu, connections: 32, arm, reference }
}

const TARGETS: [Target; 9] = [
    Target {
        name: "CPU per request, fresh ÷ `wasmtime serve` tuned, 32 connections",
        reach: Some(0.62),
        of: cpu(Arm::WattleFresh, Arm::ServeTuned),
    },
    Target {
        name: "CPU per request, reused ÷ `wasmtime serve` reused, 32 connections",
        reach: Some(0.72),
        of: cpu(Arm::WattleReused, Arm::ServeReused),
    },
    Target {
        name: "CPU per request, reused ÷ bare hyper, 32 connections",
        reach: Some(1.6),
        of: cpu(Arm::WattleReused, Arm::Floor),
    },
    Target {
        name: "CPU per request, fresh ÷ `wasmtime serve`, 32 connections",
        reach: None,
        of: cpu(Arm::WattleFresh, Arm::ServeDefault),
    },
    Target {
        name: "CPU per request, reused ÷ `wasmtime serve`, 32 connections",
        reach: None,
        of: cpu(Arm::WattleReused, Arm::ServeDefault),
    },
    Target {
        name: "p99, fresh ÷ `wasmtime serve`, 256 connections",
        reach: Some(0.4),
        of: Of::Ratio { figure: Figure::P99, connections: 256, arm: Arm::WattleFresh, reference: Arm::ServeDefault },
    },
    Target {
        name: "process start to first answer, warm cache",
        reach: Some(25.0),
        of: Of::Row {
            table: Table::Start,
            subject: hello::RUST,
            case: start::WARM,
            arm: Arm::WattleFresh.name(),
            figure: Figure::Start,
        },
    },
    Target {
        name: "idle component",
        reach: Some(100.0),
        of: Of::Row {
            table: Table::Memory,
            subject: memory::RUST,
            case: memory::IDLE,
            arm: memory::ARM,
            figure: Figure::Memory,
        },
    },
    Target { name: "time of a call to another host ÷ a NATS request, 64 B", reach: Some(1.15), of: Of::Abroad },
];

/// Every target, with what was measured of it.
pub(crate) fn judge(rows: &[(Table, Row)]) -> Vec<Verdict> {
    TARGETS.iter().map(|target| target.judge(rows)).collect()
}

// === impl Target ===

impl Target {
    fn judge(&self, rows: &[(Table, Row)]) -> Verdict {
        let Self { name, reach, of } = *self;
        let of_table = |table| rows.iter().filter(move |(of, _)| *of == table).map(|(_, row)| row);
        let (unit, digits, measured) = match of {
            Of::Ratio { figure, connections, arm, reference } => {
                let rows: Vec<Row> = of_table(Table::Hello).cloned().collect();
                let case = hello::case(connections);
                let ours = rows.iter().find(|row| {
                    row.subject == hello::RUST && row.case == case && row.figure == figure && row.arm == arm.name()
                });
                let theirs = ours.and_then(|ours| row::find(&rows, ours, reference.name()));
                ("", 2, ours.zip(theirs).and_then(|(ours, theirs)| ours.ratio(theirs)))
            }
            Of::Abroad => {
                let rows: Vec<Row> = of_table(Table::Abroad).cloned().collect();
                let ours = rows.iter().find(|row| row.figure == Figure::Call && row.arm == abroad::CALL);
                let theirs = ours.and_then(|ours| row::find(&rows, ours, abroad::RAW));
                ("", 2, ours.zip(theirs).and_then(|(ours, theirs)| ours.ratio(theirs)))
            }
            Of::Row { table, subject, case, arm, figure } => {
                let mut rows = of_table(table);
                let row = rows.find(|row| {
                    row.subject.contains(subject) && row.case == case && row.arm == arm && row.figure == figure
                });
                (figure.unit(), 1, row.and_then(Row::spread))
            }
        };
        Verdict { name, reach, unit, digits, measured }
    }
}

// === impl Verdict ===

impl Verdict {
    /// One word for it.
    pub(crate) fn word(&self) -> &'static str {
        match (self.measured, self.reach) {
            (None, _) => "not measured",
            (Some(_), None) => "",
            (Some(spread), Some(reach)) if spread.median <= reach => "met",
            (Some(_), Some(_)) => "NOT MET",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{TARGETS, judge};
    use crate::arm::Arm;
    use crate::row::{Figure, Row};
    use crate::tables::{Table, hello, memory};

    fn hello_row(arm: Arm, rounds: [f64; 2]) -> (Table, Row) {
        let (subject, case) = (hello::RUST.to_owned(), hello::case(32));
        let rounds = rounds.map(Some).to_vec();
        (Table::Hello, Row { subject, case, arm: arm.name(), figure: Figure::Cpu, rounds })
    }

    #[test]
    fn a_target_is_met_by_the_median_of_the_ratios() {
        let rows = [hello_row(Arm::WattleFresh, [6.0, 12.0]), hello_row(Arm::ServeTuned, [10.0, 20.0])];
        assert_eq!(judge(&rows)[0].word(), "met");
        let rows = [hello_row(Arm::WattleFresh, [7.0, 12.0]), hello_row(Arm::ServeTuned, [10.0, 20.0])];
        assert_eq!(judge(&rows)[0].word(), "NOT MET");
    }

    #[test]
    fn a_row_by_itself_is_found_by_a_part_of_its_subject() {
        let subject = format!("1000 components, {}", memory::RUST);
        let (case, arm) = (memory::IDLE.to_owned(), memory::ARM);
        let row = Row { subject, case, arm, figure: Figure::Memory, rounds: vec![Some(99.0)] };
        let verdicts = judge(&[(Table::Memory, row)]);
        let verdict = verdicts.iter().find(|verdict| verdict.name == "idle component");
        assert_eq!(verdict.map(|verdict| verdict.word()), Some("met"));
    }

    #[test]
    fn what_was_not_measured_says_so() {
        assert!(judge(&[]).iter().all(|verdict| verdict.word() == "not measured"));
        assert_eq!(judge(&[]).len(), TARGETS.len());
    }
}
