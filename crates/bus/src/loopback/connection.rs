//! This is the connection of one client: it reads, writes, and sees to it that the client is there.
//!
//! # Invariants
//!
//! 1. It holds what one operation needs, and no more than a read beyond that; what a large message needed is given back.
//! 2. A client that says nothing is asked twice and then disconnected, in the middle of a message too.
//! 3. Whatever ends it, the client is told why if it still reads, and no longer than [`GRACE`] is spent on that.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::client::Client;
use super::outbox::{Outbox, Piece};
use super::protocol::{self, Parsed, Refusal};
use super::{LoopbackConfig, Seat};

/// How much is read at a time.
const READ: usize = 16 * 1_024;

/// A buffer that has grown larger is given back once it is empty.
const KEPT_MAX: usize = 4 * READ;

/// How long a client that is disconnected has to read why.
const GRACE: Duration = Duration::from_secs(1);

/// How often a silent client is asked whether it is there.
const PINGS_MAX: u32 = 2;

/// Why a connection ends.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ending {
    #[error("it is closed")]
    Closed,
    #[error("it failed")]
    Failed(#[source] std::io::Error),
    #[error("it was refused: {0}")]
    Refused(Refusal),
    #[error("the options of CONNECT are not JSON")]
    NotJson(#[source] serde_json::Error),
    #[error("it shows nothing that lets it in")]
    Violation,
    #[error("it did not show in time what lets it in")]
    NotGreeted,
    #[error("headers came from a client that does not know of headers")]
    NoHeaders,
    #[error("it does not read")]
    Slow,
    #[error("it is silent")]
    Silent,
}

/// What the parts of a connection tell each other.
#[derive(Default)]
struct Signs {
    is_heard: AtomicBool,
    is_greeted: AtomicBool,
}

/// Both halves of a connection.
struct Socket<R, W> {
    reader: R,
    writer: Writer<W>,
}

/// The writing half, with what is being written.
struct Writer<W> {
    stream: W,
    piece: Option<Piece>,
    size: usize,
}

/// Serves a client until it goes or has to go.
pub(super) async fn run(stream: TcpStream, peer: SocketAddr, seat: Seat) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%peer, %error, "small messages to a client of the bus may be late");
    }
    let (reader, writer) = stream.into_split();
    let mut socket = Socket { reader, writer: Writer::new(writer) };
    let Seat(shared) = &seat;
    let outbox = Arc::new(Outbox::new(shared.config.pending_max.as_usize()));
    let client = Client::greet(shared.clone(), outbox.clone(), peer.ip());
    let ending = serve(client, &mut socket, &outbox, &shared.config).await;
    tracing::debug!(%peer, reason = %stdx::Chain(&ending), "a client of the bus is gone");
    if matches!(ending, Ending::Slow) {
        shared.slow.fetch_add(1, Ordering::Relaxed);
    }
    outbox.close(ending.line().as_deref());
    // A client that does not read its last line in time goes without.
    drop(tokio::time::timeout(GRACE, part(socket, &outbox)).await);
}

/// Tells a client for which there is no room.
pub(super) fn turn_away(stream: &TcpStream) {
    // A new socket has room for a line; where it has none, the client sees the end all the same.
    drop(stream.try_write(b"-ERR 'maximum connections exceeded'\r\n"));
}

/// Reads, writes and watches until one of them has a reason to end it.
async fn serve<R, W>(client: Client, socket: &mut Socket<R, W>, outbox: &Outbox, config: &LoopbackConfig) -> Ending
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let signs = Signs::default();
    tokio::select! {
        ending = listen(client, &mut socket.reader, &signs) => ending,
        ending = socket.writer.write(outbox) => ending,
        ending = watch(&signs, outbox, config) => ending,
        () = outbox.slow() => Ending::Slow,
    }
}

/// Does what the client wants, one after the other.
async fn listen(mut client: Client, reader: &mut (impl AsyncRead + Unpin), signs: &Signs) -> Ending {
    let mut buffer = BytesMut::new();
    loop {
        if let Err(ending) = act_on(&mut client, &mut buffer) {
            return ending;
        }
        signs.is_greeted.store(client.is_greeted(), Ordering::Relaxed);
        if buffer.is_empty() && buffer.capacity() > KEPT_MAX {
            buffer = BytesMut::new();
        }
        buffer.reserve(READ);
        match reader.read_buf(&mut buffer).await {
            Ok(0) => return Ending::Closed,
            Ok(_) => signs.is_heard.store(true, Ordering::Relaxed),
            Err(error) => return Ending::Failed(error),
        }
    }
}

/// Does all that is whole in the buffer.
fn act_on(client: &mut Client, buffer: &mut BytesMut) -> Result<(), Ending> {
    while !buffer.is_empty() {
        match protocol::parse(buffer, &client.grammar()).map_err(Ending::Refused)? {
            Parsed::Part => break,
            Parsed::Whole(operation, length) => {
                client.act(operation)?;
                buffer.advance(length);
            }
        }
    }
    Ok(())
}

/// Watches whether the client greets in time, and whether it is still there.
async fn watch(signs: &Signs, outbox: &Outbox, config: &LoopbackConfig) -> Ending {
    if config.asks() {
        tokio::time::sleep(config.greeting_max).await;
        if !signs.is_greeted.load(Ordering::Relaxed) {
            return Ending::NotGreeted;
        }
    }
    let mut pings = 0;
    loop {
        tokio::time::sleep(config.ping_every).await;
        if signs.is_heard.swap(false, Ordering::Relaxed) {
            pings = 0;
        } else if pings == PINGS_MAX {
            return Ending::Silent;
        } else if outbox.put_line("PING").is_err() {
            return Ending::Slow;
        } else {
            pings += 1;
        }
    }
}

/// Writes what is left, and waits until the client has read it: to close before would take it back.
async fn part(mut socket: Socket<impl AsyncRead + Unpin, impl AsyncWrite + Unpin>, outbox: &Outbox) {
    socket.writer.write(outbox).await;
    if socket.writer.stream.shutdown().await.is_err() {
        return;
    }
    let mut ignored = [0; 1_024];
    while socket.reader.read(&mut ignored).await.is_ok_and(|count| count > 0) {}
}

// === impl Ending ===

impl Ending {
    /// What the client is told, in the words of a NATS server.
    fn line(&self) -> Option<String> {
        let text = match self {
            Self::Closed | Self::Failed(_) => return None,
            // It was told when what waited was given up.
            Self::Slow => return None,
            Self::Refused(refusal) => return Some(format!("-ERR '{refusal}'")),
            Self::NotJson(_) => "Unknown Protocol Operation",
            Self::Violation => "Authorization Violation",
            Self::NotGreeted => "Authentication Timeout",
            Self::NoHeaders => "message headers not supported",
            Self::Silent => "Stale Connection",
        };
        Some(format!("-ERR '{text}'"))
    }
}

// === impl Writer ===

impl<W: AsyncWrite + Unpin> Writer<W> {
    fn new(stream: W) -> Self {
        Self { stream, piece: None, size: 0 }
    }

    /// Writes what is put in until there will be no more. May be dropped and called again: it goes on where it was.
    async fn write(&mut self, outbox: &Outbox) -> Ending {
        loop {
            match &mut self.piece {
                Some(piece) if piece.has_remaining() => match self.stream.write_buf(piece).await {
                    Ok(_) => {}
                    Err(error) => return Ending::Failed(error),
                },
                _ => {
                    self.piece = outbox.next(std::mem::take(&mut self.size)).await;
                    let Some(piece) = &self.piece else { return Ending::Slow };
                    self.size = piece.remaining();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
