//! A queue holds what it may and no more.

use std::task::Waker;

use stdx::ByteSize;

use super::*;

fn message(size: usize) -> Message {
    Message::new("a".parse().expect("a subject"), vec![0; size].into())
}

fn limits(messages: usize, bytes: u64) -> Limits {
    Limits { queued_messages_max: messages, queued_bytes_max: ByteSize::bytes(bytes), ..Limits::default() }
}

fn take(receiver: &mut Receiver) -> Option<usize> {
    match receiver.poll_next(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(message) => message.map(|message| message.payload.len()),
        Poll::Pending => None,
    }
}

fn reason(refused: Result<(), Refused>) -> Option<Reason> {
    refused.err().map(|refused| refused.reason)
}

#[test]
fn it_holds_so_many_messages() {
    let (sender, mut receiver) = queue(&limits(2, u64::MAX));
    assert!([1, 2].iter().all(|size| sender.accept(message(*size)).is_ok()));
    let refused = sender.accept(message(3)).expect_err("it is full");
    assert_eq!((refused.reason, refused.message), (Reason::Full, message(3)));
    assert_eq!(take(&mut receiver), Some(1));
    assert_eq!(reason(sender.accept(message(4))), None);
    assert_eq!([take(&mut receiver), take(&mut receiver), take(&mut receiver)], [Some(2), Some(4), None]);
}

#[test]
fn it_holds_so_many_bytes_or_one_message() {
    let weight = message(1_000).weight();
    let (sender, mut receiver) = queue(&limits(100, 2 * weight as u64));
    assert_eq!([(); 3].map(|()| reason(sender.accept(message(1_000)))), [None, None, Some(Reason::Full)]);
    assert_eq!(reason(sender.accept(message(0))), Some(Reason::Full), "each message has its own weight");
    assert_eq!([take(&mut receiver), take(&mut receiver)], [Some(1_000), Some(1_000)]);
    assert_eq!([5_000, 0].map(|size| reason(sender.accept(message(size)))), [None, Some(Reason::Full)]);
    assert_eq!(take(&mut receiver), Some(5_000));
    assert_eq!(sender.counts.bytes.load(Ordering::Relaxed), 0, "what was refused is not counted");
}

#[test]
fn nobody_at_the_other_end_is_no_listener() {
    let (sender, receiver) = queue(&Limits::default());
    drop(receiver);
    assert_eq!(reason(sender.accept(message(1))), Some(Reason::Ended));
    let (sender, mut receiver) = queue(&Limits::default());
    assert!(sender.accept(message(1)).is_ok());
    drop(sender);
    assert_eq!([take(&mut receiver), take(&mut receiver)], [Some(1), None]);
    assert!(matches!(receiver.poll_next(&mut Context::from_waker(Waker::noop())), Poll::Ready(None)));
}
