//! What is read is printed, and what is sent is read.

use std::time::Duration;

use super::{Contracts, Link, LinkId, Reach, Target, Terms};
use crate::contract::Contract;

fn contracts(text: &str) -> Contracts {
    text.parse().expect("contracts")
}

#[test]
fn contracts_cover_a_package_or_one_interface_in_any_version() {
    let store: Contract = "wasi:keyvalue/store@0.2.0-draft".parse().expect("a contract");
    assert!(contracts("wasi:keyvalue").covers(&store));
    assert!(contracts("wasi:keyvalue/store").covers(&store));
    assert!(contracts("wasi:keyvalue/store@0.2.0-draft2").covers(&store), "a version is left out");
    assert!(!contracts("wasi:keyvalue/atomics").covers(&store));
    assert!(!contracts("wasi:blobstore").covers(&store));
    for text in ["", "wasi", "wasi:", ":a", "wasi:a/", "wasi:a/b/c", "wasi:a b"] {
        assert!(text.parse::<Contracts>().is_err(), "{text:?}");
    }
}

#[test]
fn a_target_is_a_component_or_a_backend() {
    let redis = Target::Capability { capability: "keyvalue".into(), backend: "redis".into() };
    assert_eq!("keyvalue/redis".parse(), Ok(redis));
    assert_eq!("catalog".parse(), Ok(Target::Component("catalog".parse().expect("a name"))));
    for text in ["", "/", "a/", "/b", "a/b/c", "a b"] {
        assert!(text.parse::<Target>().is_err(), "{text:?}");
    }
}

#[test]
fn terms_are_words_between_commas() {
    let terms: Terms = "local, timeout=250ms,retry=2".parse().expect("terms");
    assert_eq!(terms, Terms { reach: Reach::Local, timeout: Some(Duration::from_millis(250)), retry: 2 });
    assert_eq!(terms.to_string(), "local,timeout=250ms,retry=2");
    assert_eq!("".parse(), Ok(Terms::default()));
    for text in ["far", "timeout=0s", "timeout", "retry=-1", "retry=300", "colour=red"] {
        assert!(text.parse::<Terms>().is_err(), "{text:?}");
    }
}

#[test]
fn a_link_is_read_as_it_was_sent() {
    let link = Link {
        id: LinkId {
            source: "probe".parse().expect("a name"),
            name: "cache".parse().expect("a name"),
            contract: contracts("wasi:keyvalue"),
        },
        target: "keyvalue/redis".parse().expect("a target"),
        config: [("url".to_owned(), "redis://127.0.0.1".to_owned())].into(),
        terms: "remote,timeout=2s".parse().expect("terms"),
    };
    let text = serde_json::to_string(&link).expect("it is a value");
    assert_eq!(
        text,
        r#"{"source":"probe","name":"cache","contract":"wasi:keyvalue","target":"keyvalue/redis","config":{"url":"redis://127.0.0.1"},"terms":{"reach":"remote","timeout":2000,"retry":0}}"#
    );
    assert_eq!(serde_json::from_str::<Link>(&text).expect("it is a link"), link);
    let least = r#"{"source":"a","contract":"b:c","target":"d"}"#;
    assert!(serde_json::from_str::<Link>(least).is_ok_and(|link| link.id.name.is_default()));
    assert!(serde_json::from_str::<Link>(&least.replace("\"d\"", "\"d e\"")).is_err());
}
