//! Lists the tables: each measures one thing and gives rows.

pub(crate) mod abroad;
mod bodies;
pub(crate) mod calls;
pub(crate) mod hello;
pub(crate) mod memory;
pub(crate) mod neighbour;
pub(crate) mod start;

use anyhow::Context as _;

use crate::rounds::Bench;
use crate::row::Row;

/// One of the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Table {
    /// The smallest answers, at several numbers of connections.
    Hello,
    /// Large answers and large requests.
    Bodies,
    /// From the start of a process to its first answer.
    Start,
    /// Memory of many idle components.
    Memory,
    /// What a request suffers beside an endless neighbour.
    Neighbour,
    /// One call of an exported function, of another component, and of a key-value store.
    Calls,
    /// One call of a component on another host.
    Abroad,
}

// === impl Table ===

impl Table {
    /// All of them, in the order in which they are measured.
    pub(crate) const ALL: [Self; 7] =
        [Self::Hello, Self::Bodies, Self::Start, Self::Memory, Self::Neighbour, Self::Calls, Self::Abroad];

    /// What `--only` calls it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Hello => "hello",
            Self::Bodies => "bodies",
            Self::Start => "start",
            Self::Memory => "memory",
            Self::Neighbour => "neighbour",
            Self::Calls => "calls",
            Self::Abroad => "abroad",
        }
    }

    /// What stands over it.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Hello => "Thirteen bytes",
            Self::Bodies => "Bodies",
            Self::Start => "Process start to first answer",
            Self::Memory => "Memory of idle components",
            Self::Neighbour => "Beside an endless neighbour",
            Self::Calls => "Calls on one host",
            Self::Abroad => "Calls to another host",
        }
    }

    /// The table that is called so.
    pub(crate) fn named(name: &str) -> anyhow::Result<Self> {
        let found = Self::ALL.into_iter().find(|table| table.name() == name);
        let names = Self::ALL.map(Self::name).join(", ");
        found.with_context(|| format!("there is no table {name}; there are {names}"))
    }

    /// Measures it. What is missing is noted and left out.
    pub(crate) fn measure(self, bench: &Bench) -> anyhow::Result<Vec<Row>> {
        match self {
            Self::Hello => hello::measure(bench),
            Self::Bodies => bodies::measure(bench),
            Self::Start => start::measure(bench),
            Self::Memory => memory::measure(bench),
            Self::Neighbour => neighbour::measure(bench),
            Self::Calls => calls::measure(bench),
            Self::Abroad => abroad::measure(bench),
        }
    }
}
