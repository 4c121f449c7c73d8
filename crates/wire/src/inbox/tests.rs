//! What comes is for one invocation or for nobody, and room is given back.

use futures::FutureExt;

use super::*;

fn hear(inbox: &Inbox, subject: &str, payload: &'static [u8]) -> Result<(), ()> {
    let message = Message::new(subject.parse().expect("a subject"), Bytes::from_static(payload));
    inbox.hear(message).map(drop).map_err(drop)
}

#[test]
fn what_comes_is_for_one_invocation_or_for_nobody() {
    let inbox = Arc::new(Inbox::new(&Limits::default()));
    let (first, second) = (inbox.expect(RESULTS, &[]), inbox.expect(RESULTS, &[]));
    let results = |mailbox: &Mailbox| format!("{}.results", mailbox.subject);
    hear(&inbox, &results(&first), b"x").expect("somebody waits");
    let (held, other) = (first.post.lock().held, second.post.lock().held);
    assert!(held > 0 && other == 0);

    // Who knows one subject does not know the next.
    let guessed = first.subject.as_str().replace(".0-", ".1-");
    assert_eq!(hear(&inbox, &format!("{guessed}.results"), b"x"), Err(()));
    for nobody in
        ["_INBOX.other.0-0", &inbox.root, &format!("{}.", inbox.root.replace('.', "x")), &format!("{}.x", inbox.root)]
    {
        let Ok(subject) = nobody.parse() else { continue };
        assert!(inbox.hear(Message::new(subject, Bytes::new())).is_err(), "{nobody}");
    }
    let gone = results(&first);
    drop(first);
    assert_eq!(hear(&inbox, &gone, b"x"), Err(()));
    assert_eq!(inbox.waiting(), 1);
}

#[test]
fn an_answer_in_one_message_is_heard_by_who_calls() {
    let inbox = Arc::new(Inbox::new(&Limits::default()));
    let (caller, called) = (inbox.expect(RESULTS, &[]), inbox.expect(PARAMS, &[]));
    for mailbox in [&caller, &called] {
        hear(&inbox, &format!("{}{}", mailbox.subject, brief::ANSWER), b"abc").expect("somebody waits");
    }
    assert!(caller.has_values() && !called.has_values());
    assert_eq!(caller.values().now_or_never(), Some(Ok(Bytes::from_static(b"abc"))));
}

#[test]
fn room_is_given_back_when_a_piece_is_taken_and_when_nobody_waits_any_more() {
    let inbox = Arc::new(Inbox::new(&Limits::default()));
    let before = inbox.room();
    let mailbox = inbox.expect(RESULTS, &[&[0]]);
    for path in ["results", "results.0", "results.0", "results.7", "params"] {
        hear(&inbox, &format!("{}.{path}", mailbox.subject), b"abc").expect("somebody waits");
    }
    assert_eq!(before - inbox.room(), 3 * Inbound::weight(&Bytes::from_static(b"abc")));
    let cx = Context::from_waker(Waker::noop());
    assert_eq!(mailbox.poll_piece(0, &cx), Poll::Ready(Some(Ok(Bytes::from_static(b"abc")))));
    assert_eq!(before - inbox.room(), 2 * Inbound::weight(&Bytes::from_static(b"abc")));
    drop(mailbox);
    assert_eq!(inbox.room(), before);
}

#[test]
fn where_all_room_is_taken_the_next_to_need_some_ends() {
    let limits = Limits { waiting_max: stdx::ByteSize::bytes(200), ..Limits::default() };
    let inbox = Arc::new(Inbox::new(&limits));
    let (first, second) = (inbox.expect(RESULTS, &[]), inbox.expect(RESULTS, &[]));
    hear(&inbox, &format!("{}.results", first.subject), &[1; 100]).expect("somebody waits");
    hear(&inbox, &format!("{}.results", second.subject), &[1; 100]).expect("somebody waits");
    assert_eq!(first.post.lock().inbound.fault(), None);
    assert_eq!(second.post.lock().inbound.fault(), Some(&Fault::NoRoom));
    drop((first, second));
    assert_eq!(inbox.room(), 200);
}

#[test]
fn who_asks_is_told_whether_anybody_reads() {
    let inbox = Arc::new(Inbox::new(&Limits::default()));
    let mailbox = inbox.expect(RESULTS, &[&[0]]);
    let post = mailbox.post();
    let ask = |reply: Option<&str>| {
        let subject = format!("{}.asked", mailbox.subject).parse().expect("a subject");
        let reply = reply.map(|reply| reply.parse().expect("a subject"));
        inbox.hear(Message { reply, ..Message::new(subject, Bytes::new()) })
    };
    let said = ask(Some("writer.taken")).expect("somebody waits").expect("an answer");
    assert_eq!((said.subject.as_str(), &said.payload[..], said.reply), ("writer.taken", HERE, None));
    assert_eq!(ask(None), Ok(None), "he says nowhere to answer");
    // What was lost of the word that nothing more is wanted is said again, as long as anything of the invocation is there.
    post.lock().inbound.fail(Fault::TooLarge);
    assert_eq!(ask(Some("writer.taken")).map(|said| said.expect("an answer").payload), Ok(Bytes::new()));
    let asked = format!("{}.asked", mailbox.subject);
    drop((post, mailbox));
    assert_eq!(hear(&inbox, &asked, b""), Err(()));
}
