//! Hosts that work on as much as they may.

use std::time::{Duration, Instant};

use testkit::eventually;

use super::joined;
use super::market::Market;
use crate::wattle;

/// What is not waited for takes no longer, however busy the machine is.
const AT_ONCE: Duration = Duration::from_secs(2);

/// How long the host is full.
const PAUSE: u32 = 25_000;

#[test]
fn a_host_that_is_full_says_so_at_once_and_another_is_called_instead() {
    let Some(market) = Market::try_new("timeout=28s", PAUSE) else { return };
    let mut asked = market.begin(&market.ada);
    let full = "too much runs there already (haggle works on as many invocations as it may";
    eventually("joe is told", || {
        let begun = Instant::now();
        assert_eq!(market.joe.get("/").status, 500);
        assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
        market.joe.stderr().contains(full)
    });

    let eve_home = wattle().at(&market.net.site());
    let _eve = joined(&eve_home, &market.bus(), "eve");
    market.start("eve", 0);
    eventually("she is known", || market.ada.get("/").status == 200 && market.joe.get("/").status == 200);
    for _ in 0..20 {
        let begun = Instant::now();
        assert_eq!((market.ada.get("/").status, market.joe.get("/").status), (200, 200));
        assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
    }
    assert!(!asked.has_answer().expect("it is open"), "bob was full all the time");
}
