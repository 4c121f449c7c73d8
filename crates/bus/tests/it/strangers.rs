//! A NATS server that others use too: what they send does not take our connection from us for good.

use std::time::Duration;

use crate::carriers::Carrier;
use crate::raw::Raw;
use crate::server::{self, Server};
use crate::suite::{hear, listen, promises};
use crate::{eventually, run, soon};

promises! {
    [what_strangers_send_does_not_end_it] {
        loopback => Some(Carrier::loopback()),
        nats_newest => Some(Carrier::Nats(Server::start(server::newest(), &[]))),
        nats_of_the_system => server::of_system().map(|program| Carrier::Nats(Server::start(program, &[]))),
    }
}

/// Messages that no client of ours sends, and that a server may carry all the same.
fn strange() -> Vec<Vec<u8>> {
    let headers: [&[u8]; 7] = [
        b"NATS/1.0\r\na: b\rc: d\r\n\r\n",
        b"NATS/1.0\r\na b: c\r\n\r\n",
        b"NATS/1.0\r\nno colon\r\n\r\n",
        b"NATS/9.9\r\n\r\n",
        b"NATS/1.0 teapot\r\n\r\n",
        b"NATS/1.0\r\na: \xff\r\n\r\n",
        b"",
    ];
    let with = |headers: &&[u8]| {
        let line = format!("HPUB news.x {0} {0}\r\n", headers.len());
        [line.as_bytes(), headers, b"\r\n"].concat()
    };
    let plain: [&[u8]; 2] = [b"PUB news.x b..c 0\r\n\r\n", b"PUB news.\x1b[2J 0\r\n\r\n"];
    headers.iter().map(with).chain(plain.map(<[u8]>::to_vec)).collect()
}

async fn what_strangers_send_does_not_end_it(carrier: Carrier) {
    let address = carrier.address().expect("it listens");
    let bus = carrier.bus().await;
    let mut heard = listen(&bus, "news.>", None).await;
    for (number, strange) in strange().into_iter().enumerate() {
        let send = move |bytes: Vec<u8>| {
            tokio::task::spawn_blocking(move || {
                let mut stranger = Raw::client(address);
                stranger.send(bytes);
                stranger.send("PING\r\n");
                stranger.read_until("PONG\r\n");
            })
        };
        send(strange.clone()).await.expect("it is sent");
        // The connection may be made again, and what is said meanwhile is lost: so it is said until it is heard.
        let good = format!("PUB news.good 1\r\n{number}\r\n");
        eventually(&format!("it is heard again after {}", strange.escape_ascii()), async || {
            send(good.clone().into_bytes()).await.expect("it is sent");
            tokio::time::timeout(Duration::from_millis(100), hear(&mut heard)).await.is_ok()
        })
        .await;
        while tokio::time::timeout(Duration::from_millis(20), heard.next()).await.is_ok() {}
    }
    soon("it is there", bus.flush()).await.expect("the bus is there");
}
