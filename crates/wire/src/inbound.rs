//! What has come for one side of an invocation: which message means what, and what of it is not taken yet.
//!
//! ```text
//! Rc                   to who calls, once: "heard", with Rs as its reply
//! Rs.params            to who was called: what the first message had no room for
//! Rc.results           to who calls: the answer
//! Rc.results.0.1       a stream or a future in the answer; and the same for parameters
//! ```
//!
//! On each of them but the first an empty message is the end. The answer may come whole in place of "heard": see
//! [`brief`](crate::brief).
//!
//! # Invariants
//!
//! 1. What waits is at most `room`, with what it takes to keep it; what is more ends the invocation, it is not dropped.
//! 2. After the first fault, and on a path after its end, nothing more is heard. What nobody declared is ignored.
//! 3. What one of us says on a path is heard in its order, or it is a fault: see [`numbers`](crate::numbers).
//! 4. Nothing here waits or locks: what happens is what was heard, in its order.

use std::collections::VecDeque;

use bus::{Message, Subject};
use bytes::Bytes;

use crate::numbers::Heard;
use crate::refusal::Refusal;

/// What it takes to keep a piece, whatever its size: many small ones are not for free.
const PIECE: usize = 64;

/// Where in a tuple of values a stream or a future is: no number at all for the values themselves.
pub(crate) type Path = &'static [u32];

/// All that has come for one side of an invocation.
#[derive(Debug)]
pub(crate) struct Inbound {
    accepted: Option<Subject>,
    fault: Option<Fault>,
    channels: Vec<Channel>,
    room: usize,
}

/// What comes on one path.
#[derive(Debug)]
struct Channel {
    path: Path,
    pieces: VecDeque<Bytes>,
    heard: Heard,
    is_ended: bool,
}

/// Why nothing more comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The bus says that nobody listens there.
    NobodyThere,
    /// Whoever was called refuses.
    Refused(Refusal),
    /// More has come than may wait for one invocation.
    TooLarge,
    /// All that waits for others leaves no room for it.
    NoRoom,
    /// What came is not the protocol.
    Nonsense,
    /// A piece is missing on a path, or came twice or in another's place.
    PieceLost,
    /// The bus says that whoever had taken the call is not there any more.
    Gone,
}

/// Who has something to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Woken {
    /// Nobody.
    Nobody,
    /// Who reads this channel.
    Reader(usize),
    /// All.
    All,
}

// === impl Inbound ===

impl Inbound {
    /// Nothing yet, of values and of what is beside them on `paths`.
    pub(crate) fn new(paths: &[Path], room: usize) -> Self {
        let all = std::iter::once::<Path>(&[]).chain(paths.iter().copied());
        let channel = |path| Channel { path, pieces: VecDeque::new(), heard: Heard::default(), is_ended: false };
        Self { accepted: None, fault: None, channels: all.map(channel).collect(), room }
    }

    /// What a piece takes of the room.
    pub(crate) fn weight(piece: &Bytes) -> usize {
        piece.len() + PIECE
    }

    /// Hears that the call was heard, or cannot be.
    pub(crate) fn hear_answer(&mut self, message: Message) -> Woken {
        if self.fault.is_some() {
            return Woken::Nobody;
        }
        match (told(&message), &self.accepted) {
            (Some(Fault::NobodyThere), Some(_)) => return self.fail(Fault::Gone),
            (_, Some(_)) => return Woken::Nobody,
            (Some(fault), None) => return self.fail(fault),
            (None, None) => {}
        }
        match message.reply {
            Some(reply) => {
                self.accepted = Some(reply);
                Woken::Reader(0)
            }
            None => self.fail(Fault::Nonsense),
        }
    }

    /// Hears all values, in place of the word that the call was heard.
    pub(crate) fn hear_whole(&mut self, message: Message) -> Woken {
        if self.accepted.is_some() {
            return Woken::Nobody;
        }
        let end = Message::new(message.subject.clone(), Bytes::new());
        let is_all = message.payload.is_empty();
        let woken = self.hear_piece("", message);
        if is_all || self.fault.is_some() { woken } else { self.hear_piece("", end) }
    }

    /// Hears a piece of what is at `path`, as it is written in a subject: nothing, or `.0.1`.
    pub(crate) fn hear_piece(&mut self, path: &str, message: Message) -> Woken {
        let Some(number) = self.channels.iter().position(|channel| is_written(channel.path, path)) else {
            return Woken::Nobody;
        };
        let channel = &mut self.channels[number];
        if self.fault.is_some() || channel.is_ended {
            return Woken::Nobody;
        }
        if let Some(fault) = told(&message) {
            return self.fail(fault);
        }
        if !channel.heard.hear(&message.headers) {
            return self.fail(Fault::PieceLost);
        }
        if message.payload.is_empty() {
            channel.is_ended = true;
            return Woken::Reader(number);
        }
        match self.room.checked_sub(Self::weight(&message.payload)) {
            None => self.fail(Fault::TooLarge),
            Some(room) => {
                self.room = room;
                channel.pieces.push_back(message.payload);
                // Values are read once all of them are there.
                if number == 0 { Woken::Nobody } else { Woken::Reader(number) }
            }
        }
    }

    /// Ends it.
    pub(crate) fn fail(&mut self, fault: Fault) -> Woken {
        self.fault.get_or_insert(fault);
        Woken::All
    }

    /// Where who was called wants to hear the rest, once that is known.
    pub(crate) fn accepted(&self) -> Option<&Subject> {
        self.accepted.as_ref()
    }

    /// Why nothing more comes, if something is wrong.
    pub(crate) fn fault(&self) -> Option<&Fault> {
        self.fault.as_ref()
    }

    /// Whether nothing more comes on a channel.
    pub(crate) fn is_ended(&self, channel: usize) -> bool {
        self.channels[channel].is_ended
    }

    /// The next piece on a channel, which makes room for another.
    pub(crate) fn take(&mut self, channel: usize) -> Option<Bytes> {
        let piece = self.channels[channel].pieces.pop_front()?;
        self.room += Self::weight(&piece);
        Some(piece)
    }

    /// What may still come until something was taken.
    pub(crate) fn room(&self) -> usize {
        self.room
    }

    /// How many channels there are: that of the values, and one for each path.
    pub(crate) fn channels(&self) -> usize {
        self.channels.len()
    }
}

/// What a message says that ends an invocation.
fn told(message: &Message) -> Option<Fault> {
    match message.headers.status() {
        Some(status) if status.code == 503 => Some(Fault::NobodyThere),
        Some(_) => Some(Fault::Nonsense),
        None => Refusal::read(&message.headers).map(Fault::Refused),
    }
}

/// Whether `text` is this path as a subject has it: a dot and a number for each step.
fn is_written(path: &[u32], text: &str) -> bool {
    let mut words = text.split('.').skip(1);
    let is_step = |step: &u32| words.next().is_some_and(|word| word.parse() == Ok(*step));
    path.iter().all(is_step) && words.next().is_none()
}

#[cfg(test)]
mod tests;
