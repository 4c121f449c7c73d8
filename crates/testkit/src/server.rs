//! Starts real servers for tests: each on a free port, with a folder of its own, gone when the test is.
//!
//! ```no_run
//! let mut redis = testkit::Redis::start();
//! println!("{}", redis.url());
//! redis.kill();
//! redis.restart();
//! ```
//!
//! # Invariants
//!
//! 1. A server ends with its value, and with the process that started it, even where that is killed: the system is told to.
//! 2. A program that is not installed fails the test with the command that installs it. Nothing is skipped.

mod azurite;
mod mosquitto;
mod nats;
mod postgres;
mod redis;
mod registry;

use std::ffi::OsString;
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::load::Mortal;
use crate::net::Site;
use crate::wait::eventually;

pub use azurite::Azurite;
pub use mosquitto::Mosquitto;
pub use nats::{Nats, NatsCluster};
pub use postgres::Postgres;
pub use redis::Redis;
pub use registry::Registry;

/// How often another port is tried where somebody was faster.
const TRIES: usize = 10;
/// The number of the user and of the group that own nothing.
const NOBODY: u32 = 65534;

/// A server, on its port and with its data until it is dropped.
#[derive(Debug)]
pub struct Server {
    setup: Setup,
    scheme: &'static str,
    address: SocketAddr,
    folder: TempDir,
    /// Where it runs, if not here.
    site: Option<Site>,
    running: Option<Running>,
}

/// How a kind of server is started.
#[derive(Debug)]
struct Setup {
    program: &'static str,
    /// Its arguments, from its address and its folder.
    arguments: fn(SocketAddr, &Path, &[String]) -> Vec<OsString>,
    /// What the test wants to have otherwise.
    extra: Vec<String>,
    /// What a client says first, if anything, and how an answer begins when the server is ready.
    greeting: (&'static [u8], &'static [u8]),
    /// Whether it refuses to be root's.
    refuses_root: bool,
}

/// A process, and the thread that started it: the system ends the one with the other.
#[derive(Debug)]
struct Running {
    child: Child,
    _thread: Sender<()>,
}

/// A port that no connection is given by chance, and that nobody listens on at this moment: for what has to be known beforehand.
pub fn quiet_port() -> u16 {
    let any = || RandomState::new().hash_one("port");
    let mut ports = std::iter::repeat_with(|| 12_000 + (any() % 20_000) as u16);
    ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("there are many ports")
}

// === impl Server ===

impl Server {
    fn start(scheme: &'static str, setup: Setup) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let mut server = Self { setup, scheme, address: free_address(), folder, site: None, running: None };
        for _ in 0..TRIES {
            if server.try_run() {
                return server;
            }
            server.address = free_address();
        }
        panic!("{} did not start: {}", server.setup.program, server.log());
    }

    /// Starts it at a site of a network, on a port that nobody else has there.
    fn start_at(site: &Site, port: u16, (scheme, setup): (&'static str, Setup)) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let address = site.address(port);
        let mut server = Self { setup, scheme, address, folder, site: Some(site.clone()), running: None };
        assert!(server.try_run(), "{} did not start: {}", server.setup.program, server.log());
        server
    }

    /// Where it is: `redis://127.0.0.1:40123`.
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// The address that it listens on, or listened on before it was killed.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The number of its first process.
    ///
    /// # Panics
    ///
    /// Where it was killed.
    pub fn id(&self) -> u32 {
        self.running.as_ref().expect("it was not killed").child.id()
    }

    /// Its folder, which outlives a kill.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Kills it, with all of its processes, as a crash of their machine would.
    pub fn kill(&mut self) {
        if let Some(running) = &self.running {
            // Held, it starts no other while they are counted.
            kill_process(Pid::from_child(&running.child), Signal::STOP).ok();
            self.signal(Signal::KILL);
        }
        self.running = None;
    }

    /// Asks it to end, and waits until it has.
    pub fn stop(&mut self) {
        if let Some(running) = &mut self.running {
            kill_process(Pid::from_child(&running.child), Signal::TERM).expect("it runs");
            eventually("the server ends", || running.child.try_wait().expect("it was started here").is_some());
        }
        self.running = None;
    }

    /// Starts it again on its port and its data, after a kill.
    ///
    /// # Panics
    ///
    /// Where it does not come up.
    pub fn restart(&mut self) {
        self.kill();
        // The port may be in somebody else's hands for a moment.
        eventually("the server starts again", || self.try_run());
    }

    /// Holds all of it, as a debugger or a machine that is moved would. Connections stay open and get no answer.
    pub fn pause(&self) {
        // A thread that runs at this moment is stopped a little later, and a process that it started just now is not stopped yet.
        eventually("all of its threads stand still", || {
            self.signal(Signal::STOP);
            self.thread_states().all(|state| matches!(state, 'T' | 'Z'))
        });
    }

    /// Lets it go on after [`pause`](Self::pause).
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        let log = std::fs::read(self.log_path()).expect("it is written from the start");
        String::from_utf8_lossy(&log).into_owned()
    }

    /// Its processes: the one that was started, and those that it started, which a server may have for each connection.
    fn processes(&self) -> Vec<u32> {
        let first = self.id();
        let all = std::fs::read_dir("/proc").expect("the system tells");
        let started = all.filter_map(|entry| {
            let process: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let (_, parent) = state_and_parent(&std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?)?;
            (parent == first).then_some(process)
        });
        std::iter::once(first).chain(started).collect()
    }

    fn signal(&self, signal: Signal) {
        for process in self.processes() {
            let process = i32::try_from(process).ok().and_then(Pid::from_raw).expect("the system counted it");
            // One for a connection may be gone in this moment.
            kill_process(process, signal).ok();
        }
    }

    /// What the system says of each of its threads: `R` runs, `S` sleeps, `T` was stopped, `Z` has ended.
    fn thread_states(&self) -> impl Iterator<Item = char> {
        let threads =
            self.processes().into_iter().filter_map(|process| std::fs::read_dir(format!("/proc/{process}/task")).ok());
        let stats =
            threads.flatten().filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("stat")).ok());
        stats.filter_map(|stat| state_and_parent(&stat).map(|(state, _)| state))
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// Starts the process; whether it is ready, and not ended with its port in use.
    fn try_run(&mut self) -> bool {
        let mut running = Running::spawn(self.command());
        let mut has_ended = false;
        eventually("the server is ready or has ended", || {
            has_ended = running.child.try_wait().expect("it was started here").is_some();
            has_ended || self.is_ready()
        });
        self.running = (!has_ended).then_some(running);
        self.running.is_some()
    }

    fn command(&self) -> Command {
        let log = File::options().create(true).append(true).open(self.log_path()).expect("the folder is ours");
        let program = find_program(self.setup.program);
        let mut command = match self.setup.refuses_root {
            true => supervised_unprivileged(&program, self.folder.path()),
            false => supervised(&program, self.site.as_ref()),
        };
        command.args((self.setup.arguments)(self.address, self.folder.path(), &self.setup.extra));
        command.current_dir(self.folder.path()).env_clear().stdin(Stdio::null());
        command.stdout(log.try_clone().expect("a file has copies")).stderr(log);
        command
    }

    fn is_ready(&self) -> bool {
        let (question, answer) = self.setup.greeting;
        let talk = || -> std::io::Result<bool> {
            let mut stream = TcpStream::connect(self.address)?;
            stream.set_read_timeout(Some(Duration::from_secs(1)))?;
            stream.write_all(question)?;
            let mut start = vec![0; answer.len()];
            stream.read_exact(&mut start)?;
            Ok(start == answer)
        };
        talk().unwrap_or(false)
    }
}

impl Mortal for Server {
    fn kill(&mut self) {
        Server::kill(self);
    }

    fn restart(&mut self) {
        Server::restart(self);
    }
}

// === impl Running ===

impl Running {
    /// Starts a process from a thread that stays as long as the process is wanted: a test's own thread may end before.
    fn spawn(mut command: Command) -> Self {
        let (thread, kept) = channel::<()>();
        let (tell, told) = channel();
        std::thread::spawn(move || {
            tell.send(command.spawn()).expect("who started this thread waits for exactly this");
            // Nothing is ever sent: this waits until the other end is gone.
            kept.iter().for_each(|()| {});
        });
        let child = told.recv().expect("the thread answers");
        Self { child: child.expect("setpriv, of util-linux, starts programs"), _thread: thread }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.child.kill().and_then(|()| self.child.wait()).is_err() {
            eprintln!("process {} may still run", self.child.id());
        }
    }
}

/// A command that runs a program, to which its arguments are still to be added, and that ends with the thread that starts it.
fn supervised(program: &Path, site: Option<&Site>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).args(site.map(Site::enter).unwrap_or_default()).arg(program);
    command
}

/// The same for a program that refuses to be root's. Where a test is run by root it is nobody's, and so is its folder; where nobody
/// can reach the program, it takes root for nobody.
fn supervised_unprivileged(program: &Path, folder: &Path) -> Command {
    if !rustix::process::geteuid().is_root() {
        return supervised(program, None);
    }
    let is_open = |path: &Path| std::fs::metadata(path).is_ok_and(|found| found.permissions().mode() & 0o001 != 0);
    if !program.canonicalize().is_ok_and(|program| program.ancestors().all(is_open)) {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-user=65534", "--map-group=65534", "--"]);
        command.args(["setpriv", "--pdeathsig", "KILL", "--"]).arg(program);
        return command;
    }
    let contents = std::fs::read_dir(folder).expect("the folder is ours").filter_map(|entry| Some(entry.ok()?.path()));
    for path in contents.chain([folder.to_owned()]) {
        std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY)).expect("root may give it away");
    }
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups", "--"])
        .arg(program);
    command
}

/// The state of a thread or process and what started its process, from what the system says of it in `stat`.
fn state_and_parent(stat: &str) -> Option<(char, u32)> {
    // The name in front may have any characters but for its closing bracket.
    let mut rest = stat.rsplit_once(") ")?.1.split(' ');
    Some((rest.next()?.chars().next()?, rest.next()?.parse().ok()?))
}

/// An address that nobody listens on at this moment.
fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("the machine has a loopback interface");
    listener.local_addr().expect("it is bound")
}

/// The program of that name: what `tools/setup test` put under target/, or else the system's.
///
/// # Panics
///
/// Where there is none.
fn find_program(name: &str) -> PathBuf {
    let ours = ["bin", "docker-registry/usr/bin", "mosquitto/usr/sbin", "nats/bin", "postgres/server/bin"]
        .map(|folder| tools().join(folder));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = ours.into_iter().chain(std::env::split_paths(&path)).chain([PathBuf::from("/usr/sbin")]);
    let found = folders.map(|folder| folder.join(name)).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("there is no {name}: run `tools/setup test`"))
}

/// Where `tools/setup` puts what it installs.
fn tools() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("it lies in the workspace");
    root.join("target/tools")
}

#[cfg(test)]
mod tests;
