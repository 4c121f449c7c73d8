//! A server, wires to it, and functions to serve.

use std::future::Future;
use std::time::Duration;

use bus::{Broker, Bus, ConnectOptions};
use stdx::ByteSize;
use wasmtime::component::Val;
use wire::{Address, EncodeError, Function, Limits, Remote, Shape, Shapes, Signature, Wire};

/// How long anything may take before a test fails of it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Runs a test to its end on a runtime of its own.
pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        tokio::time::timeout(PATIENCE, test).await.unwrap_or_else(|_| panic!("not within {PATIENCE:?}"))
    })
}

/// Runs a test that needs nothing but this process, on a clock that goes on when nothing else does.
pub(crate) fn run_in_no_time<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(test)
}

/// What carries a test.
pub(crate) enum Rig {
    Nats(Box<testkit::Nats>),
    InProcess(Broker),
}

impl Rig {
    pub(crate) fn nats() -> Self {
        Self::Nats(Box::new(testkit::Nats::start()))
    }

    pub(crate) fn nats_with(line: &str) -> Self {
        Self::Nats(Box::new(testkit::Nats::start_with([line])))
    }

    pub(crate) fn in_process() -> Self {
        Self::InProcess(Broker::new(bus::Limits::default()))
    }

    pub(crate) fn all() -> [Self; 2] {
        [Self::in_process(), Self::nats()]
    }

    /// A wire in a connection of its own.
    pub(crate) async fn wire(&self) -> Wire {
        self.wire_with(Limits::default()).await
    }

    pub(crate) async fn wire_with(&self, limits: Limits) -> Wire {
        Wire::open(self.bus().await, limits).await.expect("it listens")
    }

    pub(crate) async fn bus(&self) -> Bus {
        match self {
            Self::InProcess(broker) => Bus::in_process(broker.clone()),
            Self::Nats(server) => bus(server).await,
        }
    }
}

/// Something over a server, in a connection of its own. It allows whatever the server does.
pub(crate) async fn bus(nats: &testkit::Nats) -> Bus {
    bus_at(&nats.url()).await
}

/// The same over the server that is reached there.
pub(crate) async fn bus_at(url: &str) -> Bus {
    let limits = bus::Limits { payload_max: ByteSize::mib(64), ..bus::Limits::default() };
    Bus::connect(url, ConnectOptions { limits, ..ConnectOptions::default() }).await.expect("it lets us in")
}

pub(crate) async fn wire(nats: &testkit::Nats) -> Wire {
    Wire::open(bus(nats).await, Limits::default()).await.expect("it listens")
}

pub(crate) fn address() -> Address {
    Address { lattice: "default".into(), id: "echo".into() }
}

pub(crate) fn function() -> Function {
    Function::of("test:echo/echo@0.1.0", "echo")
}

/// Takes a text and gives it back.
pub(crate) fn signature() -> Signature {
    let text = || Shapes::new(vec![Shape::String]).expect("a text can travel");
    Signature { params: text(), results: text() }
}

pub(crate) fn remote() -> Remote {
    Remote::new(&address(), &function(), signature()).expect("a subject")
}

pub(crate) fn text(text: impl Into<String>) -> Vec<Val> {
    vec![Val::String(text.into())]
}

/// The answer of what is served by [`signature`].
pub(crate) fn results(values: &[Val]) -> Result<bytes::Bytes, EncodeError> {
    signature().results.encode(values)
}
