//! Starts a server, waits until it answers, and ends it on every way out.
//!
//! # Invariants
//!
//! 1. A server lives no longer than its [`Server`]; where `setpriv` is there, also no longer than the harness, even when
//!    that is killed.
//! 2. A server that is handed out has answered a request with 200.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use crate::arm::Launch;
use crate::{client, tools};

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    child: Child,
    log: PathBuf,
}

/// An address of this machine that nobody listens on. Another program may take it before a server does.
pub(crate) fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?)
}

/// When a server counts as ready: it answers a path with 200, within some time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ready<'a> {
    pub(crate) path: &'a str,
    pub(crate) patience: Duration,
}

/// Starts a server and waits until it is ready.
pub(crate) fn start(launch: Launch, address: SocketAddr, home: &Path, ready: Ready<'_>) -> anyhow::Result<Server> {
    let launch = match tools::on_path("setpriv") {
        Some(guard) => launch.guarded(&guard),
        None => launch,
    };
    let mut server = spawn(&launch, address, home)?;
    server.wait_until_ready(ready)?;
    Ok(server)
}

/// Starts a server and does not wait.
pub(crate) fn spawn(launch: &Launch, address: SocketAddr, home: &Path) -> anyhow::Result<Server> {
    fs::create_dir_all(home)?;
    let log = home.join("log");
    let output = File::create(&log)?;
    let mut command = launch.command(home);
    command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
    let child = command.spawn().with_context(|| format!("cannot start {}", launch.program.display()))?;
    Ok(Server { address, child, log })
}

// === impl Server ===

impl Server {
    /// The number of its process.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, where it has.
    pub(crate) fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// The end of what it printed.
    pub(crate) fn last_words(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(12)..].join("\n")
    }

    fn wait_until_ready(&mut self, Ready { path, patience }: Ready<'_>) -> anyhow::Result<()> {
        let start = Instant::now();
        loop {
            let answer = client::get(self.address, path);
            if answer.as_ref().is_ok_and(|answer| answer.status == 200) {
                return Ok(());
            }
            if let Some(status) = self.ended()? {
                bail!("it ended with {status}:\n{}", self.last_words());
            }
            if start.elapsed() > patience {
                let seen = answer.map_or_else(|error| error.to_string(), |answer| format!("status {}", answer.status));
                bail!("{path} did not answer 200 in {patience:?} ({seen}):\n{}", self.last_words());
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only for a process that has ended and was waited for, which is what is wanted.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
