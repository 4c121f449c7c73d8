//! `wattle link`: what a running host's components are linked to, and changing that.
//!
//! A host answers on its own bus, and has what is put kept: what it is alone in is a lattice as well. On a bus of several hosts none
//! does, and the links of their lattice are meant.

mod lattice;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use model::{
    BackendView, ComponentName, Contracts, LinkChange, LinkDel, LinkName, LinkPut, LinkQuery, LinkView, SettingView,
    Target, Terms,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use stdx::{Code, printable};

use crate::failure::Failure;
use crate::output::Output;
use crate::reach::{LatticeReach, Reached};

/// Links components to what implements their contracts, while they run
#[derive(Debug, Args)]
pub(crate) struct LinkCommand {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    reach: LatticeReach,
}

#[derive(Debug, Subcommand)]
enum Action {
    Put(Put),
    Del(Del),
    Query(Query),
    /// Lists the backends that links can lead to, with what each can be told
    Backends,
}

/// Puts a link, in the place of one of the same source, name and contract
#[derive(Debug, Args)]
struct Put {
    /// The component that imports; a component is called after its file
    source: ComponentName,
    /// What it shall lead to: a component, or CAPABILITY/BACKEND as in keyvalue/redis
    target: Target,
    /// The contracts: namespace:package, or namespace:package/interface [default: what source and target have in common]
    #[arg(long, value_name = "CONTRACT")]
    contract: Option<Contracts>,
    /// Tells one of several links for the same contracts from the others: the component chooses by it
    #[arg(long, value_name = "NAME", default_value_t)]
    name: LinkName,
    /// What the target is told (can be given several times)
    #[arg(long, value_name = "NAME=VALUE", value_parser = setting)]
    set: Vec<(String, String)>,
    /// What the target is told, as the settings of this name are, see `wattle config` (can be given several times)
    #[arg(long, value_name = "NAME", conflicts_with = "set")]
    config: Vec<String>,
    /// How far the link may reach and how long a call may take: fused, local, prefer-local or remote, timeout=TIME, retry=COUNT
    #[arg(long, value_name = "TERMS", default_value_t)]
    terms: Terms,
    /// Puts the link although its target cannot be reached now: it is tried again until it can
    #[arg(long)]
    unchecked: bool,
}

/// Deletes a link that somebody put
#[derive(Debug, Args)]
struct Del {
    /// The component that imports
    source: ComponentName,
    /// The contracts [default: the only ones that it has a link of that name for]
    #[arg(long, value_name = "CONTRACT")]
    contract: Option<Contracts>,
    /// The name of the link
    #[arg(long, value_name = "NAME", default_value_t)]
    name: LinkName,
}

/// Lists what components are linked to
#[derive(Debug, Args)]
struct Query {
    /// Only this component
    source: Option<ComponentName>,
}

/// Carries out `wattle link`.
pub(crate) fn run(command: LinkCommand, output: Output) -> Result<ExitCode, Failure> {
    let LinkCommand { action, reach } = command;
    reach.once_reached(async |host| {
        let is_alone = host.has_control().await?;
        match action {
            Action::Put(put) if is_alone && put.config.is_empty() => {
                host.ask_host("put", &put.wanted()).await.map(|change| show_put(&change, output))?;
            }
            Action::Put(put) => lattice::put(&host, put, output).await?,
            Action::Del(Del { source, contract, name }) => {
                let wanted = LinkDel { source, name, contract };
                match is_alone {
                    true => host.ask_host("del", &wanted).await.map(|change| show_deleted(&change, output))?,
                    false => lattice::delete(&host, wanted, output).await?,
                }
            }
            Action::Query(Query { source }) if is_alone => {
                host.ask_host("query", &LinkQuery { source }).await.map(|links| show_links(links, output))?;
            }
            Action::Query(Query { source }) => lattice::query(&host, LinkQuery { source }, output).await?,
            Action::Backends => host.ask_host("backends", &()).await.map(|backends| show_backends(backends, output))?,
        }
        Ok(ExitCode::SUCCESS)
    })
}

impl Reached {
    /// Whether a host answers for itself: it is the only one on its bus.
    async fn has_control(&self) -> Result<bool, Failure> {
        match self.ask_host::<_, Vec<BackendView>>("backends", &()).await {
            Ok(_) => Ok(true),
            Err(failure) if failure.is(Code::E0701) => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    async fn ask_host<Q: Serialize, A: DeserializeOwned>(&self, what: &str, question: &Q) -> Result<A, Failure> {
        let subject = format!("{}.link.{what}", model::control_prefix(model::LATTICE));
        self.question(&subject, question, self.timeout).await
    }
}

// === impl Put ===

impl Put {
    fn wanted(self) -> LinkPut {
        let Self { source, target, contract, name, set, config: _, terms, unchecked } = self;
        LinkPut { source, target, name, contract, config: set.into_iter().collect(), terms, unchecked }
    }
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("a setting is written NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

// === what is shown ===

fn show_put(change: &LinkChange, output: Output) {
    let before = change.before.as_ref().map(|view| format!(" (was {})", view.link.target));
    let now = change.now.as_ref().map(line).unwrap_or_default();
    output.print(&format!("{now}{}", before.unwrap_or_default()), &json!(change));
}

fn show_deleted(change: &LinkChange, output: Output) {
    let before = change.before.as_ref().map(|view| format!("{}: deleted, was {}", view.link.id, view.link.target));
    // What the host was started with is there again.
    let now = change.now.as_ref().map(|view| format!("; {} as at the start", view.link.target));
    output.print(&format!("{}{}", before.unwrap_or_default(), now.unwrap_or_default()), &json!(change));
}

fn show_links(links: Vec<LinkView>, output: Output) {
    if output == Output::Json {
        return output.print("", &json!({ "links": links }));
    }
    let none = links.is_empty().then(|| "no component imports anything that could be linked".to_owned());
    let lines: Vec<_> = none.into_iter().chain(links.iter().map(line)).collect();
    output.print(&lines.join("\n"), &json!(null));
}

/// A link on one line, with its trouble on a second.
fn line(view: &LinkView) -> String {
    let LinkView { link, is_put, trouble } = view;
    let mut text = format!("{} -> {}", link.id, link.target);
    for (name, value) in &link.config {
        text.push_str(&format!(" {name}={}", printable(value)));
    }
    if link.terms != Terms::default() {
        text.push_str(&format!(" [{}]", link.terms));
    }
    if !is_put {
        text.push_str(" (by default)");
    }
    if let Some(trouble) = trouble {
        text.push_str(&format!("\n  not open, and tried again: {}", printable(trouble)));
    }
    text
}

fn show_backends(backends: Vec<BackendView>, output: Output) {
    if output == Output::Json {
        return output.print("", &json!({ "backends": backends }));
    }
    let described = backends.iter().map(|BackendView { target, about, settings }| {
        let width = settings.iter().map(|setting| setting.name.len()).max().unwrap_or(0);
        let settings: String = settings.iter().map(|setting| described(setting, width)).collect();
        format!("{target}: {about}{settings}")
    });
    output.print(&described.collect::<Vec<_>>().join("\n"), &json!(null));
}

fn described(setting: &SettingView, width: usize) -> String {
    let SettingView { name, about, kind, default, is_required } = setting;
    let rest = match default {
        Some(default) => format!(", {default} if nothing is said"),
        None if *is_required => ", has to be said".to_owned(),
        None => String::new(),
    };
    format!("\n  {name:width$}  {about}: {kind}{rest}")
}
