//! Which broker a component says something to that has several links: by the link that it chose, in each contract.

use capability::OpenLink;
use engine::State;
use wasmtime::component::Resource;

use super::*;
use crate::Messaging;
use crate::guest::broker::BrokerMessage;
use crate::guest::broker::wasmcloud::messaging::consumer;
use crate::guest::wasi::wasi::messaging::{producer, types};

/// Says something by `wasmcloud:messaging`.
async fn publish(state: &mut State, body: &str) {
    let message = BrokerMessage { subject: "orders.new".into(), body: body.into(), reply_to: None };
    consumer::Host::publish(state, message).await.expect("it is sent");
}

/// Says something by `wasi:messaging`, to the client of that name.
async fn send(state: &mut State, client: &str, body: &str) {
    let client = types::HostClient::connect(state, client.into()).await.expect("no trap").expect("it is there");
    let message = types::HostMessage::new(state, body.into()).await.expect("there is room");
    let client = Resource::new_borrow(client.rep());
    producer::Host::send(state, client, "orders.new".into(), message).await.expect("no trap").expect("it is sent");
}

#[test]
fn what_is_said_goes_by_the_link_that_was_chosen() {
    let (here, there) = (Fresh::in_process(), Fresh::in_process());
    let named = OpenLink { name: "there".parse().expect("a name"), ..conformance::link(there.exchange.clone()) };
    let messaging = Messaging::new(Bus::in_process(Broker::new(Limits::default())));
    let mut state = conformance::state(&messaging, "clerk", &[conformance::link(here.exchange.clone()), named]);
    conformance::run(async {
        let mut ears = [here.heard_on("orders.*").await, there.heard_on("orders.*").await];
        publish(&mut state, "one").await;
        state.choose("wasmcloud:messaging/consumer", "there");
        publish(&mut state, "two").await;
        // Each contract has its own choice, and a client that is named is that one.
        send(&mut state, "", "three").await;
        state.choose("wasi:messaging/producer", "there");
        send(&mut state, "", "four").await;
        send(&mut state, "default", "five").await;
        state.choose("wasi:messaging/producer", State::DEFAULT_NAME);
        send(&mut state, "there", "six").await;
        state.choose("wasmcloud:messaging/consumer", State::DEFAULT_NAME);
        publish(&mut state, "seven").await;

        let expected = [&["one", "three", "seven"][..], &["two", "four", "five", "six"]];
        for (ear, expected) in ears.iter_mut().zip(expected) {
            for body in expected {
                assert_eq!(ear.next().await.payload, body.as_bytes());
            }
        }
    });
}
