//! Starts an MQTT broker.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::path::Path;

use super::{Server, Setup};

/// What a client of MQTT 5 says first.
const HELLO: &[u8] = b"\x10\x0d\0\x04MQTT\x05\x02\0\x0a\0\0\0";

/// A Mosquitto. What it acknowledged survives a kill.
#[derive(Debug)]
pub struct Mosquitto(Server);

impl Mosquitto {
    /// Starts one that lets everybody in.
    ///
    /// # Panics
    ///
    /// Where it is not installed or does not start.
    pub fn start() -> Self {
        Self::start_with(["allow_anonymous true"])
    }

    /// Starts one with these lines in its configuration: `["password_file /some/where"]`.
    pub fn start_with<const N: usize>(lines: [&str; N]) -> Self {
        let extra = lines.map(ToOwned::to_owned).into();
        let setup = Setup { program: "mosquitto", arguments, extra, greeting: (HELLO, b"\x20"), refuses_root: false };
        Self(Server::start("mqtt", setup))
    }
}

fn arguments(address: SocketAddr, folder: &Path, extra: &[String]) -> Vec<OsString> {
    let config = folder.join("mosquitto.conf");
    let kept = "persistence true\nautosave_on_changes true\nautosave_interval 1\n";
    let content = format!(
        "user root\nlistener {} {}\n{kept}persistence_location {}/\n{}\n",
        address.port(),
        address.ip(),
        folder.display(),
        extra.join("\n")
    );
    std::fs::write(&config, content).expect("the folder is ours");
    vec!["-c".into(), config.into()]
}

impl Deref for Mosquitto {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.0
    }
}

impl DerefMut for Mosquitto {
    fn deref_mut(&mut self) -> &mut Server {
        &mut self.0
    }
}
