//! A socket as HTTP is spoken on it: it notes when something moved, and writes what is short in one piece.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use rt::Tick;
use tokio::io::{AsyncRead, AsyncWrite};

use super::link::Link;

/// A head and a body of together so many bytes are copied into one piece: the kernel takes that more quickly than two.
const TOGETHER_MAX: usize = 1024;

/// A socket that notes when something moved on it.
pub(super) struct Socket<S> {
    pub(super) stream: TokioIo<S>,
    pub(super) link: Rc<Link>,
    /// Whether what arrives is the head of one request, which has to be complete in time.
    pub(super) is_serial: bool,
}

// === impl Socket ===

impl<S: AsyncRead + Unpin> Read for Socket<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        match self.is_serial {
            true if read.is_ready() => self.link.received(),
            false if read.is_ready() => self.link.since.set(Tick::now()),
            _ => {}
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> Write for Socket<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.noted(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut together = [0; TOGETHER_MAX];
        let written = match gather(slices, &mut together) {
            Some(bytes) => Pin::new(&mut self.stream).poll_write(cx, bytes),
            None => Pin::new(&mut self.stream).poll_write_vectored(cx, slices),
        };
        self.noted(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl<S> Socket<S> {
    fn noted(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.link.since.set(Tick::now());
        }
        written
    }
}

/// The slices as one, where they fit into `room`.
fn gather<'r>(slices: &[io::IoSlice<'_>], room: &'r mut [u8; TOGETHER_MAX]) -> Option<&'r [u8]> {
    let mut end = 0;
    for slice in slices {
        room.get_mut(end..end + slice.len())?.copy_from_slice(slice);
        end += slice.len();
    }
    room.get(..end)
}

#[cfg(test)]
mod tests;
