//! Messages in, and what they mean: a script of each case.

use super::*;
use crate::refusal::Reason;

fn message(payload: &'static str, reply: Option<&str>) -> Message {
    let reply = reply.map(|reply| reply.parse().expect("a subject"));
    Message { reply, ..Message::new("x".parse().expect("a subject"), payload.into()) }
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
