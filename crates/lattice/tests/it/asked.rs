//! What the control interface answers beside its words, and what is said to others meanwhile: on a bus in the host's process.

use std::time::Duration;

use bus::{Bus, Headers, Message, Subscription};
use model::LinkDel;
use model::lattice::Labels;
use serde_json::{Value, json};

use crate::hosts::{Host, simulate};

/// How long an answer may take, by a clock that goes on when nothing else does.
const SOON: Duration = Duration::from_secs(5);

async fn ask(bus: &Bus, what: &str, payload: impl ToString) -> Value {
    let subject = format!("wasmbus.ctl.v1.default.{what}").parse().expect("a subject");
    let answer = bus.request(subject, payload.to_string().into(), SOON).await.expect("it is answered");
    serde_json::from_slice(&answer.payload).expect("JSON")
}

async fn done(bus: &Bus, what: &str, payload: impl ToString) {
    let answer = ask(bus, what, payload).await;
    assert_eq!(answer["success"], true, "{what}: {answer}");
}

async fn listen(bus: &Bus, pattern: &str) -> Subscription {
    bus.subscribe(pattern.parse().expect("a pattern"), None).await.expect("it listens")
}

/// What is heard next: on which subject, and what.
async fn next(heard: &mut Subscription) -> (String, Value) {
    let message = tokio::time::timeout(SOON, heard.next()).await.expect("something is said").expect("it listens");
    assert_eq!(message.reply, None, "nobody answers");
    (message.subject.to_string(), serde_json::from_slice(&message.payload).expect("JSON"))
}

fn link(source: &str, target: &str, config: &[&str]) -> Value {
    json!({
        "source_id": source, "target": target, "name": "default", "wit_namespace": "wasi", "wit_package": "keyvalue",
        "interfaces": ["store"], "source_config": [], "target_config": config,
    })
}

#[test]
fn providers_that_no_host_runs_are_told_of_their_links_by_their_ids() {
    simulate(async {
        let (bus, _host) = Host::alone().await;
        let mut heard = listen(&bus, "wasmbus.rpc.default.*.linkdefs.*").await;
        done(&bus, "config.put.root", json!({ "path": "/a" })).await;
        done(&bus, "config.put.SECRET_key", json!({ "name": "key" })).await;
        // Neither is told: what is a secret, and what no provider is an end of.
        done(&bus, "link.put", link("desk", "files", &["root", "SECRET_key"])).await;
        done(&bus, "link.put", link("till", "keyvalue/redis", &[])).await;
        done(&bus, "link.put", link("shop", "files", &["root"])).await;
        let definition = |config: Value| {
            json!({
                "source_id": "shop", "target": "files", "name": "default", "wit_namespace": "wasi",
                "wit_package": "keyvalue", "interfaces": ["store"], "source_config": {}, "target_config": config,
            })
        };
        for end in ["shop", "files"] {
            let subject = format!("wasmbus.rpc.default.{end}.linkdefs.put");
            assert_eq!(next(&mut heard).await, (subject, definition(json!({ "path": "/a" }))));
        }
        let wanted = json!({ "source_id": "shop", "wit_namespace": "wasi", "wit_package": "keyvalue" });
        // The second time there is none.
        for _ in 0..2 {
            done(&bus, "link.del", &wanted).await;
        }
        for end in ["shop", "files"] {
            let subject = format!("wasmbus.rpc.default.{end}.linkdefs.del");
            assert_eq!(next(&mut heard).await, (subject, definition(json!({}))));
        }
        done(&bus, "link.put", link("last", "files", &[])).await;
        // Who is replaced is told that he is.
        let mut other = link("last", "other", &[]);
        other["replaces"] = json!(true);
        done(&bus, "link.put", other).await;
        for said in
            ["last.linkdefs.put", "files.linkdefs.put", "last.linkdefs.del", "files.linkdefs.del", "last.linkdefs.put"]
        {
            assert_eq!(next(&mut heard).await.0, format!("wasmbus.rpc.default.{said}"));
        }
    });
}

/// Who asks the host itself, as `wattle link` does, changes what providers are to know as well.
#[test]
fn providers_that_no_host_runs_are_told_of_links_that_the_host_was_asked_for() {
    simulate(async {
        let (bus, host) = Host::alone().await;
        let mut heard = listen(&bus, "wasmbus.rpc.default.*.linkdefs.*").await;
        let put = async |source: &str, target: &str, told: &Labels| {
            let link = serde_json::from_value(link(source, target, &[])).expect("a link");
            host.role.put_link(link, told).await.expect("it is kept");
        };
        // What only the link has is told to nobody here.
        put("desk", "files", &[("password".to_owned(), "hunter2".to_owned())].into()).await;
        put("shop", "files", &Labels::new()).await;
        put("shop", "other", &Labels::new()).await;
        let wanted = LinkDel { source: "shop".parse().expect("a name"), name: Default::default(), contract: None };
        host.role.delete_link(&wanted).await.expect("it is deleted");
        for said in [
            ["shop.linkdefs.put", "files.linkdefs.put"],
            ["shop.linkdefs.del", "files.linkdefs.del"],
            ["shop.linkdefs.put", "other.linkdefs.put"],
            ["shop.linkdefs.del", "other.linkdefs.del"],
        ] {
            for said in said {
                assert_eq!(next(&mut heard).await.0, format!("wasmbus.rpc.default.{said}"));
            }
        }
    });
}

#[test]
fn an_answer_has_the_trace_of_its_question() {
    simulate(async {
        let (bus, _host) = Host::alone().await;
        let asked = async |headers: Headers| {
            let subject = "wasmbus.ctl.v1.default.host.ping".parse().expect("a subject");
            let question = Message { headers, ..Message::new(subject, "".into()) };
            bus.request_with(question, SOON).await.expect("it is answered").headers
        };
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let fields = [("traceparent", parent), ("tracestate", "a=b"), ("other", "c")];
        let said = asked(Headers::of(fields).expect("headers")).await;
        assert_eq!(said, Headers::of(fields[..2].iter().copied()).expect("headers"), "and nothing else");
        assert!(asked(Headers::default()).await.is_empty());
    });
}

#[test]
fn a_host_is_told_to_stop_within_a_time_once_that_is_answered() {
    simulate(async {
        let (bus, host) = Host::alone().await;
        let refused = ask(&bus, "host.stop.NA", json!({ "host_id": "NB", "timeout": 1 })).await;
        assert_eq!(refused, json!({ "success": false, "message": "invalid host_id [NB]" }));
        for (payload, time) in [
            (json!({ "host_id": "NA", "timeout": 1_500 }).to_string(), Some(Duration::from_millis(1_500))),
            (json!({ "host_id": "NA" }).to_string(), None),
            (String::new(), None),
        ] {
            let answer = ask(&bus, "host.stop.NA", &payload).await;
            assert_eq!(answer, json!({ "success": true, "message": "successfully handled stop host" }));
            let asked = tokio::time::timeout(SOON, host.stop.asked()).await;
            assert_eq!(asked, Ok(time), "{payload:?}");
        }
    });
}

#[test]
fn labels_and_settings_that_change_are_said_and_what_was_not_there_is_not() {
    simulate(async {
        let (bus, host) = Host::alone().await;
        let mut labels = listen(&bus, "wasmbus.evt.default.labels_changed").await;
        done(&bus, "label.put.NA", json!({ "key": "zone", "value": "a" })).await;
        let (_, event) = next(&mut labels).await;
        assert_eq!((&event["source"], &event["data"]["host_id"]), (&json!("NA"), &json!("NA")));
        assert_eq!(event["data"]["labels"]["zone"], "a");
        let carried = ask(&bus, "host.get.NA", "").await["response"]["labels"].clone();
        assert_eq!(event["data"]["labels"], carried, "all that it carries");
        let gone = ask(&bus, "label.del.NA", json!({ "key": "zone" })).await;
        assert_eq!(gone["message"], "successfully deleted label");
        let (_, event) = next(&mut labels).await;
        assert_eq!(event["data"]["labels"].get("zone"), None);
        assert!(event["data"]["labels"].get("hostcore.os").is_some());
        let none = ask(&bus, "label.del.NA", json!({ "key": "zone" })).await;
        assert_eq!(none, json!({ "success": true, "message": "successfully deleted label (no such label)" }));
        let own = ask(&bus, "label.del.NA", json!({ "key": "hostcore.os" })).await;
        assert_eq!(own["message"], "hostcore.* labels cannot be set dynamically");

        let mut settings = listen(&bus, "wasmbus.evt.default.config_deleted").await;
        done(&bus, "config.put.s", json!({ "k": "v" })).await;
        let deleted = ask(&bus, "config.del.s", "").await;
        assert_eq!(deleted, json!({ "success": true, "message": "successfully deleted config" }));
        assert_eq!(next(&mut settings).await.1["data"], json!({ "config_name": "s" }));
        let left = ask(&bus, "config.get.s", "").await;
        assert_eq!(left, json!({ "success": true, "message": "Configuration not found" }));
        let told = host.hands.done().settings.remove("till").expect("it was told");
        assert!(told.is_empty(), "settings that were deleted are as if they were empty: {told:?}");
        // What was not there before is said of labels no second time, but of settings each time, as hosts of wasmCloud do.
        done(&bus, "config.del.s", "").await;
        assert_eq!(next(&mut settings).await.1["data"], json!({ "config_name": "s" }));
        done(&bus, "label.put.NA", json!({ "key": "last", "value": "" })).await;
        assert_eq!(next(&mut labels).await.1["data"]["labels"]["last"], "");
    });
}
