//! `wattle config`: settings by name, for components and links of a lattice.

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use model::lattice::Labels;
use serde_json::json;
use stdx::{Code, printable};

use crate::failure::Failure;
use crate::output::Output;
use crate::reach::{LatticeReach, pair};

/// Keeps settings by name in a lattice, for components that are started with `--config NAME` and for links
#[derive(Debug, Args)]
pub(crate) struct ConfigCommand {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    reach: LatticeReach,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Puts settings in the place of all that are there by this name
    Put {
        /// Their name
        name: String,
        /// The settings
        #[arg(value_name = "NAME=VALUE", value_parser = pair, required = true)]
        settings: Vec<(String, String)>,
    },
    /// Shows the settings of this name
    Get {
        /// Their name
        name: String,
    },
    /// Deletes the settings of this name
    Del {
        /// Their name
        name: String,
    },
}

/// Carries out `wattle config`.
pub(crate) fn run(command: ConfigCommand, output: Output) -> Result<ExitCode, Failure> {
    let ConfigCommand { action, reach } = command;
    reach.once_reached(async |reached| {
        match action {
            Action::Put { name, settings } => {
                let settings: BTreeMap<_, _> = settings.into_iter().collect();
                let (said, _) = reached.ask::<()>(&format!("config.put.{name}"), &settings).await?;
                output.print(&format!("{name}: {said}"), &json!({ "config": name, "message": said }));
            }
            Action::Get { name } => {
                let (_, settings) = reached.ask::<Labels>(&format!("config.get.{name}"), &()).await?;
                let missing = || Failure::new(Code::E1003, format!("there are no settings {name}"));
                let settings = settings.ok_or_else(missing)?;
                let lines: Vec<_> =
                    settings.iter().map(|(name, value)| format!("{}={}", printable(name), printable(value))).collect();
                output.print(&lines.join("\n"), &json!({ "config": name, "settings": settings }));
            }
            Action::Del { name } => {
                let (said, _) = reached.ask::<()>(&format!("config.del.{name}"), &()).await?;
                output.print(&format!("{name}: {said}"), &json!({ "config": name, "message": said }));
            }
        }
        Ok(ExitCode::SUCCESS)
    })
}
