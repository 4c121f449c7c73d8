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
