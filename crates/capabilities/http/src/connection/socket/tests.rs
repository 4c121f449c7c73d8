//! What counts as a movement: what was taken or has come, and no attempt.

use std::task::Waker;

use capability::conformance::run;
use hyper::rt::ReadBuf;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;
use crate::connection::link::Phase;

/// A socket that has room for eight bytes in each direction, and its other end.
fn socket() -> (Socket<DuplexStream>, DuplexStream, Rc<Link>) {
    let (ours, theirs) = duplex(8);
    let link = Rc::new(Link::new(None));
    (Socket { stream: TokioIo::new(ours), link: link.clone(), is_serial: true }, theirs, link)
}

/// Whether something has moved, by what the core looks at.
fn has_moved(link: &Link, attempt: impl FnOnce()) -> bool {
    link.since.set(Tick::NEVER);
    attempt();
    link.since.get() != Tick::NEVER
}

#[test]
fn what_nobody_takes_does_not_move() {
    let (mut socket, mut theirs, link) = socket();
    let mut write = |bytes: &[u8]| {
        let slices = [io::IoSlice::new(bytes)];
        let cx = &mut Context::from_waker(Waker::noop());
        has_moved(&link, || drop(Pin::new(&mut socket).poll_write(cx, bytes)))
            || has_moved(&link, || drop(Pin::new(&mut socket).poll_write_vectored(cx, &slices)))
    };
    assert!(write(b"1234567"));
    // Of more a part is taken, as far as there is room.
    assert!(write(b"89"));
    for _ in 0..3 {
        assert!(!write(b"9"), "nothing was taken");
    }
    run(theirs.read_exact(&mut [0; 8])).expect("it is there");
    assert!(write(b"9"), "there is room again");
}

#[test]
fn a_head_begins_with_its_first_byte() {
    let (mut socket, mut theirs, link) = socket();
    let mut read = || {
        let mut bytes = [0; 8];
        let mut buffer = ReadBuf::new(&mut bytes);
        let cx = &mut Context::from_waker(Waker::noop());
        drop(Pin::new(&mut socket).poll_read(cx, buffer.unfilled()));
    };
    read();
    assert_eq!(link.phase.get(), Phase::Open);
    run(theirs.write_all(b"GET ")).expect("there is room");
    assert!(has_moved(&link, &mut read));
    assert_eq!(link.phase.get(), Phase::Head);
    run(theirs.write_all(b"/ ")).expect("there is room");
    assert!(!has_moved(&link, &mut read), "who sends byte after byte gets no more time");
    // What comes while a component works is its affair.
    link.phase.set(Phase::Working(Tick::NEVER));
    run(theirs.write_all(b"HTTP")).expect("there is room");
    read();
    assert_eq!(link.phase.get(), Phase::Working(Tick::NEVER));
}
