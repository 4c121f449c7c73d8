//! `wattle start provider` and `wattle stop provider`: the processes of others that hosts of a lattice keep running.

use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use model::ComponentName;
use model::fact::Fact;
use model::lattice::{HostInventory, ProviderAuctionRequest, StartProvider, StopProvider};
use serde_json::json;
use stdx::Code;

use crate::component::{Facts, reference};
use crate::failure::Failure;
use crate::output::Output;
use crate::placed::{Placement, locate};
use crate::reach::Reached;
use crate::registries::name_of;

/// What is said to start a provider.
#[derive(Debug, Args)]
pub(crate) struct StartFlags {
    /// Where it comes from: an archive (.par, .par.gz) or an executable, which the host reads, or a reference to an archive, such
    /// as ghcr.io/shop/store:1, which it pulls
    from: String,
    /// What it is called [default: after its file]
    id: Option<ComponentName>,
    #[command(flatten)]
    placement: Placement,
    /// With the settings of this name, see `wattle config` (can be given several times; later ones win)
    #[arg(long, value_name = "NAME")]
    config: Vec<String>,
}

/// What is said to stop one.
#[derive(Debug, Args)]
pub(crate) struct StopFlags {
    /// What it is called
    id: ComponentName,
    /// On this host: its key, the beginning of it, or its name
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
}

/// Starts a provider on the host that is named, or on one that bids for it.
pub(crate) async fn start(reached: &Reached, flags: StartFlags, output: Output) -> Result<ExitCode, Failure> {
    let StartFlags { from, id, placement, config } = flags;
    let provider_ref = reference(&from)?;
    let id = id.unwrap_or_else(|| {
        let name = name_of(Path::new(&from));
        ComponentName::from_stem(name.as_str().split('.').next().unwrap_or_default())
    });
    let request = |constraints| ProviderAuctionRequest {
        provider_ref: provider_ref.clone(),
        provider_id: id.to_string(),
        constraints,
    };
    let host = placement.find(reached, ("provider.auction", &id), request).await?;
    let mut facts = Facts::hear(reached).await?;
    let wanted = StartProvider {
        provider_id: id.to_string(),
        provider_ref,
        host_id: host.clone(),
        config,
        annotations: Default::default(),
    };
    reached.ask::<()>(&format!("provider.start.{host}"), &wanted).await?;
    let from = facts
        .until(&host, reached.timeout, |fact| match fact {
            Fact::ProviderStarted { provider_id, image_ref, .. } if provider_id == id.as_str() => Some(Ok(image_ref)),
            Fact::ProviderStartFailed { provider_id, error, .. } if provider_id == id.as_str() => {
                let text = format!("{id} does not run on {host} as was asked: {error}");
                Some(Err(Failure::new(Code::E1003, text)))
            }
            _ => None,
        })
        .await?;
    let text = format!("provider {id} runs on {host}, from {from}");
    output.print(&text, &json!({ "provider": id, "host": host, "from": from }));
    Ok(ExitCode::SUCCESS)
}

/// Stops a provider on the host that is named, or on the only one that runs it.
pub(crate) async fn stop(reached: &Reached, flags: StopFlags, output: Output) -> Result<ExitCode, Failure> {
    let StopFlags { id, host } = flags;
    let runs =
        |inventory: HostInventory| inventory.providers.iter().any(|provider| provider.id == id.as_str()).then_some(());
    let host = locate(reached, (&id, host.as_deref()), runs).await?.0.id;
    let mut facts = Facts::hear(reached).await?;
    let wanted = StopProvider { provider_id: id.to_string(), host_id: host.clone() };
    reached.ask::<()>(&format!("provider.stop.{host}"), &wanted).await?;
    let is_it = |fact| matches!(fact, Fact::ProviderStopped { provider_id, .. } if provider_id == id.as_str());
    facts.until(&host, reached.timeout, |fact| is_it(fact).then_some(Ok(()))).await?;
    output.print(&format!("provider {id} has stopped on {host}"), &json!({ "provider": id, "host": host }));
    Ok(ExitCode::SUCCESS)
}
