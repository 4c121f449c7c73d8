//! Heads beside the bytes that were captured from wasmCloud's HTTP server, and against bytes of anybody.

use http::{Request, Response};
use proptest::prelude::*;

use super::*;

const ENOUGH: ByteSize = ByteSize::mib(1);
const PENDING: Rest = Rest { body: Beside::Pending, trailers: Beside::Pending };

fn hex(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).expect("hex")).collect()
}

#[test]
fn a_request_has_the_bytes_that_were_captured_from_wasmcloud() {
    let bytes = hex("00 00 02 01 06 2f783f793d31 01 00 01 0e 6c6f63616c686f73743a38303830 01 04 686f7374 01 0e \
         6c6f63616c686f73743a38303830");
    let request = Request::post("http://localhost:8080/x?y=1").header("host", "localhost:8080").body(());
    let request = request.expect("a request");
    assert_eq!(write_request(&request), Some(bytes.clone()));
    let head = request.into_parts().0;
    let (read, rest) = read_request(&bytes, ENOUGH).expect("a request");
    assert_eq!((read.method, read.uri, read.headers), (head.method, head.uri, head.headers));
    assert_eq!(rest, PENDING);
    for end in 0..bytes.len() {
        let error = read_request(&bytes[..end], ENOUGH).expect_err("it is cut");
        assert_eq!(error, HeadError::Values(DecodeError::Incomplete));
    }
}

#[test]
fn a_response_has_the_bytes_that_were_captured_from_wasmcloud() {
    let bytes = hex("00 00 00 c801 01 0c 636f6e74656e742d74797065 01 0a 746578742f706c61696e");
    let response = Response::builder().header("content-type", "text/plain").body(()).expect("a response");
    let head = response.into_parts().0;
    assert_eq!(write_response(Ok(&head)), Some(bytes.clone()));
    let (read, rest) = read_response(&bytes, ENOUGH).expect("its bytes").expect("a response");
    assert_eq!((read.status, read.headers, rest), (head.status, head.headers, PENDING));

    let refused = ErrorCode::named("connection-refused").expect("a code");
    assert_eq!(write_response(Err(&refused)), Some(hex("01 06")));
    assert_eq!(read_response(&hex("01 06"), ENOUGH).expect("its bytes").expect_err("a code"), refused);
}

#[test]
fn bodies_and_trailers_may_stand_in_a_head() {
    let bytes = hex("00 03 616263 01 01 01 01 78 02 01 31 01 32 c801 00");
    let (_, rest) = read_response(&bytes, ENOUGH).expect("its bytes").expect("a response");
    let mut trailers = HeaderMap::new();
    for value in ["1", "2"] {
        trailers.append("x", HeaderValue::from_static(value));
    }
    assert_eq!(write_trailers(Some(&trailers)), Some(hex("01 01 01 78 02 01 31 01 32")));
    assert_eq!(rest, Rest { body: Beside::Whole("abc".into()), trailers: Beside::Whole(Some(trailers)) });
}

#[test]
fn what_http_does_not_have_is_no_head() {
    let not_http = |bytes: &str| match read_request(&hex(bytes), ENOUGH) {
        Err(HeadError::NotHttp { what }) => what,
        other => panic!("{bytes}: {other:?}"),
    };
    assert_eq!(not_http("00 00 09 02 2047 00 00 00 00"), "method");
    assert_eq!(not_http("00 00 00 01 02 2f20 00 00 00"), "path");
    assert_eq!(not_http("00 00 00 00 01 02 01 3a 00 00"), "scheme");
    assert_eq!(not_http("00 00 00 00 00 01 02 6120 00"), "authority");
    assert_eq!(not_http("00 00 00 00 00 00 01 02 613a 01 00"), "header");
    assert_eq!(not_http("00 00 00 00 00 00 01 01 61 01 02 0d0a"), "header");
    assert!(matches!(read_response(&hex("00 00 00 e807 00"), ENOUGH), Err(HeadError::NotHttp { what: "status" })));
}

#[test]
fn many_small_headers_cost_no_more_than_a_head_may() {
    let mut bytes = hex("00 00 00 00 00 00 80 80 10");
    bytes.extend([0, 0].repeat(1 << 18));
    assert_eq!(read_request(&bytes, ENOUGH).expect_err("it is large"), HeadError::Values(DecodeError::TooLarge));
}

proptest! {
    #[test]
    fn any_bytes_are_a_head_or_none(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let mut request = vec![0, 0];
        request.extend(&bytes);
        if let Ok((head, _)) = read_request(&request, ENOUGH) {
            prop_assert!(write_request(&Request::from_parts(head, ())).is_some());
        }
        read_response(&bytes, ENOUGH).ok();
        read_trailers(&bytes, ENOUGH).ok();
    }
}
