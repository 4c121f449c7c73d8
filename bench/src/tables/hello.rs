//! Measures what a host adds to the smallest answer, which is the whole cost of a small request.

use std::path::PathBuf;

use crate::arm::{Arm, Links, Subject};
use crate::rounds::Bench;
use crate::row::{Figure, Row};
use crate::tools::Guests;
use crate::wrk::Load;

/// The subject of the verdicts.
pub(crate) const RUST: &str = "Rust (std) hello, WASI 0.2";

/// Alone, as many as make each core busy, and many more than there are cores.
const CONNECTIONS: [usize; 3] = [1, 32, 256];

/// What a number of connections is called in a row.
pub(crate) fn case(connections: usize) -> String {
    format!("{connections} connection{}", if connections == 1 { "" } else { "s" })
}

/// The components that answer with thirteen bytes, where they are there.
pub(super) fn subjects(guests: &Guests) -> Vec<Subject> {
    let subject = |name, file: &Option<PathBuf>, links| Some(Subject { name, file: file.clone()?, links });
    let subjects = [
        subject(RUST, &guests.hello, Links::Cli),
        subject("hand-written hello, WASI 0.2", &guests.hello_p2, Links::Proxy),
        subject("hand-written hello, WASI 0.3", &guests.hello_p3, Links::Proxy),
    ];
    subjects.into_iter().flatten().collect()
}

pub(super) fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for subject in subjects(&bench.tools.guests) {
        let servers = bench.start(&subject, &Arm::ALL, "/");
        for connections in CONNECTIONS {
            let load = Load { path: "/", connections, seconds: bench.options.seconds, script: None };
            rows.extend(bench.measure(&servers, &load, &like(&subject, connections)));
        }
    }
    Ok(rows)
}

fn like(subject: &Subject, connections: usize) -> Row {
    Row { subject: subject.name.to_owned(), case: case(connections), arm: "", figure: Figure::Cpu, rounds: Vec::new() }
}
