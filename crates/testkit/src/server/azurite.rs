//! Starts a server of Azure Blob Storage.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

use super::{Server, Setup, tools};

/// An Azurite, with one empty container. What it acknowledged may be gone after a kill.
#[derive(Debug)]
pub struct Azurite(Server);

impl Azurite {
    /// Whose storage it is.
    pub const ACCOUNT: &str = "devstoreaccount1";
    /// The account's key, which is the same everywhere.
    pub const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
    /// The container that is there.
    pub const CONTAINER: &str = "data";

    /// Starts one.
    ///
    /// # Panics
    ///
    /// Where it is not installed or does not start.
    pub fn start() -> Self {
        let greeting: (&[u8], &[u8]) = (b"GET / HTTP/1.1\r\nhost: a\r\n\r\n", b"HTTP/1.1");
        let setup = Setup { program: "node", arguments, extra: Vec::new(), greeting, refuses_root: false };
        let server = Self(Server::start("http", setup));
        let answer = server.create_container().expect("it answers");
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
        server
    }

    /// Where the account's storage is.
    pub fn endpoint(&self) -> String {
        format!("{}/{}", self.url(), Self::ACCOUNT)
    }

    fn create_container(&self) -> std::io::Result<String> {
        let path = format!("/{}/{}", Self::ACCOUNT, Self::CONTAINER);
        let date = httpdate::fmt_http_date(SystemTime::now());
        let headers = format!("x-ms-date:{date}\nx-ms-version:2021-08-06\n");
        // Eleven headers that are not sent lie between.
        let signed = format!("PUT{}{headers}/{}{path}\nrestype:container", "\n".repeat(12), Self::ACCOUNT);
        let key = hmac::Key::new(hmac::HMAC_SHA256, &STANDARD.decode(Self::KEY).expect("it is written in full"));
        let signature = STANDARD.encode(hmac::sign(&key, signed.as_bytes()));
        let mut stream = TcpStream::connect(self.address())?;
        write!(
            stream,
            "PUT {path}?restype=container HTTP/1.1\r\nhost: {}\r\n{}authorization: SharedKey {}:{signature}\r\n\
             content-length: 0\r\nconnection: close\r\n\r\n",
            self.address(),
            headers.replace('\n', "\r\n"),
            Self::ACCOUNT
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }
}

fn arguments(address: SocketAddr, folder: &Path, _: &[String]) -> Vec<OsString> {
    let program = tools().join("azurite/node_modules/azurite/dist/src/blob/main.js");
    assert!(program.is_file(), "there is no Azurite: run `tools/setup test`");
    let [host, port] = [address.ip().to_string(), address.port().to_string()];
    let quiet = ["--silent", "--skipApiVersionCheck", "--disableTelemetry", "--location"].map(OsString::from);
    let at = ["--blobHost", &host, "--blobPort", &port].map(OsString::from);
    [program.into()].into_iter().chain(at).chain(quiet).chain([folder.into()]).collect()
}

impl Deref for Azurite {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.0
    }
}

impl DerefMut for Azurite {
    fn deref_mut(&mut self) -> &mut Server {
        &mut self.0
    }
}
