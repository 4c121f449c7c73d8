//! Finds the bytes of a stream in what comes on its path.
//!
//! A stream of bytes is chunks: a count and so many bytes, and a count of 0 at its end. Messages and chunks have nothing to do
//! with one another: a chunk may come in many messages, and a message may hold many chunks.
//!
//! # Invariants
//!
//! 1. Nothing is copied and nothing is kept but the count that is being read.

use bytes::{Buf, Bytes};

/// What is being read of a stream of bytes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Pieces {
    /// What has come and was not read yet.
    here: Bytes,
    /// The count that is being read, and how many bits of it were.
    count: u64,
    bits: u32,
    /// How much of the chunk is to come.
    left: usize,
    is_ended: bool,
}

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// So much of the stream.
    Data(Bytes),
    /// Nothing, until more has come.
    More,
    /// The end of the stream.
    End,
    /// What came is no stream.
    Nonsense,
}

// === impl Pieces ===

impl Pieces {
    /// Takes what came next, when [`next`](Self::next) wants more.
    pub(crate) fn put(&mut self, piece: Bytes) {
        self.here = piece;
    }

    /// The next of the stream in what has come.
    pub(crate) fn next(&mut self) -> Next {
        if self.is_ended {
            return Next::End;
        }
        while self.left == 0 {
            if self.here.is_empty() {
                return Next::More;
            }
            let byte = self.here.get_u8();
            self.count |= u64::from(byte & 0x7f) << self.bits;
            self.bits += 7;
            match (byte & 0x80 == 0, u32::try_from(self.count)) {
                (true, Ok(0)) => {
                    self.is_ended = true;
                    return Next::End;
                }
                (true, Ok(count)) => (self.left, self.count, self.bits) = (count as usize, 0, 0),
                (false, Ok(_)) if self.bits < 35 => {}
                _ => return Next::Nonsense,
            }
        }
        if self.here.is_empty() {
            return Next::More;
        }
        let data = self.here.split_to(self.left.min(self.here.len()));
        self.left -= data.len();
        Next::Data(data)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(pieces: &[&[u8]]) -> (Vec<u8>, Next) {
        let (mut read, mut body) = (Vec::new(), Pieces::default());
        for piece in pieces {
            body.put(Bytes::copy_from_slice(piece));
            loop {
                match body.next() {
                    Next::Data(data) => read.extend(data),
                    Next::More => break,
                    end => return (read, end),
                }
            }
        }
        (read, Next::More)
    }

    #[test]
    fn chunks_and_messages_have_different_borders() {
        assert_eq!(read(&[b"\x03abc", b"\x02de\x00"]), (b"abcde".to_vec(), Next::End));
        assert_eq!(read(&[b"\x03a", b"bc\x02", b"d", b"e", b"\x00"]), (b"abcde".to_vec(), Next::End));
        assert_eq!(read(&[b"\x83", b"\x00abc\x00"]), (b"abc".to_vec(), Next::End));
        assert_eq!(read(&[b"\x03ab"]), (b"ab".to_vec(), Next::More));
        assert_eq!(read(&[b"\xff\xff\xff\xff\x1f"]).1, Next::Nonsense);
        assert_eq!(read(&[b"\x80\x80\x80\x80\x80\x00"]).1, Next::Nonsense);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_to_an_end(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..20), 0..20)) {
            let there: usize = pieces.iter().map(Vec::len).sum();
            let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
            prop_assert!(read(&pieces).0.len() <= there);
        }
    }
}
