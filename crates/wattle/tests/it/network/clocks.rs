//! Hosts whose clocks are an hour off: they measure with others, and nothing is decided by the time of day.

use std::time::{Duration, Instant};

use testkit::{Nats, Net, Site, Up, Wattle, clock_off_by, eventually};

use super::joining;
use crate::lattice::{Stranger, id, is, tell};
use crate::{guest, route, wattle};

/// An hour in either direction, in seconds.
const OFF: [i64; 2] = [3_600, -3_600];

/// As a process has it in its environment.
type Clock = [(&'static str, String); 3];

/// Hosts that sell: ada's clock is right, and eve's is off. Both beat twice a second.
struct Hosts {
    desk: Wattle,
    ada: Up,
    eve: Up,
    bob: Up,
    server: Nats,
    _homes: [Wattle; 3],
    _net: Net,
}

// === impl Hosts ===

impl Hosts {
    fn try_new(off: i64) -> Option<Self> {
        let (net, clock) = (Net::try_new()?, clock_off_by(off)?);
        let [hub, ada_at, eve_at, bob_at] = std::array::from_fn(|_| net.site());
        let server = Nats::start_at(&hub, []);
        let bus = server.url();
        let homes = [ada_at, eve_at, bob_at].map(|at: Site| wattle().at(&at));
        let start = |home: &Wattle, name: &str, clock: Option<Clock>| {
            let till = [route("/", "till"), "--heartbeat=0.5".into()];
            let mut command = home.up_command(till.into_iter().chain(joining(&bus, name)));
            Up::start(command.envs(clock.into_iter().flatten()))
        };
        let ada = start(&homes[0], "ada", None);
        let eve = start(&homes[1], "eve", Some(clock));
        let bob = start(&homes[2], "bob", None);
        let hosts = Self { desk: wattle(), ada, eve, bob, server, _homes: homes, _net: net };
        for name in ["ada", "eve", "bob"] {
            eventually("it is there", || is(&hosts.desk, &bus, name, "present"));
        }
        Some(hosts)
    }

    fn tell(&self, words: &[&str]) {
        tell(&self.desk, &self.server.url(), words);
    }

    fn start(&self, file: &str, words: &[&str]) {
        self.tell(&[&["start", "component", &guest(file)][..], words].concat());
    }

    /// Leads what all sell to another component: the link to the last one is deleted before, by whichever host is told to.
    fn lead(&self, target: &str, terms: &str) {
        let bus = self.server.url();
        // At first there is none.
        self.desk.run(["link", "del", "till", "--contract", "demo:shop", "--nats", &bus]);
        let put = ["link", "put", "till", target, "--contract", "demo:shop/tag", "--terms", terms, "--nats", &bus];
        eventually("the link is put", || self.desk.run(put).code == Some(0));
    }
}

#[test]
fn a_host_whose_clock_is_an_hour_off_is_not_lost_and_loses_nobody_who_is_there() {
    for off in OFF {
        let Some(hosts) = Hosts::try_new(off) else { return };
        let stranger = Stranger::new(&hosts.server.url());
        let mut heard = stranger.listen();
        // In so many beats of three hosts a lease is over more than once.
        let mut beats = 0;
        while beats < 40 {
            let event = stranger.hear_any(&mut heard);
            assert_ne!(event["type"], "wattle.lattice.host_lost", "{off}");
            beats += usize::from(event["type"] == "com.wasmcloud.lattice.host_heartbeat");
        }
        // Both others look at bob, and one of them loses him.
        let (bob, eve) = (id(&hosts.bob), id(&hosts.eve));
        hosts.bob.kill();
        assert_eq!(stranger.hear(&mut heard, "host_lost")["data"]["host_id"], bob, "{off}");
        hosts.eve.kill();
        assert_eq!(stranger.hear(&mut heard, "host_lost")["data"]["host_id"], eve, "{off}");
    }
}

/// Of changes that are made one after the other the last counts, whichever of the hosts was told of which.
#[test]
fn links_that_are_changed_where_clocks_differ_are_as_they_were_changed_last() {
    for off in OFF {
        let Some(hosts) = Hosts::try_new(off) else { return };
        hosts.start("price-1", &["first", "--host", "bob"]);
        hosts.start("price-2", &["second", "--host", "bob"]);
        // Any host may be told to change a link: of so many changes each host makes some, before and after others.
        for (target, price) in [("first", "1\n"), ("second", "2\n")].iter().cycle().take(20) {
            hosts.lead(target, "timeout=5s");
            eventually(target, || [&hosts.ada, &hosts.eve].iter().all(|up| up.get("/").text() == *price));
        }
    }
}

#[test]
fn calls_to_and_from_a_host_whose_clock_is_an_hour_off_have_the_time_that_their_links_give_them() {
    for off in OFF {
        let Some(hosts) = Hosts::try_new(off) else { return };
        hosts.tell(&["config", "put", "soon", "pause=300"]);
        hosts.tell(&["config", "put", "late", "pause=20000"]);
        for (caller, callee) in [(&hosts.ada, "eve"), (&hosts.eve, "ada")] {
            let [soon, late] = ["soon", "late"].map(|settings| {
                let name = format!("{settings}-{callee}");
                hosts.start("haggle", &[&name, "--host", callee, "--config", settings]);
                name
            });
            hosts.lead(&soon, "timeout=3s");
            eventually("it is answered in time", || caller.get("/").status == 200);
            hosts.lead(&late, "timeout=3s");
            eventually("it is ended in time", || {
                let begun = Instant::now();
                let status = caller.get("/").status;
                assert!(begun.elapsed() < Duration::from_secs(5), "{off} {callee}: {:?}", begun.elapsed());
                status == 500 && begun.elapsed() > Duration::from_secs(2)
            });
        }
    }
}
