//! Starts the real binary, away from the user's home, and sees to it that it ends.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::http::{Answer, Connection, request};
use crate::net::Site;
use crate::wait::eventually;

/// The binary, with a home of its own. The cache of compiled programs is shared by all tests of a run.
#[derive(Debug)]
pub struct Wattle {
    binary: PathBuf,
    cache: PathBuf,
    home: Arc<TempDir>,
    /// Where it runs, if not here.
    site: Option<Site>,
}

/// A `wattle up` that is serving.
#[derive(Debug)]
pub struct Up {
    process: Process,
    /// Where it listens for HTTP, if it does.
    address: Option<SocketAddr>,
    /// Kept for as long as it runs, where it was started as [`Wattle::up`] does: a host keeps data there.
    _home: Option<Arc<TempDir>>,
}

/// What a process left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code; none where a signal ended it.
    pub code: Option<i32>,
    /// All that it wrote on standard output.
    pub stdout: String,
    /// All that it wrote on standard error.
    pub stderr: String,
}

#[derive(Debug)]
struct Process {
    child: Child,
    stdout: Stream,
    stderr: Stream,
}

/// What a process writes on one of its streams.
#[derive(Debug)]
struct Stream {
    lines: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

// === impl Wattle ===

impl Wattle {
    /// The binary at `binary`; `folder` is one that all tests of a run share.
    pub fn new(binary: impl Into<PathBuf>, folder: impl AsRef<Path>) -> Self {
        let home = Arc::new(tempfile::tempdir().expect("a folder for the test"));
        Self { binary: binary.into(), cache: folder.as_ref().join("artefacts"), home, site: None }
    }

    /// The same at a site of a network. It serves on the site's address.
    pub fn at(self, site: &Site) -> Self {
        Self { site: Some(site.clone()), ..self }
    }

    /// The same with an empty cache of its own.
    pub fn with_own_cache(self) -> Self {
        Self { cache: self.home.path().join("artefacts"), ..self }
    }

    /// A folder that is gone when the test is.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Where compiled programs are kept.
    pub fn cache(&self) -> &Path {
        &self.cache
    }

    /// Writes a file into the home.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.home.path().join(name);
        let folder = path.parent().expect("a file lies in a folder");
        std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&path, content)).expect("the home can be written");
        path
    }

    /// The binary with these arguments, in its home and with nothing of the user's environment.
    pub fn command(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let mut words = self.site.as_ref().map_or_else(Vec::new, Site::enter);
        words.push(self.binary.clone().into());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).env_clear().env("HOME", self.home.path()).current_dir(self.home.path());
        // First, since `run` gives all that comes behind the file to the program.
        command.arg("--cache").arg(&self.cache).args(arguments);
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Ended {
        Process::start(&mut self.command(arguments)).wait()
    }

    /// Starts `wattle up` on a free port and waits until it serves.
    pub fn up(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Up {
        Up { _home: Some(self.home.clone()), ..Up::start(&mut self.up_command(arguments)) }
    }

    /// As [`up`](Self::up), where it may end instead.
    pub fn try_up(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Result<Up, Ended> {
        let up = Up::try_start(&mut self.up_command(arguments))?;
        Ok(Up { _home: Some(self.home.clone()), ..up })
    }

    /// What [`up`](Self::up) starts, for a test that changes something of it.
    pub fn up_command(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let mut command = self.command(["up", "--http", &self.listen(), "--bus", "127.0.0.1:0", "-o", "json"]);
        command.args(arguments);
        command
    }

    /// A free port where it runs, as `--http` takes it.
    pub fn listen(&self) -> String {
        self.site.as_ref().map_or_else(|| "127.0.0.1:0".to_owned(), |site| site.address(0).to_string())
    }
}

// === impl Up ===

impl Up {
    /// Starts the command and waits until it serves.
    ///
    /// # Panics
    ///
    /// Where it ends instead, with what it said.
    pub fn start(command: &mut Command) -> Self {
        Self::try_start(command).unwrap_or_else(|ended| panic!("wattle did not start: {}", ended.stderr))
    }

    /// Starts the command and waits until it serves or has ended.
    pub fn try_start(command: &mut Command) -> Result<Self, Ended> {
        let mut process = Process::start(command);
        let mut said = None;
        eventually("wattle listens or has ended", || {
            let has_ended = process.has_ended();
            said = listening(&process.stdout.text());
            said.is_some() || has_ended
        });
        let Some(said) = said else { return Err(process.wait()) };
        let address = said.as_str().map(|url| {
            let address = url.strip_prefix("http://").and_then(|address| address.parse().ok());
            address.expect("it prints the address that it listens on")
        });
        Ok(Self { process, address, _home: None })
    }

    /// Where it listens.
    ///
    /// # Panics
    ///
    /// Where it listens for no HTTP.
    pub fn address(&self) -> SocketAddr {
        self.address.expect("it listens for HTTP")
    }

    /// The address of its bus, as a command takes it with `--nats`.
    ///
    /// # Panics
    ///
    /// Where it has none.
    pub fn bus(&self) -> String {
        let url = self.values().iter().find_map(|value| Some(value["bus"].as_str()?.to_owned()));
        url.expect("it prints where its bus is")
    }

    /// The number of the process.
    pub fn id(&self) -> u32 {
        self.process.child.id()
    }

    /// The most memory that the process had so far, in KiB.
    ///
    /// The kernel adds it up from what each processor counted and did not yet tell, so that it may be a little less when
    /// it is asked again.
    ///
    /// # Panics
    ///
    /// Where the process has ended.
    pub fn peak(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux says so");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// A new connection.
    pub fn connect(&self) -> Connection {
        Connection::open(self.address()).expect("it listens")
    }

    /// Sends these bytes on a new connection and reads one answer.
    pub fn send(&self, bytes: &[u8]) -> Answer {
        self.try_send(bytes).expect("an answer")
    }

    /// As [`send`](Self::send), where the connection may be cut.
    pub fn try_send(&self, bytes: &[u8]) -> std::io::Result<Answer> {
        Connection::open(self.address())?.exchange(bytes)
    }

    /// The answer to a `GET`.
    pub fn get(&self, target: &str) -> Answer {
        self.send(&request("GET", target, &[], b""))
    }

    /// The answer to a request with a body.
    pub fn ask(&self, method: &str, target: &str, body: &[u8]) -> Answer {
        self.send(&request(method, target, &[], body))
    }

    /// What it has written on standard output so far, a value a line.
    pub fn values(&self) -> Vec<Value> {
        values(&self.process.stdout.text())
    }

    /// Waits until it says this on standard error, which may come after the answer that it is about.
    ///
    /// # Panics
    ///
    /// Where it does not within [`PATIENCE`](crate::PATIENCE).
    pub fn says(&self, text: &str) {
        eventually(text, || self.stderr().contains(text));
    }

    /// What it has written on standard error so far.
    pub fn stderr(&self) -> String {
        self.process.stderr.text()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process.child), signal).expect("it runs, or waits to be reaped");
    }

    /// Asks it to stop, as Ctrl-C does, and waits for its end.
    pub fn stop(self) -> Ended {
        self.signal(Signal::INT);
        self.wait()
    }

    /// Kills it, as a crash would.
    pub fn kill(self) -> Ended {
        self.signal(Signal::KILL);
        self.wait()
    }

    /// Waits for its end.
    pub fn wait(self) -> Ended {
        self.process.wait()
    }
}

// === impl Ended ===

impl Ended {
    /// Standard output as values, one a line.
    pub fn values(&self) -> Vec<Value> {
        values(&self.stdout)
    }

    /// What became of the requests of a component, by its report at the end.
    pub fn requests(&self, component: &str) -> Value {
        let values = self.values();
        let report = values.iter().find(|value| value["component"] == component && value["requests"].is_object());
        report.map(|report| report["requests"].clone()).expect("a report on each component")
    }
}

// === impl Process ===

impl Process {
    fn start(command: &mut Command) -> Self {
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.expect("the binary starts");
        let stdout = Stream::read(child.stdout.take().expect("it is piped"));
        let stderr = Stream::read(child.stderr.take().expect("it is piped"));
        Self { child, stdout, stderr }
    }

    fn has_ended(&mut self) -> bool {
        self.status().is_some()
    }

    fn status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("it was started here")
    }

    fn wait(mut self) -> Ended {
        eventually("the process ends", || self.has_ended());
        let status = self.status().expect("it has ended");
        Ended { code: status.code(), stdout: self.stdout.whole(), stderr: self.stderr.whole() }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.has_ended() && self.child.kill().and_then(|()| self.child.wait()).is_err() {
            eprintln!("process {} may still run", self.child.id());
        }
    }
}

// === impl Stream ===

impl Stream {
    fn read(stream: impl Read + Send + 'static) -> Self {
        let lines = Arc::new(Mutex::new(String::new()));
        let written = lines.clone();
        let reader = std::thread::spawn(move || {
            let mut stream = BufReader::new(stream);
            let mut line = Vec::new();
            while stream.read_until(b'\n', &mut line).is_ok_and(|size| size > 0) {
                written.lock().unwrap_or_else(PoisonError::into_inner).push_str(&String::from_utf8_lossy(&line));
                line.clear();
            }
        });
        Self { lines, reader: Some(reader) }
    }

    fn text(&self) -> String {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// All of it, once everybody who could write has ended.
    fn whole(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().expect("reading returns its errors");
        }
        self.text()
    }
}

/// Where it says that it listens, in JSON or in words; null where it says that it does not.
fn listening(text: &str) -> Option<Value> {
    let in_words = |line: &str| Some(Value::from(line.strip_prefix("listening on ")?.strip_suffix(" (Ctrl-C stops)")?));
    let in_json = values(text).iter().find_map(|value| value.get("listening").cloned());
    in_json.or_else(|| text.lines().find_map(in_words))
}

fn values(text: &str) -> Vec<Value> {
    let whole_lines = text.rsplit_once('\n').map_or("", |(lines, _)| lines);
    whole_lines.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}
