//! Hosts that are killed and come back.

use std::time::Duration;

use super::{NOTICED, Town, failed, failed_late, for_a_while, joined, under_load};

#[test]
fn no_call_that_may_be_repeated_fails_of_a_killed_host_which_is_asked_again_when_it_is_back() {
    let Some(mut town) = Town::try_new("retry=3") else { return };
    let eve = town.eve.take().expect("she is there");
    let ((), asked) = under_load(&town.till, "/", |begin| {
        begin();
        eve.kill();
        for_a_while(Duration::from_secs(4));
    });
    assert!(failed(&asked).is_empty(), "{:?}", failed(&asked));
    let late: Vec<_> = asked.iter().filter(|asked| asked.begun > NOTICED && asked.text != "1").collect();
    assert!(late.is_empty() && !asked.is_empty(), "{late:?}");

    town.eve = Some(joined(&town.eve_home, &town.bus(), "eve"));
    town.start("price-2", "price", "eve");
    town.serves_from(&["1", "2"]);
}

/// What runs once at most may fail in the moment of the kill, and not later.
#[test]
fn no_call_fails_of_a_killed_host_a_second_later() {
    let Some(mut town) = Town::try_new("prefer-local,timeout=5s") else { return };
    let eve = town.eve.take().expect("she is there");
    let ((), asked) = under_load(&town.till, "/", |begin| {
        begin();
        eve.kill();
        for_a_while(Duration::from_secs(4));
    });
    assert!(failed_late(&asked).is_empty() && !asked.is_empty(), "{:?}", failed_late(&asked));
}
