//! Is the floor of the benchmarks: a bare hyper server in the shape of wattle's data plane.
//!
//! What a host of components adds to a request is seen only beside a server that adds nothing. So this one has the same
//! shape: one thread a core with a runtime of its own, one acceptor that hands each connection to the thread with the
//! fewest, no delay on the sockets, HTTP/1 by hyper, the same allocator, the same profile. It answers `/`,
//! `/big?n=BYTES` and `/echo` as the guests do.
//!
//! # Not here
//!
//! Anything that wattle's data plane does not do as well: no logs, no limits, no drain.

use std::convert::Infallible;
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context as _, anyhow, bail};
use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use socket2::{Domain, Socket, Type};
use tokio::runtime::LocalOptions;
use tokio::sync::mpsc;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USAGE: &str = "Usage: hyper-floor [--http ADDR] [--threads N]";

/// Connections that wait for a thread to take them; the acceptor waits when there are more.
const WAITING_MAX: usize = 1024;

/// The largest answer of `/big`.
const BIG_MAX: usize = 64 * 1024 * 1024;

type Body = Either<Full<Bytes>, Incoming>;

fn main() -> anyhow::Result<()> {
    let options = Options::parse(std::env::args().skip(1))?;
    let listener = listen(options.http).with_context(|| format!("cannot listen on {}", options.http))?;
    let workers = (0..options.threads).map(|_| Worker::spawn()).collect::<anyhow::Result<Vec<_>>>()?;
    thread::Builder::new().spawn(end_when_told)?;
    writeln!(std::io::stdout(), "listening on http://{}", listener.local_addr()?)?;
    loop {
        match listener.accept() {
            Ok((connection, _)) => least_loaded(&workers)?.hand(connection)?,
            // Of one connection (reset before it was taken) or of the moment (no more descriptors).
            Err(error) => eprintln!("hyper-floor: accept: {error}"),
        }
    }
}

/// Ends the process as one that has done its work, so that what counts in it is written down.
fn end_when_told() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
    let told = runtime.and_then(|runtime| runtime.block_on(tokio::signal::ctrl_c()));
    if told.is_ok() {
        std::process::exit(0);
    }
}

struct Options {
    http: SocketAddr,
    threads: usize,
}

/// One thread with its runtime, seen from the acceptor.
struct Worker {
    connections: mpsc::Sender<TcpStream>,
    load: Arc<AtomicUsize>,
}

/// Counts one connection for as long as it lives.
struct Counted(Arc<AtomicUsize>);

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(1024)?;
    Ok(socket.into())
}

fn least_loaded(workers: &[Worker]) -> anyhow::Result<&Worker> {
    workers.iter().min_by_key(|worker| worker.load.load(Ordering::Relaxed)).context("no threads")
}

/// Takes connections for as long as there is an acceptor.
async fn work(mut connections: mpsc::Receiver<TcpStream>, load: Arc<AtomicUsize>) {
    while let Some(connection) = connections.recv().await {
        let counted = Counted(Arc::clone(&load));
        #[expect(clippy::disallowed_methods, reason = "the floor stands alone: nobody waits for its connections")]
        tokio::task::spawn_local(async move {
            if let Err(error) = serve(connection).await {
                eprintln!("hyper-floor: {error}");
            }
            drop(counted);
        });
    }
}

async fn serve(connection: TcpStream) -> anyhow::Result<()> {
    let connection = tokio::net::TcpStream::from_std(connection)?;
    // A client that goes away in the middle of an exchange is no news.
    drop(http1::Builder::new().serve_connection(TokioIo::new(connection), service_fn(answer)).await);
    Ok(())
}

async fn answer(request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    Ok(Response::new(match request.uri().path() {
        "/echo" => Either::Right(request.into_body()),
        "/big" => Either::Left(Full::new(big(request.uri().query().unwrap_or_default()))),
        _ => Either::Left(Full::new(Bytes::from_static(b"Hello, wasm!\n"))),
    }))
}

fn big(query: &str) -> Bytes {
    let size = query.strip_prefix("n=").and_then(|size| size.parse().ok()).unwrap_or(64 * 1024);
    Bytes::from(vec![b'x'; BIG_MAX.min(size)])
}

// === impl Options ===

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> anyhow::Result<Self> {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let mut options = Self { http: SocketAddr::from(([127, 0, 0, 1], 8000)), threads };
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or_else(|| anyhow!("{name} wants a value\n{USAGE}"))?;
            match name.as_str() {
                "--http" => options.http = value.parse().with_context(|| format!("--http {value}"))?,
                "--threads" => options.threads = value.parse().with_context(|| format!("--threads {value}"))?,
                _ => bail!("unknown argument {name}\n{USAGE}"),
            }
        }
        Ok(options)
    }
}

// === impl Worker ===

impl Worker {
    fn spawn() -> anyhow::Result<Self> {
        let (connections, arrivals) = mpsc::channel(WAITING_MAX);
        let load = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&load);
        let run = move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_io().build_local(LocalOptions::default());
            runtime.expect("a runtime can be had").block_on(work(arrivals, seen));
        };
        thread::Builder::new().spawn(run)?;
        Ok(Self { connections, load })
    }

    fn hand(&self, connection: TcpStream) -> anyhow::Result<()> {
        connection.set_nodelay(true)?;
        connection.set_nonblocking(true)?;
        // Counted here and not on the thread, so that a burst is spread before any of it was taken.
        self.load.fetch_add(1, Ordering::Relaxed);
        self.connections.blocking_send(connection).context("a thread has ended")
    }
}

// === impl Counted ===

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
