//! What a server says of a stream.

use super::*;

/// Whether a stream that is said to have no messages is empty, where this is said of its servers.
fn is_empty(cluster: &str) -> bool {
    let config = r#"{"name": "KV_a", "retention": "limits", "max_consumers": -1, "max_msgs": -1, "max_bytes": -1, "max_age": 0,
        "discard": "new", "storage": "file", "num_replicas": 3}"#;
    let state = r#"{"messages": 0, "bytes": 0, "first_seq": 0, "first_ts": "0001-01-01T00:00:00Z", "last_seq": 0,
        "last_ts": "0001-01-01T00:00:00Z", "consumer_count": 0}"#;
    let info = format!(
        r#"{{"config": {config}, "created": "2026-01-01T00:00:00Z", "state": {state}, "ts": "2026-01-01T00:00:00Z"{cluster}}}"#
    );
    has_leader(&serde_json::from_str(&info).expect("what a server says of a stream"))
}

#[test]
fn a_stream_without_a_leader_is_not_empty() {
    assert!(is_empty(""), "of one server nothing is said");
    assert!(is_empty(r#", "cluster": {"name": "c", "leader": "n1"}"#));
    for cluster in [r#"{"name": "c"}"#, r#"{"name": "c", "leader": ""}"#, r#"{"name": "c", "replicas": []}"#] {
        assert!(!is_empty(&format!(r#", "cluster": {cluster}"#)), "{cluster}");
    }
}
