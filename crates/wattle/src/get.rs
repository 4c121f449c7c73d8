//! `wattle get`: what there is in a lattice.

mod applications;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use comfy_table::{Table, presets};
use model::lattice::{Capacity, HostInventory, Labels, LatticeLink, OWN_SETTINGS, ProviderDescription};
use serde::Serialize;
use serde_json::{Value, json};
use stdx::{ByteSize, printable};
use view::Presence;

use crate::failure::Failure;
use crate::output::Output;
use crate::reach::{LatticeReach, Reached, find};
use crate::seen::{self, Seen};

/// Shows what there is in a lattice: hosts, what they run, links, applications
#[derive(Debug, Args)]
pub(crate) struct GetCommand {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    reach: LatticeReach,
}

#[derive(Debug, Subcommand)]
enum What {
    /// The hosts: those that answer, those that are silent, and those that are lost
    Hosts,
    /// What hosts run
    Inventory {
        /// The host: its key, the beginning of it, or its name [default: all]
        host: Option<String>,
    },
    /// The links of the lattice
    Links,
    /// The applications that hosts were told to run by a manifest, and where their components run
    Applications,
    /// What signed components and providers say of themselves
    Claims,
}

/// Carries out `wattle get`.
pub(crate) fn run(command: GetCommand, output: Output) -> Result<ExitCode, Failure> {
    let GetCommand { what, reach } = command;
    reach.once_reached(async |reached| {
        match what {
            What::Hosts => hosts(&seen::look(&reached).await?, output),
            What::Inventory { host } => inventory(&reached, host.as_deref(), output).await?,
            What::Links => links(&list(&reached, "link.get").await?, output),
            What::Applications => applications::show(&reached, output).await?,
            What::Claims => claims(&list(&reached, "claims.get").await?, output),
        }
        Ok(ExitCode::SUCCESS)
    })
}

async fn list<A: serde::de::DeserializeOwned>(reached: &Reached, what: &str) -> Result<Vec<A>, Failure> {
    let (_, list) = reached.ask(what, &()).await?;
    Ok(list.unwrap_or_default())
}

fn hosts(seen: &Seen, output: Output) {
    let hosts = seen.hosts();
    let rows = hosts.iter().map(|(host, presence)| {
        [
            host.id.clone(),
            host.friendly_name.clone(),
            presence.to_string(),
            host.uptime_human.clone(),
            host.version.clone(),
            host.capacity.map(shown).unwrap_or_default(),
            joined(&host.labels),
        ]
    });
    let text = table(["host", "name", "state", "uptime", "version", "capacity", "labels"], rows);
    let values: Vec<_> = hosts.iter().map(|(host, presence)| both(host, presence)).collect();
    output.print(&text, &json!({ "hosts": values }));
}

/// What there is to say of a host, with whether it is there.
fn both(said: &impl Serialize, presence: &Presence) -> Value {
    let mut both = json!(said);
    if let (Value::Object(both), Value::Object(presence)) = (&mut both, json!(presence)) {
        both.extend(presence);
    }
    both
}

async fn inventory(reached: &Reached, named: Option<&str>, output: Output) -> Result<(), Failure> {
    let mut seen = seen::look(reached).await?;
    let mut hosts = seen.hosts();
    if named.is_some() {
        let meant = find(hosts.iter().map(|(host, _)| host.clone()).collect(), named, &reached.lattice)?;
        hosts.retain(|(host, _)| host.id == meant.id);
    }
    let there = hosts.iter().filter(|(_, presence)| *presence == Presence::Present);
    for inventory in futures::future::join_all(there.map(|(host, _)| reached.inventory(host))).await {
        seen.learn(&inventory?);
    }
    let inventories: Vec<_> = hosts.iter().map(|(host, presence)| (seen.inventory(&host.id), presence)).collect();
    let texts: Vec<_> = inventories.iter().map(|(inventory, presence)| described(inventory, presence)).collect();
    let values: Vec<_> = inventories.iter().map(|(inventory, presence)| both(inventory, presence)).collect();
    output.print(&texts.join("\n\n"), &json!({ "inventories": values }));
    Ok(())
}

fn described(inventory: &HostInventory, presence: &Presence) -> String {
    let rows = inventory.components.iter().map(|component| {
        let count = match component.max_instances {
            u32::MAX => "unbounded".to_owned(),
            count => count.to_string(),
        };
        [component.id.clone(), count, component.image_ref.clone(), joined(&component.annotations)]
    });
    let has = inventory.capacity.map(|capacity| format!(", {}", shown(capacity))).unwrap_or_default();
    let host = format!("{} ({})", printable(&inventory.friendly_name), printable(&inventory.host_id));
    let (head, nothing) = match presence {
        Presence::Present => (
            format!("{host}, up for {}{}", printable(&inventory.uptime_human), has),
            "no component runs here; `wattle start component FILE` starts one",
        ),
        Presence::Silent { .. } | Presence::Lost { .. } => (
            format!("{host}, {}; this is what it ran then", printable(&presence.to_string())),
            "nothing is known of that",
        ),
    };
    let components = match inventory.components.is_empty() {
        true => nothing.to_owned(),
        false => table(["component", "count", "from", "annotations"], rows),
    };
    let providers = (!inventory.providers.is_empty()).then(|| providers(&inventory.providers));
    [Some(head), Some(components), providers].into_iter().flatten().collect::<Vec<_>>().join("\n")
}

/// What a host has: `2 cores, 8 GiB, 1000 at once`.
fn shown(capacity: Capacity) -> String {
    let Capacity { cores, memory_bytes, invocations_max } = capacity;
    let memory = memory_bytes.map(|bytes| format!(", {}", ByteSize::bytes(bytes))).unwrap_or_default();
    let at_once = invocations_max.map(|count| format!(", {count} at once")).unwrap_or_default();
    format!("{cores} {}{memory}{at_once}", if cores == 1 { "core" } else { "cores" })
}

fn providers(providers: &[ProviderDescription]) -> String {
    let rows = providers.iter().map(|provider| {
        let condition = provider.condition.clone().unwrap_or_default();
        [provider.id.clone(), condition, provider.image_ref.clone(), joined(&provider.annotations)]
    });
    table(["provider", "condition", "from", "annotations"], rows)
}

fn links(links: &[LatticeLink], output: Output) {
    let rows = links.iter().map(|link| {
        let contract = format!("{}:{}/{}", link.wit_namespace, link.wit_package, link.interfaces.join(","));
        let named = link.source_config.iter().chain(&link.target_config).map(|name| settings_name(name));
        let config = named.collect::<Vec<_>>().join(" ");
        [link.source_id.clone(), contract, link.name.clone(), link.target.clone(), config]
    });
    let text = match links.is_empty() {
        true => {
            "nobody has put a link in this lattice (`wattle link query` lists what a host links by itself)".to_owned()
        }
        false => table(["source", "contract", "name", "target", "config"], rows),
    };
    output.print(&text, &json!({ "links": links }));
}

/// What settings are called; those that a link has of its own have a name for nobody.
fn settings_name(name: &str) -> &str {
    if name.starts_with(OWN_SETTINGS) { "(its own)" } else { name }
}

fn claims(claims: &[Labels], output: Output) {
    let rows = claims
        .iter()
        .map(|claims| ["sub", "name", "iss", "version"].map(|name| claims.get(name).cloned().unwrap_or_default()));
    let text = match claims.is_empty() {
        true => "no component or provider of this lattice is signed".to_owned(),
        false => table(["subject", "name", "issuer", "version"], rows),
    };
    output.print(&text, &json!({ "claims": claims }));
}

fn joined(labels: &Labels) -> String {
    let labels = labels.iter().filter(|(name, _)| !name.starts_with("hostcore."));
    labels.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
}

/// Rows below each other. What others wrote can do nothing to a terminal.
fn table<const N: usize>(head: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(head);
    for row in rows {
        table.add_row(row.map(|cell| printable(&cell).to_string()));
    }
    table.trim_fmt()
}
