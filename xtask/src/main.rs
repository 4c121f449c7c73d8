//! The repository's own tasks: `cargo xtask <task>`.
//!
//! What a script would do and a test could not check lives here, in the language that everything
//! else is written in.
//!
//! # Not here
//!
//! What is made for users (`wattle`), and what is measured (`bench`).

mod guests;
mod release;
mod tidy;

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;

use release::Program;

const USAGE: &str = "\
Usage: cargo xtask <task>

  tidy     check that the repository keeps its own rules (layers, heads, sizes, words, error pages, ...)
  guests   build the components of guests/ and examples/ into target/guests/ (all, or those named)
  release  build target/release/wattle (or the hyper-floor of the benchmarks) with its code arranged by what a request runs
  arrange  arrange a binary of wattle that was linked with its relocations
  layers   print the crates by layer and what each uses, as ARCHITECTURE.md shows them
";

fn main() -> anyhow::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let task: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match task.as_slice() {
        ["tidy"] => {
            let report = tidy::run()?;
            say(&report.to_string())?;
            Ok(if report.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        ["guests", names @ ..] => guests::run(names).map(|()| ExitCode::SUCCESS),
        ["release"] => release::run(Program::Wattle).map(|()| ExitCode::SUCCESS),
        ["release", name] if let Some(program) = Program::named(name) => {
            release::run(program).map(|()| ExitCode::SUCCESS)
        }
        ["arrange", binary] => release::arrange(Path::new(binary)).map(|()| ExitCode::SUCCESS),
        ["layers"] => say(&tidy::layers()?).map(|()| ExitCode::SUCCESS),
        ["help" | "-h" | "--help"] => say(USAGE).map(|()| ExitCode::SUCCESS),
        ["release", name] => {
            let program = Program::named(name).with_context(|| format!("there is no way to release {name:?}"))?;
            release::run(program).map(|()| ExitCode::SUCCESS)
        }
        _ => {
            std::io::stderr().write_all(USAGE.as_bytes())?;
            Ok(ExitCode::from(2))
        }
    }
}

/// Writes to standard output, and fails where a macro would panic (a closed pipe).
fn say(text: &str) -> anyhow::Result<()> {
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}
