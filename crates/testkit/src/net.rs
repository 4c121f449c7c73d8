//! A network of sites on this machine: each is a namespace of its own, and all are joined by a bridge.
//!
//! ```no_run
//! let Some(net) = testkit::Net::try_new() else { return };
//! let (hub, edge) = (net.site(), net.site());
//! let bus = testkit::Nats::start_at(&hub, []);
//! edge.cut(testkit::Cut::Both);
//! edge.heal();
//! ```
//!
//! ```text
//! test ── bridge 198.18.N.254 ─┬─ port 1 ══ eth0 198.18.N.1   site 1
//!                              └─ port 2 ══ eth0 198.18.N.2   site 2
//! ```
//!
//! # Invariants
//!
//! 1. What is cut is cut between sites: the test itself reaches each of them from the bridge at any time.
//! 2. What belongs to a network is named by its number, and the number is had by who holds its lock. So what was left behind by
//!    tests that were killed is removed by the next.
//! 3. Where the system permits no namespaces there is no network: it is said, and the test is skipped.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, Signal, kill_process};

use crate::skip::{Lack, skip};

/// What every name of ours begins with.
const OURS: &str = "wattle-net";

/// The host's part of the bridge's own address.
const BRIDGE: u8 = 254;

/// Sites that are joined. What belongs to it is gone when it and all of its sites are dropped.
#[derive(Debug, Clone)]
pub struct Net {
    shared: Arc<Shared>,
}

/// A place with a network of its own, as a machine has.
#[derive(Debug, Clone)]
pub struct Site {
    net: Net,
    number: u8,
}

/// What of a site's traffic gets lost, without a word to anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// All.
    Both,
    /// What others say to it.
    Inward,
    /// What it says.
    Outward,
}

#[derive(Debug)]
struct Shared {
    number: u8,
    state: Mutex<State>,
    /// Held by whoever has the number.
    _lock: File,
}

#[derive(Debug, Default)]
struct State {
    sites: u8,
    cuts: BTreeMap<u8, Cut>,
}

// === impl Net ===

impl Net {
    /// A network without sites, or a line that says that the system permits none.
    pub fn try_new() -> Option<Self> {
        sweep();
        let (number, lock) = (0..=u8::MAX).find_map(|number| Some((number, claim(number)?))).expect("one is free");
        remove(number);
        let shared = Shared { number, state: Mutex::default(), _lock: lock };
        let net = Self { shared: Arc::new(shared) };
        let bridge = net.bridge();
        let made = run(&["ip", "link", "add", &bridge, "type", "bridge", "forward_delay", "0"]).and_then(|()| {
            run(&["ip", "address", "add", &format!("{}/24", net.address(BRIDGE)), "dev", &bridge])?;
            run(&["ip", "link", "set", &bridge, "up"])?;
            // Whether it may be done is known when it was.
            net.filter(&State::default())?;
            run(&["ip", "netns", "add", &format!("{bridge}-probe")])?;
            run(&["ip", "netns", "delete", &format!("{bridge}-probe")])
        });
        match made {
            Ok(()) => Some(net),
            Err(why) => {
                let lack = if has_tools() { Lack::Permission } else { Lack::Tool };
                skip(lack, &format!("there are no networks for tests here (`tools/setup test`, and be root): {why}"));
                None
            }
        }
    }

    /// Another site, which reaches all others.
    ///
    /// # Panics
    ///
    /// Where the system does not let it be made.
    pub fn site(&self) -> Site {
        let mut state = self.state();
        state.sites += 1;
        let site = Site { net: self.clone(), number: state.sites };
        let (name, port, bridge) = (site.name(), site.port(), self.bridge());
        let address = format!("{}/24", self.address(site.number));
        for command in [
            &["ip", "netns", "add", &name][..],
            &["ip", "link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns", &name],
            &["ip", "-netns", &name, "address", "add", &address, "dev", "eth0"],
            &["ip", "-netns", &name, "link", "set", "lo", "up"],
            &["ip", "-netns", &name, "link", "set", "eth0", "up"],
            &["ip", "link", "set", &port, "master", &bridge, "up"],
        ] {
            run(command).unwrap_or_else(|why| panic!("a site could not be made: {why}"));
        }
        site
    }

    fn bridge(&self) -> String {
        bridge(self.shared.number)
    }

    fn address(&self, site: u8) -> Ipv4Addr {
        // Set aside for measuring networks: no machine is there.
        Ipv4Addr::new(198, 18, self.shared.number, site)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets pass between sites what is not cut, all at once.
    fn filter(&self, state: &State) -> Result<(), String> {
        let table = self.bridge();
        let rules = state.cuts.iter().flat_map(|(site, cut)| {
            let port = port(self.shared.number, *site);
            let (from, to) = (format!("iifname {port} drop\n"), format!("oifname {port} drop\n"));
            match cut {
                Cut::Both => vec![from, to],
                Cut::Inward => vec![to],
                Cut::Outward => vec![from],
            }
        });
        let rules: String = rules.collect();
        // One that is not there cannot be deleted.
        let empty = format!("table bridge {table}\ndelete table bridge {table}\n");
        let chain = format!("chain forward {{\ntype filter hook forward priority 0;\n{rules}}}\n");
        feed(&["nft", "-f", "-"], &format!("{empty}table bridge {table} {{\n{chain}}}\n"))
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        remove(self.number);
    }
}

// === impl Site ===

impl Site {
    /// Where something of the site is, as all other sites and the test see it.
    pub fn address(&self, port: u16) -> SocketAddr {
        (self.net.address(self.number), port).into()
    }

    /// The words before a command that make it run there. The process is the command's own.
    pub fn enter(&self) -> Vec<OsString> {
        vec!["nsenter".into(), format!("--net=/run/netns/{}", self.name()).into(), "--".into()]
    }

    /// Cuts it off from all other sites.
    pub fn cut(&self, cut: Cut) {
        self.change(|cuts| {
            cuts.insert(self.number, cut);
        });
    }

    /// Undoes a cut.
    pub fn heal(&self) {
        self.change(|cuts| {
            cuts.remove(&self.number);
        });
    }

    /// Lets so many kilobits a second pass in each direction, and keeps waiting what is more.
    pub fn slow(&self, kilobits: u32) {
        let rate = format!("{kilobits}kbit");
        let shape = ["root", "tbf", "rate", &rate, "burst", "32kb", "limit", "1mb"];
        let (name, port) = (self.name(), self.port());
        let within = ["tc", "-netns", &name, "qdisc", "replace", "dev", "eth0"];
        let outside = ["tc", "qdisc", "replace", "dev", &port];
        for command in [&within[..], &outside[..]] {
            run(&[command, &shape[..]].concat()).unwrap_or_else(|why| panic!("a site could not be slowed: {why}"));
        }
    }

    /// Undoes [`slow`](Self::slow).
    pub fn hasten(&self) {
        let (name, port) = (self.name(), self.port());
        for command in [
            &["tc", "-netns", &name, "qdisc", "delete", "dev", "eth0", "root"][..],
            &["tc", "qdisc", "delete", "dev", &port, "root"],
        ] {
            run(command).unwrap_or_else(|why| panic!("a site stays slow: {why}"));
        }
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<u8, Cut>)) {
        let mut state = self.net.state();
        change(&mut state.cuts);
        self.net.filter(&state).unwrap_or_else(|why| panic!("the network could not be changed: {why}"));
    }

    fn name(&self) -> String {
        format!("{}-{}", self.net.bridge(), self.number)
    }

    fn port(&self) -> String {
        port(self.net.shared.number, self.number)
    }
}

/// At most fifteen letters, as names of devices are.
fn bridge(number: u8) -> String {
    format!("{OURS}{number}")
}

fn port(number: u8, site: u8) -> String {
    format!("{}{site}", port_prefix(number))
}

fn port_prefix(number: u8) -> String {
    format!("wattle{number}-")
}

/// Takes a number, unless somebody has it who lives.
fn claim(number: u8) -> Option<File> {
    let path = std::env::temp_dir().join(bridge(number)).with_extension("lock");
    let file = File::options().create(true).append(true).open(path).ok()?;
    file.try_lock().is_ok().then_some(file)
}

/// Removes what was left behind under any number.
fn sweep() {
    for number in 0..=u8::MAX {
        if is_there(number)
            && let Some(_lock) = claim(number)
        {
            remove(number);
        }
    }
}

fn is_there(number: u8) -> bool {
    PathBuf::from(format!("/sys/class/net/{}", bridge(number))).exists() || !namespaces(number).is_empty()
}

/// Ends and removes all that has this number. What is not there needs no removing.
fn remove(number: u8) {
    for name in namespaces(number) {
        for process in output(&["ip", "netns", "pids", &name]).split_whitespace() {
            if let Some(process) = process.parse().ok().and_then(Pid::from_raw) {
                kill_process(process, Signal::KILL).ok();
            }
        }
        run(&["ip", "netns", "delete", &name]).ok();
    }
    // A namespace is gone a moment after its last process; its port does not wait for that.
    for port in ports(number) {
        run(&["ip", "link", "delete", &port]).ok();
    }
    let bridge = bridge(number);
    run(&["ip", "link", "delete", &bridge]).ok();
    run(&["nft", "delete", "table", "bridge", &bridge]).ok();
}

/// The names of a number's sites.
fn namespaces(number: u8) -> Vec<String> {
    names("/run/netns", &format!("{}-", bridge(number)))
}

/// The ends of their lines here.
fn ports(number: u8) -> Vec<String> {
    names("/sys/class/net", &port_prefix(number))
}

/// What in a folder has a name that begins so; nothing where there is no such folder.
fn names(folder: &str, prefix: &str) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter(|name| name.starts_with(prefix)).collect()
}

fn run(words: &[&str]) -> Result<(), String> {
    feed(words, "")
}

/// Whether the programs are there that make networks.
fn has_tools() -> bool {
    ["ip", "nft", "nsenter", "tc"]
        .into_iter()
        .all(|program| command(&[program, "-V"]).stdin(Stdio::null()).output().is_ok())
}

/// Runs a command with this on its standard input, to its end.
fn feed(words: &[&str], text: &str) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", words.join(" "));
    let mut command = command(words);
    let mut child = command.stdin(Stdio::piped()).spawn().map_err(failed)?;
    let mut stdin = child.stdin.take().expect("it is piped");
    // One that does not read it says why by its end.
    stdin.write_all(text.as_bytes()).ok();
    drop(stdin);
    let ended = child.wait_with_output().map_err(failed)?;
    match ended.status.success() {
        true => Ok(()),
        false => Err(format!("{}: {}", words.join(" "), String::from_utf8_lossy(&ended.stderr).trim())),
    }
}

fn output(words: &[&str]) -> String {
    let ended = command(words).stdin(Stdio::null()).output();
    ended.map(|ended| String::from_utf8_lossy(&ended.stdout).into_owned()).unwrap_or_default()
}

fn command(words: &[&str]) -> Command {
    let mut command = Command::new(words[0]);
    let path = std::env::var("PATH").unwrap_or_default();
    command.args(&words[1..]).env("PATH", format!("{path}:/usr/sbin:/sbin"));
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[cfg(test)]
mod tests;
