//! `wattle lattice`: takes a host that runs into a lattice with all that it has, and out of it again.
//!
//! The host is asked on its own bus, whatever lattice is the current one: it is the host that changes where it is.

use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use model::{Entrance, JoinLattice, MembershipView, Prefer, Standing, lattice_subject};
use serde_json::json;
use stdx::{Code, printable};

use crate::alone;
use crate::failure::Failure;
use crate::nats::NatsFlags;
use crate::output::Output;
use crate::reach::{BusFlags, lattice_name};

/// Takes a running host into a lattice, and out of it: requests go on, and it remembers where it is
#[derive(Debug, Args)]
pub(crate) struct LatticeCommand {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    bus: BusFlags,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Joins a lattice on NATS servers, with components, application, links and settings. After a restart the host is there again
    Join {
        /// The servers: nats://HOST:PORT, several with commas between, as the host reaches them
        #[arg(value_name = "URL")]
        servers: String,
        /// The lattice
        #[arg(long, value_name = "NAME", default_value = model::LATTICE, value_parser = lattice_name)]
        lattice: String,
        #[command(flatten)]
        flags: Box<NatsFlags>,
        /// Whose word counts where links or settings of host and lattice contradict each other [default: it is refused]
        #[arg(long, value_enum)]
        prefer: Option<PreferFlag>,
    },
    /// Leaves the lattice: the host is alone then, with what concerns what it runs
    Leave,
    /// Says which lattice the host is in
    Get,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum PreferFlag {
    Host,
    Lattice,
}

/// Carries out `wattle lattice`.
pub(crate) fn run(command: LatticeCommand, output: Output) -> Result<ExitCode, Failure> {
    alone::new_runtime()?.block_on(async {
        let host = command.bus.host().await?;
        let asked = async |what: &str, question: Option<JoinLattice>| -> Result<MembershipView, Failure> {
            let view = host.question(&lattice_subject(what), &question, host.timeout).await;
            view.map_err(|failure| if failure.is(Code::E0701) { no_host_of_its_own() } else { failure })
        };
        let view = match command.action {
            Action::Join { servers, lattice, flags, prefer } => {
                let nowhere = |error| Failure::new(Code::E0705, format!("a path cannot be made absolute: {error}"));
                let login = flags.anywhere().map_err(nowhere)?.files();
                let entrance = Entrance { nats: servers, lattice, login };
                asked("join", Some(JoinLattice { entrance, prefer: prefer.map(Prefer::from) })).await?
            }
            Action::Leave => asked("leave", None).await?,
            Action::Get => asked("get", None).await?,
        };
        output.print(&text(&view), &json!(view));
        Ok(ExitCode::SUCCESS)
    })
}

fn no_host_of_its_own() -> Failure {
    let text = "no host has this bus for its own: --nats URL names the bus that a host says it has when it starts";
    Failure::new(Code::E0701, text)
}

fn text(view: &MembershipView) -> String {
    let MembershipView { host, host_name, lattice, bus, standing, leads_away, .. } = view;
    let name = printable(host_name);
    let place = match standing {
        Standing::Alone => format!("is alone, in lattice {lattice} on its own bus"),
        Standing::Joined => {
            format!("is in lattice {lattice} on {bus}, also after a restart; `wattle lattice leave` ends that")
        }
        Standing::Started => format!("is in lattice {lattice} on {bus}, as it was started"),
    };
    let links = leads_away.iter().map(|link| match standing {
        Standing::Alone => format!("\n{link}: does not run here, calls fail"),
        Standing::Joined | Standing::Started => format!("\n{link}: on another host, where one runs it"),
    });
    format!("{name} ({host}) {place}{}", links.collect::<String>())
}

// === impl Prefer ===

impl From<PreferFlag> for Prefer {
    fn from(flag: PreferFlag) -> Self {
        match flag {
            PreferFlag::Host => Self::Host,
            PreferFlag::Lattice => Self::Lattice,
        }
    }
}
