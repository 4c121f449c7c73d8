//! A real NATS server, started and ended by the test.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;
use testkit::{Lack, eventually, skip};

/// A NATS server. It is gone when the value is, however the test ends.
pub(crate) struct Server {
    program: PathBuf,
    arguments: Vec<String>,
    address: SocketAddr,
    child: Child,
    folder: TempDir,
}

/// The server that `tools/setup test` fetches.
pub(crate) fn newest() -> PathBuf {
    tools().join("nats-server")
}

/// The server of the system's packages, where there is one: an older one, as a rule. `tools/setup test` unpacks it where it can.
pub(crate) fn of_system() -> Option<PathBuf> {
    let unpacked = tools().join("../../nats-server/usr/sbin/nats-server");
    let programs = [unpacked, PathBuf::from("nats-server"), PathBuf::from("/usr/sbin/nats-server")];
    let found = programs.into_iter().find(|program| Command::new(program).arg("--version").output().is_ok());
    if found.is_none() {
        skip(Lack::Tool, "no other nats-server is installed (`tools/setup test` unpacks one)");
    }
    found
}

/// Where `tools/setup test` puts what the tests of the bus need.
pub(crate) fn tools() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/nats/bin")
}

// === impl Server ===

impl Server {
    /// Starts it on a free port.
    pub(crate) fn start(program: PathBuf, arguments: &[&str]) -> Self {
        Self::start_in(tempfile::tempdir().expect("a folder for the test"), program, arguments)
    }

    /// Starts the newest one with these lines as its configuration, in which `FOLDER` is a folder of its own.
    pub(crate) fn configured(lines: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let path = configure(folder.path(), lines);
        Self::start_in(folder, newest(), &["-c", path.to_str().expect("a path in text")])
    }

    /// Writes another configuration, which counts when it is started again.
    pub(crate) fn configure(&self, lines: &str) {
        configure(self.folder.path(), lines);
    }

    /// Where clients reach it.
    pub(crate) fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    fn start_in(folder: TempDir, program: PathBuf, arguments: &[&str]) -> Self {
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        // A port that is free now may be taken a moment later; then the next one is tried.
        for _ in 0..20 {
            let address = free_address().expect("a free port");
            if let Some(child) = try_start(&program, &arguments, address) {
                return Self { program, arguments, address, child, folder };
            }
        }
        panic!("{} does not start; `tools/setup test` installs it", program.display());
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Kills it.
    pub(crate) fn kill(&mut self) {
        self.child.kill().and_then(|()| self.child.wait()).expect("it was started here");
    }

    /// Starts it again, where it was.
    pub(crate) fn restart(&mut self) {
        self.kill();
        eventually("the server starts where it was", || {
            let child = try_start(&self.program, &self.arguments, self.address);
            child.map(|child| self.child = child).is_some()
        });
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have been killed before.
        if self.child.kill().and_then(|()| self.child.wait()).is_err() {
            eprintln!("the server {} may still run", self.child.id());
        }
    }
}

fn configure(folder: &Path, lines: &str) -> PathBuf {
    let path = folder.join("nats.conf");
    let lines = lines.replace("FOLDER", folder.to_str().expect("a path in text"));
    std::fs::write(&path, lines).expect("the folder is ours");
    path
}

fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}

/// Starts it and waits until it listens; nothing where it ends instead.
fn try_start(program: &Path, arguments: &[String], address: SocketAddr) -> Option<Child> {
    let mut command = Command::new(program);
    command.args(["-a", "127.0.0.1", "-p", &address.port().to_string()]).args(arguments);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()?;
    let mut has_ended = false;
    eventually("the server listens or has ended", || {
        has_ended = child.try_wait().expect("it was started here").is_some();
        has_ended || TcpStream::connect(address).is_ok()
    });
    (!has_ended).then_some(child)
}
