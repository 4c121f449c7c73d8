//! Traces: a request that comes with one is followed by it from host to host, in messages, in logs, and out into the world.

use std::time::Duration;

use futures::StreamExt;
use serde_json::json;
use testkit::{Answer, Nats, Provider, Up, eventually, request};

use crate::abroad::put;
use crate::lattice::{Stranger, host, tell};
use crate::messages::{hears, office};
use crate::{guest, route, wattle};

const ID: &str = "0af7651916cd43dd8448eb211c80319c";
pub(crate) const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const STATE: &str = "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE";

/// What a request says of its trace.
const TRACED: [(&str, &str); 2] = [("traceparent", PARENT), ("tracestate", STATE)];

/// What is none, with something that would be of use with one.
const MALFORMED: [(&str, &str); 2] =
    [("traceparent", "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01"), TRACED[1]];

/// What is said on a server, as a client hears it that knows nothing of us.
struct Ear {
    stranger: Stranger,
    heard: async_nats::Subscriber,
}

/// What a message says of its trace: `traceparent` and `tracestate`.
type Said = (Option<String>, Option<String>);

impl Ear {
    fn at(bus: &str, subject: &'static str) -> Self {
        let stranger = Stranger::new(bus);
        let heard = stranger.runtime.block_on(async {
            let heard = stranger.client.subscribe(subject).await.expect("it listens");
            stranger.client.flush().await.expect("it is connected");
            heard
        });
        Self { stranger, heard }
    }

    /// What the next message says whose subject is like that.
    fn next(&mut self, is_like: impl Fn(&str) -> bool) -> Said {
        loop {
            let next = async { tokio::time::timeout(Duration::from_secs(30), self.heard.next()).await };
            let message = self.stranger.runtime.block_on(next).expect("it is said").expect("it listens");
            if is_like(&message.subject) {
                let said = |name| message.headers.as_ref()?.get(name).map(ToString::to_string);
                return (said("traceparent"), said("tracestate"));
            }
        }
    }
}

fn ask(up: &Up, (method, target): (&str, &str), headers: &[(&str, &str)]) -> Answer {
    up.send(&request(method, target, headers, b""))
}

fn traced() -> Said {
    (Some(PARENT.into()), Some(STATE.into()))
}

/// A request is answered by a component on another host, which calls one on the first, which asks a provider for what it keeps.
#[test]
fn a_trace_goes_with_a_request_from_host_to_host_and_on() {
    let (ada, bob, server) = (wattle(), wattle(), Nats::start());
    let bus = server.url();
    let up = host(&ada, &["--nats", &bus, "--name", "ada"]);
    let other = host(&bob, &["--nats", &bus, "--name", "bob"]);
    let provider = Provider::start(&bus, "default", "kv");
    let stranger = Stranger::new(&bus);
    for (file, name) in [("till", "bob"), ("haggle", "ada")] {
        let start = ["start", "component", &guest(file), file, "--host", name, "--nats", &bus];
        eventually("it starts", || ada.run(start).code == Some(0));
    }
    let keys = json!({
        "source_id": "haggle", "target": "kv", "wit_namespace": "wasi", "wit_package": "keyvalue",
        "interfaces": ["store", "atomics", "batch"],
    });
    put(&stranger, &keys);
    tell(&ada, &bus, &["link", "put", "till", "haggle", "--contract", "demo:shop/tag"]);
    tell(&ada, &bus, &["link", "put", "http", "till", "--name", "till", "--contract", "wasi:http/incoming-handler"]);
    eventually("it is asked", || up.get("/").status == 200);

    let mut ear = Ear::at(&bus, "default.*.wrpc.>");
    let mut called = |component: &str| ear.next(|subject| subject.split('.').nth(1) == Some(component));
    for (headers, said) in [(&TRACED, traced()), (&MALFORMED, (None, None)), (&TRACED, traced())] {
        assert_eq!(ask(&up, ("GET", "/"), headers).status, 200);
        for component in ["till", "haggle", "kv"] {
            assert_eq!(called(component), said, "{component}");
        }
    }
    assert_eq!(up.get("/").status, 200);
    assert_eq!(called("till"), (None, None), "nobody asked for a trace");
    let calls = provider.calls();
    assert!(calls.contains(&format!("increment haggle default {PARENT}")), "{calls:?}");
    let line = format!(" trace={ID} haggle: tea is ");
    eventually("both are logged", || up.stderr().matches(&line).count() == 2);
    let said = up.stderr();
    let lines: Vec<_> = said.lines().filter(|said| said.contains(&line)).collect();
    assert!(lines.iter().all(|line| line.starts_with("haggle warn   instance=")) && lines[0] != lines[1], "{lines:?}");
    assert_eq!(up.stderr().matches(ID).count(), 2, "{}", up.stderr());
    assert_eq!((up.stop().code, other.stop().code), (Some(0), Some(0)));
}

/// Method: what is asked is a component that answers with the headers that it was asked with. An instance that is used again
/// follows the next request only.
#[test]
fn a_trace_goes_out_with_what_a_component_asks_of_the_world() {
    let world = wattle().up([route("/", "http-kit")]);
    let address = world.address();
    for flags in [&[][..], &["--reuse"]] {
        let flags = flags.iter().map(|flag| (*flag).to_owned());
        let up = wattle().up([route("/", "fetch"), format!("--allow-http={address}")].into_iter().chain(flags));
        let target = format!("/?url=http://{address}/headers");
        let says = |headers: &[(&str, &str)]| {
            let answer = ask(&up, ("GET", &target), headers);
            assert_eq!(answer.status, 200, "{}", answer.text());
            let said = answer.text();
            let mut lines: Vec<_> =
                said.lines().filter(|line| line.starts_with("trace")).map(ToOwned::to_owned).collect();
            // The order of headers means nothing.
            lines.sort();
            lines
        };
        let all = TRACED.map(|(name, value)| format!("{name}: {value}"));
        for _ in 0..3 {
            assert_eq!(says(&TRACED), all);
            assert_eq!(says(&TRACED[..1]), all[..1]);
            assert_eq!(says(&[]), [""; 0]);
            assert_eq!(says(&MALFORMED), [""; 0]);
            assert_eq!(says(&[TRACED[0], TRACED[0]]), [""; 0], "it is said twice");
        }
        assert_eq!(up.stop().code, Some(0));
    }
    assert_eq!(ask(&world, ("GET", "/trap"), &TRACED).status, 500);
    world.says(&format!("component=http-kit trace=\"{ID}\""));
    assert_eq!(world.stop().code, Some(0));
}

/// What is published for a request has its trace, and so has what is done and published for that message.
#[test]
fn a_trace_goes_with_messages_and_with_what_is_done_for_them() {
    let server = Nats::start();
    let at = |more: &str| format!("nats,url={}{more}", server.url());
    let up =
        office(&wattle(), &[hears(&at(",subscriptions=orders.*")), format!("--link=courier=messaging/{}", at(""))]);
    let mut ear = Ear::at(&server.url(), ">");
    let mut said = |subject: &str| ear.next(|other| other == subject);
    for (headers, expected) in [(&TRACED[..], traced()), (&[], (None, None)), (&MALFORMED, (None, None))] {
        eventually("the clerk listens", || up.send(&request("PUT", "/orders.ask", &[], b"tea")).status == 200);
        let sent = up.send(&request("POST", "/orders.new", headers, b"tell told.new"));
        assert_eq!(sent.status, 200, "{}", sent.text());
        assert_eq!(said("orders.new"), expected);
        assert_eq!(said("told.new"), expected);
    }
    let failed = up.send(&request("POST", "/orders.new", &TRACED, b"trap"));
    assert_eq!(failed.status, 200, "{}", failed.text());
    // A trap has several lines, and what belongs to all of them comes after the last.
    eventually("it is logged", || {
        let said = up.stderr();
        said.contains("a call failed") && said.contains(&format!("trace=\"{ID}\""))
    });
    assert_eq!(up.stop().code, Some(0));
}
