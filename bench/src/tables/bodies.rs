//! Measures what bytes cost on their way through a component, in both directions.

use std::fs;

use anyhow::Context as _;

use crate::arm::{Arm, Links, Subject};
use crate::client;
use crate::rounds::{Bench, Running};
use crate::row::{Figure, Row};
use crate::wrk::Load;

const ANSWER: &str = "/big?n=65536";
const ECHO: &str = "/echo";
const MIB: usize = 1024 * 1024;

/// Makes `wrk` send one MiB with each request.
const UPLOAD: &str = include_str!("upload.lua");

pub(super) fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let Some(file) = bench.tools.guests.kit.clone() else { return Ok(Vec::new()) };
    let subject = Subject { name: "Rust (std), WASI 0.2", file, links: Links::Cli };
    let mut servers = bench.start(&subject, &Arm::ALL, "/");
    servers.retain(|running| answers_in_full(bench, running));

    fs::create_dir_all(&bench.tools.scratch)?;
    let script = bench.tools.scratch.join("upload.lua");
    fs::write(&script, UPLOAD).context("cannot write the script for wrk")?;
    let seconds = bench.options.seconds;
    let answer = Load { path: ANSWER, connections: 32, seconds, script: None };
    let echo = Load { path: ECHO, connections: 8, seconds, script: Some(script) };
    let mut rows = bench.measure(&servers, &answer, &like("64 KiB answered, 32 connections"));
    rows.extend(bench.measure(&servers, &echo, &like("1 MiB echoed, 8 connections")));
    Ok(rows)
}

/// A server that answers with less than was asked for would look fast.
fn answers_in_full(bench: &Bench, running: &Running) -> bool {
    let sizes = [
        (ANSWER, 64 * 1024, client::get(running.server.address, ANSWER)),
        (ECHO, MIB, client::post(running.server.address, ECHO, &vec![b'x'; MIB])),
    ];
    sizes.into_iter().all(|(path, expected, answer)| match answer {
        Ok(answer) if answer.status == 200 && answer.bytes.len() >= expected => true,
        Ok(answer) => {
            let (status, size) = (answer.status, answer.bytes.len());
            bench.note(format!("{} is left out: {path} answered {status} with {size} bytes", running.arm));
            false
        }
        Err(error) => {
            bench.note(format!("{} is left out: {path}: {error:#}", running.arm));
            false
        }
    })
}

fn like(case: &str) -> Row {
    let subject = "Rust (std), WASI 0.2".to_owned();
    Row { subject, case: case.to_owned(), arm: "", figure: Figure::Cpu, rounds: Vec::new() }
}
