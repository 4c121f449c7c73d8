//! A provider that the published crates make: what is published by it, and how it fails.

use std::time::{Duration, Instant};

use bus::{Bus, ConnectOptions, Gather};
use capability::conformance;
use wire::Wire;

use super::*;
use crate::suite::HOME;
use crate::way::{Binding, Said, Way};

const TIME: Duration = Duration::from_secs(5);

/// For what has to be known at once.
const AT_ONCE: Duration = Duration::from_secs(1);

/// A provider on a server of its own, and a component that is linked to it.
struct Kept {
    provider: Option<testkit::Provider>,
    binding: Binding,
    _server: testkit::Nats,
}

impl Kept {
    fn start(timeout: &str) -> Self {
        let server = testkit::Nats::start();
        let peers = HOME.block_on(async {
            let bus = Bus::connect(&server.url(), ConnectOptions::default()).await.expect("it lets us in");
            Peers::new(Wire::open(bus, wire::Limits::default()).await.expect("it listens"), "default")
        });
        let mut told = provider::tell("post", "default");
        told.insert("timeout".into(), timeout.into());
        let told = capability::settings::check("messaging/provider", INFO.settings, &told).expect("its settings");
        let exchange = open(&told, Some(&peers)).expect("it opens");
        let binding = Binding::new(&"clerk".parse().expect("a name"), &[conformance::link(exchange)]);
        let provider = Some(testkit::Provider::start(&server.url(), "default", "post"));
        Self { provider, binding, _server: server }
    }

    fn way(&self) -> Way<'_> {
        self.binding.way("default").expect("the link has no name")
    }

    fn provider(&self) -> &testkit::Provider {
        self.provider.as_ref().expect("it is there")
    }

    fn publish(&self, said: Said) -> Result<(), String> {
        conformance::run(self.way().publish(said)).map_err(|error| error.to_string())
    }
}

fn said(subject: &str, body: &'static str) -> Said {
    Said { subject: subject.into(), body: body.into(), ..Said::default() }
}

#[test]
fn a_provider_publishes_what_a_component_says() {
    let kept = Kept::start("5s");
    kept.publish(Said { reply: Some("answers.here".into()), ..said("orders.new", "tea") }).expect("it is sent");
    // That it handles a question its provider knows alone.
    kept.publish(said("_INBOX.a.b", "")).expect("it is sent");
    let message = |subject: &str, body: &'static str, reply: Option<&str>| {
        (subject.to_owned(), Bytes::from_static(body.as_bytes()), reply.map(ToOwned::to_owned))
    };
    let published = [message("orders.new", "tea", Some("answers.here")), message("_INBOX.a.b", "", None)];
    assert_eq!(kept.provider().published(), published);
    assert_eq!(kept.provider().calls(), ["publish clerk default"; 2]);
    assert_eq!(
        kept.publish(said("refused", "")),
        Err("the broker refused the message: its provider does not take it".into())
    );
    let reserved = kept.publish(said("wasmbus.ctl.v1.default.host.stop.N", "")).expect_err("it is not for components");
    assert!(reserved.contains("is not for components"), "{reserved}");
}

/// A trace is said with the call, since the message has no headers there.
#[test]
fn a_provider_is_told_for_which_trace_a_message_is() {
    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let kept = Kept::start("5s");
    let trace = Trace::read(PARENT, []);
    kept.publish(said("orders.new", "tea").within(trace.as_ref())).expect("it is sent");
    conformance::run(kept.way().request(said("prices", "tea").within(trace.as_ref()), TIME)).expect("an answer");
    let asked = ["publish", "request"].map(|asked| format!("{asked} clerk default {PARENT}"));
    assert_eq!(kept.provider().calls(), asked);
    let headers = Headers::of([("Kind", "green")]).expect("headers");
    let refused = kept.publish(Said { headers, ..said("orders.new", "tea") }.within(trace.as_ref()));
    assert_eq!(refused, Err("a message by a provider has no headers: leave them out".into()));
}

#[test]
fn a_question_is_answered_by_one() {
    let kept = Kept::start("5s");
    let answer = conformance::run(kept.way().request(said("prices", "tea"), TIME)).expect("an answer");
    assert_eq!((answer.subject.as_str(), answer.payload.as_ref()), ("answer.prices", b"tea".as_slice()));
    let refused = conformance::run(kept.way().request(said("refused", ""), TIME)).expect_err("it is refused");
    assert_eq!(refused.to_string(), "the broker refused the message: its provider does not take it");
    let way = kept.way();
    let several = way.request_many(said("prices", ""), Gather { time_max: TIME, count_max: 2 });
    let refused = conformance::run(several).expect_err("it has one answer").to_string();
    assert!(refused.contains("has one answer"), "{refused}");
    assert_eq!(kept.provider().calls(), ["request clerk default"; 2]);
}

#[test]
fn a_message_that_nobody_takes_is_known_in_time_and_is_not_said_again() {
    let mut kept = Kept::start("300ms");
    kept.provider().pause();
    let begun = Instant::now();
    assert_eq!(kept.publish(said("orders.new", "tea")), Err("the message broker is not available".into()));
    let late = conformance::run(kept.way().request(said("prices", ""), Duration::from_millis(300)));
    assert_eq!(late.expect_err("nobody answers").to_string(), "nobody answered about prices");
    assert!(begun.elapsed() < TIME, "{:?}", begun.elapsed());
    assert_eq!(kept.provider().calls(), ["publish clerk default", "request clerk default"]);
    kept.provider = None;
    testkit::eventually("the server knows that it is gone", || {
        let begun = Instant::now();
        assert_eq!(kept.publish(said("orders.new", "tea")), Err("the message broker is not available".into()));
        begun.elapsed() < AT_ONCE
    });
}
