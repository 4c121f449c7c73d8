//! Hosts that do not read what they are sent, or slowly.

use std::time::Duration;

use rustix::process::Signal;
use testkit::{Up, eventually};

use super::{NOTICED, Town, failed, failed_late, for_a_while, under_load};
use crate::lattice::{Stranger, id};

/// The server keeps little for who does not read, and does not wait for him for long.
const STRICT: [&str; 2] = ["max_pending: 4MB", "write_deadline: \"2s\""];

/// How long she stands still.
const HELD: Duration = Duration::from_secs(5);

/// What of the memory of a host may be due to it, in KiB.
const MEMORY: u64 = 48 << 10;

/// Says more to one host than the server keeps for it.
fn flood(bus: &str, host: &Up) {
    let stranger = Stranger::new(bus);
    let subject = format!("wasmbus.ctl.v1.default.host.get.{}", id(host));
    let piece: Vec<u8> = vec![b' '; 512 << 10];
    for _ in 0..64 {
        let said = stranger.client.publish(subject.clone(), piece.clone().into());
        stranger.runtime.block_on(said).expect("it is said");
        stranger.runtime.block_on(stranger.client.flush()).expect("the server reads");
    }
}

/// The server gives up who does not read. Nobody waits for him, nothing is kept for him, and he is called when he is back.
#[test]
fn a_host_that_stands_still_is_passed_over_at_once_and_takes_part_again() {
    for (terms, may_repeat) in [("retry=3,timeout=5s", true), ("timeout=5s", false)] {
        let Some(town) = Town::try_with(terms, STRICT) else { return };
        let eve = town.eve.as_ref().expect("she is there");
        let before = [town.till.peak(), eve.peak()];
        let ((), asked) = under_load(&town.till, "/", |begin| {
            begin();
            eve.signal(Signal::STOP);
            flood(&town.bus(), eve);
            for_a_while(HELD);
            eventually("she is given up", || town.server.log().contains("Slow Consumer"));
            eve.signal(Signal::CONT);
        });
        let failures = if may_repeat { failed(&asked) } else { failed_late(&asked) };
        assert!(failures.is_empty() && !asked.is_empty(), "{terms}: {failures:?}");
        let held = asked.iter().filter(|asked| asked.begun > NOTICED && asked.begun < HELD);
        let waiting: Vec<_> = held.filter(|asked| asked.text != "1" || asked.took > NOTICED).collect();
        assert!(waiting.is_empty(), "{terms}: {waiting:?}");
        town.serves_from(&["1", "2"]);
        for (before, after) in before.into_iter().zip([town.till.peak(), eve.peak()]) {
            assert!(after < before + MEMORY, "{terms}: {before} KiB before, {after} after");
        }
    }
}

#[test]
fn a_host_on_a_slow_line_is_called_less_and_no_call_that_may_be_repeated_fails() {
    let Some(town) = Town::try_new("retry=3,timeout=5s") else { return };
    let ((), asked) = under_load(&town.till, "/", |begin| {
        town.eve_at.slow(64);
        begin();
        for_a_while(HELD);
        town.eve_at.hasten();
    });
    assert!(failed(&asked).is_empty(), "{:?}", failed(&asked));
    let by_eve = asked.iter().filter(|asked| asked.text == "2").count();
    assert!(by_eve < asked.len() / 4, "{by_eve} of {}", asked.len());
    town.serves_from(&["1", "2"]);
}
