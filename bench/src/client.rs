//! Asks a server one thing over a connection of its own: the least HTTP that does.
//!
//! For probes before a measurement and for neighbours beside one; what is measured is asked by `wrk`.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::Context as _;

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// All bytes, head included.
    pub(crate) bytes: Vec<u8>,
}

/// Longer than any answer that is waited for; an endless loop is stopped by its server before.
const PATIENCE: Duration = Duration::from_secs(120);

/// Asks for a path and reads the answer to its end.
pub(crate) fn get(address: SocketAddr, path: &str) -> anyhow::Result<Answer> {
    ask(&TcpStream::connect(address)?, path, None)
}

/// Sends a body to a path and reads the answer to its end.
pub(crate) fn post(address: SocketAddr, path: &str, body: &[u8]) -> anyhow::Result<Answer> {
    ask(&TcpStream::connect(address)?, path, Some(body))
}

/// Asks over a connection that its owner can shut down from elsewhere.
pub(crate) fn ask(mut connection: &TcpStream, path: &str, body: Option<&[u8]>) -> anyhow::Result<Answer> {
    connection.set_read_timeout(Some(PATIENCE))?;
    let head = |method: &str| format!("{method} {path} HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n");
    match body {
        None => connection.write_all(format!("{}\r\n", head("GET")).as_bytes())?,
        Some(body) => {
            connection.write_all(format!("{}content-length: {}\r\n\r\n", head("POST"), body.len()).as_bytes())?;
            connection.write_all(body)?;
        }
    }
    let mut bytes = Vec::new();
    connection.read_to_end(&mut bytes)?;
    let status = status(&bytes).context("the answer is not HTTP")?;
    Ok(Answer { status, bytes })
}

// === impl Answer ===

impl Answer {
    /// What follows the head, as text: of a short answer that came with its length.
    pub(crate) fn text(&self) -> &str {
        let text = std::str::from_utf8(&self.bytes).unwrap_or_default();
        text.split_once("\r\n\r\n").map_or("", |(_, body)| body)
    }
}

fn status(bytes: &[u8]) -> Option<u16> {
    let digits = bytes.strip_prefix(b"HTTP/1.1 ")?.get(..3)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{Answer, status};

    #[test]
    fn the_status_is_read_and_nothing_else_is_one() {
        assert_eq!(status(b"HTTP/1.1 503 Service Unavailable\r\n"), Some(503));
        assert_eq!([status(b""), status(b"HTTP/1.1 2"), status(b"SSH-2.0-x")], [None, None, None]);
    }

    #[test]
    fn the_text_is_what_follows_the_head() {
        let answer = |bytes: &[u8]| Answer { status: 200, bytes: bytes.to_vec() }.text().to_owned();
        assert_eq!(answer(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n42\n"), "42\n");
        assert_eq!(answer(b"HTTP/1.1 200 OK\r\n"), "");
    }
}
