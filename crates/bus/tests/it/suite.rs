//! What every carrier promises.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bus::{Bus, Gather, Headers, Limits, Message, PublishError, RequestError, Subscription};
use bytes::Bytes;
use futures::FutureExt;
use futures::future::join_all;
use rt::Task;
use stdx::ByteSize;

use crate::carriers::Carrier;
use crate::server::{self, Server};
use crate::{PATIENCE, eventually, run, soon};

/// Makes a test of each promise for each carrier. What opens a carrier runs within the runtime of the test, and may find that
/// there is none here.
macro_rules! promises {
    ([$($promise:ident),* $(,)?] {}) => {};
    ([$($promise:ident),* $(,)?] { $carrier:ident => $open:expr, $($rest:tt)* }) => {
        mod $carrier {
            use super::*;

            $(
                #[test]
                fn $promise() {
                    run(async {
                        let carrier: Option<Carrier> = $open;
                        if let Some(carrier) = carrier {
                            super::$promise(carrier).await;
                        }
                    });
                }
            )*
        }

        promises! { [$($promise),*] { $($rest)* } }
    };
}

pub(crate) use promises;

promises! {
    [
        what_one_says_comes_in_order,
        wildcards_mean_what_they_say,
        a_queue_group_hears_each_message_once,
        a_function_hears_everything_until_it_is_dropped,
        an_answer_comes_to_who_asked,
        nobody_listening_is_known_at_once,
        nobody_answering_is_known_in_time,
        many_answers_are_gathered,
        headers_survive,
        the_largest_message_is_carried_and_a_larger_one_refused,
        who_unsubscribed_hears_nothing_more,
        nothing_is_lost_while_members_of_a_group_come_and_go,
        a_slow_subscriber_loses_its_own_messages_only,
        what_waits_is_bounded_in_bytes,
    ] {
        in_process => Some(Carrier::in_process()),
        loopback => Some(Carrier::loopback()),
        nats_newest => Some(Carrier::Nats(Server::start(server::newest(), &[]))),
        nats_of_the_system => server::of_system().map(|program| Carrier::Nats(Server::start(program, &[]))),
    }
}

pub(crate) fn message(subject: &str, payload: impl Into<Bytes>) -> Message {
    Message::new(subject.parse().expect("a subject"), payload.into())
}

/// Subscribes, so that what anybody says from now on is heard.
pub(crate) async fn listen(bus: &Bus, pattern: &str, group: Option<&str>) -> Subscription {
    let group = group.map(|group| group.parse().expect("a group"));
    let subscription = bus.subscribe(pattern.parse().expect("a pattern"), group).await.expect("it listens");
    bus.flush().await.expect("the bus is there");
    subscription
}

pub(crate) async fn hear(subscription: &mut Subscription) -> Message {
    soon("a message", subscription.next()).await.expect("the bus is there")
}

/// The next message that is not one that a bus sends to itself.
async fn hear_other_than_inbox(subscription: &mut Subscription) -> Message {
    loop {
        let message = hear(subscription).await;
        if !message.subject.as_str().starts_with("_INBOX.") {
            return message;
        }
    }
}

/// Answers everything that comes with what came and `suffix`.
async fn answer_all(bus: &Bus, pattern: &str, suffix: &'static str) -> Task {
    let mut questions = listen(bus, pattern, None).await;
    let bus = bus.clone();
    Task::spawn(async move {
        while let Some(question) = questions.next().await {
            let text = [&question.payload[..], suffix.as_bytes()].concat();
            if let Some(answer) = question.answer(text.into()) {
                bus.publish(answer).await.expect("the bus is there");
            }
        }
    })
}

async fn a_function_hears_everything_until_it_is_dropped(carrier: Carrier) {
    let (listener, speaker) = (carrier.bus().await, carrier.bus().await);
    // More than any queue would hold.
    let count = Limits::default().queued_messages_max + 1_000;
    let (heard, hear) = std::sync::mpsc::channel();
    let ear = move |message: Message| heard.send(message.payload.len()).map_err(|_nobody| message);
    let listening = listener.listen("f.*".parse().expect("a pattern"), ear).await.expect("it listens");
    listener.flush().await.expect("the bus is there");
    for size in 0..count {
        speaker.publish(message("f.x", vec![b'x'; size % 7])).await.expect("it is taken");
    }
    let mut sizes = Vec::new();
    eventually("everything is heard", async || {
        sizes.extend(hear.try_iter());
        sizes.len() == count
    })
    .await;
    assert!(sizes.into_iter().eq((0..count).map(|size| size % 7)));
    drop(listening);
    eventually("nobody listens", async || {
        let asked =
            speaker.request("f.x".parse().expect("a subject"), Bytes::new(), PATIENCE.min(Duration::from_millis(200)));
        matches!(asked.await, Err(RequestError::NoResponders { .. }))
    })
    .await;
}

async fn what_one_says_comes_in_order(carrier: Carrier) {
    let mut heard = listen(&carrier.bus().await, "said.*", None).await;
    let speakers = [carrier.bus().await, carrier.bus().await];
    let say_all = speakers.iter().enumerate().map(|(speaker, bus)| async move {
        for number in 0..1_000 {
            let said = message(&format!("said.{speaker}"), number.to_string());
            bus.publish(said).await.expect("it is taken");
        }
    });
    let hear_all = async {
        let mut next = [0; 2];
        for _ in 0..2_000 {
            let said = hear(&mut heard).await;
            let speaker = usize::from(said.subject.as_str() == "said.1");
            assert_eq!(said.payload, next[speaker].to_string());
            next[speaker] += 1;
        }
    };
    tokio::join!(join_all(say_all), hear_all);
}

async fn wildcards_mean_what_they_say(carrier: Carrier) {
    let (speaker, listener) = (carrier.bus().await, carrier.bus().await);
    let patterns = ["a.b", "a.*", "*.b", "a.>", ">", "*", "a.*.c"];
    let mut all = Vec::new();
    for pattern in patterns {
        all.push(listen(&listener, pattern, None).await);
    }
    let subjects = ["a", "a.b", "a.c", "c.b", "a.b.c", "a.b.d", "end"];
    for subject in subjects {
        speaker.publish(message(subject, "")).await.expect("it is taken");
    }
    // What comes back on the listener's connection comes after all that the speaker said.
    speaker.flush().await.expect("the bus is there");
    listener.flush().await.expect("the bus is there");
    for (pattern, heard) in patterns.iter().zip(&mut all) {
        let pattern: bus::Pattern = pattern.parse().expect("a pattern");
        let wanted = subjects.iter().filter(|subject| pattern.matches(&subject.parse().expect("a subject")));
        for subject in wanted {
            assert_eq!(hear_other_than_inbox(heard).await.subject.as_str(), *subject, "{pattern}");
        }
        assert!(hear_other_than_inbox(heard).now_or_never().is_none(), "{pattern} hears no more");
    }
}

async fn a_queue_group_hears_each_message_once(carrier: Carrier) {
    let bus = carrier.bus().await;
    let mut members = Vec::new();
    // Whatever it is that a member listens to besides.
    for pattern in ["work.*", "work.*", "work.new"] {
        members.push(listen(&carrier.bus().await, pattern, Some("workers")).await);
    }
    let mut others = listen(&bus, "work.new", Some("others")).await;
    let mut alone = listen(&bus, "work.>", None).await;
    for number in 0..300 {
        bus.publish(message("work.new", number.to_string())).await.expect("it is taken");
    }
    for number in 0..300 {
        assert_eq!(hear(&mut alone).await.payload, number.to_string());
        assert_eq!(hear(&mut others).await.payload, number.to_string());
    }
    let mut shares = vec![Vec::new(); members.len()];
    for _ in 0..300 {
        let next = members.iter_mut().map(|member| Box::pin(hear(member)));
        let (said, member, _) = futures::future::select_all(next).await;
        shares[member].push(said.payload);
    }
    assert!(shares.iter().all(|share| share.len() > 30), "the shares are fair: {:?}", shares.each_len());
    let mut all = shares.concat();
    all.sort_by_key(|number| String::from_utf8_lossy(number).parse::<u32>().ok());
    assert_eq!(all, (0..300).map(|number| Bytes::from(number.to_string())).collect::<Vec<_>>());
}

async fn an_answer_comes_to_who_asked(carrier: Carrier) {
    let _answers = answer_all(&carrier.bus().await, "echo.*", "!").await;
    let bus = carrier.bus().await;
    let ask = |number: usize| {
        let bus = bus.clone();
        async move { bus.request("echo.me".parse().expect("a subject"), number.to_string().into(), PATIENCE).await }
    };
    let answers = join_all((0..100).map(ask)).await;
    for (number, answer) in answers.into_iter().enumerate() {
        assert_eq!(answer.expect("an answer").payload, format!("{number}!"));
    }
}

async fn nobody_listening_is_known_at_once(carrier: Carrier) {
    let bus = carrier.bus().await;
    let subject: bus::Subject = "nobody.listens".parse().expect("a subject");
    let asked = bus.request(subject.clone(), Bytes::new(), PATIENCE).await;
    assert!(matches!(asked, Err(RequestError::NoResponders { subject: about }) if about == subject));
    let gather = Gather { count_max: 10, time_max: PATIENCE };
    let asked = bus.request_many(message("nobody.listens", ""), gather).await;
    assert!(matches!(asked, Err(RequestError::NoResponders { .. })));
}

async fn nobody_answering_is_known_in_time(carrier: Carrier) {
    let bus = carrier.bus().await;
    let mut questions = listen(&bus, "silence", None).await;
    let asked = bus.request("silence".parse().expect("a subject"), "hello?".into(), Duration::from_millis(50)).await;
    assert!(matches!(asked, Err(RequestError::Timeout { .. })), "{asked:?}");
    // An answer that comes too late harms nobody.
    let answer = hear(&mut questions).await.answer("here".into()).expect("an answer is expected");
    bus.publish(answer).await.expect("it is taken");
    let _answers = answer_all(&bus, "echo", "!").await;
    let answer = bus.request("echo".parse().expect("a subject"), "a".into(), PATIENCE).await.expect("an answer");
    assert_eq!(answer.payload, "a!");
}

async fn many_answers_are_gathered(carrier: Carrier) {
    let buses = [carrier.bus().await, carrier.bus().await, carrier.bus().await];
    let _answers = join_all(buses.iter().zip(["1", "2", "3"]).map(|(bus, name)| answer_all(bus, "who", name))).await;
    let bus = carrier.bus().await;
    let ask = |count_max, time_max| bus.request_many(message("who", "i"), Gather { count_max, time_max });
    let mut all = ask(3, PATIENCE).await.expect("answers").into_iter().map(|answer| answer.payload).collect::<Vec<_>>();
    all.sort();
    assert_eq!(all, ["i1", "i2", "i3"]);
    assert_eq!(ask(2, PATIENCE).await.expect("answers").len(), 2);
    let waited = Duration::from_millis(200);
    assert!(ask(4, waited).await.expect("those who answered").len() <= 3);
}

async fn headers_survive(carrier: Carrier) {
    let (speaker, listener) = (carrier.bus().await, carrier.bus().await);
    let mut heard = listen(&listener, "with.headers", None).await;
    let headers = Headers::of([("Trace", "b: c"), ("Trace", "größer"), ("Trace", "a")]).expect("headers");
    speaker.publish(Message { headers: headers.clone(), ..message("with.headers", "x") }).await.expect("it is taken");
    let said = hear(&mut heard).await;
    assert_eq!((said.headers, &said.payload[..]), (headers, &b"x"[..]));
    let headers = Headers::of([("A", "1"), ("B", ""), ("C", "3")]).expect("headers");
    speaker.publish(Message { headers, ..message("with.headers", "") }).await.expect("it is taken");
    let said = hear(&mut heard).await;
    assert_eq!(["A", "B", "C", "D"].map(|name| said.headers.get(name)), [Some("1"), Some(""), Some("3"), None]);
    // And none stay none.
    speaker.publish(message("with.headers", "")).await.expect("it is taken");
    assert!(hear(&mut heard).await.headers.is_empty());
}

async fn the_largest_message_is_carried_and_a_larger_one_refused(carrier: Carrier) {
    let (speaker, listener) = (carrier.bus().await, carrier.bus().await);
    let mut heard = listen(&listener, "large", None).await;
    let limit = ByteSize::mib(1);
    assert_eq!(speaker.payload_max(), limit);
    let largest: Bytes = (0..limit.as_usize()).map(|index| index as u8).collect();
    speaker.publish(message("large", largest.clone())).await.expect("it is taken");
    assert!(hear(&mut heard).await.payload == largest);
    let headers = Headers::of([("A", "1")]).expect("headers");
    for too_large in [message("large", vec![0; limit.as_usize() + 1]), Message { headers, ..message("large", largest) }]
    {
        let size = ByteSize::bytes(too_large.size() as u64);
        let refused = speaker.publish(too_large).await;
        assert!(
            matches!(&refused, Err(PublishError::TooLarge { limit: said, size: had }) if (*said, *had) == (limit, size))
        );
        assert!(refused.is_err_and(|error| error.to_string().contains("1 MiB")), "the limit is told");
    }
    speaker.publish(message("large", "after")).await.expect("it is taken");
    assert_eq!(hear(&mut heard).await.payload, "after");
}

async fn who_unsubscribed_hears_nothing_more(carrier: Carrier) {
    let (speaker, listener) = (carrier.bus().await, carrier.bus().await);
    let mut stays = listen(&listener, "news.stay", None).await;
    let goes = listen(&listener, "news.go", None).await;
    drop(goes);
    let ask =
        async || speaker.request("news.go".parse().expect("a subject"), Bytes::new(), Duration::from_millis(100)).await;
    eventually("nobody listens any more", async || matches!(ask().await, Err(RequestError::NoResponders { .. }))).await;
    speaker.publish(message("news.stay", "here")).await.expect("it is taken");
    assert_eq!(hear(&mut stays).await.payload, "here");
}

/// What a server gave to a member that ends is on its way while the server hears of the end, and while much else is.
async fn nothing_is_lost_while_members_of_a_group_come_and_go(carrier: Carrier) {
    const MESSAGES: usize = 30_000;
    let limits = Limits { queued_messages_max: MESSAGES, ..Limits::default() };
    let (speaker, listener) = (carrier.bus().await, carrier.bus().await.with_queue_limits(limits));
    let mut stays = listen(&listener, "work", Some("workers")).await;
    let has_spoken = AtomicBool::new(false);
    let speak = async {
        for number in 0..MESSAGES {
            speaker.publish(message("work", number.to_string())).await.expect("it is taken");
            tokio::task::yield_now().await;
        }
        speaker.flush().await.expect("the bus is there");
        has_spoken.store(true, Ordering::Relaxed);
    };
    let come_and_go = async {
        let (mut heard, mut members) = (Vec::new(), 0);
        while !has_spoken.load(Ordering::Relaxed) {
            let mut member = listen(&listener, "work", Some("workers")).await;
            // In the end there may be nothing left for it.
            heard.extend(rt::within(Some(Duration::from_millis(20)), member.next()).await.ok().flatten());
            heard.extend(all_to_the_end(&mut member).await);
            members += 1;
        }
        (heard, members)
    };
    let ((), (mut heard, members)) = tokio::join!(speak, come_and_go);
    assert!(members > 1, "members came and went");
    heard.extend(all_to_the_end(&mut stays).await);
    heard.sort_by_key(|said| String::from_utf8_lossy(&said.payload).parse::<usize>().ok());
    assert_eq!(heard.len(), MESSAGES, "all that was said while {members} members came and went is heard");
    assert!(heard.iter().enumerate().all(|(number, said)| said.payload == number.to_string()), "and once");
}

/// Ends a subscription, and takes what came before.
async fn all_to_the_end(subscription: &mut Subscription) -> Vec<Message> {
    subscription.end();
    let mut messages = Vec::new();
    while let Some(message) = soon("the end", subscription.next()).await {
        messages.push(message);
    }
    messages
}

async fn a_slow_subscriber_loses_its_own_messages_only(carrier: Carrier) {
    let limits = Limits { queued_messages_max: 10, ..Limits::default() };
    let (speaker, listener) = (carrier.bus().await, carrier.bus().await);
    let mut slow = listen(&listener.clone().with_queue_limits(limits), "flood", None).await;
    let mut quick = listen(&listener, "flood", None).await;
    for number in 0..1_000 {
        speaker.publish(message("flood", number.to_string())).await.expect("it is taken");
    }
    for number in 0..1_000 {
        assert_eq!(hear(&mut quick).await.payload, number.to_string());
    }
    assert_eq!(quick.dropped(), 0);
    eventually("all drops are counted", async || slow.dropped() == 990).await;
    assert_eq!(listener.dropped(), 990);
    for number in 0..10 {
        assert_eq!(hear(&mut slow).await.payload, number.to_string());
    }
    // There is room again.
    speaker.publish(message("flood", "later")).await.expect("it is taken");
    assert_eq!(hear(&mut slow).await.payload, "later");
}

async fn what_waits_is_bounded_in_bytes(carrier: Carrier) {
    let limits = Limits { queued_bytes_max: ByteSize::kib(64), ..Limits::default() };
    let (speaker, listener) = (carrier.bus().await, carrier.bus().await);
    let mut slow = listen(&listener.clone().with_queue_limits(limits), "flood", None).await;
    for _ in 0..100 {
        speaker.publish(message("flood", vec![0; 10_000])).await.expect("it is taken");
    }
    eventually("all drops are counted", async || slow.dropped() == 94).await;
    // A message that is larger than all that may wait is not lost for ever: it waits alone.
    for _ in 0..6 {
        hear(&mut slow).await;
    }
    speaker.publish(message("flood", vec![1; 100_000])).await.expect("it is taken");
    assert_eq!(hear(&mut slow).await.payload.len(), 100_000);
}

trait EachLen {
    fn each_len(&self) -> Vec<usize>;
}

impl<T> EachLen for Vec<Vec<T>> {
    fn each_len(&self) -> Vec<usize> {
        self.iter().map(Vec::len).collect()
    }
}
