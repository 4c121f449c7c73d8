//! A client that speaks the protocol byte by byte, as well or as badly as a test wants.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::PATIENCE;

/// A connection. Reading is bounded in time.
pub(crate) struct Raw {
    stream: TcpStream,
    seen: Vec<u8>,
}

// === impl Raw ===

impl Raw {
    /// Connects. The greeting is still to be read.
    pub(crate) fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_millis(20))).expect("a timeout");
        Self { stream, seen: Vec::new() }
    }

    /// Connects, and says that it is a client that knows everything.
    pub(crate) fn client(address: SocketAddr) -> Self {
        let mut raw = Self::open(address);
        raw.send("CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true,\"no_responders\":true}\r\nPING\r\n");
        raw.read_until("PONG\r\n");
        raw
    }

    /// Sends it all. Where the other side has gone the rest is not sent.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        // A server that refuses what came hangs up, which is for what is read to show.
        drop(self.stream.write_all(bytes.as_ref()));
    }

    /// Says that it sends no more.
    pub(crate) fn finish(&self) {
        drop(self.stream.shutdown(Shutdown::Write));
    }

    /// Reads until `end` has come, and takes it all.
    pub(crate) fn read_until(&mut self, end: &str) -> String {
        let what = |seen: &[u8]| seen.windows(end.len()).position(|window| window == end.as_bytes());
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = what(&self.seen) {
                let taken: Vec<u8> = self.seen.drain(..at + end.len()).collect();
                return String::from_utf8_lossy(&taken).into_owned();
            }
            let goes_on = self.read();
            let seen = || String::from_utf8_lossy(&self.seen[..self.seen.len().min(500)]).into_owned();
            assert!(goes_on, "it hung up before {end:?} came: {:?}", seen());
            assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {end:?}; there is {:?}", seen());
        }
    }

    /// Reads until the other side hangs up, and takes it all.
    pub(crate) fn read_to_end(&mut self) -> String {
        let deadline = Instant::now() + PATIENCE;
        while self.read() {
            assert!(Instant::now() < deadline, "it does not hang up within {PATIENCE:?}");
        }
        String::from_utf8_lossy(&std::mem::take(&mut self.seen)).into_owned()
    }

    /// Reads what there is. Says whether there may be more.
    fn read(&mut self) -> bool {
        let mut bytes = [0; 64 * 1_024];
        match self.stream.read(&mut bytes) {
            Ok(0) => false,
            Ok(count) => {
                self.seen.extend_from_slice(&bytes[..count]);
                true
            }
            Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted),
        }
    }
}
