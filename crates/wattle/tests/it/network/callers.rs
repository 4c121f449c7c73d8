//! Who calls and who is called lose one another while a call is worked on.

use std::time::{Duration, Instant};

use testkit::{Cut, Nats, Net, eventually, request};

use super::market::Market;
use super::{for_a_while, joining};
use crate::lattice::tell;
use crate::{guest, route, wattle};

/// How long a call may take, by the terms of its link.
const TERMS: &str = "timeout=3s";
const TIME: Duration = Duration::from_secs(3);

/// What a machine that is busy may add to it.
const SLACK: Duration = Duration::from_secs(2);

/// Longer than anybody waits.
const FOREVER: u32 = 60_000;

/// What a host that is cut off has asked for ends when its time is over: there is room for others then, and nothing is left of it.
#[test]
fn what_is_done_for_a_caller_that_is_cut_off_ends_in_its_time_and_leaves_nothing_behind() {
    let Some(market) = Market::try_new(TERMS, FOREVER) else { return };
    drop((market.begin(&market.joe), market.begin(&market.ada)));
    // Their threads have connections of their own then.
    for_a_while(Duration::from_secs(1));
    let subscriptions = market.subscriptions();
    for cut in [Cut::Both, Cut::Inward, Cut::Outward] {
        let mut asked = market.begin(&market.ada);
        let (begun, said) = (Instant::now(), market.said());
        market.ada_at.cut(cut);
        assert_eq!(market.joe.get("/").status, 500, "the only place is taken");
        assert_eq!(market.said(), said);
        assert_eq!(asked.answer().expect("an answer").status, 500, "{cut:?}");
        assert!(begun.elapsed() < TIME + SLACK, "{cut:?}: {:?}", begun.elapsed());
        drop(market.begin(&market.joe));
        assert!(begun.elapsed() < TIME + SLACK + SLACK, "there is room for others: {cut:?}: {:?}", begun.elapsed());
        assert_eq!(market.said(), said + 1, "{cut:?}: it ran once");
        market.ada_at.heal();
        eventually("nobody listens for it any more", || market.subscriptions() <= subscriptions);
    }
}

/// Who is called may have done what he was asked for: it is not asked for again, and its caller knows when the time is over.
#[test]
fn a_call_of_a_host_that_is_cut_off_ends_in_its_time_and_is_not_made_again() {
    let Some(market) = Market::try_new(TERMS, 1_000) else { return };
    // Where he is only deaf, what he says may arrive.
    for (cut, statuses) in [(Cut::Both, &[500][..]), (Cut::Inward, &[200, 500]), (Cut::Outward, &[500])] {
        let mut asked = market.begin(&market.ada);
        let (begun, said) = (Instant::now(), market.said());
        market.bob_at.cut(cut);
        let status = asked.answer().expect("an answer").status;
        assert!(statuses.contains(&status), "{cut:?}: {status}");
        assert!(begun.elapsed() < TIME + SLACK, "{cut:?}: {:?}", begun.elapsed());
        market.bob_at.heal();
        for_a_while(TIME);
        assert_eq!(market.said(), said, "{cut:?}: it ran once");
        eventually("he is called again", || market.ada.get("/").status == 200);
    }
}

/// The same for a request of HTTP whose answer is on its way: who writes it is not left writing.
#[test]
fn an_answer_for_a_host_that_is_cut_off_is_not_written_on() {
    let Some(net) = Net::try_new() else { return };
    let [hub, ada_at, bob_at] = std::array::from_fn(|_| net.site());
    let server = Nats::start_at(&hub, []);
    let (desk, bus) = (wattle(), server.url());
    // Somebody who serves nothing is not started so.
    let more = || [route("/hello", "hello-p2"), "--timeout=4".into()];
    let serving = |name: &str| joining(&bus, name).into_iter().chain(more());
    let ada = wattle().at(&ada_at).up(serving("ada"));
    let bob = wattle().at(&bob_at).up(serving("bob"));
    let kit = guest("http-kit");
    let start = ["start", "component", &kit, "kit", "--host", "bob", "--count", "1", "--nats", &bus];
    eventually("it starts", || desk.run(start).code == Some(0));
    tell(&desk, &bus, &["link", "put", "http", "kit", "--name", "kit", "--contract", "wasi:http/incoming-handler"]);
    eventually("both ask it", || ada.get("/").status == 200 && bob.get("/").status == 200);

    let mut reading = ada.connect();
    let begun = Instant::now();
    reading.send(&request("GET", "/stream?n=100000&ms=10", &[], b"")).expect("she reads");
    assert_eq!(reading.head().expect("it begins").status, 200);
    ada_at.cut(Cut::Both);
    assert_eq!(bob.get("/").status, 503, "the only place is taken");
    eventually("there is room for others", || bob.get("/").status == 200);
    assert!(begun.elapsed() < Duration::from_secs(4) + SLACK, "{:?}", begun.elapsed());
    ada_at.heal();
    // What has come of it does not look whole.
    let rest =
        std::iter::repeat_with(|| reading.chunk()).find(|chunk| !matches!(chunk, Ok(piece) if !piece.is_empty()));
    assert!(rest.is_some_and(|last| last.is_err()));
    eventually("she is answered again", || ada.get("/").status == 200);
    assert_eq!((ada.stop().code, bob.stop().code), (Some(0), Some(0)));
}
