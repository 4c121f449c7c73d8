//! Asks a binary for answers, on several connections at once as a busy server is asked, and ends it as a user would.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, ensure};

/// Connections at once.
const AT_ONCE: usize = 8;

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
    let connect = |_| TcpStream::connect(&address).and_then(|client| client.set_nodelay(true).map(|()| client));
    let mut clients = (0..AT_ONCE).map(connect).collect::<std::io::Result<Vec<_>>>()?;
    for _ in 0..times.div_ceil(AT_ONCE) {
        clients.iter_mut().try_for_each(request)?;
        clients.iter_mut().try_for_each(wait_for_answer)?;
    }
    drop(clients);
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
    Ok(client.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")?)
}

fn wait_for_answer(client: &mut TcpStream) -> anyhow::Result<()> {
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
