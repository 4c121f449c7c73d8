//! Events print as the protocol has them, and are read again.

use serde_json::{from_value, json, to_value};

use super::*;

#[test]
fn an_event_is_a_cloud_event() {
    let scaled = Scaled {
        component_id: "hello".into(),
        host_id: "N".into(),
        image_ref: "file:///a.wasm".into(),
        max_instances: 3,
        annotations: Labels::new(),
        public_key: None,
        claims: None,
    };
    let event = Event {
        specversion: "1.0".into(),
        id: "1".into(),
        source: "N".into(),
        datacontenttype: "application/json".into(),
        time: "2026-03-09T12:00:00Z".into(),
        fact: Fact::ComponentScaleFailed { scaled, error: "no".into() },
    };
    let value = json!({
        "specversion": "1.0", "id": "1", "type": "com.wasmcloud.lattice.component_scale_failed", "source": "N",
        "datacontenttype": "application/json", "time": "2026-03-09T12:00:00Z",
        "data": { "component_id": "hello", "host_id": "N", "image_ref": "file:///a.wasm", "max_instances": 3,
            "annotations": {}, "error": "no" },
    });
    assert_eq!(to_value(&event).expect("a value"), value);
    assert_eq!(from_value::<Event>(value).expect("an event"), event);
}

#[test]
fn claims_are_said_where_there_are_some_and_read_as_hosts_of_others_say_them() {
    let bare = json!({ "component_id": "a", "host_id": "N", "image_ref": "r", "max_instances": 1, "annotations": {} });
    let scaled: Scaled = from_value(bare.clone()).expect("it is read");
    assert_eq!(to_value(scaled).expect("a value"), bare);
    let mut signed = bare;
    signed["public_key"] = json!("M");
    signed["claims"] = json!({
        "call_alias": null, "issuer": "A", "tags": null, "name": null, "version": null, "revision": null,
        "not_before_human": "never", "expires_human": "7",
    });
    let scaled: Scaled = from_value(signed).expect("it is read");
    let said = json!({
        "issuer": "A", "tags": null, "name": "", "version": "", "not_before_human": "never", "expires_human": "7",
    });
    assert_eq!(to_value(&scaled.claims).expect("a value"), said);

    let started = |more: serde_json::Value| {
        let mut data = json!({ "host_id": "N", "provider_id": "kv", "image_ref": "r", "annotations": {} });
        data.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        json!({ "type": "com.wasmcloud.lattice.provider_started", "data": data })
    };
    let signed = started(json!({ "claims": said, "instance_id": "kv", "public_key": "kv", "link_name": "default" }));
    for value in [started(json!({})), signed] {
        let fact: Fact = from_value(value.clone()).expect("a fact");
        let is_signed = matches!(&fact, Fact::ProviderStarted { signed: Some(_), .. });
        assert_eq!(is_signed, value["data"].get("claims").is_some());
        assert_eq!(to_value(fact).expect("a value"), value);
    }
}

#[test]
fn the_name_of_a_fact_is_the_end_of_its_type() {
    let facts = [
        Fact::HostStopped { labels: Labels::new() },
        Fact::HostLost { host_id: String::new(), heard: String::new() },
        Fact::LabelsChanged { host_id: String::new(), labels: Labels::new() },
        Fact::ConfigSet { config_name: String::new() },
        Fact::ConfigDeleted { config_name: String::new() },
    ];
    for fact in facts {
        let value = to_value(&fact).expect("a value");
        let own = matches!(fact, Fact::HostLost { .. });
        let whose = if own { "wattle" } else { "com.wasmcloud" };
        assert_eq!(value["type"], format!("{whose}.lattice.{}", fact.name()));
    }
}
