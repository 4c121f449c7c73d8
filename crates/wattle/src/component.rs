//! `wattle start`, `stop`, `scale` and `update`: what runs on the hosts of a lattice.
//!
//! A command is done when the host has said what it came to, not when it was taken.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use bus::Subscription;
use clap::{Args, Subcommand};
use model::fact::{Event, Fact, Scaled};
use model::lattice::{
    ComponentAuctionRequest, ComponentDescription, Host, HostInventory, Labels, ScaleComponent, StopHost,
    UpdateComponent,
};
use model::{ComponentLimits, ComponentName};
use serde_json::json;
use stdx::{ByteSize, Code};

use crate::failure::Failure;
use crate::output::Output;
use crate::placed::{Placement, locate};
use crate::provider;
use crate::reach::{LatticeReach, Reached};
use crate::registries::{Meant, meant, name_of};

/// Starts components and providers on hosts of a lattice
#[derive(Debug, Args)]
pub(crate) struct StartCommand {
    #[command(subcommand)]
    what: Start,
    #[command(flatten)]
    reach: LatticeReach,
}

#[derive(Debug, Subcommand)]
enum Start {
    /// Starts a component on a host that bids for it
    Component {
        /// Where it comes from: a file, which the host reads, or a reference such as ghcr.io/shop/till:1, which it pulls
        from: String,
        /// What it is called [default: after its file]
        id: Option<ComponentName>,
        /// How many invocations run at once
        #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
        count: u32,
        #[command(flatten)]
        placement: Placement,
        /// With the settings of this name, see `wattle config` (can be given several times; later ones win)
        #[arg(long, value_name = "NAME")]
        config: Vec<String>,
        #[command(flatten)]
        limits: LimitFlags,
    },
    /// Starts a provider on a host that bids for it, which keeps its process running
    Provider(provider::StartFlags),
}

/// Stops components, providers and hosts
#[derive(Debug, Args)]
pub(crate) struct StopCommand {
    #[command(subcommand)]
    what: Stop,
    #[command(flatten)]
    reach: LatticeReach,
}

#[derive(Debug, Subcommand)]
enum Stop {
    /// Stops a component: nothing begins any more, and what runs ends by itself
    Component {
        /// What it is called
        id: ComponentName,
        /// On this host: its key, the beginning of it, or its name
        #[arg(long, value_name = "HOST")]
        host: Option<String>,
    },
    /// Stops a provider: it is asked to end, and ended
    Provider(provider::StopFlags),
    /// Stops a host: requests that run are let end
    Host {
        /// Its key, the beginning of it, or its name
        host: String,
    },
}

/// Changes how many invocations of a component run at once
#[derive(Debug, Args)]
pub(crate) struct ScaleCommand {
    #[command(subcommand)]
    what: Scale,
    #[command(flatten)]
    reach: LatticeReach,
}

#[derive(Debug, Subcommand)]
enum Scale {
    /// A component that runs
    Component {
        /// What it is called
        id: ComponentName,
        /// How many invocations run at once; 0 stops it
        count: u32,
        /// On this host: its key, the beginning of it, or its name
        #[arg(long, value_name = "HOST")]
        host: Option<String>,
        /// With the settings of this name, and no others (can be given several times)
        #[arg(long, value_name = "NAME")]
        config: Vec<String>,
        #[command(flatten)]
        limits: LimitFlags,
    },
    /// A provider, which is not scaled: it is one process on each host that runs it, and is started on further ones
    Provider {
        /// What it is called
        id: ComponentName,
        /// How many
        count: u32,
    },
}

/// Limits of one component, below those of its host.
#[derive(Debug, Args)]
struct LimitFlags {
    /// Memory of one instance, where the host does not allow less
    #[arg(long, value_name = "SIZE")]
    memory: Option<ByteSize>,
    /// Time of one invocation in whole seconds, where the host does not allow less
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    time: Option<u64>,
}

/// Puts another program in the place of a component's or a provider's, while it runs
#[derive(Debug, Args)]
pub(crate) struct UpdateCommand {
    #[command(subcommand)]
    what: Update,
    #[command(flatten)]
    reach: LatticeReach,
}

#[derive(Debug, Subcommand)]
enum Update {
    /// A component that runs: no request of it fails
    Component {
        /// What it is called
        id: ComponentName,
        /// Where it comes from now: a file, or a reference
        from: String,
        /// On this host: its key, the beginning of it, or its name
        #[arg(long, value_name = "HOST")]
        host: Option<String>,
    },
    /// A provider that runs: it ends, and the new one begins. Where that does not, the one before is started again
    Provider(provider::UpdateFlags),
}

/// What hosts say of what they run.
pub(crate) struct Facts(Subscription);

/// Carries out `wattle start`.
pub(crate) fn start(command: StartCommand, output: Output) -> Result<ExitCode, Failure> {
    let StartCommand { what, reach } = command;
    let (from, id, placement, wanted) = match what {
        Start::Component { from, id, count, placement, config, limits } => {
            let component_limits = limits.texts();
            let wanted = ScaleComponent { count, config, component_limits, ..ScaleComponent::default() };
            (from, id, placement, wanted)
        }
        Start::Provider(flags) => {
            return reach.once_reached(async |reached| provider::start(&reached, flags, output).await);
        }
    };
    let component_ref = reference(&from)?;
    let id = id.unwrap_or_else(|| name_of(Path::new(&from)));
    reach.once_reached(async |reached| {
        let request = |constraints| ComponentAuctionRequest {
            component_ref: component_ref.clone(),
            component_id: id.to_string(),
            constraints,
        };
        let host = placement.find(&reached, ("component.auction", &id), request).await?;
        let wanted = ScaleComponent { component_ref, ..wanted };
        scaled(&reached, (&host, &id), wanted, output).await
    })
}

/// Carries out `wattle stop`.
pub(crate) fn stop(command: StopCommand, output: Output) -> Result<ExitCode, Failure> {
    let StopCommand { what, reach } = command;
    reach.once_reached(async |reached| match what {
        Stop::Component { id, host } => {
            let (host, runs) = running(&reached, &id, host.as_deref()).await?;
            let wanted = ScaleComponent { component_ref: runs.image_ref, count: 0, ..ScaleComponent::default() };
            scaled(&reached, (&host.id, &id), wanted, output).await
        }
        Stop::Provider(flags) => provider::stop(&reached, flags, output).await,
        Stop::Host { host } => {
            let host = reached.host(Some(&host)).await?;
            let question = StopHost { host_id: Some(host.id.clone()), timeout: None };
            let (said, _) = reached.ask::<()>(&format!("host.stop.{}", host.id), &question).await?;
            let text = format!("{} ({}): {said}", host.friendly_name, host.id);
            output.print(&text, &json!({ "host": host.id, "message": said }));
            Ok(ExitCode::SUCCESS)
        }
    })
}

/// Carries out `wattle scale`.
pub(crate) fn scale(command: ScaleCommand, output: Output) -> Result<ExitCode, Failure> {
    let (id, count, host, config, limits) = match command.what {
        Scale::Component { id, count, host, config, limits } => (id, count, host, config, limits),
        Scale::Provider { id, count } => crate::cli::refuse(&format!(
            "a provider is not scaled to {count}: each host runs one process of {id}, which works on as much at once as it does. \
             Start it on further hosts (wattle start provider FILE {id} --host HOST), and stop it there (wattle stop provider)"
        )),
    };
    command.reach.once_reached(async |reached| {
        let (host, runs) = running(&reached, &id, host.as_deref()).await?;
        let (component_ref, annotations) = (runs.image_ref, runs.annotations);
        let component_limits = limits.texts();
        let wanted =
            ScaleComponent { component_ref, count, config, annotations, component_limits, ..ScaleComponent::default() };
        scaled(&reached, (&host.id, &id), wanted, output).await
    })
}

/// Carries out `wattle update`.
pub(crate) fn update(command: UpdateCommand, output: Output) -> Result<ExitCode, Failure> {
    let (id, from, host) = match command.what {
        Update::Component { id, from, host } => (id, from, host),
        Update::Provider(flags) => {
            return command.reach.once_reached(async |reached| provider::update(&reached, flags, output).await);
        }
    };
    let new_component_ref = reference(&from)?;
    command.reach.once_reached(async |reached| {
        let (host, runs) = running(&reached, &id, host.as_deref()).await?;
        if runs.image_ref == new_component_ref {
            let text = format!("{id} runs from {new_component_ref} already");
            output.print(&text, &json!({ "component": id, "from": new_component_ref, "changed": false }));
            return Ok(ExitCode::SUCCESS);
        }
        let mut facts = Facts::hear(&reached).await?;
        let question = UpdateComponent {
            component_id: id.to_string(),
            new_component_ref: new_component_ref.clone(),
            host_id: host.id.clone(),
            annotations: runs.annotations,
        };
        reached.ask::<()>(&format!("component.update.{}", host.id), &question).await?;
        let is_it = |scaled: &Scaled| scaled.image_ref == new_component_ref;
        let now = outcome(&mut facts, (&host.id, &id), reached.timeout, is_it).await?;
        show(&now, output);
        Ok(ExitCode::SUCCESS)
    })
}

async fn scaled(
    reached: &Reached,
    (host, id): (&str, &ComponentName),
    wanted: ScaleComponent,
    output: Output,
) -> Result<ExitCode, Failure> {
    let mut facts = Facts::hear(reached).await?;
    let wanted = ScaleComponent { component_id: id.to_string(), host_id: host.to_owned(), ..wanted };
    let count = wanted.count;
    let (warning, _) = reached.ask::<()>(&format!("component.scale.{host}"), &wanted).await?;
    if !warning.is_empty() {
        tracing::warn!("{warning}");
    }
    let now = outcome(&mut facts, (host, id), reached.timeout, |scaled| scaled.max_instances == count).await?;
    show(&now, output);
    Ok(ExitCode::SUCCESS)
}

fn show(Scaled { component_id, host_id, image_ref, max_instances, .. }: &Scaled, output: Output) {
    let text = match max_instances {
        0 => format!("{component_id} has stopped on {host_id}"),
        count => format!("{component_id} runs on {host_id}, {count} at once, from {image_ref}"),
    };
    let value = json!({ "component": component_id, "host": host_id, "from": image_ref, "count": max_instances });
    output.print(&text, &value);
}

/// What a command came to, as its host says.
async fn outcome(
    facts: &mut Facts,
    (host, id): (&str, &ComponentName),
    patience: Duration,
    is_it: impl Fn(&Scaled) -> bool,
) -> Result<Scaled, Failure> {
    facts
        .until(host, patience, |fact| match fact {
            Fact::ComponentScaled(scaled) if scaled.component_id == id.as_str() && is_it(&scaled) => Some(Ok(scaled)),
            Fact::ComponentScaleFailed { scaled, error } if scaled.component_id == id.as_str() => {
                let text = format!("{id} does not run on {host} as was asked: {error}");
                Some(Err(Failure::new(Code::E1003, text)))
            }
            _ => None,
        })
        .await
}

// === impl LimitFlags ===

impl LimitFlags {
    /// What is said to the host; nothing where nothing was.
    fn texts(&self) -> Option<Labels> {
        ComponentLimits { memory: self.memory, time: self.time.map(Duration::from_secs) }.texts()
    }
}

// === impl Facts ===

impl Facts {
    /// From now on.
    pub(crate) async fn hear(reached: &Reached) -> Result<Self, Failure> {
        let pattern = format!("wasmbus.evt.{}.*", reached.lattice).parse()?;
        let facts = reached.bus.subscribe(pattern, None).await?;
        reached.bus.flush().await?;
        Ok(Self(facts))
    }

    /// Waits for a fact of a host that says what a command came to.
    pub(crate) async fn until<T>(
        &mut self,
        host: &str,
        patience: Duration,
        read: impl Fn(Fact) -> Option<Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let heard = async {
            while let Some(message) = self.0.next().await {
                let Ok(event) = serde_json::from_slice::<Event>(&message.payload) else { continue };
                let said = (event.source == host).then_some(event.fact).and_then(&read);
                if let Some(outcome) = said {
                    return outcome;
                }
            }
            Err(Failure::new(Code::E0702, "the bus went away"))
        };
        let late = |late| {
            Failure::new(Code::E0702, format!("{host} took the command, and has not said what it came to: {late}"))
        };
        rt::within(Some(patience), heard).await.map_err(late)?
    }
}

/// Where a component runs.
async fn running(
    reached: &Reached,
    id: &ComponentName,
    named: Option<&str>,
) -> Result<(Host, ComponentDescription), Failure> {
    let runs =
        |inventory: HostInventory| inventory.components.into_iter().find(|component| component.id == id.as_str());
    locate(reached, (id, named), runs).await
}

/// A reference that the host understands: a file by its whole path, and what a registry has as it is written.
pub(crate) fn reference(from: &str) -> Result<String, Failure> {
    if from.contains("://") || meant(Path::new(from))? != Meant::File {
        return Ok(from.to_owned());
    }
    let path = Path::new(from).canonicalize();
    let path = path.map_err(|error| Failure::new(Code::E0101, format!("cannot read {from}: {error}")))?;
    Ok(format!("file://{}", path.display()))
}
