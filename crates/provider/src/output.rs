//! Brings what a provider writes into the log of its host, line by line.
//!
//! # Invariants
//!
//! 1. A line is text that a terminal can show, of at most [`LINE_MAX`] bytes; a longer one comes in pieces. Nothing is left out.
//! 2. At most [`BYTES_MAX`] a second are read: who writes more waits, and costs nobody else anything.

use std::time::{Duration, Instant};

use stdx::printable;
use tokio::io::{AsyncRead, AsyncReadExt};

/// What is a line at most.
const LINE_MAX: usize = 4 << 10;

/// So much is read in a [`PERIOD`].
const BYTES_MAX: usize = 256 << 10;

const PERIOD: Duration = Duration::from_secs(1);

/// Reads until nobody can write any more.
pub(crate) async fn log(mut output: impl AsyncRead + Unpin, provider: String) {
    let (mut lines, mut pace) = (Lines::default(), Pace { begun: Instant::now(), read: 0 });
    let mut buffer = vec![0; 8 << 10];
    loop {
        let read = match output.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(read) => read,
        };
        lines.push(&buffer[..read], |line| show(&provider, line));
        if let Some(pause) = pace.after(Instant::now(), read) {
            tokio::time::sleep(pause).await;
        }
    }
    lines.end(|line| show(&provider, line));
}

fn show(provider: &str, line: &str) {
    tracing::info!(provider, "{}", printable(line));
}

/// Bytes that become lines.
#[derive(Default)]
struct Lines {
    begun: Vec<u8>,
}

/// How much was read of late.
struct Pace {
    begun: Instant,
    read: usize,
}

// === impl Lines ===

impl Lines {
    fn push(&mut self, bytes: &[u8], mut line: impl FnMut(&str)) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.begun.extend_from_slice(piece);
            if piece.ends_with(b"\n") || self.begun.len() >= LINE_MAX {
                self.end(&mut line);
            }
        }
    }

    /// What was begun is a line.
    fn end(&mut self, mut line: impl FnMut(&str)) {
        for piece in self.begun.trim_ascii_end().chunks(LINE_MAX) {
            line(&String::from_utf8_lossy(piece));
        }
        self.begun.clear();
    }
}

// === impl Pace ===

impl Pace {
    /// So much more was read. Says how long to wait before more is.
    fn after(&mut self, now: Instant, read: usize) -> Option<Duration> {
        if now.duration_since(self.begun) >= PERIOD {
            (self.begun, self.read) = (now, 0);
        }
        self.read += read;
        (self.read >= BYTES_MAX).then(|| (self.begun + PERIOD).saturating_duration_since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_become_lines_wherever_they_are_cut() {
        let mut lines = Lines::default();
        let mut seen = Vec::new();
        for bytes in [&b"on"[..], b"e\ntwo\r\n\n", b"th", b"ree"] {
            lines.push(bytes, |line| seen.push(line.to_owned()));
        }
        lines.end(|line| seen.push(line.to_owned()));
        assert_eq!(seen, ["one", "two", "three"]);
    }

    #[test]
    fn a_line_without_an_end_comes_in_pieces() {
        let mut lines = Lines::default();
        let mut seen = Vec::new();
        for _ in 0..5 {
            lines.push(&[b'x'; 3 << 10], |line| seen.push(line.len()));
        }
        assert!(seen.iter().all(|len| *len <= LINE_MAX) && seen.iter().sum::<usize>() >= 3 * LINE_MAX, "{seen:?}");
        assert!(lines.begun.len() < LINE_MAX);
    }

    #[test]
    fn who_writes_too_much_waits_for_the_next_second() {
        let begun = Instant::now();
        let mut pace = Pace { begun, read: 0 };
        assert_eq!(pace.after(begun, BYTES_MAX - 1), None);
        assert_eq!(pace.after(begun + PERIOD / 4, 1), Some(PERIOD * 3 / 4));
        assert_eq!(pace.after(begun + PERIOD, 1), None);
    }
}
