//! Reads the command line.

use std::path::PathBuf;

use anyhow::{Context as _, bail};

use crate::tables::Table;

/// What `--help` prints.
pub(crate) const USAGE: &str = "\
Usage: cargo run --release -p bench -- [OPTION]...

  --quick            three rounds of one second, fewer copies: to see that it works, not to be quoted
  --rounds N         rounds of each case (15)
  --seconds N        length of one measurement (1)
  --only NAME        only this table: hello, bodies, start, memory, neighbour, calls or abroad; may be repeated
  --markdown FILE    put the tables into FILE, between `<!-- figures -->` and `<!-- /figures -->`
  --json FILE        write every round of every figure to FILE
";

/// What to measure, how long, and where to put it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) rounds: usize,
    pub(crate) seconds: u64,
    /// Distinct components in the table of memory.
    pub(crate) copies: usize,
    /// Starts of a process in the table of starts.
    pub(crate) starts: usize,
    pub(crate) tables: Vec<Table>,
    pub(crate) markdown: Option<PathBuf>,
    pub(crate) json: Option<PathBuf>,
}

// === impl Options ===

impl Options {
    /// The options, or `None` where help is asked for.
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> anyhow::Result<Option<Self>> {
        let mut options = Self::full();
        while let Some(name) = arguments.next() {
            match name.as_str() {
                "-h" | "--help" => return Ok(None),
                "--quick" => {
                    (options.rounds, options.seconds, options.copies, options.starts) = (3, 1, 100, 5);
                    continue;
                }
                _ => {}
            }
            let value = arguments.next().with_context(|| format!("{name} is unknown or wants a value\n\n{USAGE}"))?;
            let number = || value.parse::<usize>().ok().filter(|number| *number > 0);
            let number = || number().with_context(|| format!("{name} wants a positive number, not {value}"));
            match name.as_str() {
                "--rounds" => options.rounds = number()?,
                "--seconds" => options.seconds = number()? as u64,
                "--only" => options.tables.push(Table::named(&value)?),
                "--markdown" => options.markdown = Some(value.into()),
                "--json" => options.json = Some(value.into()),
                _ => bail!("unknown option {name}\n\n{USAGE}"),
            }
        }
        if options.tables.is_empty() {
            options.tables = Table::ALL.to_vec();
        }
        Ok(Some(options))
    }

    fn full() -> Self {
        Self { rounds: 15, seconds: 1, copies: 1000, starts: 11, tables: Vec::new(), markdown: None, json: None }
    }
}

#[cfg(test)]
mod tests {
    use super::{Options, Table};

    fn parse(line: &str) -> Option<Options> {
        Options::parse(line.split_whitespace().map(str::to_owned)).ok().flatten()
    }

    #[test]
    fn without_arguments_all_tables_are_measured() {
        let options = parse("").expect("nothing is wrong");
        assert_eq!((options.rounds, options.seconds, options.copies), (15, 1, 1000));
        assert_eq!(options.tables, Table::ALL);
    }

    #[test]
    fn what_follows_quick_goes_before_it() {
        let options = parse("--quick --rounds 2 --only start --only hello").expect("nothing is wrong");
        assert_eq!((options.rounds, options.seconds, options.copies), (2, 1, 100));
        assert_eq!(options.tables, [Table::Start, Table::Hello]);
    }

    #[test]
    fn nonsense_is_refused() {
        for line in ["--rounds 0", "--rounds", "--only nothing", "--fast yes", "hello"] {
            assert_eq!(parse(line), None, "{line}");
        }
    }
}
