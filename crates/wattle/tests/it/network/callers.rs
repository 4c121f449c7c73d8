//! Who calls and who is called lose one another while a call is worked on.

use std::time::{Duration, Instant};

use testkit::{Connection, Cut, Nats, Net, Site, Up, eventually, request};

use super::market::Market;
use super::{for_a_while, joining};
use crate::lattice::tell;
use crate::{guest, is_cut, route, wattle};

/// How long a call may take, by the terms of its link.
const TERMS: &str = "timeout=3s";
const TIME: Duration = Duration::from_secs(3);

/// How long what was said in time may be on its way.
const WAY: Duration = Duration::from_secs(5);

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

/// ada, who listens, and bob, who answers one request of HTTP at a time: each at a site of its own.
struct Kitchen {
    ada: Up,
    ada_at: Site,
    bob: Up,
    bob_at: Site,
    _server: Nats,
    /// Last, so that its sites are empty.
    _net: Net,
}

// === impl Kitchen ===

impl Kitchen {
    /// One where a request has so many seconds; none where there can be no networks.
    fn try_new(seconds: u64) -> Option<Self> {
        let net = Net::try_new()?;
        let [hub, ada_at, bob_at] = std::array::from_fn(|_| net.site());
        let server = Nats::start_at(&hub, []);
        let (desk, bus) = (wattle(), server.url());
        // Somebody who serves nothing is not started so.
        let more = || [route("/hello", "hello-p2"), format!("--timeout={seconds}")];
        let serving = |name: &str| joining(&bus, name).into_iter().chain(more());
        let ada = wattle().at(&ada_at).up(serving("ada"));
        let bob = wattle().at(&bob_at).up(serving("bob"));
        let kit = guest("http-kit");
        let start = ["start", "component", &kit, "kit", "--host", "bob", "--count", "1", "--nats", &bus];
        eventually("it starts", || desk.run(start).code == Some(0));
        tell(&desk, &bus, &["link", "put", "http", "kit", "--name", "kit", "--contract", "wasi:http/incoming-handler"]);
        eventually("both ask it", || ada.get("/").status == 200 && bob.get("/").status == 200);
        Some(Self { ada, ada_at, bob, bob_at, _server: server, _net: net })
    }

    /// Asks by ada, until it is being answered.
    fn begin(&self, target: &str) -> Connection {
        let ask = || {
            let mut reading = self.ada.connect();
            reading.send(&request("GET", target, &[], b"")).expect("she reads");
            let is_begun = reading.head().expect("an answer").status == 200;
            is_begun.then_some(reading)
        };
        let mut begun = None;
        eventually("it begins", || {
            begun = ask();
            begun.is_some()
        });
        begun.expect("it has begun")
    }

    fn close(self) {
        let Self { ada, bob, .. } = self;
        assert_eq!((ada.stop().code, bob.stop().code), (Some(0), Some(0)));
    }
}

/// The same for a request of HTTP whose answer is on its way: who writes it is not left writing, whether he waits for more of it or
/// for somebody who takes it.
#[test]
fn an_answer_for_a_host_that_is_cut_off_is_not_written_on() {
    let time = Duration::from_secs(4);
    let Some(kitchen) = Kitchen::try_new(time.as_secs()) else { return };
    let Kitchen { ada, ada_at, bob, .. } = &kitchen;
    for (answer, time_max) in [("/stream?n=100000&ms=10", time), ("/big?n=1000000000", time + WAY)] {
        let mut reading = kitchen.begin(answer);
        let begun = Instant::now();
        ada_at.cut(Cut::Both);
        assert_eq!(bob.get("/").status, 503, "the only place is taken");
        eventually("there is room for others", || bob.get("/").status == 200);
        assert!(begun.elapsed() < time_max + SLACK, "{answer}: {:?}", begun.elapsed());
        ada_at.heal();
        // What has come of it does not look whole.
        assert!(is_cut(&mut reading), "{answer}");
        eventually("she is answered again", || ada.get("/").status == 200);
    }
    kitchen.close();
}

/// Who waits for the rest of an answer does not wait for much longer than a request has time.
#[test]
fn an_answer_of_a_host_that_is_cut_off_ends_soon_after_its_time() {
    let time = Duration::from_secs(2);
    let Some(kitchen) = Kitchen::try_new(time.as_secs()) else { return };
    let Kitchen { ada, bob_at, .. } = &kitchen;
    for cut in [Cut::Both, Cut::Outward] {
        let mut reading = kitchen.begin("/stream?n=100000&ms=10");
        let begun = Instant::now();
        bob_at.cut(cut);
        assert!(is_cut(&mut reading), "{cut:?}");
        assert!(begun.elapsed() < time + WAY + SLACK, "{cut:?}: {:?}", begun.elapsed());
        bob_at.heal();
        eventually("she is answered again", || ada.get("/").status == 200);
    }
    kitchen.close();
}
