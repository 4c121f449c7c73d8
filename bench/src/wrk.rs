//! Runs `wrk` and reads what it prints.
//!
//! `wrk` is a closed loop: it sends the next request when an answer came, so its p99 flatters a server that stalls. All
//! arms are flattered in the same way, which is why latencies are quoted as ratios.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

/// What to ask for, and how hard.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    pub(crate) path: &'static str,
    pub(crate) connections: usize,
    pub(crate) seconds: u64,
    /// A Lua file that makes the requests; without one they are plain GETs.
    pub(crate) script: Option<PathBuf>,
}

/// What one run came to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Outcome {
    /// Answers that were read to their end, whatever their status.
    pub(crate) requests: u64,
    /// In microseconds.
    pub(crate) p50: f64,
    /// In microseconds.
    pub(crate) p99: f64,
    /// Requests a second.
    pub(crate) rate: f64,
    /// Answers whose status was not 2xx or 3xx.
    pub(crate) refused: u64,
    /// Connections, reads or writes that failed, and answers that took too long.
    pub(crate) failed: u64,
}

/// Loads the server and waits until the time is over.
pub(crate) fn run(wrk: &Path, address: SocketAddr, load: &Load) -> anyhow::Result<Outcome> {
    let mut command = Command::new(wrk);
    command.arg("-t1").arg(format!("-c{}", load.connections)).arg(format!("-d{}s", load.seconds)).arg("--latency");
    if let Some(script) = &load.script {
        command.arg("-s").arg(script);
    }
    let output = command.arg(format!("http://{address}{}", load.path)).stdin(Stdio::null()).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        bail!("wrk: {}{}", text.trim(), String::from_utf8_lossy(&output.stderr).trim());
    }
    parse(&text).with_context(|| format!("wrk printed something else:\n{text}"))
}

fn parse(text: &str) -> Option<Outcome> {
    let after = |start: &str| text.lines().find_map(|line| line.trim().strip_prefix(start)).map(str::trim);
    let summary = text.lines().find(|line| line.contains(" requests in "))?;
    Some(Outcome {
        requests: summary.split_whitespace().next()?.parse().ok()?,
        p50: microseconds(after("50%")?)?,
        p99: microseconds(after("99%")?)?,
        rate: after("Requests/sec:")?.parse().ok()?,
        refused: after("Non-2xx or 3xx responses:").map_or(Some(0), |count| count.parse().ok())?,
        failed: after("Socket errors:").map_or(0, sum_of_numbers),
    })
}

/// Reads a time as `wrk` writes it: `950.00us`, `1.02ms`, `1.10s`, `1.00m`.
fn microseconds(text: &str) -> Option<f64> {
    let at = text.find(|letter: char| letter.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(at);
    let factor = match unit {
        "us" => 1.0,
        "ms" => 1e3,
        "s" => 1e6,
        "m" => 60e6,
        "h" => 3600e6,
        _ => return None,
    };
    Some(number.parse::<f64>().ok()? * factor)
}

/// Adds the numbers of `connect 0, read 3, write 0, timeout 1`.
fn sum_of_numbers(text: &str) -> u64 {
    text.split([' ', ',']).filter_map(|word| word.parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::{Outcome, microseconds, parse};

    const CLEAN: &str = "\
Running 3s test @ http://127.0.0.1:8000/
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   384.10us   99.50us   5.12ms   90.00%
    Req/Sec    83.20k     2.00k   85.45k    70.00%
  Latency Distribution
     50%  371.00us
     75%  402.00us
     90%  450.00us
     99%    1.02ms
  249600 requests in 3.01s, 25.71MB read
Requests/sec:  82923.59
Transfer/sec:      8.54MB
";

    #[test]
    fn a_clean_run_is_read() {
        let expected = Outcome { requests: 249_600, p50: 371.0, p99: 1020.0, rate: 82923.59, refused: 0, failed: 0 };
        assert_eq!(parse(CLEAN), Some(expected));
    }

    #[test]
    fn what_went_wrong_is_counted() {
        let text = CLEAN.replace(
            "Requests/sec:",
            "  Socket errors: connect 1, read 2, write 0, timeout 4\n  Non-2xx or 3xx responses: 17\nRequests/sec:",
        );
        let outcome = parse(&text).expect("it is a run");
        assert_eq!((outcome.failed, outcome.refused), (7, 17));
    }

    #[test]
    fn times_are_read_in_every_unit() {
        assert_eq!(["950.00us", "1.5ms", "2.00s", "1.00m"].map(microseconds), [950.0, 1500.0, 2e6, 6e7].map(Some));
        assert_eq!([microseconds("12"), microseconds("1.0weeks")], [None, None]);
    }

    #[test]
    fn other_text_is_no_run() {
        assert_eq!(parse("unable to connect to 127.0.0.1:9 Connection refused\n"), None);
    }
}
