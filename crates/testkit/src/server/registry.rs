//! Starts a registry of artefacts.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::path::Path;

use super::{Server, Setup};

/// The registry that Docker has published. What it acknowledged survives a kill.
#[derive(Debug)]
pub struct Registry(Server);

/// [`Registry::USER`] and [`Registry::PASSWORD`], as the registry reads them.
const USERS: &str = "ada:$2y$05$abcdefghijklmnopqrstuupx2xBUC4954936wVIjyyPHmUBFu0wCW\n";

impl Registry {
    /// Who is let in where not everybody is.
    pub const USER: &str = "ada";

    /// The user's password.
    pub const PASSWORD: &str = "open sesame";

    /// Starts one that lets everybody in.
    ///
    /// # Panics
    ///
    /// Where it is not installed or does not start.
    pub fn start() -> Self {
        Self::start_with(Vec::new())
    }

    /// Starts one that lets only [`USER`](Self::USER) in.
    pub fn start_with_user() -> Self {
        Self::start_with(vec!["auth: {htpasswd: {realm: lab, path: users}}".into()])
    }

    /// Starts one on which connections are encrypted, with this certificate and its key.
    pub fn start_encrypted(certificate: &Path, key: &Path) -> Self {
        Self::start_with(vec![format!("  tls: {{certificate: {certificate:?}, key: {key:?}}}")])
    }

    /// `HOST:PORT`, as references name it.
    pub fn name(&self) -> String {
        self.address().to_string()
    }

    /// With these lines behind those of `http`.
    fn start_with(extra: Vec<String>) -> Self {
        let greeting: (&[u8], &[u8]) = (b"GET / HTTP/1.1\r\nhost: a\r\n\r\n", b"HTTP/1.");
        Self(Server::start(
            "http",
            Setup { program: "docker-registry", arguments, extra, greeting, refuses_root: false },
        ))
    }
}

fn arguments(address: SocketAddr, folder: &Path, extra: &[String]) -> Vec<OsString> {
    let config = folder.join("registry.yml");
    let content = format!(
        "version: 0.1\nstorage: {{filesystem: {{rootdirectory: kept}}}}\nhttp:\n  addr: {address}\n  secret: open\n{}\n",
        extra.join("\n")
    );
    std::fs::write(&config, content).expect("the folder is ours");
    std::fs::write(folder.join("users"), USERS).expect("the folder is ours");
    vec!["serve".into(), config.into()]
}

impl Deref for Registry {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.0
    }
}

impl DerefMut for Registry {
    fn deref_mut(&mut self) -> &mut Server {
        &mut self.0
    }
}
