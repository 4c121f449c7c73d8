//! `wattle run`: runs a command like a native program.

use std::process::ExitCode;

use clap::Args;

use crate::cli::Common;
use crate::failure::Failure;

/// Runs a command: arguments, streams and exit code are the program's own
#[derive(Debug, Args)]
pub(crate) struct Run {}

/// Carries out `wattle run`.
pub(crate) fn run(_: Run, _: &Common) -> Result<ExitCode, Failure> {
    Ok(ExitCode::SUCCESS)
}
