//! The control interface under attack: whatever is sent to it, each question is answered, once.
//!
//! Method: every verb is asked with payloads that nobody would send, and with good ones that were damaged by dice; after each of
//! them a host with nothing else to do has had all the time that it could want.

use std::time::Duration;

use bus::{Bus, Message, Subscription};
use futures::FutureExt;
use model::lattice::{ComponentAuctionRequest, CtlResponse, ProviderAuctionRequest};
use serde_json::{Value, json};

use crate::hosts::{Host, simulate};
use crate::story::Dice;

/// How long a host has for one question.
const LONG: Duration = Duration::from_secs(3);

/// How often a good payload of each verb is damaged.
const DAMAGED: usize = 40;

/// About as large as a message may be.
const HUGE: usize = 1_000_000;

/// Each verb, with what is sent to it as a rule; and some that are none.
const VERBS: [(&str, &str); 24] = [
    ("host.ping", ""),
    ("host.get.NA", ""),
    ("host.stop.NA", r#"{"host_id":"NA","timeout":10}"#),
    ("component.auction", r#"{"component_ref":"file:///c","component_id":"c1","constraints":{"zone":"a"}}"#),
    (
        "component.scale.NA",
        r#"{"component_ref":"file:///c","component_id":"c1","count":2,"host_id":"NA","annotations":{"a":"b"},"config":["s"],
            "component_limits":{"max_memory_limit":"65536"},"allow_update":true}"#,
    ),
    (
        "component.update.NA",
        r#"{"component_id":"till","new_component_ref":"file:///d","host_id":"NA","annotations":null}"#,
    ),
    ("provider.auction", r#"{"provider_ref":"file:///p","provider_id":"p1","constraints":{}}"#),
    (
        "provider.start.NA",
        r#"{"provider_id":"p1","provider_ref":"file:///p","host_id":"NA","config":["s"],"annotations":{}}"#,
    ),
    ("provider.stop.NA", r#"{"provider_id":"p1","host_id":"NA"}"#),
    ("label.put.NA", r#"{"key":"zone","value":"a"}"#),
    ("label.del.NA", r#"{"key":"zone"}"#),
    ("registry.put", r#"{"ghcr.io":{"username":"u","password":"p","token":null,"registryType":"oci"}}"#),
    (
        "link.put",
        r#"{"source_id":"till","target":"price","name":"default","wit_namespace":"demo","wit_package":"shop",
            "interfaces":["tag"],"source_config":[],"target_config":["s"],"terms":{"reach":"remote","timeout":5000,"retry":1}}"#,
    ),
    ("link.del", r#"{"source_id":"till","name":"default","wit_namespace":"demo","wit_package":"shop"}"#),
    ("link.get", ""),
    ("claims.get", ""),
    ("config.put.s", r#"{"k":"v"}"#),
    ("config.get.s", ""),
    ("config.del.s", ""),
    ("config.put.a.b", r#"{"k":"v"}"#),
    ("config.put.SECRET_s", r#"{"name":"s","backend":"b"}"#),
    ("link.nonsense", ""),
    ("claims.nonsense", ""),
    ("host.nonsense.NA", ""),
];

/// What nobody would send.
fn nonsense() -> Vec<Vec<u8>> {
    let huge = "a".repeat(HUGE / 4);
    let many: serde_json::Map<_, _> = (0..40_000).map(|number| (format!("k{number}"), json!("v"))).collect();
    let ids = ["component_id", "provider_id", "source_id", "target", "key", "name", "new_component_ref", "ghcr.io"];
    let huge_ids: serde_json::Map<_, _> =
        ids.iter().map(|id| ((*id).to_owned(), json!("b".repeat(HUGE / 16)))).collect();
    let mut all: Vec<Vec<u8>> =
        ["", "null", "{", "[]", "{}", "1", "-1e400", "\"x\"", "true", " \n", "{}{}", "\u{feff}{}"]
            .map(|text| text.as_bytes().to_vec())
            .into();
    all.extend([
        vec![0xff, 0xfe, 0x00],
        vec![0; 4_096],
        "[".repeat(200_000).into_bytes(),
        "{\"a\":".repeat(50_000).into_bytes(),
        ["[".repeat(HUGE / 2), "]".repeat(HUGE / 2)].concat().into_bytes(),
        Value::String(huge).to_string().into_bytes(),
        Value::Object(many).to_string().into_bytes(),
        Value::Object(huge_ids).to_string().into_bytes(),
    ]);
    all
}

/// A good payload, damaged.
fn damaged(dice: &mut Dice, good: &str) -> Vec<u8> {
    let bytes = good.as_bytes();
    let at = |dice: &mut Dice, length: usize| dice.below(length.max(1) as u64) as usize;
    match dice.below(6) {
        0 => bytes[..at(dice, bytes.len())].to_vec(),
        1 => {
            let mut bytes = bytes.to_vec();
            let place = at(dice, bytes.len());
            if let Some(byte) = bytes.get_mut(place) {
                *byte = dice.draw() as u8;
            }
            bytes
        }
        2 => {
            let place = at(dice, bytes.len());
            let noise: Vec<u8> = (0..1 + dice.below(16)).map(|_| dice.draw() as u8).collect();
            [&bytes[..place], &noise, &bytes[place..]].concat()
        }
        3 => (0..dice.below(64)).map(|_| dice.draw() as u8).collect(),
        _ => changed(dice, good).to_string().into_bytes(),
    }
}

/// The same with another value in the place of one of its own, or without it.
fn changed(dice: &mut Dice, good: &str) -> Value {
    let Ok(Value::Object(mut members)) = serde_json::from_str(good) else { return odd(dice) };
    let names: Vec<String> = members.keys().cloned().collect();
    let name = &names[dice.below(names.len() as u64) as usize];
    match dice.below(4) {
        0 => drop(members.remove(name)),
        _ => drop(members.insert(name.clone(), odd(dice))),
    }
    Value::Object(members)
}

fn odd(dice: &mut Dice) -> Value {
    match dice.below(12) {
        0 => Value::Null,
        1 => json!(dice.draw()),
        2 => json!(-1),
        3 => json!(1e300),
        4 => json!(""),
        5 => json!("a.b"),
        6 => json!(dice.one_of(&["*", ">", "a b", "a\r\nPUB x", "\u{0}", "../../x", "..", "-", "\u{202e}x"])),
        7 => json!([odd_text(dice)]),
        8 => json!({ odd_text(dice): odd_text(dice) }),
        9 => json!([[[]]]),
        10 => json!("c".repeat(dice.below(100_000) as usize)),
        _ => json!(true),
    }
}

fn odd_text(dice: &mut Dice) -> String {
    (0..dice.below(20)).filter_map(|_| char::from_u32(dice.below(0x3000) as u32)).collect()
}

/// Whether a host may have nothing to say to that: it does not bid.
fn may_be_silent(what: &str, payload: &[u8]) -> bool {
    match what {
        "component.auction" => serde_json::from_slice::<ComponentAuctionRequest>(payload).is_ok(),
        "provider.auction" => serde_json::from_slice::<ProviderAuctionRequest>(payload).is_ok(),
        _ => false,
    }
}

/// Asks, and gives all that is answered.
async fn answers(bus: &Bus, heard: &mut Subscription, (what, payload): (&str, Vec<u8>)) -> Vec<Message> {
    let subject = format!("wasmbus.ctl.v1.default.{what}").parse().expect("a subject");
    let reply = Some("answers".parse().expect("a subject"));
    bus.publish(Message { reply, ..Message::new(subject, payload.into()) }).await.expect("it is taken");
    tokio::time::sleep(LONG).await;
    std::iter::from_fn(|| heard.next().now_or_never().flatten()).collect()
}

#[test]
fn whatever_a_host_is_asked_it_answers_once() {
    simulate(async {
        let (bus, _host) = Host::alone().await;
        let mut heard = bus.subscribe("answers".parse().expect("a pattern"), None).await.expect("it listens");
        let mut dice = Dice(1);
        for (what, good) in VERBS {
            let damaged: Vec<_> = (0..DAMAGED).map(|_| damaged(&mut dice, good)).collect();
            for payload in nonsense().into_iter().chain([good.as_bytes().to_vec()]).chain(damaged) {
                let shown = String::from_utf8_lossy(&payload[..payload.len().min(200)]).into_owned();
                let may_be_silent = may_be_silent(what, &payload);
                let answers = answers(&bus, &mut heard, (what, payload)).await;
                let count = answers.len();
                assert!(count == 1 || (count == 0 && may_be_silent), "{what} {shown}: {count} answers");
                for answer in answers {
                    let read = serde_json::from_slice::<CtlResponse<Value>>(&answer.payload);
                    assert!(read.is_ok(), "{what} {shown}: {answer:?}");
                }
            }
        }
    });
}

/// What a lattice keeps may be more than a message has room for.
#[test]
fn an_answer_that_is_too_large_is_said_to_be() {
    simulate(async {
        let (bus, _host) = Host::alone().await;
        let mut heard = bus.subscribe("answers".parse().expect("a pattern"), None).await.expect("it listens");
        for source in ["a", "b", "c"] {
            let link = json!({
                "source_id": source, "target": "price", "wit_namespace": "demo", "wit_package": "shop",
                "interfaces": ["i".repeat(HUGE * 4 / 10)],
            });
            let put = answers(&bus, &mut heard, ("link.put", link.to_string().into_bytes())).await;
            let put: CtlResponse<Value> = serde_json::from_slice(&put[0].payload).expect("an answer");
            assert_eq!(put.message, "successfully set link");
        }
        let said = answers(&bus, &mut heard, ("link.get", Vec::new())).await;
        assert_eq!(said.len(), 1);
        let said: CtlResponse<Value> = serde_json::from_slice(&said[0].payload).expect("an answer");
        assert!(!said.success && said.message.contains("1 MiB is the most that the bus takes"), "{}", said.message);
    });
}
