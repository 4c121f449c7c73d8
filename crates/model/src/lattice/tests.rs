//! The shapes of the protocol, as real clients send and require them.

use serde_json::{from_value, json, to_value};

use super::*;

#[test]
fn an_answer_has_a_response_only_where_there_is_one() {
    let done = to_value(CtlResponse::<()>::done("successfully set link")).expect("a value");
    assert_eq!(done, json!({ "success": true, "message": "successfully set link" }));
    let empty = to_value(CtlResponse::with(Vec::<LatticeLink>::new())).expect("a value");
    assert_eq!(empty, json!({ "success": true, "message": "", "response": [] }));
}

#[test]
fn an_inventory_reads_and_prints_as_the_protocol_has_it() {
    let text = json!({
        "host_id": "N", "friendly_name": "f", "labels": { "a": "b" }, "version": "1.9.2", "uptime_human": "1m 13s",
        "uptime_seconds": 73,
        "components": [{ "id": "hello", "image_ref": "file:///opt/hello.wasm", "name": "hello", "annotations": { "k": "v" },
            "revision": 0, "max_instances": 10, "limits": null }],
        "providers": [{ "id": "http_server", "image_ref": "ghcr.io/x/http-server:0.1", "name": "http-server", "revision": 0,
            "annotations": {} }],
    });
    let inventory: HostInventory = from_value(text.clone()).expect("an inventory");
    assert_eq!(to_value(inventory).expect("a value"), text);
}

/// What a host has is our own word: hosts of others do not say it, and their tools need not know it.
#[test]
fn a_host_may_say_what_it_has() {
    let bare = json!({ "id": "N", "friendly_name": "f", "labels": {} });
    assert_eq!(from_value::<Host>(bare).expect("a host").capacity, None);
    let host = Host {
        capacity: Some(Capacity { cores: 2, memory_bytes: Some(1 << 30), invocations_max: None }),
        acknowledged: Some(Acknowledged { survives: "disk".into(), known: Warrant::Declared }),
        ..Host::default()
    };
    let mut said = to_value(&host).expect("a value");
    assert_eq!(said["capacity"], json!({ "cores": 2, "memory_bytes": 1_u64 << 30 }));
    assert_eq!(said["acknowledged"], json!({ "survives": "disk", "known": "declared" }));
    assert_eq!(from_value::<Host>(said.clone()).expect("a host"), host);
    said["acknowledged"]["known"] = json!("sealed");
    let later = from_value::<Host>(said).expect("a host of a later version").acknowledged.expect("it says so");
    assert_eq!(later.known, Warrant::Other);
    let bare = to_value(Host::default()).expect("a value");
    assert_eq!((bare.get("capacity"), bare.get("acknowledged")), (None, None));
}

/// A record from before there were words for more has the cores alone.
#[test]
fn a_record_is_read_with_and_without_all_that_a_host_has() {
    let mut card = json!({
        "state": "present", "friendly_name": "f", "labels": {}, "version": "1", "cores": 2, "lease_millis": 1,
    });
    let read = |card: &serde_json::Value| from_value::<crate::record::HostRecord>(card.clone()).expect("a record");
    assert_eq!(read(&card).card().capacity, Capacity { cores: 2, ..Capacity::default() });
    card["memory_bytes"] = json!(1_u64 << 30);
    card["invocations_max"] = json!(1_000);
    assert_eq!(to_value(read(&card)).expect("a value"), card);
}

#[test]
fn a_scale_command_needs_no_more_than_an_id() {
    let command: ScaleComponent = from_value(json!({ "component_id": "hello" })).expect("a command");
    assert_eq!(command, ScaleComponent { component_id: "hello".into(), ..ScaleComponent::default() });
    let full = json!({
        "component_ref": "file:///a.wasm", "component_id": "hello", "max_instances": 5, "host_id": "N", "annotations": null,
        "config": ["c"], "component_limits": null, "allow_update": true, "unknown": 1,
    });
    let command: ScaleComponent = from_value(full).expect("a command");
    assert_eq!((command.count, command.config, command.allow_update), (5, vec!["c".to_owned()], true));
    assert!(from_value::<ScaleComponent>(json!({ "count": 1 })).is_err());
    assert!(from_value::<ScaleComponent>(json!({ "component_id": "a", "count": -1 })).is_err());
}

#[test]
fn a_link_says_default_where_no_name_is_said() {
    let text = json!({
        "source_id": "hello", "target": "kv", "wit_namespace": "wasi", "wit_package": "keyvalue", "interfaces": ["store"],
    });
    let link: LatticeLink = from_value(text).expect("a link");
    let whole = json!({
        "source_id": "hello", "target": "kv", "name": "default", "wit_namespace": "wasi", "wit_package": "keyvalue",
        "interfaces": ["store"], "source_config": [], "target_config": [],
    });
    assert_eq!(to_value(link).expect("a value"), whole);
}

/// What is our own in a request is left out where it is not meant, so that it is what a stock client writes.
#[test]
fn a_link_that_replaces_says_so() {
    let text = json!({
        "source_id": "hello", "target": "kv", "name": "default", "wit_namespace": "wasi", "wit_package": "keyvalue",
        "interfaces": ["store"], "source_config": [], "target_config": [],
    });
    let stock: PutLink = from_value(text.clone()).expect("what a stock client writes");
    assert!(!stock.replaces);
    assert_eq!(to_value(&stock).expect("a value"), text);
    let ours = PutLink { replaces: true, ..stock.clone() };
    let written = to_value(&ours).expect("a value");
    assert_eq!(written["replaces"], true);
    assert_eq!(from_value::<PutLink>(written.clone()).expect("it is read"), ours);
    assert_eq!(from_value::<LatticeLink>(written).expect("hosts of others read it"), stock.link);
    let mut bounded = text;
    bounded["terms"] = json!({ "reach": "local", "timeout": 500, "retry": 2 });
    let terms = from_value::<PutLink>(bounded).expect("a link with terms").link.terms;
    assert_eq!(terms, "local,timeout=500ms,retry=2".parse::<Terms>().ok());
}
