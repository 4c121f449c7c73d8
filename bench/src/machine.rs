//! Says on what a run was made: a figure without its machine, date and versions is a rumour.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::tools::Tools;

/// More than this before a run, and something else was running beside it.
const LOAD_MAX: f64 = 0.5;

/// The machine and the versions, as lines of Markdown.
pub(crate) fn describe(tools: &Tools) -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let date = said_by(Path::new("date"), &["-u", "+%Y-%m-%d %H:%M UTC"]);
    let version = |program: &Option<PathBuf>, argument| match program {
        Some(program) => said_by(program, &[argument]),
        None => "missing".to_owned(),
    };
    format!(
        "- machine: {cores} cores, {}, Linux {}\n- date: {date}\n- versions: {}; {}; {}; {}\n",
        processor(),
        kernel.trim(),
        version(&tools.wattle, "--version"),
        version(&tools.wasmtime, "--version"),
        version(&tools.wrk, "-v"),
        said_by(Path::new("rustc"), &["--version"]),
    )
}

/// The load of the last minute.
pub(crate) fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().and_then(|load| load.parse().ok()).unwrap_or(0.0)
}

/// What to say of a load, where it is too much to measure beside.
pub(crate) fn warning(load: f64) -> Option<String> {
    (load > LOAD_MAX).then(|| format!("the load is {load:.2}: something else runs on this machine; only ratios hold"))
}

fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("model name"));
    line.and_then(|line| line.split_once(": ")).map_or_else(|| "unknown".to_owned(), |(_, name)| name.to_owned())
}

/// The first line that a program prints, to either stream and whatever its exit code (`wrk -v` ends with 1).
fn said_by(program: &Path, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map(|output| [output.stdout, output.stderr].concat()).unwrap_or_default();
    let line = String::from_utf8_lossy(&text).lines().next().map(|line| line.trim().to_owned());
    let line = line.filter(|line| !line.is_empty()).unwrap_or_else(|| format!("{}: unknown", program.display()));
    // `wrk` adds its copyright to its version.
    line.split(" Copyright").next().unwrap_or_default().to_owned()
}
