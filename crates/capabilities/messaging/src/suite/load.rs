//! Publishes without a pause while a broker is killed under it.

use super::*;
use crate::way::Failure;

/// How long a call may take, and how much longer on a machine that is busy.
const TIMEOUT: &str = "500ms";
const LIMIT: Duration = Duration::from_millis(4_500);

/// A component that is linked to that.
fn linked(backend: &str, told: &[(&str, &str)]) -> Binding {
    let told: Vec<_> = told.iter().copied().chain([("timeout", TIMEOUT)]).collect();
    Binding::new(&component(), &[conformance::link(open(backend, &told).expect("it opens"))])
}

/// The names of all messages that the broker acknowledged, while it was killed and started again.
fn published(binding: &Binding, broker: &mut testkit::Server) -> Vec<String> {
    testkit::survives_kills(broker, LIMIT, |name| async move {
        let way = binding.way("default").expect("the link has no name");
        let outcome = way.publish(message(&format!("orders.{name}"), name)).await;
        assert!(matches!(outcome, Ok(()) | Err(Failure::Unavailable)), "{outcome:?}");
        outcome.is_ok()
    })
}

#[test]
fn a_stream_whose_server_is_killed_under_load_has_what_it_acknowledged() {
    let mut server = testkit::Nats::start();
    let told = [("url", &*server.url()), ("stream", "all"), ("create", "true"), ("subjects", "orders.>")];
    let names = published(&linked("jetstream", &told), &mut server);
    HOME.block_on(async {
        let client = async_nats::connect(server.url()).await.expect("the server is up");
        let stream = async_nats::jetstream::new(client).get_stream("all").await.expect("it is there");
        for name in names {
            let kept = stream.get_last_raw_message_by_subject(&format!("orders.{name}")).await;
            let kept = kept.unwrap_or_else(|error| panic!("{name} was acknowledged and is gone: {error}"));
            assert_eq!(kept.payload, name);
        }
    });
}

/// What a broker keeps that nobody has a session for is nothing: those who listen hear what is said from then on.
#[test]
fn a_broker_of_mqtt_that_is_killed_under_load_is_used_again() {
    let mut broker = testkit::Mosquitto::start();
    let url = broker.url();
    let names = published(&linked("mqtt", &[("url", &url)]), &mut broker);
    assert!(!names.is_empty());
    let fresh = Fresh::new("mqtt", &[("url", &url)], Box::new(broker));
    conformance::run(async {
        let mut heard = fresh.heard_on("orders.*").await;
        fresh.way().publish(message("orders.new", "tea")).await.expect("it is sent");
        assert_eq!(heard.next().await.payload, "tea");
    });
}
