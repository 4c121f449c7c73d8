//! Measures one call of a component on another host, beside a request and its reply of the same size on the same NATS server.
//!
//! What is quoted of calls one after the other is their median (p50), each timed alone by whoever makes it. Both hosts, the
//! server and the harness share this machine. The reply to the raw request comes from another connection and
//! another thread, as that to the call comes from another host: both cross the server twice.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use async_nats::{Client, Subscriber};
use bytes::Bytes;
use futures::StreamExt as _;
use tokio::runtime::Runtime;

use super::calls::up;
use crate::arm::Launch;
use crate::client;
use crate::rounds::{Bench, PATIENCE, Running, interleave, rows};
use crate::row::{Figure, Row};
use crate::server::{self, Server};
use crate::wrk::Load;

/// What a call is compared with.
pub(crate) const RAW: &str = "NATS request";

/// Who makes the calls.
pub(crate) const CALL: &str = "wattle, another host";

/// Bytes that go there and come back, how often one after the other, and the request that does it.
const SIZES: [(&str, usize, u32); 3] = [("64 B", 64, 2_000), ("1 KiB", 1024, 2_000), ("64 KiB", 65_536, 300)];

/// Calls at once.
const AT_ONCE: usize = 32;

/// What is sent with each call of these.
const PATH: &str = "/reverse?size=64";

/// A NATS server with a host that calls, one that is called, and an echo to raw requests.
struct Lattice {
    caller: Server,
    _called: Server,
    raw: Raw,
    _nats: Server,
}

/// A client of NATS, and what answers it.
struct Raw {
    runtime: Runtime,
    client: Client,
}

pub(super) fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let (Some(nats), Some(program)) = (&bench.tools.nats, &bench.tools.wattle) else { return Ok(Vec::new()) };
    let lattice = Lattice::start(bench, nats, program)?;
    let mut rows = Vec::new();
    for (case, size, count) in SIZES {
        eprintln!("calls to another host, {case}: {} rounds", bench.options.rounds);
        let address = lattice.caller.address;
        let rounds = interleave(bench.options.rounds, 2, |_, index| {
            let measured = match index {
                0 => lattice.raw.median(size, count),
                _ => median(address, size, count),
            };
            measured.map_err(|error| bench.note(format!("calls of {case} to another host: {error:#}"))).ok()
        });
        let row = |(arm, rounds)| like(case, arm, Figure::Call, rounds);
        rows.extend([RAW, CALL].into_iter().zip(rounds).map(row));
    }
    rows.extend(lattice.measure_many(bench));
    Ok(rows)
}

/// The same of calls that a component makes.
fn median(address: SocketAddr, size: usize, times: u32) -> anyhow::Result<f64> {
    let path = format!("/median?size={size}&times={times}");
    let answer = client::get(address, &path)?;
    if answer.status != 200 {
        bail!("{path} answered {}", answer.status);
    }
    answer.text().trim().parse().with_context(|| format!("{path} answered {:?}", answer.text()))
}

fn like(case: &str, arm: &'static str, figure: Figure, rounds: Vec<Option<f64>>) -> Row {
    let subject = "`(list<u8>) -> list<u8>` from host to host".to_owned();
    Row { subject, case: case.to_owned(), arm, figure, rounds }
}

// === impl Lattice ===

impl Lattice {
    fn start(bench: &Bench, nats: &Path, program: &Path) -> anyhow::Result<Self> {
        let guest = |name: &str| bench.tools.guests.folder.join(format!("{name}.wasm"));
        let (_nats, address) = start_nats(bench, nats)?;
        let url = format!("nats://{address}");
        let host = |name: &str, launch: Launch, address| {
            server::spawn(&launch.with(["--reuse", "--nats", &url, "--name", name]), address, &bench.home(name))
        };
        let (here, there) = (server::free_address()?, server::free_address()?);
        let called = host("called", up(program, there).with([guest("calc")]), there)?;
        let route = format!("--route=/={}", guest("desk").display());
        let caller = host("caller", up(program, here).with([route]), here)?;
        let put = ["link", "put", "desk", "calc", "--contract", "demo:calc/ops", "--nats", &url];
        let put = Launch::new(program).with(put);
        wait("the link is not put", || succeeds(put.command(&bench.home("link"))))?;
        wait("the component on the other host is not called", || {
            client::get(here, PATH).is_ok_and(|answer| answer.status == 200)
        })
        .with_context(|| format!("{}\n{}", caller.last_words(), called.last_words()))?;
        Ok(Self { caller, _called: called, raw: Raw::start(&url)?, _nats })
    }

    /// As many calls as can be made by so many at once.
    fn measure_many(self, bench: &Bench) -> Vec<Row> {
        let Self { caller, raw, _called, _nats } = self;
        let case = format!("64 B, {AT_ONCE} at once");
        let running = Running { arm: CALL, server: caller };
        let load = Load { path: PATH, connections: AT_ONCE, seconds: bench.options.seconds, script: None };
        let row = |arm| like(&case, arm, Figure::Rate, Vec::new());
        let mut calls = Vec::new();
        let mut requests = Vec::new();
        interleave(bench.options.rounds, 2, |_, index| {
            match index {
                0 => requests.push(raw.rate(64, Duration::from_secs(bench.options.seconds)).ok()),
                _ => calls.push(bench.sample(&running, &load)),
            }
            Some(())
        });
        let mut rows_of_calls = rows(&row(CALL), &[Figure::Rate], &calls);
        rows_of_calls.insert(0, Row { rounds: requests, ..row(RAW) });
        rows_of_calls
    }
}

fn start_nats(bench: &Bench, program: &Path) -> anyhow::Result<(Server, SocketAddr)> {
    let (address, home) = (server::free_address()?, bench.home("nats"));
    let launch =
        Launch::new(program).with(["--jetstream", "--addr", "127.0.0.1", "--port", &address.port().to_string()]);
    let server =
        server::spawn(&launch.with(["--store_dir".into(), home.join("kept").into_os_string()]), address, &home)?;
    wait("nats-server does not listen", || TcpStream::connect(address).is_ok()).with_context(|| server.last_words())?;
    Ok((server, address))
}

fn succeeds(mut command: Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

fn wait(what_is_not: &'static str, mut is_so: impl FnMut() -> bool) -> anyhow::Result<()> {
    let begun = Instant::now();
    while !is_so() {
        if begun.elapsed() > PATIENCE {
            bail!("{what_is_not}");
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Answers each request with what it brings.
async fn answer_all(echo: Client, mut requests: Subscriber) {
    while let Some(request) = requests.next().await {
        let Some(reply) = request.reply else { continue };
        if echo.publish(reply, request.payload).await.is_err() {
            return;
        }
    }
}

// === impl Raw ===

impl Raw {
    const SUBJECT: &str = "bench.echo";

    fn start(url: &str) -> anyhow::Result<Self> {
        let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build();
        let (here, there) = (runtime()?, runtime()?);
        let echo = there.block_on(async_nats::connect(url))?;
        let requests = there.block_on(echo.subscribe(Self::SUBJECT))?;
        there.block_on(echo.flush())?;
        // It ends with the harness.
        thread::spawn(move || there.block_on(answer_all(echo, requests)));
        let client = here.block_on(async_nats::connect(url))?;
        Ok(Self { runtime: here, client })
    }

    /// What half of so many requests, one after the other, took at most, in nanoseconds.
    fn median(&self, size: usize, times: u32) -> anyhow::Result<f64> {
        let payload = Bytes::from(vec![7; size]);
        let mut taken = self.runtime.block_on(async {
            let mut taken = Vec::new();
            for _ in 0..times {
                let begun = Instant::now();
                self.client.request(Self::SUBJECT, payload.clone()).await?;
                taken.push(begun.elapsed());
            }
            anyhow::Ok(taken)
        })?;
        taken.sort_unstable();
        Ok(taken[taken.len() / 2].as_secs_f64() * 1e9)
    }

    /// Requests a second of [`AT_ONCE`] that ask one after the other.
    fn rate(&self, size: usize, time: Duration) -> anyhow::Result<f64> {
        let payload = Bytes::from(vec![7; size]);
        let begun = Instant::now();
        let ask = || async {
            let mut count = 0_u32;
            while begun.elapsed() < time {
                self.client.request(Self::SUBJECT, payload.clone()).await?;
                count += 1;
            }
            anyhow::Ok(count)
        };
        let all = futures::future::try_join_all((0..AT_ONCE).map(|_| ask()));
        let count: u32 = self.runtime.block_on(all)?.into_iter().sum();
        Ok(f64::from(count) / begun.elapsed().as_secs_f64())
    }
}
