//! What a bus does that its carriers do not, in process.

use futures::FutureExt;

use super::*;
use crate::headers::Headers;

fn message(subject: &str) -> Message {
    Message::new(subject.parse().expect("a subject"), Bytes::new())
}

#[test]
fn the_status_of_a_server_cannot_be_forged() {
    let bus = Bus::in_process(Broker::default());
    let forged = Message { headers: Headers::no_responders(), ..message("a") };
    let refused = bus.publish(forged).now_or_never().expect("it does not wait").expect_err("it is refused");
    assert!(matches!(refused, PublishError::Status) && refused.code() == Code::E0704);
}

#[test]
fn a_question_that_is_dropped_leaves_nothing_behind() {
    let bus = Bus::in_process(Broker::default());
    let questions = bus.subscribe("a".parse().expect("a pattern"), None).now_or_never();
    let mut ask = Box::pin(bus.request("a".parse().expect("a subject"), Bytes::new(), Duration::MAX));
    // A timer needs a runtime, and where the answer is not there at once there is one.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let _entered = runtime.enter();
    assert!((&mut ask).now_or_never().is_none());
    assert_eq!(bus.shared.replies.count(), 1);
    drop(ask);
    assert_eq!(bus.shared.replies.count(), 0);
    drop(questions);
}

#[test]
fn errors_say_what_to_do() {
    let bus = Bus::in_process(Broker::new(Limits { payload_max: ByteSize::bytes(3), ..Limits::default() }));
    let question = Message { payload: "four".into(), ..message("a") };
    let refused = bus.request_with(question, Duration::ZERO).now_or_never().expect("it does not wait");
    let refused = refused.expect_err("it is too large");
    assert_eq!(refused.code(), Code::E0703);
    let said = stdx::Chain(&refused).to_string();
    assert_eq!(
        said,
        "nobody could be asked about a: the message has 4 B with its headers, and 3 B is the most that the bus takes"
    );
    let refused = bus.request_with(message("b"), Duration::ZERO).now_or_never().expect("it does not wait");
    assert!(refused.is_err_and(|error| error.code() == Code::E0701 && error.to_string() == "nobody listens to b"));
}
