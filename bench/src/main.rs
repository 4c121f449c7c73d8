//! Measures wattle beside its peers, in one run and on one machine.
//!
//! Measuring gives [`row::Row`]s; printing, comparing and judging are made of rows alone. What is quoted is a ratio of
//! two arms of the same round, never an absolute number.
//!
//! ```text
//! options ─ tools ─▶ tables::* ─ Vec<Row> ─▶ markdown, verdict ─▶ stdout, bench/README.md
//!                       └─ rounds ─ server, wrk, accounting
//! ```
//!
//! # Not here
//!
//! Counts of instructions, system calls and allocations, which do not move with the machine: the budgets that tests of
//! `wattle` keep.

mod options;
mod tools;

mod accounting;
mod arm;
mod client;
mod machine;
mod rounds;
mod server;
mod wrk;

mod row;
mod statistics;
mod tables;

mod markdown;
mod verdict;

use std::io::Write as _;

use anyhow::{Context as _, bail};

use markdown::Run;
use options::Options;
use rounds::Bench;
use tools::Tools;

fn main() -> anyhow::Result<()> {
    match Options::parse(std::env::args().skip(1))? {
        None => say(options::USAGE),
        Some(options) => measure(options),
    }
}

fn measure(options: Options) -> anyhow::Result<()> {
    let tools = Tools::find()?;
    let bench = Bench::new(options, tools);
    bench.tools.missing().into_iter().for_each(|line| bench.note(line));
    if bench.tools.wrk.is_none() {
        bail!("nothing can be measured without wrk");
    }
    let head = machine::describe(&bench.tools);
    let load_before = machine::load();
    machine::warning(load_before).into_iter().for_each(|line| bench.note(line));
    say(&head)?;

    let mut rows = Vec::new();
    for table in &bench.options.tables {
        let measured = table.measure(&bench).with_context(|| format!("table {}", table.name()))?;
        say(&markdown::table(*table, &measured))?;
        rows.extend(measured.into_iter().map(|row| (*table, row)));
    }
    let load = (load_before, machine::load());
    let run = Run { head, load, options: &bench.options, rows: &rows, notes: bench.notes() };
    say(&run.verdict())?;
    run.keep()
}

/// Writes to standard output, and fails where a macro would panic (a closed pipe).
fn say(text: &str) -> anyhow::Result<()> {
    let mut output = std::io::stdout();
    output.write_all(text.as_bytes())?;
    Ok(output.write_all(b"\n")?)
}
