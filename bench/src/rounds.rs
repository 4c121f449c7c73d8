//! Measures arms in turn, so that whatever else the machine does is done to all of them.
//!
//! All servers of a subject run from its first round to its last; one is loaded while the others are idle. The order is
//! reversed every other round, so that no arm always comes after the same one.

use std::cell::RefCell;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;

use crate::accounting;
use crate::arm::{Arm, Launch, Subject};
use crate::options::Options;
use crate::row::{Figure, Row};
use crate::server::{self, Ready, Server};
use crate::tools::Tools;
use crate::wrk::{self, Load};

/// The longest that any server may take to compile one component and answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What is measured with, and what there was to say on the way.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) options: Options,
    pub(crate) tools: Tools,
    notes: RefCell<Vec<String>>,
}

/// A server under the name that its rows get.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) arm: &'static str,
    pub(crate) server: Server,
}

/// One measurement of one server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    cpu: f64,
    p50: f64,
    p99: f64,
    rate: f64,
    cores: f64,
}

/// Measures each of `count` things once a round; for each of them its rounds.
pub(crate) fn interleave<T>(
    rounds: usize,
    count: usize,
    mut measure: impl FnMut(usize, usize) -> Option<T>,
) -> Vec<Vec<Option<T>>> {
    let mut measured: Vec<Vec<Option<T>>> = (0..count).map(|_| Vec::new()).collect();
    for round in 0..rounds {
        for index in order(round, count) {
            measured[index].push(measure(round, index));
        }
    }
    measured
}

/// The order of `count` things in a round.
fn order(round: usize, count: usize) -> Vec<usize> {
    if round.is_multiple_of(2) { (0..count).collect() } else { (0..count).rev().collect() }
}

/// The rows of one arm, a row for each figure.
pub(crate) fn rows(row: &Row, figures: &[Figure], samples: &[Option<Sample>]) -> Vec<Row> {
    let rounds = |figure| samples.iter().map(|sample| sample.map(|sample| sample.of(figure))).collect();
    figures.iter().map(|&figure| Row { figure, rounds: rounds(figure), ..row.clone() }).collect()
}

// === impl Bench ===

impl Bench {
    pub(crate) fn new(options: Options, tools: Tools) -> Self {
        let bench = Self { options, tools, notes: RefCell::default() };
        bench.clear();
        bench
    }

    /// Says something now, and again under the tables.
    pub(crate) fn note(&self, text: impl Into<String>) {
        let text = text.into();
        eprintln!("note: {text}");
        if !self.notes.borrow().contains(&text) {
            self.notes.borrow_mut().push(text);
        }
    }

    /// All that was said.
    pub(crate) fn notes(&self) -> Vec<String> {
        self.notes.borrow().clone()
    }

    /// A folder for a server's caches, data and log.
    pub(crate) fn home(&self, name: &str) -> PathBuf {
        self.tools.scratch.join(name.replace([' ', ',', '/'], "-"))
    }

    /// Starts each arm that can be started; the others are noted.
    pub(crate) fn start(&self, subject: &Subject, arms: &[Arm], path: &str) -> Vec<Running> {
        let start = |&arm: &Arm| {
            let name = format!("{} on {}", subject.name, arm.name());
            let launch = |address| arm.launch(&self.tools, subject, address);
            let server = self.start_one(&name, launch, Ready { path, patience: PATIENCE });
            let server = server.map_err(|error| self.note(format!("{name} is left out: {error:#}"))).ok()??;
            Some(Running { arm: arm.name(), server })
        };
        arms.iter().filter_map(start).collect()
    }

    /// Starts one server on a free address; nothing where its program is missing.
    pub(crate) fn start_one(
        &self,
        name: &str,
        launch: impl FnOnce(SocketAddr) -> Option<Launch>,
        ready: Ready<'_>,
    ) -> anyhow::Result<Option<Server>> {
        let address = server::free_address()?;
        let start = |launch| server::start(launch, address, &self.home(name), ready);
        launch(address).map(start).transpose()
    }

    /// Loads the servers in turn, round by round.
    pub(crate) fn measure(&self, servers: &[Running], load: &Load, like: &Row) -> Vec<Row> {
        let figures = [Figure::Cpu, Figure::P50, Figure::P99, Figure::Rate];
        for running in servers {
            // A warm-up: what fails in it fails again, and is noted, when it counts.
            self.sample(running, &Load { seconds: 1, ..load.clone() });
        }
        let samples = interleave(self.options.rounds, servers.len(), |round, index| {
            eprintln!("{}, {}: round {}, {}", like.subject, like.case, round + 1, servers[index].arm);
            self.sample(&servers[index], load)
        });
        let all = servers.iter().zip(&samples);
        all.flat_map(|(running, samples)| rows(&Row { arm: running.arm, ..like.clone() }, &figures, samples)).collect()
    }

    /// Loads one server once. What fails is noted and leaves a gap.
    pub(crate) fn sample(&self, running: &Running, load: &Load) -> Option<Sample> {
        let sample = self.try_sample(running, load);
        sample.map_err(|error| self.note(format!("{}: {error:#}", running.arm))).ok()
    }

    fn try_sample(&self, running: &Running, load: &Load) -> anyhow::Result<Sample> {
        let wrk = self.tools.wrk.as_ref().context("wrk is missing")?;
        let process = running.server.process();
        let before = accounting::used(process)?;
        let outcome = wrk::run(wrk, running.server.address, load)?;
        let used = accounting::used(process)?.since(&before).as_secs_f64();
        if outcome.refused + outcome.failed > 0 {
            let (path, connections) = (load.path, load.connections);
            let (refused, failed, requests) = (outcome.refused, outcome.failed, outcome.requests);
            self.note(format!(
                "{} at {connections} connections to {path}: {refused} of {requests} answers were not 2xx, {failed} failed",
                running.arm
            ));
        }
        Ok(Sample {
            cpu: used * 1e6 / outcome.requests as f64,
            p50: outcome.p50,
            p99: outcome.p99,
            rate: outcome.rate,
            cores: used / load.seconds as f64,
        })
    }

    /// Empties the folder of the harness.
    fn clear(&self) {
        // It is not there at the first run, and what cannot be removed is met again where it is used.
        drop(fs::remove_dir_all(&self.tools.scratch));
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.clear();
    }
}

// === impl Sample ===

impl Sample {
    fn of(self, figure: Figure) -> f64 {
        match figure {
            Figure::Cpu => self.cpu,
            Figure::P50 => self.p50,
            Figure::P99 => self.p99,
            Figure::Rate => self.rate,
            Figure::Cores => self.cores,
            // Not of a load; a gap is printed for it.
            Figure::Start | Figure::Memory | Figure::Call => f64::NAN,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::interleave;

    #[test]
    fn every_other_round_goes_backwards() {
        let mut seen = Vec::new();
        let measured = interleave(3, 2, |round, index| {
            seen.push((round, index));
            (round != 1).then_some(index)
        });
        assert_eq!(seen, [(0, 0), (0, 1), (1, 1), (1, 0), (2, 0), (2, 1)]);
        assert_eq!(measured, [[Some(0), None, Some(0)], [Some(1), None, Some(1)]]);
    }
}
