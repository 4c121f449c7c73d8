//! What `wasmcloud-control-interface` (2.4 and 3.0) reads of answers and writes as questions, restated field by field.
//!
//! A field without a default is one that the client refuses an answer without; a type is the one that it reads.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{from_value, json, to_value};

use super::*;

#[derive(Deserialize)]
struct StockResponse<T> {
    success: bool,
    message: String,
    response: Option<T>,
}

#[derive(Deserialize)]
struct StockHost {
    rpc_host: Option<String>,
    ctl_host: Option<String>,
    friendly_name: String,
    id: String,
    js_domain: Option<String>,
    labels: BTreeMap<String, String>,
    lattice: String,
    uptime_human: Option<String>,
    uptime_seconds: u64,
    version: Option<String>,
}

#[derive(Deserialize)]
struct StockInventory {
    components: Vec<StockComponent>,
    providers: Vec<StockProvider>,
    host_id: String,
}

#[derive(Deserialize)]
struct StockComponent {
    id: String,
    image_ref: String,
    name: Option<String>,
    annotations: Option<BTreeMap<String, String>>,
    revision: i32,
    max_instances: u32,
    limits: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct StockProvider {
    id: String,
    image_ref: Option<String>,
    revision: i32,
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct StockBid {
    component_ref: String,
    component_id: String,
    host_id: String,
    constraints: BTreeMap<String, String>,
}

#[derive(Deserialize, PartialEq, Debug)]
struct StockLink {
    source_id: String,
    target: String,
    name: String,
    wit_namespace: String,
    wit_package: String,
    interfaces: Vec<String>,
    source_config: Vec<String>,
    target_config: Vec<String>,
}

/// An answer as the client reads it.
fn read<T: for<'de> Deserialize<'de>>(answer: impl Serialize) -> StockResponse<T> {
    from_value(to_value(answer).expect("a value")).expect("the client reads it")
}

fn labels(name: &str) -> Labels {
    [(name.to_owned(), "v".to_owned())].into()
}

#[test]
fn a_host_and_its_inventory_are_read() {
    let host = Host { id: "N".into(), lattice: "default".into(), labels: labels("zone"), ..Host::default() };
    let StockResponse { success, message, response } = read::<StockHost>(CtlResponse::with(host));
    let host = response.expect("a host");
    assert!(success && message.is_empty() && host.js_domain.is_none());
    assert_eq!((host.id.as_str(), host.lattice.as_str(), host.labels["zone"].as_str()), ("N", "default", "v"));
    assert!(
        host.rpc_host.is_some() && host.ctl_host.is_some() && host.uptime_human.is_some() && host.version.is_some()
    );
    assert_eq!((host.friendly_name.as_str(), host.uptime_seconds), ("", 0));

    let component = ComponentDescription {
        id: "shop".into(),
        image_ref: "file:///s".into(),
        name: Some("s".into()),
        annotations: labels("a"),
        revision: 3,
        max_instances: u32::MAX,
        limits: Some(labels("max_memory_limit")),
    };
    let bare = ComponentDescription { name: None, annotations: Labels::new(), limits: None, ..component.clone() };
    let provider = ProviderDescription {
        id: "kv".into(),
        image_ref: "r".into(),
        name: None,
        revision: 0,
        annotations: Labels::new(),
        condition: Some("ours".into()),
        config: Some(vec!["ours".into()]),
    };
    let inventory = HostInventory {
        host_id: "N".into(),
        friendly_name: String::new(),
        labels: Labels::new(),
        version: "0".into(),
        uptime_human: String::new(),
        uptime_seconds: 0,
        components: vec![component, bare],
        providers: vec![provider],
        // A field that the stock does not know.
        capacity: Some(Capacity { cores: 2, memory_bytes: None, invocations_max: Some(9) }),
    };
    let inventory: StockInventory = read(CtlResponse::with(inventory)).response.expect("an inventory");
    let [component, bare] = inventory.components.as_slice() else { panic!("two") };
    assert_eq!((component.id.as_str(), component.image_ref.as_str(), component.revision), ("shop", "file:///s", 3));
    assert_eq!((component.name.as_deref(), component.max_instances), (Some("s"), u32::MAX));
    assert_eq!((component.annotations.as_ref(), component.limits.is_some()), (Some(&labels("a")), true));
    assert_eq!((bare.name.as_deref(), bare.limits.as_ref()), (None, None));
    let [provider] = inventory.providers.as_slice() else { panic!("one") };
    assert_eq!((provider.id.as_str(), provider.image_ref.as_deref(), provider.revision), ("kv", Some("r"), 0));
    assert_eq!((provider.annotations.as_ref(), inventory.host_id.as_str()), (Some(&Labels::new()), "N"));
}

#[test]
fn bids_links_claims_and_words_are_read() {
    let ack = ComponentAuctionAck {
        component_ref: "r".into(),
        component_id: "c".into(),
        host_id: "N".into(),
        constraints: labels("zone"),
    };
    let bid: StockBid = read(CtlResponse::with(ack)).response.expect("a bid");
    assert_eq!((bid.component_ref.as_str(), bid.component_id.as_str(), bid.host_id.as_str()), ("r", "c", "N"));
    assert_eq!(bid.constraints, labels("zone"));
    let link: LatticeLink = from_value(json!({
        "source_id": "a", "target": "b", "name": "default", "wit_namespace": "wasi", "wit_package": "http",
        "interfaces": ["incoming-handler"], "source_config": ["x"], "target_config": [],
    }))
    .expect("what the client writes");
    let links: Vec<StockLink> = read(CtlResponse::with(vec![link.clone()])).response.expect("links");
    let as_it_is: StockLink = from_value(to_value(&link).expect("a value")).expect("a link");
    assert_eq!(links, [as_it_is]);
    let claims: StockResponse<Vec<BTreeMap<String, String>>> = read(CtlResponse::with(vec![labels("sub")]));
    assert_eq!(claims.response, Some(vec![labels("sub")]));
    let done = read::<()>(CtlResponse::<()>::done("done"));
    assert!(done.success && done.message == "done" && done.response.is_none());
    assert!(!read::<()>(CtlResponse::<()>::refused("no")).success);
}

#[test]
fn what_the_client_writes_is_understood() {
    let scale: ScaleComponent = from_value(json!({
        "component_ref": "r", "component_id": "c", "count": 3, "host_id": "N", "config": [], "allow_update": false,
        "component_limits": { "max_memory_limit": "1" },
    }))
    .expect("a command");
    assert_eq!(
        (scale.count, scale.component_limits),
        (3, Some([("max_memory_limit".to_owned(), "1".to_owned())].into()))
    );
    let update = json!({ "component_id": "c", "host_id": "N", "new_component_ref": "r" });
    assert_eq!(from_value::<UpdateComponent>(update).expect("a command").new_component_ref, "r");
    let start = json!({ "provider_id": "p", "provider_ref": "r", "host_id": "N", "config": ["c"] });
    assert_eq!(from_value::<StartProvider>(start).expect("a command").config, ["c"]);
    let stop = json!({ "host_id": "N", "provider_id": "p" });
    assert_eq!(from_value::<StopProvider>(stop).expect("a command").provider_id, "p");
    let auction = json!({ "provider_ref": "r", "provider_id": "default", "constraints": {} });
    assert_eq!(from_value::<ProviderAuctionRequest>(auction).expect("a question").provider_id, "default");
    let label = from_value::<PutLabel>(json!({ "key": "zone" })).expect("a label to be taken off");
    assert_eq!(label.value, "");
    let stop = from_value::<StopHost>(json!({ "host_id": "N" })).expect("a command");
    assert_eq!((stop.host_id.as_deref(), stop.timeout), (Some("N"), None));
}
