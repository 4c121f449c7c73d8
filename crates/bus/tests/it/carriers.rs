//! The carriers that the suite runs over.

use std::net::{SocketAddr, TcpListener};

use bus::{Broker, Bus, ConnectOptions, Limits, Loopback, LoopbackConfig};

use crate::server::Server;

/// What carries messages, for as long as a test lasts.
pub(crate) enum Carrier {
    InProcess(Broker),
    Loopback(Opened),
    Nats(Server),
}

/// A listener, and where it listens when it is opened again.
pub(crate) struct Opened {
    broker: Broker,
    address: SocketAddr,
    loopback: Option<Loopback>,
}

// === impl Carrier ===

impl Carrier {
    pub(crate) fn in_process() -> Self {
        Self::InProcess(Broker::new(Limits::default()))
    }

    /// A listener; called within the runtime of the test.
    pub(crate) fn loopback() -> Self {
        let loopback = listen(Broker::default(), LoopbackConfig::default());
        Self::Loopback(Opened { broker: Broker::default(), address: loopback.address(), loopback: Some(loopback) })
    }

    /// A bus over it. Each call makes another connection.
    pub(crate) async fn bus(&self) -> Bus {
        match self.address() {
            None => Bus::in_process(self.broker().clone()),
            Some(address) => connect(address).await,
        }
    }

    /// Kills what carries the messages.
    pub(crate) fn kill(&mut self) {
        match self {
            Self::InProcess(_) => panic!("this process cannot be killed in a test"),
            Self::Loopback(opened) => opened.loopback = None,
            Self::Nats(server) => server.kill(),
        }
    }

    /// Starts it again, where it was and with nothing of what it knew.
    pub(crate) async fn restart(&mut self) {
        match self {
            Self::InProcess(_) => panic!("this process cannot be restarted in a test"),
            Self::Loopback(opened) => {
                opened.loopback = None;
                opened.broker = Broker::default();
                let mut listener = None;
                crate::eventually("the port is free again", async || {
                    listener = TcpListener::bind(opened.address).ok();
                    listener.is_some()
                })
                .await;
                let (listener, broker) = (listener.expect("it is bound"), opened.broker.clone());
                opened.loopback =
                    Some(Loopback::start(listener, broker, LoopbackConfig::default()).expect("it listens"));
            }
            Self::Nats(server) => server.restart(),
        }
    }

    pub(crate) fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::InProcess(_) => None,
            Self::Loopback(opened) => Some(opened.address),
            Self::Nats(server) => Some(server.address()),
        }
    }

    fn broker(&self) -> &Broker {
        match self {
            Self::InProcess(broker) | Self::Loopback(Opened { broker, .. }) => broker,
            Self::Nats(_) => panic!("a server has its own"),
        }
    }
}

/// A listener on a free port.
pub(crate) fn listen(broker: Broker, config: LoopbackConfig) -> Loopback {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    Loopback::start(listener, broker, config).expect("it listens")
}

/// A bus over the server at `address`.
pub(crate) async fn connect(address: SocketAddr) -> Bus {
    Bus::connect(&format!("nats://{address}"), ConnectOptions::default()).await.expect("it lets us in")
}
