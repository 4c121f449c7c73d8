//! `wattle start provider`, `stop provider` and `update provider`: the processes of others that hosts of a lattice keep running.

use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use model::ComponentName;
use model::fact::Fact;
use model::lattice::{HostInventory, ProviderAuctionRequest, ProviderDescription, StartProvider, StopProvider};
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

/// What is said to have another one in the place of one.
#[derive(Debug, Args)]
pub(crate) struct UpdateFlags {
    /// What it is called
    id: ComponentName,
    /// Where it comes from now: an archive, an executable, or a reference to an archive
    from: String,
    /// On this host: its key, the beginning of it, or its name
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// With the settings of this name, and no others (can be given several times) [default: those that it has]
    #[arg(long, value_name = "NAME")]
    config: Vec<String>,
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
    let wanted = StartProvider {
        provider_id: id.to_string(),
        provider_ref,
        host_id: host,
        config,
        annotations: Default::default(),
    };
    match begun(reached, &wanted).await? {
        Ok(from) => show(&wanted, &from, output),
        Err(error) => Err(not_as_asked(&wanted, &error)),
    }
}

/// Puts another provider in the place of one that runs: the one ends, and the other begins. Where that does not, the one is started
/// again.
pub(crate) async fn update(reached: &Reached, flags: UpdateFlags, output: Output) -> Result<ExitCode, Failure> {
    let UpdateFlags { id, from, host, config } = flags;
    let provider_ref = reference(&from)?;
    let runs = |inventory: HostInventory| inventory.providers.into_iter().find(|provider| provider.id == id.as_str());
    let (host, before) = locate(reached, (&id, host.as_deref()), runs).await?;
    let ProviderDescription { image_ref, annotations, config: has, .. } = before;
    let is_config_kept = config.is_empty() || has.as_ref() == Some(&config);
    let had = has.clone();
    let config = match (config.is_empty(), has) {
        (false, _) => config,
        (true, Some(has)) => has,
        (true, None) => {
            let text = format!("{} does not say which settings {id} has: give them with --config", host.friendly_name);
            return Err(Failure::new(Code::E1003, text));
        }
    };
    let wanted =
        StartProvider { provider_id: id.to_string(), provider_ref, host_id: host.id.clone(), config, annotations };
    if is_config_kept && place(&wanted.provider_ref) == image_ref {
        let text = format!("{id} runs from {image_ref} already");
        output.print(&text, &json!({ "provider": id, "from": image_ref, "changed": false }));
        return Ok(ExitCode::SUCCESS);
    }
    ended(reached, (&host.id, &id)).await?;
    let error = match begun(reached, &wanted).await? {
        Ok(from) => return show(&wanted, &from, output),
        Err(error) => error,
    };
    let config = had.unwrap_or_else(|| wanted.config.clone());
    let back = StartProvider { provider_ref: whole(&image_ref), config, ..wanted.clone() };
    let now = match begun(reached, &back).await? {
        Ok(from) => format!("it runs from {from} again"),
        Err(error) => format!("and from {image_ref} it does not run any more: {error}"),
    };
    Err(not_as_asked(&wanted, &format!("{error}; {now}")))
}

/// Has a provider start, and gives where it is said to come from; or why it does not run.
async fn begun(reached: &Reached, wanted: &StartProvider) -> Result<Result<String, String>, Failure> {
    let StartProvider { host_id: host, provider_id: id, .. } = wanted;
    let mut facts = Facts::hear(reached).await?;
    if let Err(failure) = reached.ask::<()>(&format!("provider.start.{host}"), wanted).await {
        // It is the host that says so: who is not reached cannot be asked anything else either.
        return if failure.is(Code::E1003) { Ok(Err(failure.text())) } else { Err(failure) };
    }
    let said = facts.until(host, reached.timeout, |fact| match fact {
        Fact::ProviderStarted { provider_id, image_ref, .. } if provider_id == *id => Some(Ok(Ok(image_ref))),
        Fact::ProviderStartFailed { provider_id, error, .. } if provider_id == *id => Some(Ok(Err(error))),
        _ => None,
    });
    said.await
}

/// Has a provider end.
async fn ended(reached: &Reached, (host, id): (&str, &ComponentName)) -> Result<(), Failure> {
    let mut facts = Facts::hear(reached).await?;
    let wanted = StopProvider { provider_id: id.to_string(), host_id: host.to_owned() };
    reached.ask::<()>(&format!("provider.stop.{host}"), &wanted).await?;
    let is_it = |fact| matches!(fact, Fact::ProviderStopped { provider_id, .. } if provider_id == id.as_str());
    facts.until(host, reached.timeout, |fact| is_it(fact).then_some(Ok(()))).await
}

fn show(wanted: &StartProvider, from: &str, output: Output) -> Result<ExitCode, Failure> {
    let StartProvider { host_id: host, provider_id: id, .. } = wanted;
    let text = format!("provider {id} runs on {host}, from {from}");
    output.print(&text, &json!({ "provider": id, "host": host, "from": from }));
    Ok(ExitCode::SUCCESS)
}

fn not_as_asked(StartProvider { host_id, provider_id, .. }: &StartProvider, why: &str) -> Failure {
    Failure::new(Code::E1003, format!("{provider_id} does not run on {host_id} as was asked: {why}"))
}

/// Where something comes from, as hosts show it: without a scheme.
fn place(reference: &str) -> &str {
    reference.split_once("://").map_or(reference, |(_, place)| place)
}

/// The reference of what hosts show without a scheme: a file by its path, what is built in by its name alone, or what a registry has.
fn whole(place: &str) -> String {
    match place {
        file if file.starts_with('/') => format!("file://{file}"),
        built_in if !built_in.contains('/') => format!("wasmcloud+builtin://{built_in}"),
        pulled => pulled.to_owned(),
    }
}

/// Stops a provider on the host that is named, or on the only one that runs it.
pub(crate) async fn stop(reached: &Reached, flags: StopFlags, output: Output) -> Result<ExitCode, Failure> {
    let StopFlags { id, host } = flags;
    let runs =
        |inventory: HostInventory| inventory.providers.iter().any(|provider| provider.id == id.as_str()).then_some(());
    let host = locate(reached, (&id, host.as_deref()), runs).await?.0.id;
    ended(reached, (&host, &id)).await?;
    output.print(&format!("provider {id} has stopped on {host}"), &json!({ "provider": id, "host": host }));
    Ok(ExitCode::SUCCESS)
}
