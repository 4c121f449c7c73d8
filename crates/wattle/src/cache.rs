//! `wattle cache`: what was compiled, and forgetting it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use engine::{Engines, Layout, Use};
use serde_json::json;

use crate::cli::{Common, data_folder};
use crate::failure::Failure;
use crate::output::Output;
use crate::registries;

/// Shows and clears the cache of compiled programs
#[derive(Debug, Args)]
pub(crate) struct CacheCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Prints the folder
    Path,
    /// Forgets what was compiled from a file, and that it failed to compile
    Clear {
        /// The program, as a file or a reference
        file: PathBuf,
    },
}

/// Carries out `wattle cache`.
pub(crate) fn run(command: CacheCommand, common: &Common, output: Output) -> Result<ExitCode, Failure> {
    let config = common.engines(Layout::OnDemand);
    match command.action {
        Action::Path => output.print(&config.cache.display().to_string(), &json!({ "path": config.cache })),
        Action::Clear { file } => {
            let engines = Engines::open(config)?;
            let bytes = registries::fetch(&file, &data_folder(), common)?;
            let mut had_any = false;
            for used in [Use::Alone, Use::Linked] {
                had_any |= engines.forget(&engines.read(&bytes, used)?)?;
            }
            let text = if had_any { "forgotten" } else { "nothing was kept of it" };
            output.print(text, &json!({ "file": file, "forgotten": had_any }));
        }
    }
    Ok(ExitCode::SUCCESS)
}
