//! Measures how long a process takes from its start to the first byte of its first answer.
//!
//! Cold means an empty cache of compiled components, warm the second start on the same one. The files themselves are in
//! the page cache in both.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::bail;

use super::hello;
use crate::arm::{Arm, Launch, Subject};
use crate::rounds::{Bench, PATIENCE, interleave};
use crate::row::{Figure, Row};
use crate::server;

/// The state of the cache in the verdict.
pub(crate) const WARM: &str = "warm cache";

const COLD: &str = "cold cache";
const ARMS: [Arm; 3] = [Arm::Floor, Arm::ServeDefault, Arm::WattleFresh];

/// Time for a process that has answered to finish writing its cache before it is killed.
const SETTLE: Duration = Duration::from_secs(1);

pub(super) fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for subject in hello::subjects(&bench.tools.guests) {
        for case in [COLD, WARM] {
            rows.extend(measure_case(bench, &subject, case)?);
        }
    }
    Ok(rows)
}

fn measure_case(bench: &Bench, subject: &Subject, case: &'static str) -> anyhow::Result<Vec<Row>> {
    eprintln!("{}, {case}: {} starts of each", subject.name, bench.options.starts);
    let home = |arm: Arm| bench.home(&format!("start {} {} {case}", subject.name, arm.name()));
    let mut arms = Vec::new();
    for arm in ARMS {
        match try_once(bench, subject, arm, &home(arm)) {
            Ok(true) => arms.push(arm),
            Ok(false) => {}
            Err(error) => bench.note(format!("start of {} on {} is left out: {error:#}", subject.name, arm.name())),
        }
    }
    let rounds = interleave(bench.options.starts, arms.len(), |_, index| {
        let (arm, home) = (arms[index], home(arms[index]));
        if case == COLD {
            // What cannot be removed would make a start warm, and is met again when the run ends.
            fs::remove_dir_all(&home).ok()?;
        }
        let time = once(bench, subject, arm, &home);
        let time = time.map_err(|error| bench.note(format!("start of {} on {}: {error:#}", subject.name, arm.name())));
        Some(time.ok()??.as_secs_f64() * 1e3)
    });
    let row = |(arm, rounds): (&Arm, Vec<Option<f64>>)| Row {
        subject: subject.name.to_owned(),
        case: case.to_owned(),
        arm: arm.name(),
        figure: Figure::Start,
        rounds,
    };
    Ok(arms.iter().zip(rounds).map(row).collect())
}

/// Starts it and ends it; nothing where its program is missing.
fn once(bench: &Bench, subject: &Subject, arm: Arm, home: &Path) -> anyhow::Result<Option<Duration>> {
    let address = server::free_address()?;
    let Some(launch) = arm.launch(&bench.tools, subject, address) else { return Ok(None) };
    Ok(Some(first_answer(&launch, address, home)?.0))
}

/// The first start, which shows that it works and fills the cache.
fn try_once(bench: &Bench, subject: &Subject, arm: Arm, home: &Path) -> anyhow::Result<bool> {
    let address = server::free_address()?;
    let Some(launch) = arm.launch(&bench.tools, subject, address) else { return Ok(false) };
    let (_, server) = first_answer(&launch, address, home)?;
    thread::sleep(SETTLE);
    drop(server);
    Ok(true)
}

fn first_answer(launch: &Launch, address: SocketAddr, home: &Path) -> anyhow::Result<(Duration, server::Server)> {
    let start = Instant::now();
    let mut server = server::spawn(launch, address, home)?;
    loop {
        if let Ok(true) = answers(address) {
            return Ok((start.elapsed(), server));
        }
        if let Some(status) = server.ended()? {
            bail!("it ended with {status}:\n{}", server.last_words());
        }
        if start.elapsed() > PATIENCE {
            bail!("no answer in {PATIENCE:?}:\n{}", server.last_words());
        }
        thread::sleep(Duration::from_micros(200));
    }
}

/// Whether the first bytes of an answer say 200.
fn answers(address: SocketAddr) -> std::io::Result<bool> {
    let mut connection = TcpStream::connect(address)?;
    connection.set_nodelay(true)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.write_all(b"GET / HTTP/1.1\r\nhost: bench\r\n\r\n")?;
    let mut start = [0; 12];
    connection.read_exact(&mut start)?;
    Ok(start == *b"HTTP/1.1 200")
}
