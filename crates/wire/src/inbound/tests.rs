//! Messages in, and what they mean: a script of each case.

use bus::Headers;

use super::*;
use crate::refusal::Reason;

fn message(payload: &'static str, reply: Option<&str>) -> Message {
    let reply = reply.map(|reply| reply.parse().expect("a subject"));
    Message { reply, ..Message::new("x".parse().expect("a subject"), payload.into()) }
}

/// One of ours that so many were before on its path.
fn numbered(payload: &'static str, before: &str) -> Message {
    let headers = Headers::of([("wattle-piece", before)]).expect("headers");
    Message { headers, ..message(payload, None) }
}

fn taken(inbound: &mut Inbound, channel: usize) -> String {
    let pieces = std::iter::from_fn(|| inbound.take(channel));
    pieces.map(|piece| String::from_utf8(piece.to_vec()).expect("text")).collect::<Vec<_>>().join("|")
}

#[test]
fn an_answer_is_all_that_came_before_its_end() {
    let mut inbound = Inbound::new(&[], 1_000);
    assert_eq!(inbound.hear_answer(message("", Some("rs"))), Woken::Reader(0));
    assert_eq!(inbound.accepted().map(Subject::as_str), Some("rs"));
    assert_eq!(inbound.hear_piece("", message("ab", None)), Woken::Nobody);
    assert_eq!(inbound.hear_piece("", message("c", None)), Woken::Nobody);
    assert_eq!(inbound.hear_piece("", message("", None)), Woken::Reader(0));
    assert_eq!(inbound.hear_piece("", message("late", None)), Woken::Nobody);
    assert!(inbound.is_ended(0));
    assert_eq!(taken(&mut inbound, 0), "ab|c");
}

#[test]
fn an_answer_in_one_message_is_all_of_it() {
    for payload in ["abc", ""] {
        let mut inbound = Inbound::new(&[], 1_000);
        assert_eq!(inbound.hear_whole(message(payload, None)), Woken::Reader(0));
        assert!(inbound.is_ended(0) && inbound.accepted().is_none());
        assert_eq!(inbound.hear_whole(message("more", None)), Woken::Nobody);
        assert_eq!(taken(&mut inbound, 0), payload);
    }
    let mut heard = Inbound::new(&[], 1_000);
    heard.hear_answer(message("", Some("rs")));
    assert_eq!(heard.hear_whole(message("abc", None)), Woken::Nobody);
    assert!(!heard.is_ended(0));
    let mut small = Inbound::new(&[], 66);
    assert_eq!(small.hear_whole(message("abc", None)), Woken::All);
    assert_eq!(small.fault(), Some(&Fault::TooLarge));
}

#[test]
fn the_first_who_takes_a_call_has_it() {
    let mut inbound = Inbound::new(&[], 1_000);
    inbound.hear_answer(message("", Some("first")));
    assert_eq!(inbound.hear_answer(message("", Some("second"))), Woken::Nobody);
    assert_eq!(inbound.hear_answer(message("", None)), Woken::Nobody);
    assert_eq!(inbound.accepted().map(Subject::as_str), Some("first"));
    assert_eq!(inbound.fault(), None);
}

#[test]
fn who_takes_a_call_says_where_he_listens() {
    let mut inbound = Inbound::new(&[], 1_000);
    assert_eq!(inbound.hear_answer(message("", None)), Woken::All);
    assert_eq!(inbound.fault(), Some(&Fault::Nonsense));
}

#[test]
fn a_refusal_ends_it_wherever_it_comes() {
    let refusal = Refusal::new(Reason::Failed, "a trap");
    let refusing = || Message { headers: refusal.headers(), ..message("", None) };
    let at_the_answer: fn(&mut Inbound, Message) -> Woken = Inbound::hear_answer;
    let at_the_values: fn(&mut Inbound, Message) -> Woken = |inbound, message| inbound.hear_piece("", message);
    for hear in [at_the_answer, at_the_values] {
        let mut inbound = Inbound::new(&[], 1_000);
        assert_eq!(hear(&mut inbound, refusing()), Woken::All);
        assert_eq!(inbound.fault(), Some(&Fault::Refused(refusal.clone())));
    }
}

#[test]
fn streams_come_beside_the_values_and_end_by_themselves() {
    let mut inbound = Inbound::new(&[&[0, 0], &[0, 1]], 1_000);
    assert_eq!(inbound.hear_piece(".0.1", message("t", None)), Woken::Reader(2));
    assert_eq!(inbound.hear_piece(".0.0", message("b", None)), Woken::Reader(1));
    assert_eq!(inbound.hear_piece(".0.0", message("", None)), Woken::Reader(1));
    for nobody in [".0", ".0.2", ".0.0.0", ".x", "..", "0.0", ".00000000000000000000.0", ".-0.1"] {
        assert_eq!(inbound.hear_piece(nobody, message("?", None)), Woken::Nobody, "{nobody}");
    }
    assert_eq!((taken(&mut inbound, 1), taken(&mut inbound, 2)), ("b".into(), "t".into()));
    assert_eq!([0, 1, 2].map(|channel| inbound.is_ended(channel)), [false, true, false]);
}

#[test]
fn what_does_not_fit_ends_it_and_what_was_taken_makes_room() {
    let mut inbound = Inbound::new(&[&[0]], 3 * (PIECE + 1));
    for _ in 0..3 {
        assert_eq!(inbound.hear_piece(".0", message("x", None)), Woken::Reader(1));
    }
    assert_eq!(inbound.take(1).as_deref(), Some(&b"x"[..]));
    assert_eq!(inbound.hear_piece(".0", message("x", None)), Woken::Reader(1));
    assert_eq!(inbound.hear_piece("", message("y", None)), Woken::All);
    assert_eq!(inbound.fault(), Some(&Fault::TooLarge));
}

#[test]
fn a_piece_that_is_missing_ends_it_behind_those_that_came_before() {
    let mut inbound = Inbound::new(&[&[0], &[1]], 1_000);
    assert_eq!(inbound.hear_piece(".1", message("t", None)), Woken::Reader(2));
    assert_eq!(inbound.hear_piece(".0", message("a", None)), Woken::Reader(1));
    assert_eq!(inbound.hear_piece(".0", numbered("b", "1")), Woken::Reader(1));
    assert_eq!(inbound.hear_piece(".1", numbered("", "1")), Woken::Reader(2), "each path counts for itself");
    assert_eq!(inbound.hear_piece(".0", numbered("d", "3")), Woken::All);
    assert_eq!(inbound.fault(), Some(&Fault::PieceLost));
    assert_eq!((taken(&mut inbound, 1), taken(&mut inbound, 2)), ("a|b".into(), "t".into()));
    assert_eq!([1, 2].map(|channel| inbound.is_ended(channel)), [false, true]);
    // All that came is the end of something.
    let mut end = Inbound::new(&[], 1_000);
    assert_eq!(end.hear_piece("", numbered("", "1")), Woken::All);
    assert!(end.fault() == Some(&Fault::PieceLost) && !end.is_ended(0));
}

#[test]
fn a_refusal_needs_no_number() {
    let refusal = Refusal::new(Reason::Failed, "a trap");
    let mut inbound = Inbound::new(&[], 1_000);
    inbound.hear_piece("", message("a", None));
    inbound.hear_piece("", numbered("b", "1"));
    assert_eq!(inbound.hear_piece("", Message { headers: refusal.headers(), ..message("", None) }), Woken::All);
    assert_eq!(inbound.fault(), Some(&Fault::Refused(refusal)));
}
