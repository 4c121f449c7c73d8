//! Components that are started with limits of their own, over the control interface.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::{Up, eventually};

use crate::lattice::{Stranger, host, id, refusal, tell};
use crate::{guest, wattle};

const TOO_MUCH: &str = "the component needed more memory than it may have\n";

/// What the host says of the limits of its only component.
fn limits(stranger: &Stranger, up: &Up) -> Value {
    stranger.ask(&format!("host.get.{}", id(up)), "")["response"]["components"][0]["limits"].clone()
}

#[test]
fn a_component_has_the_limits_that_it_was_started_with_and_never_more_than_its_host_allows() {
    let wattle = wattle();
    let up = host(&wattle, &["--bus", "127.0.0.1:0", "--bus-token", "none", "--memory", "64MiB"]);
    let (bus, stranger) = (up.bus(), Stranger::new(&up.bus()));
    let limited = ["--memory", "16MiB", "--time", "1"];
    let start = ["start", "component", &guest("http-kit")];
    tell(&wattle, &bus, &[&start[..], &limited].concat());
    let link = json!({ "source_id": "http", "target": "http-kit", "wit_namespace": "wasi", "wit_package": "http",
        "interfaces": ["incoming-handler"] });
    assert_eq!(stranger.ask("link.put", &link.to_string())["success"], true);
    eventually("it is asked", || up.get("/alloc?mib=1").status == 200);
    assert_eq!(limits(&stranger, &up), json!({ "max_memory_limit": "16777216", "max_execution_time": "1" }));
    let answer = up.get("/alloc?mib=32");
    assert_eq!((answer.status, answer.text().as_str()), (500, TOO_MUCH));
    assert_eq!(up.get("/alloc?mib=8").status, 200);
    let begun = Instant::now();
    assert_eq!(up.get("/spin").status, 504);
    assert!(begun.elapsed() < Duration::from_secs(20), "the host alone would give it 30 s");

    // Who names none leaves them as they are; who names others has them from the next request on.
    let scale = |count: &str, limits: &[&str]| {
        tell(&wattle, &bus, &[&["scale", "component", "http-kit", count][..], limits].concat());
    };
    scale("3", &[]);
    assert_eq!(up.get("/alloc?mib=32").status, 500);
    scale("3", &["--memory", "48MiB"]);
    assert_eq!(up.get("/alloc?mib=32").status, 200);
    assert_eq!(limits(&stranger, &up), json!({ "max_memory_limit": "50331648" }));
    tell(&wattle, &bus, &["update", "component", "http-kit", &guest("hello")]);
    assert_eq!(limits(&stranger, &up), json!({ "max_memory_limit": "50331648" }), "another program has the same");
    tell(&wattle, &bus, &["update", "component", "http-kit", &guest("http-kit")]);
    scale("3", &["--memory", "1GiB"]);
    let answer = up.get("/alloc?mib=100");
    assert_eq!((answer.status, answer.text().as_str()), (500, TOO_MUCH), "of both limits the smaller one counts");
    assert_eq!(up.stop().code, Some(0));
}

#[test]
fn limits_that_are_none_are_refused_and_nothing_is_started() {
    let wattle = wattle();
    let up = host(&wattle, &["--bus", "127.0.0.1:0", "--bus-token", "none"]);
    let stranger = Stranger::new(&up.bus());
    let ask = |limits: Value| {
        let from = format!("file://{}", guest("hello"));
        let command = json!({ "component_ref": from, "component_id": "hello", "count": 1, "component_limits": limits });
        stranger.ask(&format!("component.scale.{}", id(&up)), &command.to_string())
    };
    for (limits, message) in [
        (
            json!({ "max_memory_limit": "64MiB" }),
            r#"max_memory_limit is a whole number of bytes, 1 or more, and not "64MiB""#,
        ),
        (
            json!({ "max_execution_time": "0" }),
            r#"max_execution_time is a whole number of seconds, 1 or more, and not "0""#,
        ),
        (
            json!({ "memory": "1" }),
            r#"a component has no limit "memory"; it has max_memory_limit, in bytes, and max_execution_time, in seconds"#,
        ),
        (json!({ "max_memory_limit": 64 }), "failed to deserialize component scale command"),
    ] {
        assert_eq!(ask(limits), json!({ "success": false, "message": message }));
    }
    assert_eq!(limits(&stranger, &up), Value::Null, "nothing runs");
    assert_eq!(ask(Value::Null)["success"], true);
    let refused = refusal(&wattle, &up.bus(), &["scale", "component", "hello", "1", "--time", "0"]);
    assert!(refused.contains("--time"), "{refused}");
    assert_eq!(up.stop().code, Some(0));
}
