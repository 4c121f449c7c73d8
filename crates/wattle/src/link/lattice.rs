//! `wattle link` in a lattice of several hosts: what is put is kept for all of them, and followed where its source runs.

use model::lattice::{DeleteLink, LatticeLink, OWN_SETTINGS};
use model::{Contracts, LinkDel, LinkPut, LinkQuery, Target};
use serde_json::json;
use stdx::Code;

use super::Put;
use crate::failure::Failure;
use crate::output::Output;
use crate::reach::Reached;

/// Puts a link of the lattice.
pub(super) async fn put(reached: &Reached, put: Put, output: Output) -> Result<(), Failure> {
    let target_config = put.config.clone();
    let link = described(put.wanted(), target_config).map_err(|text| Failure::new(Code::E0602, text))?;
    let (said, _) = reached.ask::<()>("link.put", &link).await?;
    output.print(&format!("{}: {said}", line(&link)), &json!({ "link": link, "message": said }));
    Ok(())
}

/// Deletes one.
pub(super) async fn delete(reached: &Reached, wanted: LinkDel, output: Output) -> Result<(), Failure> {
    let missing = || Failure::new(Code::E0602, "say what it is for: --contract NAMESPACE:PACKAGE");
    let Contracts { namespace, package, .. } = wanted.contract.ok_or_else(missing)?;
    let wanted = DeleteLink {
        source_id: wanted.source.to_string(),
        name: wanted.name.as_str().to_owned(),
        wit_namespace: namespace,
        wit_package: package,
    };
    let (said, _) = reached.ask::<()>("link.del", &wanted).await?;
    let text = format!("{} {}:{}: {said}", wanted.source_id, wanted.wit_namespace, wanted.wit_package);
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

/// A link on one line.
fn line(link: &LatticeLink) -> String {
    let LatticeLink { source_id, target, wit_namespace, wit_package, interfaces, .. } = link;
    let interfaces = if interfaces.is_empty() { String::new() } else { format!("/{}", interfaces.join(",")) };
    let name = if link.name == "default" { String::new() } else { format!(" ({})", link.name) };
    let terms = link.terms.as_ref().map(|terms| format!(" [{terms}]")).unwrap_or_default();
    let told = link.target_config.iter().map(|name| match name.starts_with(OWN_SETTINGS) {
        true => " with settings of its own".to_owned(),
        false => format!(" --config {name}"),
    });
    let told = told.collect::<String>();
    let text = format!("{source_id} {wit_namespace}:{wit_package}{interfaces}{name} -> {target}{told}{terms}");
    stdx::printable(&text).to_string()
}
