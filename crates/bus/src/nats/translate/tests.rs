//! What goes out comes in again as it was, and what is hostile does not come in.

use proptest::prelude::*;

use super::*;

fn incoming(subject: &str, reply: Option<&str>, payload: Bytes) -> async_nats::Message {
    async_nats::Message {
        subject: subject.to_owned().into(),
        reply: reply.map(|reply| reply.to_owned().into()),
        payload,
        headers: None,
        status: None,
        description: None,
        length: 0,
    }
}

proptest! {
    #[test]
    fn any_message_of_ours_is_one_of_theirs(
        fields in prop::collection::vec(("[!-9;-~]{1,8}", "[^\r\n\0]{0,12}"), 0..6),
        payload in prop::collection::vec(any::<u8>(), 0..64),
        reply in prop::option::of("[a-c]{1,3}"),
    ) {
        let headers = Headers::of(fields.iter().map(|(name, value)| (name.as_str(), value.as_str()))).expect("headers");
        let reply = reply.map(|reply| reply.parse().expect("a subject"));
        let message = Message { subject: "a.b".parse().expect("a subject"), reply, headers, payload: payload.into() };
        let (subject, reply, headers, payload) = outbound(message.clone());
        let back = async_nats::Message { headers: Some(headers), ..incoming(&subject, reply.as_deref(), payload) };
        let back = inbound(back).expect("a message");
        prop_assert_eq!((&back.subject, &back.reply, &back.payload), (&message.subject, &message.reply, &message.payload));
        // The order of different names may be lost, that of one name is not.
        for (name, _) in message.headers.iter() {
            prop_assert!(back.headers.get_all(name).eq(message.headers.get_all(name)));
        }
        prop_assert_eq!(back.headers.iter().count(), message.headers.iter().count());
    }
}

#[test]
fn what_a_server_says_is_understood() {
    let status = async_nats::StatusCode::NO_RESPONDERS;
    let told = async_nats::Message { status: Some(status), ..incoming("a", None, Bytes::new()) };
    assert!(inbound(told).expect("a message").is_no_responders());
    let description = Some("No Messages".to_owned());
    let status = async_nats::StatusCode::NOT_FOUND;
    let told = async_nats::Message { status: Some(status), description, ..incoming("a", None, Bytes::new()) };
    let told = inbound(told).expect("a message");
    assert_eq!(told.headers.status(), Some(Status { code: 404, text: "No Messages" }));
}

#[test]
fn strange_names_do_not_come_in() {
    for (subject, reply) in [("a..b", None), ("a.*", None), ("", None), ("a", Some("b..c")), ("a", Some("\u{7}"))] {
        assert!(inbound(incoming(subject, reply, Bytes::new())).is_none(), "{subject:?} {reply:?}");
    }
}

#[test]
fn a_small_payload_lets_go_of_the_buffer_it_was_read_into() {
    let buffer = Bytes::from(vec![0; 100_000]);
    let small = inbound(incoming("a", None, buffer.slice(..10))).expect("a message");
    let large = inbound(incoming("a", None, buffer.slice(..50_000))).expect("a message");
    assert_eq!((small.payload.len(), large.payload.len()), (10, 50_000));
    assert!(small.payload.as_ptr() != buffer.as_ptr() && large.payload.as_ptr() == buffer.as_ptr());
}
