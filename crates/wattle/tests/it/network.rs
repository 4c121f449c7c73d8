//! A lattice whose hosts and servers are in networks of their own, as on several machines: killed, cut off, restarted.
//!
//! What is promised of that is in docs/guarantees.md. Where the system permits no such networks, these tests say so and end.

mod callers;
mod clocks;
mod cuts;
mod full;
mod hosts;
mod large;
mod leaves;
mod market;
mod restarts;
mod slow;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use testkit::{Nats, Net, Over, Site, Up, Wattle, eventually};

use crate::lattice::{host, tell};
use crate::{guest, route, wattle};

/// When a change of the network has to be noticed: what is asked later than that does not fail of it.
const NOTICED: Duration = Duration::from_secs(1);

/// Three hosts and a server, each at a site of its own. `till` on the first calls `price`, which runs on the other two.
struct Town {
    /// Away from all sites, for commands.
    desk: Wattle,
    till: Up,
    _bob: Up,
    eve: Option<Up>,
    eve_at: Site,
    eve_home: Wattle,
    server: Nats,
    /// Last, so that its sites are empty.
    _net: Net,
}

/// One request under load.
#[derive(Debug, Clone)]
struct Asked {
    /// How long after the start of the load it began.
    begun: Duration,
    /// And how long it took.
    took: Duration,
    status: u16,
    text: String,
}

// === impl Town ===

impl Town {
    /// One whose `till` is linked to `price` on these terms; none where there can be no networks.
    fn try_new(terms: &str) -> Option<Self> {
        Self::try_with(terms, [])
    }

    /// The same with more lines in the configuration of its server.
    fn try_with<const N: usize>(terms: &str, lines: [&str; N]) -> Option<Self> {
        let net = Net::try_new()?;
        let [hub, till_at, bob_at, eve_at] = std::array::from_fn(|_| net.site());
        let server = Nats::start_at(&hub, lines);
        let bus = server.url();
        let more = [route("/", "till"), route("/hello", "hello-p2")];
        let till = wattle().at(&till_at).up(more.into_iter().chain(joining(&bus, "ada")));
        let (bob_home, eve_home) = (wattle().at(&bob_at), wattle().at(&eve_at));
        let bob = joined(&bob_home, &bus, "bob");
        let eve = Some(joined(&eve_home, &bus, "eve"));
        let town = Self { desk: wattle(), till, _bob: bob, eve, eve_at, eve_home, server, _net: net };
        town.start("price-1", "price", "bob");
        town.start("price-2", "price", "eve");
        let link = ["link", "put", "till", "price", "--contract", "demo:shop/tag", "--terms", terms];
        tell(&town.desk, &town.bus(), &link);
        town.serves_from(&["1", "2"]);
        Some(town)
    }

    fn bus(&self) -> String {
        self.server.url()
    }

    /// Starts a component on a host as soon as that is there.
    fn start(&self, file: &str, name: &str, on: &str) {
        let bus = self.bus();
        let words = ["start", "component", &guest(file), name, "--host", on, "--nats", &bus];
        eventually("it is started", || self.desk.run(words).code == Some(0));
    }

    /// Waits until the answers are these, each of them.
    fn serves_from(&self, prices: &[&str]) {
        let mut heard = Vec::new();
        eventually("all hosts have their share", || {
            let answer = self.till.get("/");
            heard.push(if answer.status == 200 { answer.text().trim().to_owned() } else { answer.status.to_string() });
            let last = &heard[heard.len().saturating_sub(40)..];
            let is_known = |said: &String| prices.contains(&said.as_str());
            heard.len() >= 40
                && last.iter().all(is_known)
                && prices.iter().all(|price| last.iter().any(|said| said == price))
        });
    }
}

/// How a host of this name joins a lattice. It runs files that are named over a bus on another machine.
fn joining(bus: &str, name: &str) -> [String; 3] {
    [format!("--nats={bus}"), format!("--name={name}"), "--allow-file-load".into()]
}

/// A host without components.
fn joined(home: &Wattle, bus: &str, name: &str) -> Up {
    let [bus, name, allow] = joining(bus, name);
    host(home, &[&bus, &name, &allow])
}

/// Asks for a path of a host, again and again on two threads, while `meanwhile` goes on. What is asked is measured from when that
/// says that it begins.
fn under_load<T>(up: &Up, path: &str, meanwhile: impl FnOnce(&dyn Fn()) -> T) -> (T, Vec<Asked>) {
    asked_with_pauses(up, (path, Duration::ZERO), meanwhile)
}

/// The same with a pause after each answer, where it goes on for so long that other tests want the machine as well.
fn asked_with_pauses<T>(
    up: &Up,
    (path, pause): (&str, Duration),
    meanwhile: impl FnOnce(&dyn Fn()) -> T,
) -> (T, Vec<Asked>) {
    let is_over = AtomicBool::new(false);
    let begin = std::sync::Mutex::new(Instant::now());
    std::thread::scope(|scope| {
        let over = Over(&is_over);
        let askers = [(); 2].map(|()| {
            scope.spawn(|| {
                let mut asked = Vec::new();
                while !is_over.load(Ordering::Acquire) {
                    let at = Instant::now();
                    let answer = up.get(path);
                    asked.push((at, at.elapsed(), answer.status, answer.text().trim().to_owned()));
                    std::thread::sleep(pause);
                }
                asked
            })
        });
        let done = meanwhile(&|| *begin.lock().expect("nobody panics with it") = Instant::now());
        drop(over);
        let begin = *begin.lock().expect("nobody panics with it");
        let asked = askers.into_iter().flat_map(|asker| asker.join().expect("all is answered"));
        let asked = asked.filter_map(|(at, took, status, text)| {
            Some(Asked { begun: at.checked_duration_since(begin)?, took, status, text })
        });
        (done, asked.collect())
    })
}

/// Waits for so long: what is tested is what happens meanwhile.
fn for_a_while(time: Duration) {
    std::thread::sleep(time);
}

fn failed(asked: &[Asked]) -> Vec<&Asked> {
    asked.iter().filter(|asked| asked.status != 200).collect()
}

/// Those that failed though they were asked after a change was to be noticed.
fn failed_late(asked: &[Asked]) -> Vec<&Asked> {
    failed(asked).into_iter().filter(|asked| asked.begun > NOTICED).collect()
}
