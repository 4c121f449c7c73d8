//! A connection that is lost: what is said meanwhile is refused, and what was subscribed to is heard again afterwards.

use bus::{Bus, ConnectError, ConnectOptions, FirstTry, PublishError, RequestError};
use bytes::Bytes;
use stdx::{Code, Explain};

use crate::carriers::Carrier;
use crate::server::{self, Server};
use crate::suite::{hear, listen, message, promises};
use crate::{PATIENCE, eventually, run};

promises! {
    [a_lost_bus_refuses_and_comes_back, a_bus_may_start_before_its_server] {
        loopback => Some(Carrier::loopback()),
        nats_newest => Some(Carrier::Nats(Server::start(server::newest(), &[]))),
        nats_of_the_system => server::of_system().map(|program| Carrier::Nats(Server::start(program, &[]))),
    }
}

async fn a_lost_bus_refuses_and_comes_back(mut carrier: Carrier) {
    let (speaker, listener) = (carrier.bus().await, carrier.bus().await);
    let mut heard = listen(&listener, "news.*", None).await;
    let mut work = listen(&listener, "work", Some("workers")).await;
    carrier.kill();
    eventually("the loss is seen", async || !speaker.is_connected() && !listener.is_connected()).await;
    let refused = speaker.publish(message("news.lost", "")).await;
    assert!(matches!(refused, Err(PublishError::Unavailable { .. })), "{refused:?}");
    let refused = speaker.request("news.lost".parse().expect("a subject"), Bytes::new(), PATIENCE).await;
    assert!(matches!(refused, Err(RequestError::NotAsked { .. })), "{refused:?}");
    assert!(speaker.flush().await.is_err_and(|error| error.code() == Code::E0604));
    carrier.restart().await;
    eventually("both are back", async || speaker.is_connected() && listener.is_connected()).await;
    listener.flush().await.expect("the bus is there");
    speaker.publish(message("news.back", "1")).await.expect("it is taken");
    speaker.publish(message("work", "2")).await.expect("it is taken");
    assert_eq!(hear(&mut heard).await.payload, "1");
    assert_eq!(hear(&mut work).await.payload, "2");
    let asked = async { hear(&mut work).await.answer("3".into()).expect("an answer is expected") };
    let answered = async { listener.publish(asked.await).await.expect("it is taken") };
    let ask = speaker.request("work".parse().expect("a subject"), Bytes::new(), PATIENCE);
    assert_eq!(tokio::join!(ask, answered).0.expect("an answer").payload, "3");
}

async fn a_bus_may_start_before_its_server(mut carrier: Carrier) {
    let url = format!("nats://{}", carrier.address().expect("it listens"));
    carrier.kill();
    let refused = Bus::connect(&url, ConnectOptions::default()).await;
    assert!(matches!(refused, Err(ConnectError::Unavailable { .. })), "{refused:?}");
    let options = ConnectOptions { first_try: FirstTry::MayFail, ..ConnectOptions::default() };
    let bus = Bus::connect(&url, options).await.expect("it may fail at first");
    let mut heard = bus.subscribe("news".parse().expect("a pattern"), None).await.expect("it will listen");
    assert!(matches!(bus.publish(message("news", "")).await, Err(PublishError::Unavailable { .. })));
    carrier.restart().await;
    eventually("it is connected", async || bus.is_connected()).await;
    bus.publish(message("news", "hello")).await.expect("it is taken");
    assert_eq!(hear(&mut heard).await.payload, "hello");
}
