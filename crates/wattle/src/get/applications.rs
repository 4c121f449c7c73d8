//! `wattle get applications`: what hosts were told to run by a manifest, and where its components run.

use std::collections::BTreeMap;

use model::lattice::{Host, HostInventory};
use model::{Declaration, DeclaredComponent, applications_subject};
use serde_json::{Value, json};

use super::table;
use crate::failure::Failure;
use crate::output::Output;
use crate::reach::Reached;

/// An application in one version, with the hosts that were told to run it.
#[derive(Debug, PartialEq, Eq)]
struct Shown {
    name: String,
    version: Option<String>,
    links: Vec<String>,
    hosts: Vec<ToldHost>,
    components: Vec<Placed>,
}

#[derive(Debug, PartialEq, Eq)]
struct ToldHost {
    id: String,
    name: String,
    since: String,
    /// Whether it answered.
    is_there: bool,
}

/// A component with the names of the hosts that run it.
#[derive(Debug, PartialEq, Eq)]
struct Placed {
    component: DeclaredComponent,
    hosts: Vec<String>,
}

/// Carries out `wattle get applications`.
pub(super) async fn show(reached: &Reached, output: Output) -> Result<(), Failure> {
    let subject = applications_subject(&reached.lattice);
    let declarations: Vec<Declaration> = reached.question(&subject, &(), reached.timeout).await?;
    let hosts: Vec<Host> = if declarations.is_empty() { Vec::new() } else { reached.hosts().await? };
    let asked = futures::future::join_all(hosts.iter().map(|host| reached.inventory(host))).await;
    let inventories = asked.into_iter().collect::<Result<Vec<_>, _>>()?;
    let shown = gathered(declarations, &inventories);
    let text = match shown.is_empty() {
        true => "no host of this lattice was told to run an application; `wattle up app.yaml` runs one".to_owned(),
        false => table(["application", "version", "on", "since", "components"], shown.iter().flat_map(rows)),
    };
    output.print(&text, &json!({ "applications": shown.iter().map(value).collect::<Vec<_>>() }));
    Ok(())
}

/// What was declared, by name and version, with where it runs as these inventories say.
fn gathered(declarations: Vec<Declaration>, inventories: &[HostInventory]) -> Vec<Shown> {
    let mut all: BTreeMap<(String, Option<String>), Shown> = BTreeMap::new();
    for Declaration { application, host, host_name, since } in declarations {
        let is_there = inventories.iter().any(|inventory| inventory.host_id == host);
        let place = |component: DeclaredComponent| Placed { hosts: running(&component, inventories), component };
        let shown = all.entry((application.name.clone(), application.version.clone())).or_insert_with(|| Shown {
            name: application.name,
            version: application.version,
            links: application.links,
            hosts: Vec::new(),
            components: application.components.into_iter().map(place).collect(),
        });
        shown.hosts.push(ToldHost { id: host, name: host_name, since, is_there });
    }
    all.into_values().collect()
}

fn running(component: &DeclaredComponent, inventories: &[HostInventory]) -> Vec<String> {
    let runs = |inventory: &&HostInventory| inventory.components.iter().any(|it| it.id == component.name.as_str());
    inventories.iter().filter(runs).map(|inventory| inventory.friendly_name.clone()).collect()
}

/// A row for each component, the first with what is said of the whole.
fn rows(shown: &Shown) -> Vec<[String; 5]> {
    let hosts = shown.hosts.iter().map(|host| match host.is_there {
        true => host.name.clone(),
        false => format!("{} (does not answer)", host.name),
    });
    let since = shown.hosts.iter().map(|host| host.since.clone()).min().unwrap_or_default();
    let head = [
        shown.name.clone(),
        shown.version.clone().unwrap_or_default(),
        hosts.collect::<Vec<_>>().join(", "),
        since,
        String::new(),
    ];
    let lines = shown.components.iter().map(|Placed { component, hosts }| match hosts.is_empty() {
        true => format!("{}: runs nowhere", component.name),
        false => format!("{}: on {}", component.name, hosts.join(", ")),
    });
    let blank = || std::array::from_fn(|_| String::new());
    let mut rows: Vec<[String; 5]> = Vec::new();
    for line in lines {
        let mut row = if rows.is_empty() { head.clone() } else { blank() };
        row[4] = line;
        rows.push(row);
    }
    if rows.is_empty() { vec![head] } else { rows }
}

fn value(shown: &Shown) -> Value {
    let hosts = shown.hosts.iter().map(
        |host| json!({ "id": host.id, "friendly_name": host.name, "since": host.since, "answers": host.is_there }),
    );
    let components = shown
        .components
        .iter()
        .map(|Placed { component, hosts }| json!({ "name": component.name, "from": component.from, "hosts": hosts }));
    json!({
        "name": shown.name, "version": shown.version, "links": shown.links,
        "hosts": hosts.collect::<Vec<_>>(), "components": components.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use model::DeclaredApplication;
    use model::lattice::ComponentDescription;

    use super::*;

    fn declared(name: &str, version: &str, host: &str) -> Declaration {
        let component =
            |name: &str| DeclaredComponent { name: name.parse().expect("a name"), from: "file:///a".into() };
        let application = DeclaredApplication {
            name: name.into(),
            version: Some(version.into()),
            components: vec![component("till"), component("price")],
            links: Vec::new(),
        };
        Declaration { application, host: host.into(), host_name: host.to_lowercase(), since: "2026-01-01".into() }
    }

    fn inventory(host: &str, components: &[&str]) -> HostInventory {
        let component = |id: &&str| ComponentDescription {
            id: (*id).into(),
            image_ref: String::new(),
            name: None,
            annotations: BTreeMap::new(),
            revision: 0,
            max_instances: 1,
            limits: None,
        };
        HostInventory {
            host_id: host.into(),
            friendly_name: host.to_lowercase(),
            labels: BTreeMap::new(),
            version: String::new(),
            uptime_human: String::new(),
            uptime_seconds: 0,
            components: components.iter().map(component).collect(),
            providers: Vec::new(),
            capacity: None,
        }
    }

    #[test]
    fn an_application_is_shown_with_its_hosts_and_where_its_components_run() {
        let all = vec![declared("shop", "v1", "ADA"), declared("shop", "v1", "BOB"), declared("shop", "v2", "EVE")];
        let shown = gathered(all, &[inventory("ADA", &["till"]), inventory("EVE", &["till", "other"])]);
        let texts: Vec<_> = shown.iter().flat_map(rows).map(|row| row.join("|")).collect();
        assert_eq!(
            texts,
            [
                "shop|v1|ada, bob (does not answer)|2026-01-01|till: on ada, eve",
                "||||price: runs nowhere",
                "shop|v2|eve|2026-01-01|till: on ada, eve",
                "||||price: runs nowhere",
            ]
        );
    }
}
