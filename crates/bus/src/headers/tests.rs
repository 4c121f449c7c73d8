//! Headers come out as they went in, and what could break a line does not go in.

use proptest::prelude::*;

use super::*;

fn field() -> impl Strategy<Value = (String, String)> {
    ("[!-9;-~]{1,8}", "[^\r\n\0]{0,12}")
}

proptest! {
    #[test]
    fn what_is_printed_is_read_again(fields in prop::collection::vec(field(), 0..6), code in prop::option::of(100u16..1_000)) {
        let status = code.map(|code| Status { code, text: "Some Words" });
        let pairs = fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let headers = Headers::of_status(status, pairs.clone()).expect("headers");
        let again = if headers.is_empty() { Headers::default() } else { Headers::parse(headers.as_bytes()).expect("headers") };
        prop_assert_eq!(&again, &headers);
        prop_assert_eq!(again.as_bytes(), headers.as_bytes());
        prop_assert_eq!(again.status(), status);
        prop_assert!(again.iter().eq(pairs.map(|(name, value)| (name, trim(value)))));
        prop_assert_eq!(headers.is_empty(), fields.is_empty() && code.is_none());
    }

    #[test]
    fn one_by_one_or_some_by_some_is_as_all_at_once(fields in prop::collection::vec(field(), 0..6), some in 0..6_usize) {
        let pairs = || fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let all = Headers::of(pairs()).expect("headers");
        let one_by_one = pairs().try_fold(Headers::default(), |headers, (name, value)| headers.with(name, value));
        let some_by_some = Headers::of(pairs().take(some)).and_then(|headers| headers.with_all(pairs().skip(some)));
        for headers in [one_by_one.expect("headers"), some_by_some.expect("headers")] {
            prop_assert_eq!(headers.as_bytes(), all.as_bytes());
        }
    }

    #[test]
    fn nothing_makes_it_panic_or_break_a_line(block in prop::collection::vec(prop_oneof![
        Just("NATS/1.0"), Just("\r\n"), Just("\r"), Just("\n"), Just(":"), Just(" "), Just("a"), Just("503"), Just("\0"), Just("ä"),
    ], 0..12)) {
        let block = block.concat();
        if let Ok(headers) = Headers::parse(block.as_bytes()) {
            prop_assert!(headers.is_empty() || headers.as_bytes() == block.as_bytes());
            for (name, value) in headers.iter() {
                prop_assert!(check(name, value).is_ok(), "{:?}: {:?}", name, value);
                prop_assert!(headers.get(name).is_some());
            }
            prop_assert_eq!(&Headers::of_status(headers.status(), headers.iter()).expect("headers"), &headers);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        prop_assert!(Headers::parse(&bytes).is_err());
    }
}

#[test]
fn hostile_blocks_are_refused() {
    for (block, why) in [
        (&b""[..], HeadersError::End),
        (b"NATS/1.0", HeadersError::End),
        (b"NATS/1.0\r\n", HeadersError::End),
        (b"HTTP/1.1\r\n\r\n", HeadersError::Version),
        (b"NATS/1.01\r\n\r\n", HeadersError::Version),
        (b"NATS/1.0 teapot\r\n\r\n", HeadersError::Status),
        (b"NATS/1.0 50\r\n\r\n", HeadersError::Status),
        (b"NATS/1.0 503 a\nb\r\n\r\n", HeadersError::Value),
        (b"NATS/1.0\r\nname\r\n\r\n", HeadersError::Name),
        (b"NATS/1.0\r\n: value\r\n\r\n", HeadersError::Name),
        (b"NATS/1.0\r\n folded: value\r\n\r\n", HeadersError::Name),
        (b"NATS/1.0\r\na: b\rc: d\r\n\r\n", HeadersError::Value),
        (b"NATS/1.0\r\na: b\nc: d\r\n\r\n", HeadersError::Value),
        (b"NATS/1.0\r\na: b\r\n", HeadersError::End),
        (b"NATS/1.0\r\n\r\na: b\r\n\r\n", HeadersError::End),
        (b"NATS/1.0\r\na: b\r\n\r\nPUB c 0\r\n\r\n", HeadersError::End),
        (b"NATS/1.0\r\na: \xff\r\n\r\n", HeadersError::Text),
    ] {
        assert_eq!(Headers::parse(block), Err(why), "{}", block.escape_ascii());
    }
    for (name, value) in [("", ""), ("a:b", ""), ("a b", ""), ("a\r", ""), ("ä", ""), ("a", "b\r\nc: d"), ("a", "\0")]
    {
        assert!(
            Headers::default().with(name, value).is_err() && Headers::of([(name, value)]).is_err(),
            "{name:?} {value:?}"
        );
    }
}

#[test]
fn what_nobody_listening_looks_like() {
    let headers = Headers::no_responders();
    assert_eq!(headers.as_bytes(), b"NATS/1.0 503\r\n\r\n");
    assert_eq!(headers.status(), Some(Status { code: 503, text: "" }));
    let told = Headers::parse(b"NATS/1.0 404 No Messages\r\nA:1\r\n\r\n").expect("headers");
    assert_eq!(told.status(), Some(Status { code: 404, text: "No Messages" }));
    assert_eq!(told.get_all("A").collect::<Vec<_>>(), ["1"]);
    assert_eq!(told.get("a"), None);
    assert!(Headers::parse(b"NATS/1.0\r\n\r\n").expect("headers").is_empty());
    assert_eq!(
        Headers::of([("A", "1")]).expect("headers"),
        Headers::parse(b"NATS/1.0\r\nA:1\r\n\r\n").expect("headers")
    );
}

#[test]
fn a_trace_is_added_once_and_read_again() {
    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let trace = Trace::read(PARENT, ["rojo=1", "congo=2"]).expect("it is well formed");
    let headers = Headers::of([("Kind", "green")]).expect("headers").within(&trace);
    let fields = [("Kind", "green"), ("traceparent", PARENT), ("tracestate", "rojo=1,congo=2")];
    assert_eq!(headers, Headers::of(fields).expect("headers"));
    assert_eq!(headers.trace(), Some(trace.clone()));
    let other = Trace::read(&PARENT.replace("0af7", "1af7"), []).expect("it is well formed");
    assert_eq!(headers.clone().within(&other), headers, "it says something of one already");
    let twice = Headers::of([fields[1], fields[1]]).expect("headers");
    assert_eq!((twice.trace(), Headers::default().trace()), (None, None));
}
