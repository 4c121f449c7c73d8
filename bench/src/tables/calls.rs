//! Measures one call: of an exported function from the command line, and by a component of another component, fused with it or
//! apart, and of a key-value store.
//!
//! The call is made many times within one request, or one command. What that takes with one call is subtracted: what is left is
//! the calls, the loop that makes them included.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use crate::arm::Launch;
use crate::client;
use crate::rounds::{Bench, PATIENCE, interleave};
use crate::row::{Figure, Row};
use crate::server::{self, Ready, Server};

/// What fused components are compared with.
pub(crate) const APART: &str = "apart, reused";

/// What a key-value store on Redis is compared with.
pub(crate) const RAW: &str = "redis crate";

/// A way to link two components, with what is added to the flags.
const WAYS: [(&str, &[&str]); 3] = [
    ("apart, fresh", &["--link=till=price-1"]),
    (APART, &["--link=till=price-1", "--reuse"]),
    ("fused, reused", &["--link=till=price-1,terms=fused", "--link=desk=calc,terms=fused", "--reuse"]),
];

/// What is called: its signature, the request that does it, and how many calls take about a tenth of a second in each way.
const CALLS: [(&str, &str, [u32; 3]); 4] = [
    ("`() -> u32`", "/till?x=1", [20_000, 100_000, 20_000_000]),
    ("`(u64) -> result<bool>`", "/repeat?x=1", [10_000, 100_000, 10_000_000]),
    ("`(list<u8>) -> list<u8>`, 1 KiB", "/reverse?size=1024", [10_000, 50_000, 20_000]),
    ("`(list<u8>) -> list<u8>`, 64 KiB", "/reverse?size=65536", [1_000, 1_500, 500]),
];

/// Calls of an exported function by one command.
const EXPORTED: u32 = 400_000;

/// Calls of a key-value store within one request.
const GETS: u32 = 20_000;

/// The value that is asked for is this key's.
const KEY: &str = "tea";

/// Something that can be timed, a call at a time.
type Timed<'a> = (&'static str, Box<dyn Fn(u32) -> anyhow::Result<Duration> + 'a>);

pub(super) fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let mut rows = measure_exported(bench)?;
    rows.extend(measure_components(bench)?);
    rows.extend(measure_stores(bench)?);
    Ok(rows)
}

/// From start to end of the command, so that a call is what many of them add: the text of its result on a line of its own, too.
fn measure_exported(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let Some(program) = &bench.tools.wattle else { return Ok(Vec::new()) };
    let (file, home) = (bench.tools.guests.folder.join("calc.wasm"), bench.home("calls exported"));
    let timed = |times: u32| -> anyhow::Result<Duration> {
        let launch = Launch::new(program).with(["call"]).with([&file]).with(["add(1, 2)", "--repeat"]);
        let mut command = launch.with([times.to_string()]).command(&home);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let begun = Instant::now();
        let status = command.status()?;
        if status.success() { Ok(begun.elapsed()) } else { bail!("wattle call ended with {status}") }
    };
    // The first one compiles.
    timed(1)?;
    eprintln!("calls, exported: {} rounds", bench.options.rounds);
    let mut rounds = interleave(bench.options.rounds, 1, |_, _| {
        per_call(EXPORTED, timed).map_err(|error| bench.note(format!("calls of an export: {error:#}"))).ok()
    });
    let row = |rounds| Row {
        subject: "of an exported function, with dynamic values".to_owned(),
        case: "`(u32, u32) -> u32`, one after the other".to_owned(),
        arm: "wattle call",
        figure: Figure::Call,
        rounds,
    };
    Ok(rounds.pop().map(row).into_iter().collect())
}

fn measure_components(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let Some(program) = &bench.tools.wattle else { return Ok(Vec::new()) };
    let guest = |name: &str| bench.tools.guests.folder.join(format!("{name}.wasm"));
    let start = |(name, flags): (&'static str, &[&str])| -> anyhow::Result<(&'static str, Server)> {
        let launch = |address: SocketAddr| {
            let routes = [
                format!("--route=/till={}", guest("till").display()),
                format!("--route=/={}", guest("desk").display()),
            ];
            let launch = up(program, address).with(routes).with([guest("calc"), guest("price-1")]);
            Some(launch.with(flags))
        };
        let server = bench.start_one(&format!("calls {name}"), launch, Ready { path: "/till", patience: PATIENCE })?;
        Ok((name, server.context("it was not started")?))
    };
    let servers: Vec<_> = WAYS.into_iter().map(start).collect::<anyhow::Result<_>>()?;
    let mut rows = Vec::new();
    for (signature, path, counts) in CALLS {
        eprintln!("calls, {signature}: {} rounds", bench.options.rounds);
        let rounds = interleave(bench.options.rounds, servers.len(), |_, index| {
            let (_, server) = &servers[index];
            per_call(counts[index], |times| timed(server.address, &format!("{path}&times={times}")))
                .map_err(|error| bench.note(format!("calls of {signature}: {error:#}")))
                .ok()
        });
        let row = |((arm, _), rounds): (&(&'static str, Server), Vec<Option<f64>>)| Row {
            subject: "from component to component".to_owned(),
            case: signature.to_owned(),
            arm,
            figure: Figure::Call,
            rounds,
        };
        rows.extend(servers.iter().zip(rounds).map(row));
    }
    Ok(rows)
}

fn measure_stores(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let Some(program) = &bench.tools.wattle else { return Ok(Vec::new()) };
    let file = bench.tools.guests.folder.join("counter.wasm");
    let start = |name: &str, link: Option<String>| -> anyhow::Result<Server> {
        let launch = |address| Some(up(program, address).with([&file]).with(["--reuse"]).with(link.as_ref()));
        let server = bench.start_one(&format!("store {name}"), launch, Ready { path: "/", patience: PATIENCE })?;
        let server = server.context("it was not started")?;
        let put = client::post(server.address, &format!("/{KEY}"), b"")?;
        if put.status == 200 { Ok(server) } else { bail!("{name} cannot be written: status {}", put.status) }
    };
    let (memory, disk) = (start("memory", Some("--link=counter=keyvalue/memory".into()))?, start("disk", None)?);
    let get = |server: &Server| {
        let address = server.address;
        move |times| timed(address, &format!("/{KEY}?times={times}"))
    };
    let mut timed: Vec<Timed<'_>> = vec![("memory", Box::new(get(&memory))), ("disk", Box::new(get(&disk)))];
    let redis = bench.tools.redis.as_deref().map(|program| Redis::start(bench, program)).transpose()?;
    let linked = match &redis {
        Some(redis) => {
            let url = format!("redis://{}", redis.address);
            timed.push((RAW, Box::new(raw(&url)?)));
            Some(start("redis", Some(format!("--link=counter=keyvalue/redis,url={url}")))?)
        }
        None => None,
    };
    timed.extend(linked.iter().map(|server| ("redis", Box::new(get(server)) as Box<_>)));
    eprintln!("key-value get: {} rounds", bench.options.rounds);
    let rounds = interleave(bench.options.rounds, timed.len(), |_, index| {
        per_call(GETS, &timed[index].1).map_err(|error| bench.note(format!("key-value get: {error:#}"))).ok()
    });
    let row = |((arm, _), rounds): (&Timed<'_>, Vec<Option<f64>>)| Row {
        subject: "key-value `get`".to_owned(),
        case: "one byte, one after the other".to_owned(),
        arm,
        figure: Figure::Call,
        rounds,
    };
    Ok(timed.iter().zip(rounds).map(row).collect())
}

pub(super) fn up(program: &Path, address: SocketAddr) -> Launch {
    Launch::new(program).with(["up", "--bus", "off", "--timeout", "120", "--http", &address.to_string()])
}

/// Nanoseconds of one call, where `timed` does so many.
fn per_call(count: u32, timed: impl Fn(u32) -> anyhow::Result<Duration>) -> anyhow::Result<f64> {
    let (one, many) = (timed(1)?, timed(count)?);
    Ok(many.saturating_sub(one).as_secs_f64() * 1e9 / f64::from(count - 1))
}

fn timed(address: SocketAddr, path: &str) -> anyhow::Result<Duration> {
    let connection = TcpStream::connect(address)?;
    let begun = Instant::now();
    let answer = client::ask(&connection, path, None)?;
    if answer.status == 200 { Ok(begun.elapsed()) } else { bail!("{path} answered {}", answer.status) }
}

/// The same `get` by the client that the backend is built on.
fn raw(url: &str) -> anyhow::Result<impl Fn(u32) -> anyhow::Result<Duration> + use<>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let client = redis::Client::open(url)?;
    let connection = runtime.block_on(client.get_multiplexed_async_connection())?;
    let set = |mut connection: redis::aio::MultiplexedConnection| async move {
        redis::cmd("SET").arg(KEY).arg("1").query_async::<()>(&mut connection).await
    };
    runtime.block_on(set(connection.clone()))?;
    Ok(move |times| {
        let mut connection = connection.clone();
        let begun = Instant::now();
        runtime.block_on(async {
            for _ in 0..times {
                redis::cmd("GET").arg(KEY).query_async::<Vec<u8>>(&mut connection).await?;
            }
            Ok::<_, redis::RedisError>(())
        })?;
        Ok(begun.elapsed())
    })
}

/// A server that keeps nothing.
struct Redis {
    address: SocketAddr,
    _server: Server,
}

impl Redis {
    fn start(bench: &Bench, program: &Path) -> anyhow::Result<Self> {
        let address = server::free_address()?;
        let launch =
            Launch::new(program).with(["--port", &address.port().to_string(), "--save", "", "--bind", "127.0.0.1"]);
        let server = server::spawn(&launch, address, &bench.home("redis"))?;
        let begun = Instant::now();
        while TcpStream::connect(address).is_err() {
            if begun.elapsed() > PATIENCE {
                bail!("redis-server does not listen:\n{}", server.last_words());
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(Self { address, _server: server })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_call_takes_besides_is_not_counted() {
        let timed = |times: u32| Ok(Duration::from_micros(500) + Duration::from_nanos(20) * times);
        assert!((per_call(1_000, timed).expect("it is timed") - 20.0).abs() < 0.1);
    }
}
