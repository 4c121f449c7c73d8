//! Names the servers that are compared, and how each is started.
//!
//! # Invariants
//!
//! 1. Every arm is started with the same environment: no backtraces, no logs, folders of its own.
//! 2. An arm of `wasmtime serve` that is called fresh makes an instance for each request, also for WASI 0.3, whose
//!    default there is to share one among 128.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::tools::Tools;

/// One of the servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arm {
    /// Hyper with no component behind it.
    Floor,
    /// `wasmtime serve` as it comes.
    ServeDefault,
    /// `wasmtime serve`, memory kept resident, an instance for each request.
    ServeTuned,
    /// The same, with instances used again and again.
    ServeReused,
    /// `wattle up`: an instance for each request.
    WattleFresh,
    /// `wattle up --reuse`.
    WattleReused,
}

/// A component, and what `wasmtime serve` has to link for it.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    pub(crate) file: PathBuf,
    pub(crate) links: Links,
}

/// What a component imports beside HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Links {
    /// Nothing that a proxy does not have.
    Proxy,
    /// `wasi:cli`, as Rust's standard library does.
    Cli,
}

/// A program with its arguments, not yet started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Launch {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<OsString>,
}

const TUNED: &str = "pooling-memory-keep-resident=1048576,pooling-table-keep-resident=65536,pooling-pagemap-scan=y";

// === impl Arm ===

impl Arm {
    /// All of them; those that others are compared with come first.
    pub(crate) const ALL: [Self; 6] =
        [Self::Floor, Self::ServeDefault, Self::ServeTuned, Self::ServeReused, Self::WattleFresh, Self::WattleReused];

    /// Those that the others are compared with.
    pub(crate) const REFERENCES: [Self; 4] = [Self::ServeTuned, Self::ServeReused, Self::ServeDefault, Self::Floor];

    /// What it is called in the tables.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Floor => "hyper-floor",
            Self::ServeDefault => "wasmtime serve",
            Self::ServeTuned => "wasmtime serve, tuned",
            Self::ServeReused => "wasmtime serve, reused",
            Self::WattleFresh => "wattle up",
            Self::WattleReused => "wattle up --reuse",
        }
    }

    /// How it is started on an address; nothing where its program is missing.
    pub(crate) fn launch(self, tools: &Tools, subject: &Subject, address: SocketAddr) -> Option<Launch> {
        let address = address.to_string();
        let launch = match self {
            Self::Floor => Launch::new(tools.floor.as_ref()?).with(["--http", &address]),
            Self::ServeDefault => serve(tools.wasmtime.as_ref()?, &address, subject.links).with([&subject.file]),
            Self::ServeTuned => serve(tools.wasmtime.as_ref()?, &address, subject.links)
                .with(["-O", TUNED, "--max-instance-reuse-count", "1"])
                .with([&subject.file]),
            Self::ServeReused => serve(tools.wasmtime.as_ref()?, &address, subject.links)
                .with(["-O", TUNED, "--max-instance-reuse-count", "1000000"])
                .with([&subject.file]),
            Self::WattleFresh => {
                Launch::new(tools.wattle.as_ref()?).with(["up"]).with([&subject.file]).with(["--http", &address])
            }
            Self::WattleReused => Launch::new(tools.wattle.as_ref()?)
                .with(["up"])
                .with([&subject.file])
                .with(["--http", &address, "--reuse"]),
        };
        Some(launch)
    }
}

fn serve(wasmtime: &Path, address: &str, links: Links) -> Launch {
    let launch = Launch::new(wasmtime).with(["serve", "--addr", address]);
    match links {
        Links::Proxy => launch,
        Links::Cli => launch.with(["-S", "cli"]),
    }
}

// === impl Launch ===

impl Launch {
    pub(crate) fn new(program: &Path) -> Self {
        Self { program: program.to_owned(), arguments: Vec::new() }
    }

    pub(crate) fn with<T: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = T>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// The command, with what it keeps (caches, data) in folders under `home`.
    pub(crate) fn command(&self, home: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).env("HOME", home).env("RUST_BACKTRACE", "0").env("RUST_LIB_BACKTRACE", "0");
        command.env("RUST_LOG", "off").env("WASMTIME_LOG", "off").env_remove("TOKIO_WORKER_THREADS");
        let folders = [("CACHE", "cache"), ("DATA", "data"), ("STATE", "state"), ("CONFIG", "config")];
        for (name, folder) in folders {
            command.env(format!("XDG_{name}_HOME"), home.join(folder));
        }
        command
    }

    /// The same program, started through another that makes it end when the harness ends, however that ends.
    pub(crate) fn guarded(self, guard: &Path) -> Self {
        Self::new(guard).with(["--pdeathsig", "KILL", "--"]).with([self.program]).with(self.arguments)
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::{Arm, Launch, Links, Subject};
    use crate::tools::{Guests, Tools};

    fn line(arm: Arm, links: Links) -> Option<String> {
        let guests = Guests { hello: None, hello_p2: None, hello_p3: None, kit: None, folder: PathBuf::new() };
        let wasmtime = Some(PathBuf::from("wasmtime"));
        let tools = Tools {
            wrk: None,
            wasmtime,
            wattle: Some("wattle".into()),
            floor: None,
            redis: None,
            nats: None,
            guests,
            scratch: PathBuf::new(),
        };
        let subject = Subject { name: "hello", file: "a.wasm".into(), links };
        let launch = arm.launch(&tools, &subject, ([127, 0, 0, 1], 80).into())?;
        let arguments: Vec<_> = launch.arguments.iter().map(|argument| argument.to_string_lossy()).collect();
        Some(format!("{} {}", launch.program.display(), arguments.join(" ")))
    }

    #[test]
    fn each_arm_has_its_own_line() {
        let line = |arm, links| line(arm, links).expect("its program is there");
        assert_eq!(line(Arm::ServeDefault, Links::Cli), "wasmtime serve --addr 127.0.0.1:80 -S cli a.wasm");
        assert!(
            line(Arm::ServeReused, Links::Proxy).ends_with("pagemap-scan=y --max-instance-reuse-count 1000000 a.wasm")
        );
        assert_eq!(line(Arm::WattleReused, Links::Cli), "wattle up a.wasm --http 127.0.0.1:80 --reuse");
    }

    #[test]
    fn an_arm_without_its_program_is_left_out() {
        assert_eq!(line(Arm::Floor, Links::Proxy), None);
    }

    #[test]
    fn a_guard_stands_before_the_program() {
        let launch = Launch::new(Path::new("a")).with(["b"]).guarded(Path::new("g"));
        assert_eq!(launch, Launch::new(Path::new("g")).with(["--pdeathsig", "KILL", "--", "a", "b"]));
    }
}
