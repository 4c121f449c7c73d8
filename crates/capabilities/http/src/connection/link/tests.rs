//! When a connection is given up: told by ticks, so that a minute takes no time.

use capability::conformance::run;
use rt::STRIDE;

use super::*;

/// Whether the core gives a connection up on which nothing moves for so long.
fn is_cut_after(link: &Link, quiet: Duration) -> bool {
    // A tick is counted from one that may have been behind.
    link.check(link.since.get().after(quiet - STRIDE));
    link.is_cut.get()
}

#[test]
fn a_connection_that_is_idle_is_cut_after_its_time_and_not_before() {
    let link = Link::new(None);
    assert!(!is_cut_after(&link, IDLE_TIME - Duration::from_millis(1)));
    assert!(is_cut_after(&link, IDLE_TIME));
}

#[test]
fn a_head_that_is_not_complete_is_cut_after_its_time_and_not_before() {
    let link = Link::new(None);
    link.received();
    assert!(!is_cut_after(&link, HEAD_TIME - Duration::from_millis(1)));
    assert!(is_cut_after(&link, HEAD_TIME));
}

/// Of HTTP/1.1: until its deadline the component may let the client wait, then the client has so long to take more of the answer.
#[test]
fn an_answer_that_nobody_takes_is_cut_when_its_time_is_over_and_nothing_has_moved_for_as_long() {
    let link = Link::new(None);
    let deadline = Tick::now().after(Duration::from_secs(600));
    link.phase.set(Phase::Working(deadline));
    assert!(!is_cut_after(&link, IDLE_TIME * 2), "the component may take its time");
    link.check(deadline);
    assert_eq!((link.phase.get(), link.is_cut.get()), (Phase::Open, false), "the client takes what is left");
    assert!(!is_cut_after(&link, IDLE_TIME - Duration::from_millis(1)));
    assert!(is_cut_after(&link, IDLE_TIME));
}

/// Of HTTP/2: one answer among others, which has to end soon after its deadline.
#[test]
fn an_answer_among_others_that_nobody_takes_is_cut_soon_after_its_time() {
    let link = Link::new(None);
    link.is_one_of_many.set(true);
    let deadline = Tick::now().after(Duration::from_secs(600));
    link.phase.set(Phase::Working(deadline));
    link.check(deadline);
    assert!(!is_cut_after(&link, HEAD_TIME - Duration::from_millis(1)));
    assert!(is_cut_after(&link, HEAD_TIME));
}

#[test]
fn what_is_cut_ends_at_once() {
    run(async {
        let link = Link::new(None);
        let cutting = async { link.check(link.since.get().after(IDLE_TIME)) };
        let (ended, ()) = tokio::join!(link.until_cut(|_| Poll::<()>::Pending), cutting);
        assert_eq!(ended, None);
    });
}
