//! Starts a NATS server with JetStream.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::path::Path;

use super::{Server, Setup, quiet_port};
use crate::net::Site;

/// A NATS server with JetStream. What it acknowledged survives a kill.
#[derive(Debug)]
pub struct Nats(Server);

/// Three NATS servers that are one, called `n0`, `n1` and `n2`. What is kept on all of them survives the loss of any.
#[derive(Debug)]
pub struct NatsCluster {
    servers: Vec<Nats>,
}

// === impl NatsCluster ===

impl NatsCluster {
    /// Starts them. They may take a while to find each other.
    ///
    /// # Panics
    ///
    /// Where one of them is not installed or does not start.
    pub fn start() -> Self {
        let ports = [quiet_port(), quiet_port(), quiet_port()];
        let routes = ports.map(|port| format!("\"nats://127.0.0.1:{port}\"")).join(", ");
        let start = |(index, port): (usize, u16)| {
            let name = format!("server_name: n{index}");
            Nats::start_with([
                &name,
                &format!("cluster {{ name: c, listen: \"127.0.0.1:{port}\", routes: [ {routes} ] }}"),
            ])
        };
        Self { servers: ports.into_iter().enumerate().map(start).collect() }
    }

    /// Where all of them are, with commas between.
    pub fn url(&self) -> String {
        self.servers.iter().map(|server| server.url()).collect::<Vec<_>>().join(",")
    }

    /// One of them, by its number.
    pub fn server(&mut self, index: usize) -> &mut Nats {
        &mut self.servers[index]
    }
}

// === impl Nats ===

impl Nats {
    /// Starts one, which takes messages of 16 MiB.
    ///
    /// # Panics
    ///
    /// Where it is not installed or does not start.
    pub fn start() -> Self {
        Self::start_with(["max_payload: 16777216"])
    }

    /// Starts one with more lines in its configuration: `["authorization { token: secret }"]`.
    pub fn start_with<const N: usize>(lines: [&str; N]) -> Self {
        Self(Server::start("nats", setup(arguments, lines)))
    }

    /// Starts one at a site of a network, on the port 4222 there.
    pub fn start_at<const N: usize>(site: &Site, lines: [&str; N]) -> Self {
        Self(Server::start_at(site, 4222, ("nats", setup(arguments, lines))))
    }

    /// Starts one there that has nothing but these lines in its configuration: without others it has no JetStream.
    pub fn start_bare_at<const N: usize>(site: &Site, lines: [&str; N]) -> Self {
        Self(Server::start_at(site, 4222, ("nats", setup(bare_arguments, lines))))
    }
}

fn setup<const N: usize>(arguments: fn(SocketAddr, &Path, &[String]) -> Vec<OsString>, lines: [&str; N]) -> Setup {
    let extra = lines.map(ToOwned::to_owned).into();
    Setup { program: "nats-server", arguments, extra, greeting: (b"", b"INFO {"), refuses_root: false }
}

fn bare_arguments(address: SocketAddr, folder: &Path, extra: &[String]) -> Vec<OsString> {
    let config = folder.join("nats.conf");
    let content = format!("listen: \"{address}\"\n{}\n", extra.join("\n"));
    std::fs::write(&config, content).expect("the folder is ours");
    vec!["--config".into(), config.into()]
}

fn arguments(address: SocketAddr, folder: &Path, extra: &[String]) -> Vec<OsString> {
    let config = folder.join("nats.conf");
    let data = folder.join("data");
    let content = format!("listen: \"{address}\"\njetstream {{ store_dir: {data:?} }}\n{}\n", extra.join("\n"));
    std::fs::write(&config, content).expect("the folder is ours");
    vec!["--config".into(), config.into()]
}

impl Deref for Nats {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.0
    }
}

impl DerefMut for Nats {
    fn deref_mut(&mut self) -> &mut Server {
        &mut self.0
    }
}
