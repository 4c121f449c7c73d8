//! How long is waited, as values and on a clock that goes on when nothing else does.

use std::cell::Cell;
use std::future::{pending, ready};

use tokio::time::Instant;

use super::*;

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn in_call(time: Option<Duration>) -> Patience {
    Patience::in_call(time, &Limits::default())
}

#[test]
fn nobody_waits_longer_for_silence_than_a_call_has_time_and_never_longer_than_the_limits() {
    let silent_max = |time| in_call(time).silent_max;
    assert_eq!(silent_max(Some(secs(2))), secs(7));
    assert_eq!(silent_max(Some(Duration::ZERO)), WAY);
    assert_eq!(silent_max(Some(secs(54))), secs(59));
    for much in [secs(55), secs(3_600), Duration::MAX] {
        assert_eq!(silent_max(Some(much)), secs(60));
    }
    // Who says no time is bound by the limits alone, and so is a stranger.
    assert_eq!((silent_max(None), in_call(Some(secs(2))).with_stranger()), (secs(60), Patience::each(secs(60))));
    let tight = Limits { idle_max: Duration::from_millis(100), ..Limits::default() };
    assert_eq!(Patience::in_call(Some(secs(2)), &tight), Patience::each(tight.idle_max));
}

#[test]
fn who_is_heard_is_waited_for_again_until_nothing_has_moved_for_too_long() {
    let mut wait = Wait::begin(in_call(Some(secs(2))));
    for _ in 0..8 {
        wait.pass(secs(6));
        assert_eq!(wait.over(), None);
        wait.hear();
    }
    wait.pass(secs(6));
    // Of two reasons that are near, neither is passed by.
    assert_eq!((wait.over(), wait.pause()), (None, secs(1)));
    wait.pass(secs(1));
    assert_eq!((wait.over(), wait.pause()), (Some(Over::Silent(Late(secs(7)))), Duration::ZERO));
    wait.hear();
    assert_eq!(wait.over(), None);
    wait.pass(secs(5));
    assert_eq!(wait.over(), Some(Over::Still(Late(secs(60)))));
}

/// How it ended, after how many seconds, and how often the other side was asked.
async fn waited(patience: Patience, has_spoken: impl Fn() -> bool) -> (Over, u64, u32) {
    let (begun, asked) = (Instant::now(), Cell::new(0));
    let ask = || {
        asked.set(asked.get() + 1);
        ready(())
    };
    let over = patience.run_out(ask, has_spoken).await;
    (over, begun.elapsed().as_secs(), asked.get())
}

#[tokio::test(start_paused = true)]
async fn who_is_silent_is_asked_each_second_and_given_up_in_time() {
    let silent = waited(in_call(Some(secs(2))), || false).await;
    assert_eq!(silent, (Over::Silent(Late(secs(7))), 7, 6));
    let there = waited(in_call(Some(secs(2))), || true).await;
    assert_eq!(there, (Over::Still(Late(secs(60))), 60, 59));
    let short = Duration::from_millis(100);
    assert_eq!(waited(Patience::each(short), || true).await, (Over::Still(Late(short)), 0, 0));
}

#[tokio::test(start_paused = true)]
async fn who_falls_silent_is_given_up_that_long_after_his_last_word() {
    let begun = Instant::now();
    // What was heard by the tenth second answers the question of the ninth.
    let (over, after, _) = waited(in_call(Some(secs(2))), || begun.elapsed() < Duration::from_millis(10_500)).await;
    assert_eq!((over, after), (Over::Silent(Late(secs(7))), 16));
}

#[tokio::test(start_paused = true)]
async fn a_bus_that_takes_no_question_makes_no_wait_longer() {
    let begun = Instant::now();
    let over = in_call(Some(secs(2))).run_out(pending::<()>, || false).await;
    assert_eq!((over, begun.elapsed().as_secs()), (Over::Silent(Late(secs(7))), 7));
}
