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
