//! Finds what is measured and what measures, and says all at once what is missing.
//!
//! Nothing is built or downloaded here: `make bench` does that. Whatever is missing leaves its arm out, with a line that
//! names the command that makes it, so that half a set of tools still gives half a table.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// Where everything is; `None` for what is missing.
#[derive(Debug, Clone)]
pub(crate) struct Tools {
    pub(crate) wrk: Option<PathBuf>,
    pub(crate) wasmtime: Option<PathBuf>,
    pub(crate) wattle: Option<PathBuf>,
    pub(crate) floor: Option<PathBuf>,
    pub(crate) redis: Option<PathBuf>,
    pub(crate) nats: Option<PathBuf>,
    pub(crate) guests: Guests,
    /// A folder of the harness's own, emptied when it starts and gone when it ends well.
    pub(crate) scratch: PathBuf,
}

/// The components that are served.
#[derive(Debug, Clone)]
pub(crate) struct Guests {
    /// Rust with its standard library, WASI 0.2.
    pub(crate) hello: Option<PathBuf>,
    /// Written by hand, WASI 0.2.
    pub(crate) hello_p2: Option<PathBuf>,
    /// Written by hand, WASI 0.3.
    pub(crate) hello_p3: Option<PathBuf>,
    /// Rust, WASI 0.2: a body of any size, an echo, an endless loop.
    pub(crate) kit: Option<PathBuf>,
    /// Where they and all others are.
    pub(crate) folder: PathBuf,
}

// === impl Tools ===

impl Tools {
    /// Looks beside this program (`target/release`), in `target`, on the `PATH` and in `WASMTIME` and `GUESTS`.
    pub(crate) fn find() -> anyhow::Result<Self> {
        let program = env::current_exe()?;
        let release = program.parent().context("this program is in no folder")?;
        let target = release.parent().context("this program is in no target folder")?;
        let guests = env::var_os("GUESTS").map_or_else(|| target.join("guests"), PathBuf::from);
        let wasmtime = env::var_os("WASMTIME").map(PathBuf::from);
        let guest = |name: &str| file(guests.join(format!("{name}.wasm"))).or(file(guests.join(format!("{name}.wat"))));
        Ok(Self {
            wrk: on_path("wrk"),
            wasmtime: wasmtime.or(file(target.join("bench-tools/bin/wasmtime"))).or(on_path("wasmtime")),
            wattle: file(release.join("wattle")),
            floor: file(release.join("hyper-floor")),
            redis: file(target.join("tools/bin/redis-server")).or(on_path("redis-server")),
            nats: file(target.join("tools/nats/bin/nats-server")).or(on_path("nats-server")),
            guests: Guests {
                hello: guest("hello"),
                hello_p2: guest("hello-p2"),
                hello_p3: guest("hello-p3"),
                kit: guest("http-kit"),
                folder: guests.clone(),
            },
            scratch: target.join("bench-scratch"),
        })
    }

    /// A line for each thing that is missing: what, and what makes it.
    pub(crate) fn missing(&self) -> Vec<String> {
        let setup = "`tools/setup bench`";
        let build = "`cargo build --release`";
        let guests = "`cargo xtask guests`";
        let needed = [
            ("wrk", self.wrk.is_some(), setup),
            ("wasmtime 48", self.wasmtime.is_some(), "`tools/setup bench`, or name one in WASMTIME"),
            ("target/release/wattle", self.wattle.is_some(), build),
            ("target/release/hyper-floor", self.floor.is_some(), "`cargo build --release -p bench`"),
            ("redis-server", self.redis.is_some(), "`tools/setup test`"),
            ("nats-server", self.nats.is_some(), "`tools/setup test`"),
            ("target/guests/hello.wasm", self.guests.hello.is_some(), guests),
            ("target/guests/hello-p2.wasm", self.guests.hello_p2.is_some(), guests),
            ("target/guests/hello-p3.wasm", self.guests.hello_p3.is_some(), guests),
            ("target/guests/http-kit.wasm", self.guests.kit.is_some(), guests),
        ];
        let missing = needed.iter().filter(|(_, is_there, _)| !is_there);
        missing.map(|(what, _, make)| format!("missing: {what}; {make} makes it")).collect()
    }
}

fn file(path: PathBuf) -> Option<PathBuf> {
    path.is_file().then_some(path)
}

/// A program by its name.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    let folders = env::var_os("PATH")?;
    env::split_paths(&folders).map(|folder| folder.join(Path::new(name))).find_map(file)
}
