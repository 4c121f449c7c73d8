//! What a provider reads, as the protocol has it.

use model::lattice::LatticeLink;
use serde_json::{Value, json};

use super::*;

fn told(line: &[u8]) -> Value {
    let line = line.strip_suffix(b"\r\n").expect("a line");
    serde_json::from_slice(&BASE64.decode(line).expect("base64")).expect("JSON")
}

#[test]
fn the_line_has_what_providers_read_in_it() {
    let link = json!({ "source_id": "shop", "target": "files", "wit_namespace": "wasi", "wit_package": "blobstore",
        "interfaces": ["blobstore"], "target_config": ["root"] });
    let link: LatticeLink = serde_json::from_value(link).expect("a link");
    let root = Labels::from([("root".to_owned(), "/tmp".to_owned())]);
    let briefing = Briefing {
        links: vec![LinkDefinition::new(&link, Labels::new(), root)],
        config: [("a".to_owned(), "b".to_owned())].into(),
    };
    let place = Place {
        host: "N1".into(),
        lattice: "default".into(),
        address: "nats://127.0.0.1:4222".into(),
        login: Some(Login { jwt: "J".into(), seed: "S".to_owned().into() }),
    };
    let (host, own) = (HostKey::new().expect("a key"), ProviderKey::new().expect("a key"));
    let mut told = told(&line(&place, (&host, &own), "files", &briefing).expect("a line"));

    let instance = told["instance_id"].take();
    assert_eq!(instance.as_str().map(str::len), Some(36));
    let (public, secret) = (told["host_xkey_public_key"].take(), told["provider_xkey_private_key"].take());
    assert_eq!(public.as_str(), Some(host.0.public_key().as_str()));
    let secret = XKey::from_seed(secret.as_str().expect("a text")).expect("the secret half of a key");
    assert_eq!((secret.public_key(), &own.public[..1]), (own.public.clone(), "X"));
    assert_eq!(
        told,
        json!({
            "host_id": "N1", "lattice_rpc_prefix": "default", "link_name": "default",
            "lattice_rpc_url": "nats://127.0.0.1:4222", "lattice_rpc_user_jwt": "J", "lattice_rpc_user_seed": "S",
            "provider_key": "files", "instance_id": null, "env_values": {},
            "link_definitions": [{ "source_id": "shop", "target": "files", "name": "default", "wit_namespace": "wasi",
                "wit_package": "blobstore", "interfaces": ["blobstore"], "source_config": {},
                "target_config": { "root": "/tmp" } }],
            "cluster_issuers": [], "config": { "a": "b" }, "secrets": {}, "host_xkey_public_key": null,
            "provider_xkey_private_key": null, "default_rpc_timeout_ms": 2000, "structured_logging": false,
            "log_level": "info", "otel_config": { "enable_observability": false, "protocol": "Http",
                "additional_ca_paths": [], "trace_level": "info" },
        })
    );
}
