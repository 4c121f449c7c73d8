//! The brokers, each held to what any of them has to promise to a component that sends.
//!
//! That components are called with messages takes a component: the tests of the product say that.

mod chosen;
mod load;

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bus::{Broker, Bus, Gather, Headers, Limits, Message};
use bytes::Bytes;
use capability::settings::check;
use capability::{OpenError, conformance};
use tokio::runtime::Runtime;

use crate::backends;
use crate::carrier::Heard;
use crate::exchange::Exchange;
use crate::way::{Binding, Said, Way};

/// Where connections live while the threads of the tests come and go.
pub(crate) static HOME: LazyLock<Runtime> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.expect("the system gives a runtime")
});

const TIME: Duration = Duration::from_secs(5);

/// An exchange, with the server that goes away after it, and a component that is linked to it.
struct Fresh {
    exchange: Arc<Exchange>,
    binding: Binding,
    /// Which backend it is: what they have no words for differs.
    backend: &'static str,
    _server: Box<dyn Any + Send + Sync>,
}

impl Fresh {
    fn in_process() -> Self {
        Self::new("bus", &[], Box::new(()))
    }

    fn nats() -> Self {
        let server = testkit::Nats::start();
        Self::new("nats", &[("url", &server.url())], Box::new(server))
    }

    fn jetstream() -> Self {
        let server = testkit::Nats::start();
        let kept = "orders.>,big";
        let told = [("url", &*server.url()), ("stream", "all"), ("create", "true"), ("subjects", kept)];
        Self::new("jetstream", &told, Box::new(server))
    }

    fn mqtt() -> Self {
        let server = testkit::Mosquitto::start();
        Self::new("mqtt", &[("url", &server.url())], Box::new(server))
    }

    fn new(backend: &'static str, told: &[(&str, &str)], server: Box<dyn Any + Send + Sync>) -> Self {
        let exchange = open(backend, told).expect("it opens");
        let binding = Binding::new(&component(), &[conformance::link(exchange.clone())]);
        Self { exchange, binding, backend, _server: server }
    }

    fn way(&self) -> Way<'_> {
        self.binding.way("default").expect("the link has no name")
    }

    async fn heard_on(&self, pattern: &str) -> Ear {
        let patterns = [pattern.parse().expect("a pattern")];
        let heard = self.exchange.carrier.listen(&component(), (&patterns, None)).await;
        Ear(heard.expect("it is taken"))
    }
}

/// Somebody who listens, and who is done with a message when it was heard.
struct Ear(Box<dyn Heard>);

impl Ear {
    async fn next(&mut self) -> Message {
        let next = tokio::time::timeout(TIME, self.0.next()).await;
        let (message, receipt) = next.expect("it comes in time").expect("the broker is there");
        receipt.into_iter().for_each(|settle| settle());
        message
    }
}

fn open(backend: &str, told: &[(&str, &str)]) -> Result<Arc<Exchange>, OpenError> {
    let told: BTreeMap<_, _> = told.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let info = backends::infos().find(|info| info.name == backend).expect("there is such a backend");
    let settings = check(backend, info.settings, &told).expect("the test tells what there is");
    let bus = Bus::in_process(Broker::new(Limits::default()));
    HOME.block_on(backends::open(backend, &settings, &bus))
}

fn component() -> model::ComponentName {
    "clerk".parse().expect("a name")
}

fn message(subject: &str, body: impl Into<Bytes>) -> Said {
    Said { subject: subject.into(), body: body.into(), ..Said::default() }
}

mod promises {
    use super::*;

    pub(super) async fn what_is_published_is_heard_as_it_was_sent(fresh: Fresh) {
        let mut heard = fresh.heard_on("orders.*").await;
        let body: Vec<u8> = (0..=255).collect();
        fresh.way().publish(message("orders.new", body.clone())).await.expect("it is sent");
        fresh.way().publish(message("orders.none", "")).await.expect("it is sent");
        let first = heard.next().await;
        assert_eq!((first.subject.as_str(), &first.payload[..]), ("orders.new", &body[..]));
        assert_eq!(heard.next().await.payload, Bytes::new());
    }

    pub(super) async fn where_to_answer_is_heard_or_refused_where_nobody_waits(fresh: Fresh) {
        let mut heard = fresh.heard_on("orders.*").await;
        let sent = Said { reply: Some("answers.here".into()), ..message("orders.new", "") };
        let outcome = fresh.way().publish(sent).await.map_err(|error| error.to_string());
        if fresh.backend == "jetstream" {
            assert!(outcome.is_err_and(|text| text.contains("leave reply-to out")));
            return;
        }
        assert_eq!(outcome, Ok(()));
        let reply = heard.next().await.reply;
        assert_eq!(reply.as_ref().map(|reply| reply.as_str()), Some("answers.here"));
    }

    pub(super) async fn what_is_said_about_a_message_is_heard(fresh: Fresh) {
        let mut heard = fresh.heard_on("orders.*").await;
        let about = [("Content-Type", "text/plain"), ("trace", "17"), ("größer", "x")];
        let headers = Headers::of(about.into_iter().take(2)).expect("they can be said");
        assert!(Headers::of(about).is_err());
        fresh.way().publish(Said { headers, ..message("orders.new", "tea") }).await.expect("it is sent");
        let came = heard.next().await;
        let mut fields: Vec<_> = came.headers.iter().collect();
        fields.sort_unstable();
        assert_eq!((fields, came.payload.as_ref()), (about[..2].to_vec(), b"tea".as_slice()));
    }

    pub(super) async fn a_question_has_as_many_answers_as_come(fresh: Fresh) {
        let mut heard = fresh.heard_on("ask").await;
        let answering = async {
            let question = heard.next().await;
            for answer in ["one", "two"] {
                let answer = question.answer(answer.into()).expect("somebody waits");
                fresh.exchange.publish(&component(), answer).await.expect("it is sent");
            }
        };
        let way = fresh.way();
        let ask = |count_max, time_max| way.request_many(message("ask", "?"), Gather { time_max, count_max });
        if fresh.backend == "mqtt" {
            let refused = ask(2, TIME).await.expect_err("it has one").to_string();
            assert!(refused.contains("has one answer"), "{refused}");
            return;
        }
        let (answers, ()) = tokio::join!(ask(2, TIME), answering);
        let answers = answers.expect("they came");
        assert_eq!(answers.iter().map(|answer| &answer.payload[..]).collect::<Vec<_>>(), [b"one", b"two"]);
        let late = ask(2, Duration::from_millis(50)).await.expect_err("nobody answers").to_string();
        assert_eq!(late, "nobody answered about ask");
    }

    pub(super) async fn a_request_is_answered_or_it_is_said_why_not(fresh: Fresh) {
        let mut heard = fresh.heard_on("ask").await;
        let answering = async {
            let question = heard.next().await;
            let answer = question.answer("yes".into()).expect("somebody waits");
            fresh.exchange.publish(&component(), answer).await.expect("it is sent");
        };
        let way = fresh.way();
        let (answer, ()) = tokio::join!(way.request(message("ask", "?"), TIME), answering);
        assert_eq!(answer.expect("an answer").payload, "yes");
        let late = fresh.way().request(message("ask", ""), Duration::from_millis(50)).await;
        assert_eq!(late.map(|_| ()).map_err(|error| error.to_string()), Err("nobody answered about ask".into()));
        let nobody = fresh.way().request(message("else", ""), TIME).await;
        assert_eq!(nobody.map(|_| ()).map_err(|error| error.to_string()), Err("nobody listens to else".into()));
    }

    pub(super) async fn an_inbox_is_answered_only_while_its_message_is_handled(fresh: Fresh) {
        let mut heard = fresh.heard_on("_INBOX.a.b").await;
        let inbox = "_INBOX.a.b".parse().expect("a subject");
        assert!(fresh.way().publish(message("_INBOX.a.b", "early")).await.is_err());
        let once = fresh.exchange.let_answer(&component(), Some(&inbox));
        let twice = fresh.exchange.let_answer(&component(), Some(&inbox));
        drop(once);
        fresh.way().publish(message("_INBOX.a.b", "now")).await.expect("it may answer");
        assert!(fresh.way().publish(message("_INBOX.a.c", "another")).await.is_err());
        drop(twice);
        assert!(fresh.way().publish(message("_INBOX.a.b", "late")).await.is_err());
        assert_eq!(heard.next().await.payload, "now");
    }

    pub(super) async fn a_message_that_is_too_large_is_refused(fresh: Fresh) {
        let size = fresh.exchange.carrier.payload_max().as_usize();
        let mut heard = fresh.heard_on("big").await;
        let refused = fresh.way().publish(message("big", vec![0; size + 1])).await.expect_err("it is too large");
        assert!(refused.to_string().contains("is the most that the bus takes"), "{refused}");
        fresh.way().publish(message("big", vec![0; size])).await.expect("it is as large as it may be");
        assert_eq!(heard.next().await.payload.len(), size);
    }
}

capability::conformance! {
    promises over Fresh [
        what_is_published_is_heard_as_it_was_sent,
        where_to_answer_is_heard_or_refused_where_nobody_waits,
        what_is_said_about_a_message_is_heard,
        a_question_has_as_many_answers_as_come,
        a_request_is_answered_or_it_is_said_why_not,
        an_inbox_is_answered_only_while_its_message_is_handled,
        a_message_that_is_too_large_is_refused,
    ] {
        in_process => Fresh::in_process(),
        nats => Fresh::nats(),
        jetstream => Fresh::jetstream(),
        mqtt => Fresh::mqtt(),
    }
}

#[test]
fn settings_that_cannot_be_are_refused() {
    let refused = |told: &[(&str, &str)]| {
        let error = open("bus", told).map(|_| ()).expect_err("it cannot be");
        assert!(matches!(error, OpenError::Refused { .. }), "{error}");
        stdx::Chain(&error).to_string()
    };
    assert!(refused(&[("subscriptions", "orders.*,>")]).contains("a subscription begins with a word"));
    assert!(refused(&[("subscriptions", "orders.*,")]).contains("it is empty"));
    assert!(refused(&[("queue_group", "a b")]).contains("no queue group"));
    assert!(refused(&[("queue_group", "a"), ("shared", "false")]).contains("leave one of the two out"));
    let exchange = open("bus", &[("subscriptions", "orders.*, tasks.>")]).expect("it opens");
    assert_eq!(exchange.subscriptions.len(), 2);
}
