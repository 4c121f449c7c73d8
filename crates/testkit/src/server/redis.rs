//! Starts a Redis server that keeps every write.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::path::Path;

use super::{Server, Setup};

/// A Redis server. What it acknowledged survives a kill.
#[derive(Debug)]
pub struct Redis(Server);

impl Redis {
    /// Starts one.
    ///
    /// # Panics
    ///
    /// Where it is not installed or does not start.
    pub fn start() -> Self {
        Self::start_with([])
    }

    /// Starts one with more arguments: `["--maxmemory", "8mb"]`.
    pub fn start_with<const N: usize>(arguments: [&str; N]) -> Self {
        let extra = arguments.map(ToOwned::to_owned).into();
        let greeting: (&[u8], &[u8]) = (b"*1\r\n$4\r\nPING\r\n", b"+PONG");
        Self(Server::start(
            "redis",
            Setup { program: "redis-server", arguments: self::arguments, extra, greeting, refuses_root: false },
        ))
    }

    /// Starts one that asks for this password.
    pub fn start_with_password(password: &str) -> Self {
        let extra = vec!["--requirepass".to_owned(), password.to_owned()];
        let greeting: (&[u8], &[u8]) = (b"*1\r\n$4\r\nPING\r\n", b"-NOAUTH");
        Self(Server::start(
            "redis",
            Setup { program: "redis-server", arguments: self::arguments, extra, greeting, refuses_root: false },
        ))
    }
}

fn arguments(address: SocketAddr, folder: &Path, extra: &[String]) -> Vec<OsString> {
    let port = address.port().to_string();
    let mut arguments: Vec<OsString> = ["--bind", "127.0.0.1", "--port", &port].map(OsString::from).into();
    arguments.extend(["--dir".into(), folder.into()]);
    arguments.extend(["--appendonly", "yes", "--appendfsync", "everysec", "--save", ""].map(OsString::from));
    arguments.extend(extra.iter().map(OsString::from));
    arguments
}

impl Deref for Redis {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.0
    }
}

impl DerefMut for Redis {
    fn deref_mut(&mut self) -> &mut Server {
        &mut self.0
    }
}
