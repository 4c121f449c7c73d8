//! Starts a PostgreSQL server.

use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::process::Stdio;

use super::{Server, Setup, find_program, supervised_unprivileged};

/// A PostgreSQL server. What it acknowledged survives a kill of its processes; it does not flush, so not one of the machine.
#[derive(Debug)]
pub struct Postgres(Server);

impl Postgres {
    /// What it asks of `postgres`, who may everything.
    pub const PASSWORD: &str = "open sesame";

    /// Starts one.
    ///
    /// # Panics
    ///
    /// Where it is not installed or does not start.
    pub fn start() -> Self {
        Self::start_with([])
    }

    /// Starts one with more arguments: `["-c", "max_connections=5"]`.
    pub fn start_with<const N: usize>(arguments: [&str; N]) -> Self {
        // Who logs in, by version 3.0 of its protocol. The answer begins with `R`, or with `E` while it is starting.
        let greeting: (&[u8], &[u8]) = (b"\0\0\0\x17\0\x03\0\0user\0postgres\0\0", b"R");
        let extra = arguments.map(ToOwned::to_owned).into();
        Self(Server::start(
            "postgres",
            Setup { program: "postgres", arguments: self::arguments, extra, greeting, refuses_root: true },
        ))
    }

    /// Where it is, with who logs in, and the database.
    pub fn url(&self) -> String {
        format!("postgres://postgres:{}@{}/postgres", Self::PASSWORD.replace(' ', "%20"), self.address())
    }
}

/// Makes its data, where there are none, and says how it is started on them.
fn arguments(address: SocketAddr, folder: &Path, extra: &[String]) -> Vec<OsString> {
    let data = folder.join("data");
    if !data.exists() {
        initialise(folder);
    }
    let port = address.port().to_string();
    let mut arguments = vec!["-D".into(), data.into()];
    arguments.extend(["-h", "127.0.0.1", "-p", &port, "-k", "", "-F", "-c", "shared_buffers=16MB"].map(OsString::from));
    arguments.extend(extra.iter().map(OsString::from));
    arguments
}

fn initialise(folder: &Path) {
    let secret = folder.join("password");
    fs::write(&secret, Postgres::PASSWORD).expect("the folder is ours");
    let mut command = supervised_unprivileged(&find_program("initdb"), folder);
    command.arg("--pgdata").arg(folder.join("data")).arg("--pwfile").arg(secret);
    command.args(["--username=postgres", "--auth=scram-sha-256", "--no-sync", "--encoding=UTF8", "--locale=C"]);
    command.current_dir(folder).env_clear().stdin(Stdio::null());
    let output = command.output().expect("setpriv, of util-linux, starts programs");
    assert!(output.status.success(), "initdb: {}", String::from_utf8_lossy(&output.stderr));
}

impl Deref for Postgres {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.0
    }
}

impl DerefMut for Postgres {
    fn deref_mut(&mut self) -> &mut Server {
        &mut self.0
    }
}
