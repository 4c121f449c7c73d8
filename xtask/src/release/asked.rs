//! Asks a binary for answers, one after the other on one connection, and ends it as a user would.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, ensure};

/// Has the binary serve as these arguments say, in a folder of its own, and asks it so many times. Gives the number of its
/// process, which has ended.
pub(super) fn ask(binary: &Path, arguments: &[OsString], folder: &Path, times: usize) -> anyhow::Result<u32> {
    let mut command = Command::new(binary);
    // Nothing of whoever builds is read or kept.
    command.args(arguments).env("HOME", folder).env_remove("XDG_STATE_HOME").env_remove("XDG_CONFIG_HOME");
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut served = Served(command.spawn().with_context(|| format!("starting {}", binary.display()))?);
    // Kept to the end: what it still says has to go somewhere.
    let mut output = BufReader::new(served.0.stdout.take().context("its output is a pipe")?);
    let address = output
        .by_ref()
        .lines()
        .map_while(Result::ok)
        .find_map(|line| {
            let (_, address) = line.split_once("listening")?.1.split_once("http://")?;
            Some(address.trim_end_matches(['"', '}', '/']).to_owned())
        })
        .with_context(|| format!("{} {arguments:?} does not serve", binary.display()))?;
    let mut client = TcpStream::connect(&address)?;
    client.set_nodelay(true)?;
    (0..times).try_for_each(|_| request(&mut client))?;
    drop(client);
    let process = served.0.id();
    Command::new("kill").args(["-INT", &process.to_string()]).status()?;
    let status = served.0.wait()?;
    ensure!(status.success(), "{} ended badly ({status})", binary.display());
    Ok(process)
}

/// A server, killed where it is not waited for.
struct Served(Child);

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended before.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn request(client: &mut TcpStream) -> anyhow::Result<()> {
    client.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")?;
    let mut answer = Vec::new();
    while !is_whole(&answer) {
        let mut piece = [0; 4096];
        let read = client.read(&mut piece)?;
        ensure!(read > 0, "the connection was closed after {:?}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&piece[..read]);
    }
    Ok(())
}

/// Whether that is all of an answer of `hello`, in chunks or not.
fn is_whole(answer: &[u8]) -> bool {
    let is_in_chunks = answer.windows(7).any(|word| word == b"chunked");
    answer.ends_with(if is_in_chunks { b"\r\n0\r\n\r\n" } else { b"Hello, wasm!\n" })
}
