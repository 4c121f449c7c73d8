//! Measures what a component that nobody calls costs in memory, and what is left after each was called once.
//!
//! The components are copies of one, made distinct by a custom section with a number, so that nothing can be shared by
//! digest. What one component costs is the process with all of them less the process with one, for each of the others.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::accounting::{self, Resident};
use crate::arm::Launch;
use crate::client;
use crate::rounds::Bench;
use crate::row::{Figure, Row};
use crate::server::{Ready, Server};

/// The subject of the verdict.
pub(crate) const RUST: &str = "Rust (std) hello";

/// The case of the verdict.
pub(crate) const IDLE: &str = "idle, for each";

const CALLED: &str = "after one request to each, for each";
/// The arm of the verdict.
pub(crate) const ARM: &str = "wattle up FOLDER";

/// All of them are compiled at the first start.
const PATIENCE: Duration = Duration::from_secs(1800);

pub(super) fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    let guests = [(RUST, &bench.tools.guests.hello), ("hand-written hello", &bench.tools.guests.hello_p2)];
    for (subject, file) in guests {
        let Some(file) = file.as_ref().filter(|_| bench.tools.wattle.is_some()) else { continue };
        match measure_subject(bench, subject, file) {
            Ok(measured) => rows.extend(measured),
            Err(error) => bench.note(format!("memory of {subject} is left out: {error:#}")),
        }
    }
    Ok(rows)
}

/// What a process held, with some number of components.
struct Held {
    started: Duration,
    idle: Resident,
    called: Resident,
}

fn measure_subject(bench: &Bench, subject: &str, file: &Path) -> anyhow::Result<Vec<Row>> {
    let count = bench.options.copies;
    let bytes = fs::read(file)?;
    anyhow::ensure!(bytes.starts_with(b"\0asm"), "{} is text; its bytes are wanted", file.display());
    let cold = hold(bench, subject, &bytes, count)?;
    let many = hold(bench, subject, &bytes, count)?;
    let one = hold(bench, subject, &bytes, 1)?;
    let each = |many: u64, one: u64| (many as f64 - one as f64) / (count as f64 - 1.0) / 1e3;
    let row = |case: &str, figure, value| Row {
        subject: format!("{count} components, {subject}"),
        case: case.to_owned(),
        arm: ARM,
        figure,
        rounds: vec![Some(value)],
    };
    Ok(vec![
        row(IDLE, Figure::Memory, each(many.idle.all, one.idle.all)),
        row("idle, for each, in no file", Figure::Memory, each(many.idle.anonymous, one.idle.anonymous)),
        row(CALLED, Figure::Memory, each(many.called.all, one.called.all)),
        row("idle, the whole process", Figure::Memory, many.idle.all as f64 / 1e3),
        row("idle, the whole process with one", Figure::Memory, one.idle.all as f64 / 1e3),
        row("start, cold cache", Figure::Start, cold.started.as_secs_f64() * 1e3),
        row("start, warm cache", Figure::Start, many.started.as_secs_f64() * 1e3),
    ])
}

fn hold(bench: &Bench, subject: &str, bytes: &[u8], count: usize) -> anyhow::Result<Held> {
    eprintln!("{subject}: {count} of them");
    let folder = bench.home(&format!("memory {subject} {count} files"));
    write_copies(&folder, bytes, count)?;
    let wattle = bench.tools.wattle.clone().context("wattle is missing")?;
    let launch = |address: SocketAddr| {
        Some(Launch::new(&wattle).with(["up"]).with([&folder]).with(["--http", &address.to_string()]))
    };
    let last = format!("/{}", name(count));
    let start = Instant::now();
    let ready = Ready { path: &last, patience: PATIENCE };
    // One home for all, so that a second start finds what the first has compiled.
    let server = bench.start_one(&format!("memory {subject}"), launch, ready)?.context("wattle is missing")?;
    let started = start.elapsed();
    let idle = settled(&server)?;
    let answered = (1..=count).filter(|number| is_answered(server.address, *number)).count();
    if answered < count {
        bench.note(format!("{subject}: only {answered} of {count} components answered"));
    }
    Ok(Held { started, idle, called: settled(&server)? })
}

fn is_answered(address: SocketAddr, number: usize) -> bool {
    client::get(address, &format!("/{}", name(number))).is_ok_and(|answer| answer.status == 200)
}

/// The memory once it moves no more: what is made ahead of need is made in this time.
fn settled(server: &Server) -> anyhow::Result<Resident> {
    thread::sleep(Duration::from_secs(2));
    Ok(accounting::resident(server.process())?)
}

fn write_copies(folder: &Path, bytes: &[u8], count: usize) -> anyhow::Result<()> {
    fs::create_dir_all(folder)?;
    for number in 1..=count {
        let file: PathBuf = folder.join(format!("{}.wasm", name(number)));
        fs::write(file, [bytes, &custom_section("copy", &number.to_string())].concat())?;
    }
    Ok(())
}

fn name(number: usize) -> String {
    format!("c{number:04}")
}

/// A section that means nothing: its kind, its length, its name with a length, its text. All shorter than 128 bytes, so
/// that each length is one byte of LEB128.
fn custom_section(name: &str, text: &str) -> Vec<u8> {
    let short = |length: usize| u8::try_from(length).ok().filter(|length| *length < 128);
    let name_length = short(name.len()).expect("the name is a short constant");
    let length = short(1 + name.len() + text.len()).expect("the text is a number");
    [&[0, length, name_length], name.as_bytes(), text.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::custom_section;

    #[test]
    fn a_custom_section_is_what_the_binary_format_says() {
        assert_eq!(custom_section("copy", "17"), b"\x00\x07\x04copy17");
    }
}
