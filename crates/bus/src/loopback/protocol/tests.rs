//! Whatever comes is read the same however it is cut, or refused; nothing makes the reader panic or ask for more than it may.

use proptest::prelude::*;

use super::*;

const OPEN: Grammar = Grammar { line_max: 64, payload_max: 32, stage: Stage::Open };

/// All operations in the bytes, printed, how many bytes they took, and why it ended if it was refused.
fn read_all(bytes: &[u8], grammar: &Grammar) -> (Vec<String>, usize, Option<Refusal>) {
    let (mut read, mut at) = (Vec::new(), 0);
    loop {
        match parse(&bytes[at..], grammar) {
            Ok(Parsed::Part) => return (read, at, None),
            Err(refusal) => return (read, at, Some(refusal)),
            Ok(Parsed::Whole(operation, length)) => {
                assert!(length > 0 && at + length <= bytes.len());
                read.push(format!("{operation:?}"));
                at += length;
            }
        }
    }
}

/// The same where the bytes come in pieces, and are looked at after each.
fn read_in_pieces(bytes: &[u8], cuts: &[usize], grammar: &Grammar) -> (Vec<String>, usize, Option<Refusal>) {
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).chain([bytes.len()]).collect();
    ends.sort_unstable();
    let (mut read, mut at) = (Vec::new(), 0);
    for end in ends {
        let (more, taken, refusal) = read_all(&bytes[at..end], grammar);
        read.extend(more);
        at += taken;
        if refusal.is_some() {
            return (read, at, refusal);
        }
        // What is kept until more comes is bounded.
        assert!(end - at <= grammar.line_max + grammar.payload_max + 16, "{} bytes are kept", end - at);
    }
    (read, at, None)
}

fn fragment() -> impl Strategy<Value = Vec<u8>> {
    let word = prop::sample::select(vec![
        "PUB ",
        "hpub ",
        "SUB ",
        "UnSub ",
        "PING",
        "PONG",
        "CONNECT ",
        "\r\n",
        "\n",
        "\r",
        " ",
        "\t",
        "a",
        "a.b",
        "1",
        "0",
        "5",
        "12",
        "999999999",
        "2147483648",
        "-1",
        "{}",
        "x",
        "NATS/1.0\r\n",
        "\r\n\r\n",
        "+OK\r\n",
    ]);
    prop_oneof![8 => word.prop_map(|word| word.as_bytes().to_vec()), 1 => prop::collection::vec(any::<u8>(), 0..40)]
}

fn operation() -> impl Strategy<Value = Vec<u8>> {
    let publish = ("[a-c.]{1,5}", prop::option::of("[a-c]{1,3}"), prop::collection::vec(any::<u8>(), 0..32)).prop_map(
        |(subject, reply, payload)| {
            let line = format!("PUB {subject} {} {}\r\n", reply.unwrap_or_default(), payload.len());
            [line.as_bytes(), &payload, b"\r\n"].concat()
        },
    );
    let with_headers = (prop::collection::vec(any::<u8>(), 0..16), prop::collection::vec(any::<u8>(), 0..16)).prop_map(
        |(headers, payload)| {
            let line = format!("HPUB a {} {}\r\n", headers.len(), headers.len() + payload.len());
            [line.as_bytes(), &headers, &payload, b"\r\n"].concat()
        },
    );
    let line = prop::sample::select(vec![
        "PING\r\n",
        "pong\n",
        "SUB a 1\r\n",
        "sub a.> q 1\r\n",
        "UNSUB 1\r\n",
        "UNSUB 1 5\r\n",
        "CONNECT {\"a\":1}\r\n",
    ]);
    prop_oneof![publish, with_headers, line.prop_map(|line| line.as_bytes().to_vec())]
}

proptest! {
    #[test]
    fn it_does_not_matter_where_bytes_are_cut(
        fragments in prop::collection::vec(fragment(), 0..24),
        cuts in prop::collection::vec(any::<usize>(), 0..8),
        stage in prop::sample::select(vec![Stage::Open, Stage::Greeting]),
    ) {
        let (bytes, grammar) = (fragments.concat(), Grammar { stage, ..OPEN });
        prop_assert_eq!(read_all(&bytes, &grammar), read_in_pieces(&bytes, &cuts, &grammar));
    }

    #[test]
    fn what_is_right_is_read_whole(
        operations in prop::collection::vec(operation(), 0..8),
        cuts in prop::collection::vec(any::<usize>(), 0..8),
    ) {
        let bytes = operations.concat();
        let (read, taken, refusal) = read_in_pieces(&bytes, &cuts, &OPEN);
        prop_assert_eq!((read.len(), taken, refusal), (operations.len(), bytes.len(), None));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        read_all(&bytes, &OPEN);
    }

    #[test]
    fn nothing_but_a_greeting_is_heard_before_one(fragments in prop::collection::vec(fragment(), 0..24)) {
        let bytes = fragments.concat();
        let (read, ..) = read_all(&bytes, &Grammar { stage: Stage::Greeting, ..OPEN });
        prop_assert!(read.iter().all(|read| ["Connect", "Ping", "Pong"].iter().any(|verb| read.starts_with(verb))), "{:?}", read);
    }
}

fn whole(bytes: &[u8]) -> Operation<'_> {
    match parse(bytes, &OPEN) {
        Ok(Parsed::Whole(operation, length)) if length == bytes.len() => operation,
        other => panic!("{}: {other:?}", bytes.escape_ascii()),
    }
}

#[test]
fn each_operation_is_read() {
    let publish = |reply, headers, payload| Operation::Publish { subject: b"a.b", reply, headers, payload };
    assert_eq!(whole(b"PUB a.b 2\r\nhi\r\n"), publish(None, None, b"hi"));
    assert_eq!(whole(b"pub\ta.b  c 0 \r\n\r\n"), publish(Some(b"c"), None, b""));
    assert_eq!(whole(b"HPUB a.b 3 5\r\n123hi\r\n"), publish(None, Some(b"123"), b"hi"));
    assert_eq!(whole(b"HPUB a.b c 0 2\nhi\r\n"), publish(Some(b"c"), Some(b""), b"hi"));
    assert_eq!(whole(b"SUB a.> 7\r\n"), Operation::Subscribe { pattern: b"a.>", group: None, sid: b"7" });
    assert_eq!(whole(b"SUB a q x\r\n"), Operation::Subscribe { pattern: b"a", group: Some(b"q"), sid: b"x" });
    assert_eq!(whole(b"UNSUB 7\r\n"), Operation::Unsubscribe { sid: b"7", max: None });
    assert_eq!(whole(b"UNSUB 7 5\r\n"), Operation::Unsubscribe { sid: b"7", max: Some(5) });
    assert_eq!(whole(b"CONNECT  {\"a\": 1} \r\n"), Operation::Connect(b"{\"a\": 1}"));
    assert_eq!((whole(b"PING\r\n"), whole(b"pOnG\n")), (Operation::Ping, Operation::Pong));
}

#[test]
fn what_is_refused_is_refused_as_soon_as_it_is_known() {
    let line = [b"SUB ", &[b'a'; 62][..]].concat();
    assert_eq!(parse(&line, &OPEN), Ok(Parsed::Part));
    for (bytes, stage, why) in [
        (&b"X"[..], Stage::Open, Refusal::Unknown),
        (b"\r\n", Stage::Open, Refusal::Unknown),
        (b"PO ", Stage::Open, Refusal::Unknown),
        (b"POST / HTTP/1.1", Stage::Open, Refusal::Unknown),
        (b"PUB a 33\r\n", Stage::Open, Refusal::PayloadTooLarge),
        (b"PUB a 2147483648\r\n", Stage::Open, Refusal::Unknown),
        (b"PUB a -1\r\n", Stage::Open, Refusal::Unknown),
        (b"HPUB a 3 2\r\n", Stage::Open, Refusal::Unknown),
        (b"PUB a 1\r\nxy", Stage::Open, Refusal::Unknown),
        (b"PUB a 1\r\nx\ry", Stage::Open, Refusal::Unknown),
        (&[line, b"aaa".to_vec()].concat(), Stage::Open, Refusal::LineTooLong),
        (b"PUB ", Stage::Greeting, Refusal::NotGreeted),
        (b"X", Stage::Greeting, Refusal::NotGreeted),
    ] {
        assert_eq!(parse(bytes, &Grammar { stage, ..OPEN }), Err(why), "{}", bytes.escape_ascii());
    }
}
