//! `wattle registry`: what the hosts of a lattice show to registries.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use model::Registry;
use model::lattice::{PutRegistries, RegistryCredential};
use serde_json::json;
use stdx::Code;

use crate::failure::Failure;
use crate::output::Output;
use crate::reach::LatticeReach;
use crate::registries::secret;

/// Tells the hosts of a lattice who asks registries
#[derive(Debug, Args)]
pub(crate) struct RegistryCommand {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    reach: LatticeReach,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Has all hosts that are there show this to a registry, until they stop. It crosses the bus as it is
    Put {
        /// The registry: HOST or HOST:PORT, as references name it
        registry: Registry,
        /// Who asks
        #[arg(long, value_name = "NAME", requires = "password_file", required_unless_present = "token_file")]
        user: Option<String>,
        /// The file of the password
        #[arg(long, value_name = "FILE", requires = "user")]
        password_file: Option<PathBuf>,
        /// The file of a token, in the place of both
        #[arg(long, value_name = "FILE", conflicts_with = "user")]
        token_file: Option<PathBuf>,
    },
}

/// Carries out `wattle registry`.
pub(crate) fn run(command: RegistryCommand, output: Output) -> Result<ExitCode, Failure> {
    let Action::Put { registry, user, password_file, token_file } = command.action;
    let read = |path: Option<PathBuf>| path.as_deref().map(secret).transpose();
    let credential = RegistryCredential {
        username: user,
        password: read(password_file)?,
        token: read(token_file)?,
        registry_type: Some("oci".into()),
    };
    let question = PutRegistries::from([(registry.to_string(), credential)]);
    command.reach.once_reached(async |reached| {
        let said = reached.tell_all("registry.put", &question).await?;
        if said.is_empty() {
            let text = format!("no host of lattice {} has answered, and none is known to show it", reached.lattice);
            return Err(Failure::new(Code::E1002, text));
        }
        let refusals: Vec<_> = said.iter().filter_map(|said| said.as_ref().err().cloned()).collect();
        if let Some(why) = refusals.first() {
            let text = format!("{} of {} hosts do not take it: {why}", refusals.len(), said.len());
            return Err(Failure::new(Code::E1003, text));
        }
        let (count, plural) = (said.len(), if said.len() == 1 { "" } else { "s" });
        let text = format!("{count} host{plural} in lattice {} will show this to {registry}", reached.lattice);
        output.print(&text, &json!({ "registry": registry.to_string(), "hosts": count }));
        Ok(ExitCode::SUCCESS)
    })
}
