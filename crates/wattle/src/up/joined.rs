//! These are the flags that say which lattice a host is in, and as what.

use std::collections::BTreeMap;
use std::time::Duration;

use artifact::Registries;
use bus::{ConnectOptions, Durability, FirstTry, Login, Replicas};
use clap::Args;
use host::LatticeConfig;
use lattice::RoleConfig;
use model::lattice::{Acknowledged, Warrant};

use crate::failure::Failure;
use crate::nats::NatsFlags;

/// In the place of an address: none.
const OFF: &str = "off";

/// The lattice of a host.
#[derive(Debug, Args)]
pub(super) struct LatticeFlags {
    /// The NATS servers that carry the lattice: nats://HOST:PORT, several with commas between; `off` for none, and to forget which
    /// lattice the host joined [default: what it joined with `wattle lattice join`, else its own bus]
    #[arg(long, value_name = "URL")]
    nats: Option<String>,
    #[command(flatten)]
    flags: NatsFlags,
    /// What the acknowledgements of these servers survive, who do not tell it: `process`, or `disk` where all of them have
    /// `sync_interval: always` [default: process, as servers are unless they are told otherwise]
    #[arg(long, value_name = "CLASS", requires = "nats")]
    nats_durability: Option<Durability>,
    /// On how many of these servers the lattice is kept: 1, 3 or 5, or `auto`, which is three where there are as many. What is kept
    /// on fewer is put on so many
    #[arg(long, value_name = "COUNT", requires = "nats", default_value = "auto")]
    nats_replicas: Replicas,
    /// The lattice: hosts of the same name on the same bus are one [default: default]
    #[arg(long, value_name = "NAME", value_parser = crate::reach::lattice_name)]
    lattice: Option<String>,
    /// What the host carries, so that components can be spread by it (can be given several times)
    #[arg(long, value_name = "NAME=VALUE", value_parser = crate::reach::pair)]
    label: Vec<(String, String)>,
    /// What people call the host [default: a name made from its key]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// How often the host says that it is there, in seconds. The lattice has lost it when it did not for four times that
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0, value_parser = crate::imports::seconds)]
    heartbeat: f64,
    /// Lets whoever reaches the lattice have files of this machine run. It is so where the bus is on this machine
    #[arg(long)]
    allow_file_load: bool,
    /// Takes references over the bus whose tag is `latest`, or that have none: each start may be of another program
    #[arg(long)]
    allow_latest: bool,
}

// === impl LatticeFlags ===

impl LatticeFlags {
    /// Whether a NATS server carries the lattice.
    pub(super) fn is_carried(&self) -> bool {
        self.nats.as_deref().is_some_and(|nats| nats != OFF)
    }

    /// As a host takes it.
    pub(super) fn config(self, registries: Registries) -> Result<LatticeConfig, Failure> {
        if !self.is_carried() && !self.flags.is_empty() {
            crate::cli::refuse("the flags --nats-... say how to connect to servers that --nats names: give that, too");
        }
        // A host starts without its bus, and is there for others as soon as the bus is.
        let options = ConnectOptions {
            name: "wattle host".into(),
            first_try: FirstTry::MayFail,
            durability: self.nats_durability,
            replicas: self.nats_replicas,
            ..self.flags.options(|| Login::Anyone)?
        };
        let forgets = self.nats.as_deref() == Some(OFF);
        let is_named = self.lattice.is_some();
        let role = RoleConfig {
            name: self.lattice.unwrap_or_else(|| model::LATTICE.to_owned()),
            friendly_name: self.name,
            labels: self.label.into_iter().collect::<BTreeMap<_, _>>(),
            heartbeat: Duration::from_secs_f64(self.heartbeat),
        };
        let nats = self.nats.filter(|_| !forgets).map(|url| (url, options));
        Ok(LatticeConfig {
            role,
            nats,
            is_named,
            forgets,
            allows_files: self.allow_file_load,
            allows_latest: self.allow_latest,
            registries,
            provider_variables: provider_variables(),
        })
    }
}

/// What providers find in their environment: how much they log and where they report to, as it is said to the host itself.
fn provider_variables() -> Vec<(String, String)> {
    let is_theirs = |name: &str| name == "RUST_LOG" || name.starts_with("OTEL_");
    let variables =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    variables.filter(|(name, _)| is_theirs(name)).collect()
}

/// What changes of its lattice survive once they are acknowledged, where that is for others to see to.
pub(super) fn survives(acknowledged: &Acknowledged) -> Option<String> {
    let Acknowledged { survives, known } = acknowledged;
    let (kept, warrant) = match (survives.as_str(), known) {
        (_, Warrant::Own) => return None,
        ("disk", _) => ("a power cut, too", "--nats-durability says so of the servers, which do not tell"),
        ("process", Warrant::Assumed) => (
            "that any process is killed, and not a power cut",
            "where all servers have sync_interval: always, which they do not tell, --nats-durability disk says so",
        ),
        ("process", _) => ("that any process is killed, and not a power cut", "as --nats-durability says"),
        _ => ("nothing", "as --nats-durability says"),
    };
    Some(format!("changes that it acknowledges survive {kept} ({warrant})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_survive_is_said_with_how_that_is_known() {
        let said = |text: &str, known| survives(&Acknowledged { survives: text.into(), known });
        assert_eq!(said("disk", Warrant::Own), None, "it is the host's own business");
        let begins = |text: &str, known, beginning: &str| said(text, known).expect("it is said").starts_with(beginning);
        let process = "changes that it acknowledges survive that any process is killed, and not a power cut";
        assert!(begins("process", Warrant::Assumed, process));
        assert!(said("process", Warrant::Assumed).is_some_and(|text| text.contains("--nats-durability disk")));
        assert!(begins("disk", Warrant::Declared, "changes that it acknowledges survive a power cut, too"));
        assert!(begins("memory", Warrant::Declared, "changes that it acknowledges survive nothing"));
    }
}
