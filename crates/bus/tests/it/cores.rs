//! Many threads, each with a runtime of its own, as in the data plane: who says something on one is heard on another.

use std::sync::mpsc;
use std::time::Duration;

use bus::{Broker, Bus, Limits};
use rt::Cores;

use crate::suite::message;
use crate::{PATIENCE, soon};

const CORES: usize = 4;
const MESSAGES: usize = 5_000;

/// A broker whose queues hold all that is said in a test.
fn roomy() -> Broker {
    Broker::new(Limits { queued_messages_max: CORES * MESSAGES, ..Limits::default() })
}

#[test]
fn all_that_is_said_on_any_core_is_heard_on_every_core() {
    let broker = roomy();
    let ready = std::sync::Arc::new(tokio::sync::Barrier::new(CORES));
    let (tell, told) = mpsc::channel();
    let seeds = (0..CORES).map(|_| (broker.clone(), ready.clone(), tell.clone())).collect();
    let cores = Cores::spawn("speaks", seeds, |core, (broker, ready, tell)| async move {
        let bus = Bus::in_process(broker);
        let mut heard = bus.subscribe("said.*".parse().expect("a pattern"), None).await.expect("it listens");
        ready.wait().await;
        let say = async {
            for number in 0..MESSAGES {
                bus.publish(message(&format!("said.{core}"), number.to_string())).await.expect("it is taken");
            }
        };
        let hear = async {
            let mut next = [0; CORES];
            for _ in 0..CORES * MESSAGES {
                let said = soon("a message", heard.next()).await.expect("the bus is there");
                let from: usize = said.subject.tokens().last().expect("a word").parse().expect("a core");
                assert_eq!(said.payload, next[from].to_string(), "in the order of each core");
                next[from] += 1;
            }
        };
        tokio::join!(say, hear);
        tell.send(heard.dropped()).expect("the test waits");
    });
    assert_eq!(cores.expect("threads").join(), 0, "no thread panicked");
    assert_eq!(told.into_iter().take(CORES).collect::<Vec<_>>(), [0; CORES]);
}

#[test]
fn questions_are_answered_across_cores_while_others_come_and_go() {
    let broker = roomy();
    let answering = Bus::in_process(broker.clone());
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let group = || Some("workers".parse().expect("a group"));
    let _workers: Vec<_> = (0..2)
        .map(|_| {
            let subscribed = runtime.block_on(answering.subscribe("work".parse().expect("a pattern"), group()));
            let mut questions = subscribed.expect("it listens");
            let bus = answering.clone();
            let _entered = runtime.enter();
            rt::Task::spawn(async move {
                while let Some(question) = questions.next().await {
                    let answer = question.answer(question.payload.clone()).expect("an answer is expected");
                    bus.publish(answer).await.expect("it is taken");
                }
            })
        })
        .collect();
    let seeds = vec![broker; CORES];
    let cores = Cores::spawn("asks", seeds, |core, broker| async move {
        let bus = Bus::in_process(broker);
        for number in 0..500 {
            let passing = bus.subscribe(format!("passing.{core}.{number}.>").parse().expect("a pattern"), None).await;
            let text = format!("{core} {number}");
            let answer = bus.request("work".parse().expect("a subject"), text.clone().into(), PATIENCE).await;
            assert_eq!(answer.expect("an answer").payload, text);
            drop(passing);
        }
        let nobody = bus.request("passing.0.0.x".parse().expect("a subject"), "".into(), Duration::from_secs(9)).await;
        assert!(matches!(nobody, Err(bus::RequestError::NoResponders { .. })));
    });
    assert_eq!(cores.expect("threads").join(), 0, "no thread panicked");
}
