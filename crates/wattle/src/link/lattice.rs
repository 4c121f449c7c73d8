//! `wattle link` in a lattice of several hosts: what is put is kept for all of them, and followed where its source runs.
//!
//! # Invariants
//!
//! 1. One link has one identity here as on a host that is alone: what is put takes the place of what gives the same, at once, and
//!    what is deleted was there. Requests of wasmCloud's own tools are answered as ever.

use model::lattice::{DeleteLink, LatticeLink, OWN_SETTINGS, PutLink};
use model::{Contracts, LinkDel, LinkId, LinkPut, LinkQuery, Target};
use serde_json::json;
use stdx::Code;

use super::Put;
use crate::failure::Failure;
use crate::output::Output;
use crate::reach::Reached;

/// Puts a link of the lattice, in the place of what gives its source the same now.
pub(super) async fn put(reached: &Reached, put: Put, output: Output) -> Result<(), Failure> {
    let target_config = put.config.clone();
    let link = described(put.wanted(), target_config).map_err(|text| Failure::new(Code::E0602, text))?;
    let wanted = PutLink { link, replaces: true };
    let (said, _) = reached.ask::<()>("link.put", &wanted).await?;
    let PutLink { link, .. } = wanted;
    output.print(&format!("{}: {said}", line(&link)), &json!({ "link": link, "message": said }));
    Ok(())
}

/// Deletes one, which is there.
pub(super) async fn delete(reached: &Reached, wanted: LinkDel, output: Output) -> Result<(), Failure> {
    let (_, links) = reached.ask::<Vec<LatticeLink>>("link.get", &()).await?;
    let wanted = meant(wanted, &links.unwrap_or_default()).map_err(|text| Failure::new(Code::E0605, text))?;
    let (said, _) = reached.ask::<()>("link.del", &wanted).await?;
    let interface = wanted.interface.as_ref().map(|interface| format!("/{interface}")).unwrap_or_default();
    let text = format!("{} {}:{}{interface}: {said}", wanted.source_id, wanted.wit_namespace, wanted.wit_package);
    output.print(&text, &json!({ "link": wanted, "message": said }));
    Ok(())
}

/// Lists those of one component, or all.
pub(super) async fn query(reached: &Reached, wanted: LinkQuery, output: Output) -> Result<(), Failure> {
    let (_, links) = reached.ask::<Vec<LatticeLink>>("link.get", &()).await?;
    let is_wanted = |link: &LatticeLink| wanted.source.as_ref().is_none_or(|source| source.as_str() == link.source_id);
    let links: Vec<_> = links.unwrap_or_default().into_iter().filter(is_wanted).collect();
    let lines: Vec<_> = links.iter().map(line).collect();
    let text = if lines.is_empty() { "nobody has put a link in this lattice".to_owned() } else { lines.join("\n") };
    output.print(&text, &json!({ "links": links }));
    Ok(())
}

/// A link as the lattice keeps it, or what is missing of it.
fn described(wanted: LinkPut, target_config: Vec<String>) -> Result<LatticeLink, String> {
    if !wanted.config.is_empty() {
        return Err(
            "links of a lattice are told settings by name: `wattle config put NAME ...`, then --config NAME".into()
        );
    }
    let contract = wanted.contract.ok_or("say what it is for: --contract NAMESPACE:PACKAGE/INTERFACE")?;
    let interfaces: Vec<_> = contract.interface.into_iter().collect();
    if interfaces.is_empty() && matches!(wanted.target, Target::Component(_)) {
        let (namespace, package) = (contract.namespace, contract.package);
        return Err(format!("say which interface a component is to give: --contract {namespace}:{package}/INTERFACE"));
    }
    Ok(LatticeLink {
        source_id: wanted.source.to_string(),
        target: wanted.target.to_string(),
        name: wanted.name.as_str().to_owned(),
        wit_namespace: contract.namespace,
        wit_package: contract.package,
        interfaces,
        source_config: Vec::new(),
        target_config,
        terms: Some(wanted.terms).filter(|terms| *terms != model::Terms::default()),
        is_whole: false,
    })
}

/// The one of these links that shall be gone, or why there is none or more than one.
fn meant(wanted: LinkDel, links: &[LatticeLink]) -> Result<DeleteLink, String> {
    let LinkDel { source, name, contract } = wanted;
    let is_of_name = |link: &&LatticeLink| link.source_id == source.as_str() && link.name == name.as_str();
    let of_name: Vec<_> = links.iter().filter(is_of_name).collect();
    let several = |links: &[&LatticeLink]| match links {
        [] => format!("{source} has no link that somebody put; say which with --contract"),
        links => {
            let known: Vec<_> = links.iter().map(|link| stdx::printable(&contracts(link)).to_string()).collect();
            format!("{source} has {}; say which with --contract", known.join(", "))
        }
    };
    let contract = match (contract, of_name.as_slice()) {
        (Some(contract), _) => contract,
        (None, [only]) => {
            let (namespace, package) = (only.wit_namespace.clone(), only.wit_package.clone());
            Contracts { namespace, package, interface: None }
        }
        (None, several_or_none) => return Err(several(several_or_none)),
    };
    let is_of_package = |link: &&&LatticeLink| {
        (link.wit_namespace.as_str(), link.wit_package.as_str()) == (&*contract.namespace, &*contract.package)
    };
    let of_package: Vec<_> = of_name.iter().filter(is_of_package).copied().collect();
    let has_whole = of_package.iter().any(|link| link.is_for_package());
    let is_there = match &contract.interface {
        Some(interface) => has_whole || of_package.iter().any(|link| link.interfaces.contains(interface)),
        None if !has_whole && of_package.len() > 1 => return Err(several(&of_package)),
        None => !of_package.is_empty(),
    };
    if !is_there {
        return Err(format!("{} has no link of that name that somebody put", LinkId { source, name, contract }));
    }
    let Contracts { namespace, package, interface } = contract;
    let (source_id, name) = (source.to_string(), name.as_str().to_owned());
    Ok(DeleteLink { source_id, name, wit_namespace: namespace, wit_package: package, interface })
}

/// What a link is for.
fn contracts(link: &LatticeLink) -> String {
    let interfaces = if link.interfaces.is_empty() { String::new() } else { format!("/{}", link.interfaces.join(",")) };
    format!("{}:{}{interfaces}", link.wit_namespace, link.wit_package)
}

/// A link on one line.
fn line(link: &LatticeLink) -> String {
    let LatticeLink { source_id, target, .. } = link;
    let name = if link.name == "default" { String::new() } else { format!(" ({})", link.name) };
    let terms = link.terms.as_ref().map(|terms| format!(" [{terms}]")).unwrap_or_default();
    let told = link.target_config.iter().map(|name| match name.starts_with(OWN_SETTINGS) {
        true => " with settings of its own".to_owned(),
        false => format!(" --config {name}"),
    });
    let told = told.collect::<String>();
    let text = format!("{source_id} {}{name} -> {target}{told}{terms}", contracts(link));
    stdx::printable(&text).to_string()
}

#[cfg(test)]
mod tests;
