//! Fresh instances forget, reused ones remember, and those that failed are never used again.

use testkit::{Up, eventually, request};

use crate::{begin, guest, hammer, wattle};

fn count(up: &Up) -> u64 {
    up.get("/count").text().trim().parse().expect("a number")
}

#[test]
fn a_fresh_instance_answers_each_request() {
    let up = wattle().up([&guest("http-kit"), "--threads=1"]);
    for _ in 0..20 {
        assert_eq!(count(&up), 1);
    }
}

#[test]
fn a_reused_instance_remembers() {
    let up = wattle().up([&guest("http-kit"), "--threads=1", "--reuse"]);
    for number in 1..=20 {
        assert_eq!(count(&up), number);
    }
}

#[test]
fn an_instance_that_trapped_is_never_used_again() {
    let up = wattle().up([&guest("http-kit"), "--threads=1", "--reuse"]);
    assert_eq!((count(&up), count(&up)), (1, 2));
    assert_eq!(up.get("/trap").status, 500);
    assert_eq!((count(&up), count(&up)), (1, 2));
    assert_eq!(up.get("/never").status, 500);
    assert!(count(&up) <= 3, "an instance that gave no answer may go on or not, but answers");
}

#[test]
fn an_instance_that_ran_out_of_time_is_never_used_again() {
    let up = wattle().up([&guest("http-kit"), "--threads=1", "--reuse", "--timeout=0.3"]);
    assert_eq!((count(&up), count(&up)), (1, 2));
    assert_eq!(up.get("/slow?ms=500000").status, 504);
    assert_eq!(count(&up), 1);
    assert_eq!(up.get("/spin").status, 504);
    assert_eq!(count(&up), 1);
}

/// An instance of WASI 0.2 answers one request at a time: a second one gets its own.
#[test]
fn requests_at_once_get_an_instance_each() {
    let up = wattle().up([&guest("http-kit"), "--threads=1", "--reuse"]);
    let mut slow: Vec<_> = (0..4).map(|_| begin(&up, "/slow?ms=200")).collect();
    let counted = count(&up);
    slow.iter_mut().for_each(|connection| assert_eq!(connection.answer().expect("an answer").text(), "slept\n"));
    assert_eq!(counted, 1);
}

/// The counter jumps by one more while another request sleeps: both are in the same instance at the same time.
#[test]
fn an_instance_of_wasi_03_answers_requests_at_once() {
    let up = wattle().up([&guest("echo-p3"), "--threads=1", "--reuse"]);
    assert_eq!(count(&up), 1);
    let mut sleeping = begin(&up, "/slow?ms=500000");
    let mut expected = 1;
    eventually("the sleeping request was counted", || {
        expected += 1;
        count(&up) != expected
    });
    assert!(!sleeping.has_answer().expect("it is open"), "it sleeps");
    assert_eq!(count(&up), expected + 2, "and the instance answers others");
}

#[test]
fn an_instance_of_wasi_03_that_trapped_is_retired_with_all_that_it_was_answering() {
    let up = wattle().up([&guest("echo-p3"), "--threads=1", "--reuse"]);
    assert_eq!((count(&up), count(&up)), (1, 2));
    let mut sleeping = begin(&up, "/slow?ms=500000");
    let mut expected = 2;
    eventually("the sleeping request was counted", || {
        expected += 1;
        count(&up) != expected
    });
    assert_eq!(up.get("/trap").status, 500);
    assert_eq!(sleeping.answer().expect("an answer").status, 500, "it was in the same instance");
    assert_eq!((count(&up), count(&up)), (1, 2));
    let requests = up.stop().requests("echo-p3");
    assert_eq!(requests["failed"], 2);
}

/// One call that is out of time cannot be ended alone. Those beside it end as well or are answered: nobody waits for ever.
#[test]
fn an_instance_of_wasi_03_that_ran_out_of_time_is_retired() {
    let up = wattle().up([&guest("echo-p3"), "--threads=1", "--reuse", "--timeout=0.5"]);
    assert_eq!(count(&up), 1);
    let mut sleeping: Vec<_> = (0..3).map(|_| begin(&up, "/slow?ms=500000")).collect();
    for connection in &mut sleeping {
        assert_eq!(connection.answer().expect("an answer").status, 504);
    }
    assert_eq!(count(&up), 1);
}

/// What has answered as many as it may is retired, and its place is another's: two instances are enough for all of them.
#[test]
fn an_instance_answers_no_more_requests_than_it_may() {
    let up = wattle().up([&guest("echo-p3"), "--threads=1", "--reuse=3", "--instances=2"]);
    let counted: Vec<_> = (0..20).map(|_| count(&up)).collect();
    assert_eq!(counted, [1, 2, 3].into_iter().cycle().take(20).collect::<Vec<_>>());

    // Of WASI 0.2 there may be several in turn, as spares come: each of them counts for itself.
    let up = wattle().up([&guest("http-kit"), "--threads=1", "--reuse=3"]);
    let counted: Vec<_> = (0..30).map(|_| count(&up)).collect();
    let first = counted.iter().filter(|count| **count == 1).count();
    assert!(counted.iter().max() == Some(&3) && first >= 10, "{counted:?}");
}

/// Of 33 requests at once 32 are in the one instance that there may be, and one is told to come again.
#[test]
fn an_instance_of_wasi_03_answers_so_many_requests_at_once_and_no_more() {
    let up = wattle().up([&guest("echo-p3"), "--threads=1", "--reuse", "--instances=1", "--timeout=600"]);
    assert_eq!(count(&up), 1);
    let mut sleeping: Vec<_> = (0..33).map(|_| begin(&up, "/slow?ms=500000")).collect();
    let mut answered = None;
    eventually("one of them is answered", || {
        answered = sleeping.iter_mut().position(|connection| connection.has_answer().expect("it is open"));
        answered.is_some()
    });
    let answer = sleeping.remove(answered.expect("it was found")).answer().expect("an answer");
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
    assert_eq!(up.get("/count").status, 503);
    assert!(sleeping.iter_mut().all(|connection| !connection.has_answer().expect("it is open")));
    drop(sleeping);
    eventually("there is an instance again", || up.get("/count").status == 200);
}

/// Four clients hammer at reused instances while others trap: every answer is the right one.
#[test]
fn reused_instances_answer_everyone_while_some_trap() {
    for component in ["http-kit", "echo-p3"] {
        let up = wattle().up([&guest(component), "--reuse"]);
        std::thread::scope(|threads| {
            for client in 0..4 {
                let bodies: Vec<_> = (0..100).map(|number| format!("{client} {number}").repeat(100)).collect();
                let up = &up;
                threads.spawn(move || {
                    let requests = bodies.iter().map(|body| request("POST", "/echo", &[], body.as_bytes()));
                    assert_eq!(hammer(up, requests), bodies);
                });
            }
        });
        for _ in 0..10 {
            assert_eq!(up.get("/trap").status, 500, "{component}");
            assert_eq!(up.ask("POST", "/echo", b"again").text(), "again", "{component}");
        }
        let requests = up.stop().requests(component);
        assert_eq!((requests["answered"].as_u64(), requests["failed"].as_u64()), (Some(410), Some(10)), "{component}");
    }
}

/// Calls that sleep long past their deadline must not keep their instance: there are two, and each would take one for good.
#[test]
fn an_instance_of_wasi_03_is_free_again_when_nobody_waits_for_it() {
    let up = wattle().up([&guest("echo-p3"), "--threads=1", "--reuse", "--timeout=0.2", "--instances=2"]);
    for _ in 0..4 {
        assert_eq!(up.get("/slow?ms=500000").status, 504);
        eventually("there is an instance for the next", || up.get("/count").status == 200);
    }
    let ended = up.stop();
    assert_eq!(ended.values().last().expect("a last line")["stopped"]["drained"], true);
}
