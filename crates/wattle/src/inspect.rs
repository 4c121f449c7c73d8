//! `wattle inspect`: what a program is, what it wants and what this host has of that, without compiling or running anything.

mod report;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;

use clap::Args;
use engine::ScanLimits;
use engine::inspect::{Inspection, World, inspect};
use host::Capabilities;
use serde_json::json;
use stdx::Code;

use crate::cli::Common;
use crate::failure::Failure;
use crate::imports::ImportFlags;
use crate::output::Output;
use crate::registries;
use report::Report;

/// Shows what a program is, what it imports and exports, and what this host offers it
#[derive(Debug, Args)]
pub(crate) struct InspectCommand {
    /// The program, as a file or a reference
    file: PathBuf,
    /// Prints the program's world as WIT, and nothing else
    #[arg(long)]
    wit: bool,
    #[command(flatten)]
    imports: ImportFlags,
}

/// Carries out `wattle inspect`.
pub(crate) fn run(command: InspectCommand, common: &Common, output: Output) -> Result<ExitCode, Failure> {
    let bytes = registries::fetch(&command.file, &command.imports.data(), common)?;
    let inspection = inspect(&bytes, &ScanLimits::default())?;
    if command.wit {
        return print_wit(&command, &inspection, output);
    }
    let capabilities = Capabilities::new(command.imports.capabilities()?);
    let report = Report::new(&command.file, inspection, &capabilities.offers(), SystemTime::now());
    output.print(&report.to_string(), &report.to_json());
    Ok(ExitCode::SUCCESS)
}

fn print_wit(command: &InspectCommand, inspection: &Inspection, output: Output) -> Result<ExitCode, Failure> {
    let file = command.file.display();
    match &inspection.world {
        World::Wit { text, .. } => {
            output.print(text.trim_end(), &json!({ "wit": text }));
            Ok(ExitCode::SUCCESS)
        }
        World::None => {
            let text = format!("{file} has no world: it is a core module, whose functions take and give numbers");
            Err(Failure::new(Code::E0205, text))
        }
        World::NotShown(why) => Err(Failure::new(Code::E0205, format!("the world of {file} cannot be shown: {why}"))),
    }
}
