//! Tells what a client speaks on a connection that is not encrypted, by its first bytes.
//!
//! A client that knows without asking that HTTP/2 is spoken here begins with a preface (RFC 9113, 3.4), which no request of
//! HTTP/1.1 begins with. The bytes are looked at where they are, in the socket: whoever speaks then reads them as if nobody had.
//!
//! # Invariants
//!
//! 1. Nothing is allocated, and nothing is asked again before more has come: a client of HTTP/1.1 costs one look into its socket,
//!    one of HTTP/2 rarely more.
//! 2. What has begun is complete in time, or the connection is cut: it is a head as any other.
//!
//! # Not here
//!
//! `Upgrade: h2c`, which RFC 9113 has taken back: who asks for it is answered by HTTP/1.1.

use std::io;

use tokio::io::Interest;
use tokio::net::TcpStream;

use super::link::Link;

/// What a client of HTTP/2 says first.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spoken {
    Http1,
    Http2,
}

/// What is spoken on a connection, once its client has said enough.
pub(super) async fn spoken_on(stream: &TcpStream, link: &Link) -> io::Result<Spoken> {
    let mut first = [0; PREFACE.len()];
    loop {
        let ready = stream.ready(Interest::READABLE).await?;
        let count = stream.peek(&mut first).await?;
        if let Some(spoken) = spoken(&first[..count]) {
            return Ok(spoken);
        }
        // Nothing else will come, so it is no preface: HTTP/1.1 has the words for what is wrong with it.
        if ready.is_read_closed() {
            return Ok(Spoken::Http1);
        }
        link.received();
        await_more(stream);
    }
}

/// What a client speaks that said this first, and nothing else if that is nothing; none while it can be either.
fn spoken(first: &[u8]) -> Option<Spoken> {
    match PREFACE.strip_prefix(first) {
        Some([]) => Some(Spoken::Http2),
        Some(_) if !first.is_empty() => None,
        _ => Some(Spoken::Http1),
    }
}

/// Lets the socket be ready again when more has come. What was only looked at is still there, and would be ready for ever.
///
/// Nothing is missed: what comes is noted by this thread, between its tasks, and so not since it was looked.
fn await_more(stream: &TcpStream) {
    drop(stream.try_io(Interest::READABLE, || Err::<(), _>(io::ErrorKind::WouldBlock.into())));
}

#[cfg(test)]
mod tests;
