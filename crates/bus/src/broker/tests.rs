//! Who hears what, without a runtime: publishing and subscribing never wait.

use futures::FutureExt;

use super::*;
use crate::bus::Bus;
use crate::queue::Subscription;

fn message(subject: &str) -> Message {
    Message::new(subject.parse().expect("a subject"), "x".into())
}

fn bus(queued_messages_max: usize) -> (Broker, Bus) {
    let broker = Broker::new(Limits { queued_messages_max, ..Limits::default() });
    (broker.clone(), Bus::in_process(broker))
}

fn listen(bus: &Bus, pattern: &str, group: Option<&str>) -> Subscription {
    let group = group.map(|group| group.parse().expect("a group"));
    let subscribed = bus.subscribe(pattern.parse().expect("a pattern"), group).now_or_never();
    subscribed.expect("it does not wait").expect("it listens")
}

fn heard(subscription: &mut Subscription) -> usize {
    std::iter::from_fn(|| subscription.next().now_or_never().flatten()).count()
}

#[test]
fn a_full_member_passes_its_turn() {
    let (broker, bus) = bus(2);
    let mut members = [(); 3].map(|()| listen(&bus, "work", Some("workers")));
    let deliver = |count| (0..count).map(|_| broker.deliver(message("work"), Echo::Yes)).sum::<usize>();
    assert_eq!(deliver(3), 3);
    assert_eq!(heard(&mut members[0]), 1);
    // Five more have room: one in each that has one, two in the one that has none.
    assert_eq!(deliver(4), 4);
    assert_eq!(broker.dropped(), 0);
    assert_eq!(deliver(1), 1, "it listens, though it has no room");
    assert_eq!((broker.dropped(), members.iter().map(Subscription::dropped).sum::<u64>()), (1, 1));
    assert_eq!(members.each_mut().map(heard), [2; 3]);
}

#[test]
fn one_that_is_full_delays_nobody() {
    let (broker, bus) = bus(1);
    let mut slow = listen(&bus, "a", None);
    let mut quick = listen(&bus, ">", None);
    for _ in 0..5 {
        assert_eq!(broker.deliver(message("a"), Echo::Yes), 2);
        assert_eq!(heard(&mut quick), 1);
    }
    assert_eq!((slow.dropped(), quick.dropped(), broker.dropped()), (4, 0, 4));
    assert_eq!(heard(&mut slow), 1);
}

#[test]
fn who_wants_no_echo_does_not_hear_itself() {
    let (broker, bus) = bus(10);
    let mut other = listen(&bus, "a", None);
    let (own, another) = (broker.origin(), broker.origin());
    let (sender, _receiver) = crate::queue::queue(broker.limits());
    let interest = Interest { pattern: "a".parse().expect("a pattern"), group: None };
    let _subscribed = broker.subscribe_sink(interest, own, Box::new(sender));
    assert_eq!(broker.deliver(message("a"), Echo::No(own)), 1);
    assert_eq!(broker.deliver(message("a"), Echo::No(another)), 2);
    assert_eq!(broker.deliver(message("a"), Echo::Yes), 2);
    assert_eq!(heard(&mut other), 3);
}

#[test]
fn a_thousand_come_and_go_and_leave_nothing() {
    let (broker, bus) = bus(1);
    for round in 0..3 {
        let all: Vec<_> = (0..1_000).map(|number| listen(&bus, &format!("r{round}.{number}.*"), None)).collect();
        assert_eq!(broker.deliver(message(&format!("r{round}.999.x")), Echo::Yes), 1);
        drop(all);
        assert_eq!(broker.deliver(message(&format!("r{round}.999.x")), Echo::Yes), 0);
    }
}

#[test]
fn everything_can_cross_threads() {
    fn crosses<T: Send + Sync + 'static>() {}
    crosses::<Broker>();
    crosses::<Bus>();
    crosses::<Subscription>();
    crosses::<Message>();
    crosses::<crate::Loopback>();
}
