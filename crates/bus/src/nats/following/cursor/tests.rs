//! What a consumer's messages mean, as values.

use super::*;

fn message(reply: Option<&str>, status: Option<StatusCode>, headers: &[(&str, &str)]) -> Message {
    let mut map = HeaderMap::new();
    headers.iter().for_each(|(name, value)| map.insert(*name, *value));
    Message {
        subject: "$KV.b.key".into(),
        reply: reply.map(Subject::from),
        payload: "value".into(),
        headers: Some(map),
        status,
        description: None,
        length: 0,
    }
}

fn brought(delivered: u64, pending: u64) -> Message {
    message(Some(&format!("$JS.ACK.KV_b.c.1.{}.{delivered}.1700.{pending}", delivered + 10)), None, &[])
}

fn idle(headers: &[(&str, &str)]) -> Message {
    message(None, Some(StatusCode::IDLE_HEARTBEAT), headers)
}

fn cursor(waiting: u64) -> Cursor {
    Cursor::new("$KV.b.".into(), waiting, Revision::new(0))
}

#[test]
fn a_consumer_of_a_server_that_is_behind_has_not_told_all() {
    let mut behind = Cursor::new("$KV.b.".into(), 0, Revision::new(12));
    assert!(!behind.catches_up(), "it says that nothing waits, and the leader has more");
    for (delivered, is_current) in [(1, false), (2, true)] {
        assert!(matches!(behind.step(&brought(delivered, 0)), Step::Tell(Event::Set(..))));
        assert_eq!(behind.catches_up(), is_current);
    }
    // What was last was removed: then silence says so.
    let mut removed = Cursor::new("$KV.b.".into(), 0, Revision::new(12));
    assert_eq!(removed.step(&idle(&[(LAST, "0")])), Step::Nothing);
    assert!(removed.catches_up());
}

#[test]
fn what_is_there_has_been_told_when_nothing_waits() {
    assert!(cursor(0).catches_up());
    let mut cursor = cursor(2);
    for (delivered, pending, is_current) in [(1, 1, false), (2, 0, true), (3, 0, false)] {
        assert!(matches!(cursor.step(&brought(delivered, pending)), Step::Tell(Event::Set(..))));
        assert_eq!(cursor.catches_up(), is_current, "after {delivered}; it is said once");
    }
    assert_eq!(cursor.last(), Revision::new(13));
}

#[test]
fn a_server_that_is_idle_has_told_everything_unless_it_waits_itself() {
    let mut stalled = cursor(2);
    assert_eq!(stalled.step(&idle(&[(LAST, "0"), (STALLED, "fc")])), Step::Answer("fc".into()));
    assert!(!stalled.catches_up());
    assert_eq!(stalled.step(&idle(&[(LAST, "0")])), Step::Nothing);
    assert!(stalled.catches_up());
}

#[test]
fn what_does_not_come_is_noticed_by_the_next_message_or_in_silence() {
    assert!(matches!(cursor(2).step(&brought(2, 0)), Step::Missed(_)));
    assert!(matches!(cursor(2).step(&idle(&[(LAST, "1")])), Step::Missed(_)));
    let gone = message(None, Some(StatusCode::from_u16(409).expect("a code")), &[]);
    assert!(matches!(cursor(2).step(&gone), Step::Missed(_)));
}

#[test]
fn what_a_stock_client_deletes_is_gone() {
    for header in [("KV-Operation", "DEL"), ("KV-Operation", "PURGE"), ("Nats-Marker-Reason", "MaxAge")] {
        let deleted = message(Some("$JS.ACK.domain.hash.KV_b.c.1.7.1.1700.0.x"), None, &[header]);
        let gone = Event::Gone("key".parse().expect("a key"), Revision::new(7));
        assert_eq!(cursor(1).step(&deleted), Step::Tell(gone), "{header:?}");
    }
}
