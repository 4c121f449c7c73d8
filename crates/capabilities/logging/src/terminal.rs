//! This is the terminal as a sink: lines go to standard error, through a thread of their own.
//!
//! A pipe that nobody reads would stop whoever writes to it. Here that is one thread, and what it cannot write in time is
//! dropped and counted, so no component and no request ever waits for a terminal.
//!
//! # Invariants
//!
//! 1. Lines come out in the order in which they were taken.
//! 2. After [`Terminal::close`] all that was taken is written, and nothing more is.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};

use crate::Sink;
use crate::line::LogLine;

/// Lines that may wait for the terminal; at 16 KiB each they are 16 MiB.
const QUEUE: usize = 1_024;

/// Bytes that are written at once.
const CHUNK: usize = 64 * 1024;

/// Prints lines to standard error.
pub struct Terminal {
    lines: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

enum Message {
    Line(String),
    Close,
}

// === impl Terminal ===

impl Terminal {
    /// Starts the thread that writes to standard error.
    pub fn spawn_stderr() -> std::io::Result<Self> {
        Self::spawn(std::io::stderr())
    }

    /// Starts the thread that writes to `output`.
    pub fn spawn(output: impl Write + Send + 'static) -> std::io::Result<Self> {
        let (lines, queue) = sync_channel(QUEUE);
        let dropped = Arc::new(AtomicU64::new(0));
        let count = dropped.clone();
        let writer = Builder::new().name("terminal".into()).spawn(move || write_all(output, &queue, &count))?;
        Ok(Self { lines, dropped, writer: Mutex::new(Some(writer)) })
    }

    /// Writes what waits and ends the thread. Dropping the terminal does the same; a process that exits by itself calls this.
    pub fn close(&self) {
        let Some(writer) = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        // Neither fails but where the thread is gone already, and then there is nothing to wait for.
        drop(self.lines.send(Message::Close));
        drop(writer.join());
    }
}

impl Sink for Terminal {
    fn describe(&self) -> String {
        "terminal".into()
    }

    fn write(&self, line: &LogLine<'_>) {
        if self.lines.try_send(Message::Line(format!("{line}\n"))).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.close();
    }
}

/// Writes line after line, several at once where several wait. A terminal that is gone takes no more lines; they are read all
/// the same, so that nobody waits for it.
fn write_all(mut output: impl Write, queue: &Receiver<Message>, dropped: &AtomicU64) {
    let (mut chunk, mut is_open) = (String::new(), true);
    while is_open {
        match queue.recv() {
            Ok(Message::Line(line)) => chunk.push_str(&line),
            Ok(Message::Close) | Err(_) => is_open = false,
        }
        while is_open && chunk.len() < CHUNK {
            match queue.try_recv() {
                Ok(Message::Line(line)) => chunk.push_str(&line),
                Ok(Message::Close) => is_open = false,
                Err(_) => break,
            }
        }
        let missing = dropped.swap(0, Ordering::Relaxed);
        if missing > 0 {
            chunk.push_str(&format!(
                "({missing} lines of components were left out: the terminal is slower than they are)\n"
            ));
        }
        if output.write_all(chunk.as_bytes()).and_then(|()| output.flush()).is_err() {
            dropped.fetch_add(1, Ordering::Relaxed);
        }
        chunk.clear();
    }
}
