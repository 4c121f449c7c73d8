//! Measures what a request suffers beside a component that never ends.
//!
//! One host serves both. The neighbour's requests are held open and sent again whenever the host stops one, so that as
//! many endless calls as there are connections run all the time. The CPU of the host is then mostly the neighbour's,
//! so what counts is the latency and the number of answers that the victim still gets.
//!
//! # Not here
//!
//! `wasmtime serve`: it serves one component a process, so victim and neighbour would be two processes and the kernel's
//! scheduler would be measured.

use std::collections::BTreeMap;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use super::hello;
use crate::accounting;
use crate::arm::Launch;
use crate::client;
use crate::rounds::{self, Bench, PATIENCE, Running, interleave};
use crate::row::{Figure, Row};
use crate::server::{Ready, Server};
use crate::wrk::Load;

/// What others are compared with.
pub(crate) const ALONE: &str = "alone";

const SPIN: &str = "/kit/spin";
const FILL: &str = "/kit/fill?mib=64";
const CASES: [(&str, &str, usize); 5] = [
    (ALONE, SPIN, 0),
    ("beside 2 endless loops", SPIN, 2),
    ("beside 4 endless loops", SPIN, 4),
    ("beside 2 endless fills of 64 MiB", FILL, 2),
    ("beside 4 endless fills of 64 MiB", FILL, 4),
];
const CONNECTIONS: usize = 32;

/// Longer than the default limit of time, after which a host has stopped what its clients have left.
const QUIET: Duration = Duration::from_secs(90);

/// How the neighbour's requests ended: a status, or that they were still running.
type Ends = BTreeMap<String, usize>;

pub(super) fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let guests = &bench.tools.guests;
    let (Some(wattle), Some(hello), Some(kit)) = (&bench.tools.wattle, &guests.hello, &guests.kit) else {
        return Ok(Vec::new());
    };
    let launch = |address: SocketAddr| {
        let (hello, kit) = (format!("/={}", hello.display()), format!("/kit={}", kit.display()));
        let http = address.to_string();
        Some(Launch::new(wattle).with(["up", "--route", &hello, "--route", &kit, "--http", &http]))
    };
    let ready = Ready { path: "/", patience: PATIENCE };
    let server = bench.start_one("neighbour", launch, ready)?.context("wattle is missing")?;
    let probe = client::get(server.address, "/kit/random?n=8")?;
    ensure!(
        probe.status == 200,
        "/kit/random answers {}; does /kit lead to http-kit, without its prefix?",
        probe.status
    );
    measure_victim(bench, &Running { arm: "wattle up", server })
}

fn measure_victim(bench: &Bench, running: &Running) -> anyhow::Result<Vec<Row>> {
    let load = Load { path: "/", connections: CONNECTIONS, seconds: bench.options.seconds, script: None };
    let mut ends = vec![Ends::new(); CASES.len()];
    // The longest time that the host worked on for clients that had gone; nothing once it did not stop at all.
    let mut linger = Some(Duration::ZERO);
    let samples = interleave(bench.options.rounds, CASES.len(), |round, index| {
        let (name, path, count) = CASES[index];
        eprintln!("victim {name}: round {}", round + 1);
        linger = linger.and_then(|linger| Some(linger.max(until_quiet(&running.server)?)));
        linger?;
        beside(running.server.address, (path, count), &mut ends[index], || bench.sample(running, &load))
    });
    for ((name, ..), ends) in CASES.iter().zip(&ends).filter(|(_, ends)| !ends.is_empty()) {
        let ends: Vec<String> = ends.iter().map(|(end, count)| format!("{count} × {end}")).collect();
        bench.note(format!("the requests of a neighbour, {name}, ended: {}", ends.join(", ")));
    }
    bench.note(match linger {
        Some(linger) => format!("after its clients had gone, the host was quiet within {:.1} s", linger.as_secs_f64()),
        None => format!("the host was still busy {QUIET:?} after its clients had gone; the rest is left out"),
    });
    let figures = [Figure::P99, Figure::P50, Figure::Rate, Figure::Cores];
    let like = |arm| Row {
        subject: format!("{} on wattle up", hello::RUST),
        case: hello::case(CONNECTIONS),
        arm,
        figure: Figure::P99,
        rounds: Vec::new(),
    };
    let all = CASES.iter().zip(&samples);
    Ok(all.flat_map(|((name, ..), samples)| rounds::rows(&like(name), &figures, samples)).collect())
}

/// Does something while as many endless requests run; they have ended, for the client, when it returns.
fn beside<T>(address: SocketAddr, (path, count): (&str, usize), ends: &mut Ends, work: impl FnOnce() -> T) -> T {
    let is_over = AtomicBool::new(false);
    let open: Vec<Mutex<Option<TcpStream>>> = (0..count).map(|_| Mutex::new(None)).collect();
    thread::scope(|scope| {
        let is_over = &is_over;
        let hold = |slot| scope.spawn(move || hold(address, path, slot, is_over));
        let neighbours: Vec<_> = open.iter().map(hold).collect();
        // The loops have to be running before the victim is asked.
        thread::sleep(Duration::from_millis(if count == 0 { 0 } else { 300 }));
        let result = work();
        is_over.store(true, Ordering::Relaxed);
        // Again and again, since a neighbour may have been about to open the next one.
        while !neighbours.iter().all(|neighbour| neighbour.is_finished()) {
            open.iter().for_each(hang_up);
            thread::sleep(Duration::from_millis(5));
        }
        for (end, count) in neighbours.into_iter().filter_map(|neighbour| neighbour.join().ok()).flatten() {
            *ends.entry(end).or_default() += count;
        }
        result
    })
}

fn hang_up(slot: &Mutex<Option<TcpStream>>) {
    if let Some(connection) = slot.lock().ok().and_then(|mut slot| slot.take()) {
        // Fails where the host has closed it already.
        drop(connection.shutdown(Shutdown::Both));
    }
}

/// Asks again and again until it is over; how each request ended.
fn hold(address: SocketAddr, path: &str, slot: &Mutex<Option<TcpStream>>, is_over: &AtomicBool) -> Ends {
    let mut ends = Ends::new();
    while !is_over.load(Ordering::Relaxed) {
        let answer = TcpStream::connect(address).map_err(anyhow::Error::from).and_then(|connection| {
            if let Ok(mut slot) = slot.lock() {
                *slot = Some(connection.try_clone()?);
            }
            client::ask(&connection, path, None)
        });
        let end = match answer {
            Ok(answer) => format!("status {}", answer.status),
            Err(_) if is_over.load(Ordering::Relaxed) => "still running".to_owned(),
            Err(error) => {
                // A host that refuses at once is not asked in a tight loop.
                thread::sleep(Duration::from_millis(50));
                error.to_string()
            }
        };
        *ends.entry(end).or_default() += 1;
    }
    ends
}

/// How long it took until the host had stopped what its clients have left; nothing where it did not, or has ended.
fn until_quiet(server: &Server) -> Option<Duration> {
    let start = Instant::now();
    let step = Duration::from_millis(200);
    while start.elapsed() < QUIET {
        let before = accounting::used(server.process()).ok()?;
        thread::sleep(step);
        if accounting::used(server.process()).ok()?.since(&before) < step / 10 {
            return Some(start.elapsed().saturating_sub(step));
        }
    }
    None
}
