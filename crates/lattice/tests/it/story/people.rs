//! People who tell hosts things, and what they are answered.

use std::time::Duration;

use bus::{Bus, Message, Subscription};
use model::lattice::{CtlResponse, Labels, LatticeLink};
use serde_json::json;
use tokio::time::sleep;

use super::{Dice, Fault, HOSTS};

/// So many things are told.
const WISHES: u64 = 16;

/// What people were answered.
pub(super) struct Answered {
    pub(super) what: String,
    /// How often.
    pub(super) count: usize,
    /// What has to be true since it was answered that it is done.
    pub(super) promise: Option<Promise>,
}

/// Something that nobody takes back once it is done.
#[derive(Debug)]
pub(super) enum Promise {
    Settings(String, Labels),
    Link(Box<LatticeLink>),
}

/// Something that a host is told.
struct Wish {
    what: String,
    payload: String,
    promise: Option<Promise>,
}

/// Tells hosts things at times, and gives what was answered.
pub(super) async fn tell(people: &Bus, dice: &mut Dice, fault: Fault) -> Vec<Answered> {
    let mut questions = Vec::new();
    for number in 0..WISHES {
        sleep(Duration::from_millis(dice.below(3_000))).await;
        let Wish { what, payload, promise } = Wish::draw(dice, number);
        let answers = format!("answers.{number}");
        let heard = people.subscribe(answers.parse().expect("a pattern"), None).await.expect("it listens");
        let subject = format!("wasmbus.ctl.v1.default.{what}").parse().expect("a subject");
        let reply = Some(answers.parse().expect("a subject"));
        people.publish(Message { reply, ..Message::new(subject, payload.into()) }).await.expect("it is taken");
        questions.push((what, promise, heard));
    }
    sleep(Duration::from_secs(15)).await;
    let mut answered = Vec::new();
    for (what, promise, heard) in questions {
        let mut answers = all(heard).await;
        if fault == Fault::LostAnswer && answered.is_empty() {
            answers.clear();
        }
        let is_done = answers.iter().any(is_done);
        answered.push(Answered { what, count: answers.len(), promise: promise.filter(|_| is_done) });
    }
    answered
}

async fn all(mut heard: Subscription) -> Vec<Message> {
    let mut all = Vec::new();
    while let Ok(Some(message)) = tokio::time::timeout(Duration::from_millis(1), heard.next()).await {
        all.push(message);
    }
    all
}

/// Whether it was answered that it is done.
pub(super) fn is_done(answer: &Message) -> bool {
    let read = serde_json::from_slice::<CtlResponse<serde_json::Value>>(&answer.payload);
    // That nobody listens has no JSON.
    read.is_ok_and(|answer| answer.success)
}

/// A link for interfaces of `demo:shop`.
pub(super) fn link([source, name, target]: [&str; 3], interfaces: &[&str]) -> LatticeLink {
    LatticeLink {
        source_id: source.into(),
        target: target.into(),
        name: name.into(),
        wit_namespace: "demo".into(),
        wit_package: "shop".into(),
        interfaces: interfaces.iter().map(|interface| (*interface).to_owned()).collect(),
        source_config: Vec::new(),
        target_config: Vec::new(),
        terms: None,
        is_whole: false,
    }
}

pub(super) fn settings(value: impl ToString) -> Labels {
    [("k".to_owned(), value.to_string())].into()
}

/// JSON as text.
pub(super) fn json_of(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("it is a value")
}

// === impl Wish ===

impl Wish {
    fn new(what: impl Into<String>, payload: impl ToString) -> Self {
        Self { what: what.into(), payload: payload.to_string(), promise: None }
    }

    fn draw(dice: &mut Dice, number: u64) -> Self {
        let host = dice.one_of(&HOSTS);
        match dice.below(15) {
            0 | 1 => {
                let interfaces = dice.one_of(&[&["tag"][..], &["shape"][..], &["tag", "shape"][..]]);
                let target = dice.one_of(&["price-1", "price-2"]);
                Self::new("link.put", json_of(&link(["till", "default", target], interfaces)))
            }
            2 => Self::unlink("default"),
            3 | 4 => Self::new("config.put.s", json_of(&settings(dice.below(1_000)))),
            5 => Self::new("config.del.s", ""),
            6 | 7 => {
                let (id, count) = (dice.one_of(&["c1", "c2"]), dice.below(4));
                let command = json!({ "component_id": id, "component_ref": "file:///c", "count": count, "config": [] });
                Self::new(format!("component.scale.{host}"), command)
            }
            8 => {
                let label = json!({ "key": "k", "value": dice.below(9).to_string() });
                Self::new(format!("label.put.{host}"), label)
            }
            9 => Self::provider(dice, (host, "start")),
            10 => Self::provider(dice, (host, "stop")),
            11 => {
                // What a provider is told by its link: these settings.
                let store = LatticeLink { target_config: vec!["s".into()], ..link(["till", "store", "p1"], &["keep"]) };
                Self::new("link.put", json_of(&store))
            }
            12 => Self::unlink("store"),
            13 => {
                let (name, settings) = (format!("u{number}"), settings(number));
                let wish = Self::new(format!("config.put.{name}"), json_of(&settings));
                Self { promise: Some(Promise::Settings(name, settings)), ..wish }
            }
            _ => {
                let link = link([&format!("desk{number}"), "default", "price-1"], &["tag"]);
                Self { promise: Some(Promise::Link(Box::new(link.clone()))), ..Self::new("link.put", json_of(&link)) }
            }
        }
    }

    fn unlink(name: &str) -> Self {
        let wanted = json!({ "source_id": "till", "name": name, "wit_namespace": "demo", "wit_package": "shop" });
        Self::new("link.del", wanted)
    }

    /// `p1` has no settings, and `p2` has.
    fn provider(dice: &mut Dice, (host, what): (&str, &str)) -> Self {
        let (id, config) = match dice.below(2) {
            0 => ("p1", json!([])),
            _ => ("p2", json!(["s"])),
        };
        let command = json!({ "provider_id": id, "provider_ref": "file:///p", "config": config });
        Self::new(format!("provider.{what}.{host}"), command)
    }
}
