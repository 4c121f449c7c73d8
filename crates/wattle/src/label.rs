//! `wattle label`: what a host carries.

use std::process::ExitCode;

use clap::Args;
use model::lattice::PutLabel;
use serde_json::json;

use crate::failure::Failure;
use crate::output::Output;
use crate::reach::{LatticeReach, pair};

/// Gives a host labels, by which components are spread, while it runs; a restart forgets them
#[derive(Debug, Args)]
pub(crate) struct LabelCommand {
    /// The host: its key, the beginning of it, or its name
    host: String,
    /// The labels
    #[arg(value_name = "NAME=VALUE", value_parser = pair)]
    labels: Vec<(String, String)>,
    /// Takes the label of this name out (can be given several times)
    #[arg(long, value_name = "NAME")]
    delete: Vec<String>,
    #[command(flatten)]
    reach: LatticeReach,
}

/// Carries out `wattle label`.
pub(crate) fn run(command: LabelCommand, output: Output) -> Result<ExitCode, Failure> {
    let LabelCommand { host, labels, delete, reach } = command;
    reach.once_reached(async |reached| {
        let host = reached.host(Some(&host)).await?;
        let puts = labels.into_iter().map(|(key, value)| ("put", PutLabel { key, value }));
        let deletions = delete.into_iter().map(|key| ("del", PutLabel { key, value: String::new() }));
        for (what, label) in puts.chain(deletions) {
            let (said, _) = reached.ask::<()>(&format!("label.{what}.{}", host.id), &label).await?;
            output.print(&format!("{}: {said}", label.key), &json!({ "label": label.key, "message": said }));
        }
        Ok(ExitCode::SUCCESS)
    })
}
