//! What a reader allows, and how long who writes waits for him.

use super::*;

fn room(allowed: &mut Allowed, sent: u64, more: u64) -> Poll<Result<(), Halt>> {
    allowed.poll_room((sent, more), &Context::from_waker(Waker::noop()))
}

fn allowed(window: &str) -> Allowed {
    Allowed::by(&Headers::of([(NAME, window)]).expect("headers"))
}

#[test]
fn what_was_not_taken_fits_into_the_window() {
    let mut allowed = allowed("100");
    assert!(matches!(room(&mut allowed, 0, 1_000), Poll::Ready(Ok(()))), "nothing is on its way");
    assert!(matches!(room(&mut allowed, 60, 40), Poll::Ready(Ok(()))));
    assert!(room(&mut allowed, 60, 41).is_pending());
    assert!(allowed.hear(b"20").is_some(), "whoever waits is woken");
    assert!(matches!(room(&mut allowed, 60, 60), Poll::Ready(Ok(()))));
    // What came late, or is nonsense, takes nothing back.
    allowed.hear(b"10");
    allowed.hear(b"-1");
    assert!(matches!(room(&mut allowed, 60, 60), Poll::Ready(Ok(()))));
    allowed.hear(b"");
    assert!(matches!(room(&mut allowed, 60, 1), Poll::Ready(Err(Halt::Unwanted))));
}

#[test]
fn a_stranger_is_told_as_much_as_there_is() {
    for mut allowed in [Allowed::default(), allowed("much")] {
        assert!(matches!(room(&mut allowed, u64::MAX, u64::MAX), Poll::Ready(Ok(()))));
    }
}

#[test]
fn that_he_is_there_is_heard_and_takes_nothing_back() {
    let mut allowed = allowed("100");
    assert!(!allowed.has_spoken(), "nothing was said yet");
    allowed.hear(b"20");
    assert!(room(&mut allowed, 120, 1).is_pending());
    assert!(allowed.has_spoken() && !allowed.has_spoken(), "it was heard since, once");
    assert!(allowed.hear(HERE).is_some() && allowed.has_spoken());
    assert!(room(&mut allowed, 120, 1).is_pending());
    // Nonsense is nobody's word.
    allowed.hear(b"here");
    assert!(!allowed.has_spoken());
    assert!(allowed.hear(UNWANTED).is_some());
    assert!(matches!(room(&mut allowed, 120, 1), Poll::Ready(Err(Halt::Unwanted))));
}
