//! Where one host says prices, each after a pause, and `till` asks for them on two others.

use serde_json::Value;
use testkit::{Connection, Nats, Net, Site, Up, Wattle, eventually, request};

use super::{joined, joining};
use crate::lattice::tell;
use crate::{guest, route, wattle};

/// Where the server tells what it has to do.
const MONITOR: u16 = 8222;

/// The server, ada and joe, who sell, and bob, who says prices, one at a time: each at a site of its own.
pub(super) struct Market {
    /// Away from all sites, for commands.
    pub(super) desk: Wattle,
    pub(super) ada: Up,
    pub(super) ada_at: Site,
    pub(super) joe: Up,
    pub(super) bob: Up,
    pub(super) bob_at: Site,
    server: Nats,
    hub: Site,
    _bob_home: Wattle,
    /// Last, so that its sites are empty.
    pub(super) net: Net,
}

// === impl Market ===

impl Market {
    /// One where links have these terms, and a price is said after so many milliseconds; none where there can be no networks.
    pub(super) fn try_new(terms: &str, pause: u32) -> Option<Self> {
        let net = Net::try_new()?;
        let [hub, ada_at, joe_at, bob_at] = std::array::from_fn(|_| net.site());
        let server = Nats::start_at(&hub, [&*format!("http_port: {MONITOR}")]);
        let bus = server.url();
        let seller = |at: &Site, name: &str| {
            wattle().at(at).up([route("/", "till"), "--threads=1".into()].into_iter().chain(joining(&bus, name)))
        };
        let (ada, joe) = (seller(&ada_at, "ada"), seller(&joe_at, "joe"));
        let bob_home = wattle().at(&bob_at);
        let bob = joined(&bob_home, &bus, "bob");
        let market = Self { desk: wattle(), ada, ada_at, joe, bob, bob_at, server, hub, _bob_home: bob_home, net };
        market.start("bob", pause);
        market.tell(&["link", "put", "till", "haggle", "--contract", "demo:shop/tag", "--terms", terms]);
        Some(market)
    }

    pub(super) fn bus(&self) -> String {
        self.server.url()
    }

    fn tell(&self, words: &[&str]) -> Value {
        tell(&self.desk, &self.bus(), words)
    }

    /// Starts `haggle` on a host as soon as that is there: it says one price at a time, after so many milliseconds.
    pub(super) fn start(&self, host: &str, pause: u32) {
        let (file, bus) = (guest("haggle"), self.bus());
        let settings = ["config", "put", host, &format!("pause={pause}"), "--nats", &bus];
        let start = ["start", "component", &file, "--host", host, "--count", "1", "--config", host, "--nats", &bus];
        eventually("it is started", || self.desk.run(settings).code == Some(0) && self.desk.run(start).code == Some(0));
    }

    /// Asks for a price, and waits until bob works on it.
    pub(super) fn begin(&self, seller: &Up) -> Connection {
        let ask = || {
            let mut asked = seller.connect();
            asked.send(&request("GET", "/", &[], b"")).expect("it is read");
            asked
        };
        let (before, mut asked) = (self.said(), ask());
        eventually("bob works on it", || {
            if self.said() == before && asked.has_answer().expect("it is open") {
                // He was not known yet, or not done with another.
                asked = ask();
            }
            self.said() > before
        });
        asked
    }

    /// How many prices bob was asked for.
    pub(super) fn said(&self) -> usize {
        self.bob.stderr().matches("tea is").count()
    }

    /// How many subscriptions all hosts have, as the server sees it.
    pub(super) fn subscriptions(&self) -> u64 {
        let mut monitor = Connection::open(self.hub.address(MONITOR)).expect("it listens");
        let answer = monitor.exchange(&request("GET", "/connz", &[], b"")).expect("an answer");
        let told: Value = serde_json::from_slice(&answer.body).expect("JSON");
        let hosts = told["connections"].as_array().expect("a list").iter().filter(|it| it["name"] == "wattle host");
        hosts.map(|it| it["subscriptions"].as_u64().expect("a number")).sum()
    }
}
