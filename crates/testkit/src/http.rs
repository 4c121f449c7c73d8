//! This is an HTTP/1.1 client that hides nothing: tests send what they want, malformed or slow, and see what came.
//!
//! # Not here
//!
//! Redirects, retries, pools, TLS: whatever would come between a test and the bytes.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use crate::wait::PATIENCE;

/// What came back for a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// The status, as in 200.
    pub status: u16,
    /// The headers in order, their names in small letters.
    pub headers: Vec<(String, String)>,
    /// The body, put together where it came in chunks.
    pub body: Vec<u8>,
}

/// A connection to a server.
#[derive(Debug)]
pub struct Connection {
    reader: BufReader<TcpStream>,
}

/// The bytes of a request. A body is announced by its length; where `headers` name no host, one is added.
pub fn request(method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut bytes = head(method, target, headers);
    if !body.is_empty() {
        bytes.extend(format!("content-length: {}\r\n", body.len()).bytes());
    }
    bytes.extend(b"\r\n");
    bytes.extend(body);
    bytes
}

/// The bytes of a `POST` whose body comes in chunks, and so without its length.
pub fn chunked<'a>(target: &str, pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut bytes = head("POST", target, &[("transfer-encoding", "chunked")]);
    bytes.extend(b"\r\n");
    for piece in pieces {
        bytes.extend(format!("{:x}\r\n", piece.len()).bytes());
        bytes.extend(piece);
        bytes.extend(b"\r\n");
    }
    bytes.extend(b"0\r\n\r\n");
    bytes
}

fn head(method: &str, target: &str, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut text = format!("{method} {target} HTTP/1.1\r\n");
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        text.push_str("host: test\r\n");
    }
    headers.iter().for_each(|(name, value)| text.push_str(&format!("{name}: {value}\r\n")));
    text.into_bytes()
}

// === impl Connection ===

impl Connection {
    /// Connects.
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self { reader: BufReader::new(stream) })
    }

    /// Sends these bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.reader.get_mut().write_all(bytes)
    }

    /// Reads one answer, to the end of its body.
    pub fn answer(&mut self) -> io::Result<Answer> {
        Answer::read(&mut self.reader)
    }

    /// Reads the answer to a `HEAD`, whose headers announce a body that does not come.
    pub fn head(&mut self) -> io::Result<Answer> {
        Answer::read_head(&mut self.reader)
    }

    /// Reads one chunk of a body; an empty one is the last.
    pub fn chunk(&mut self) -> io::Result<Vec<u8>> {
        read_chunk(&mut self.reader)
    }

    /// Sends while it reads, as a large body needs that is answered before it has ended.
    pub fn exchange(&mut self, bytes: &[u8]) -> io::Result<Answer> {
        let mut writer = self.reader.get_ref().try_clone()?;
        std::thread::scope(|threads| {
            let sent = threads.spawn(move || writer.write_all(bytes));
            let answer = self.answer();
            if answer.is_err() {
                // Whoever still writes has nobody to write to.
                self.reader.get_ref().shutdown(Shutdown::Both).or_else(ignore_not_connected)?;
            }
            let sent = sent.join().expect("writing returns its errors");
            // A server may answer and hang up before it has read all: the answer counts.
            answer.map_err(|error| sent.err().unwrap_or(error))
        })
    }

    /// Whether anything has come that was not read yet, which is not waited for.
    pub fn has_answer(&mut self) -> io::Result<bool> {
        if !self.reader.buffer().is_empty() {
            return Ok(true);
        }
        self.reader.get_ref().set_nonblocking(true)?;
        let peeked = self.reader.get_ref().peek(&mut [0]);
        self.reader.get_ref().set_nonblocking(false)?;
        match peeked {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether the server has closed the connection, which it is waited for.
    pub fn is_closed(&mut self) -> bool {
        match self.reader.fill_buf() {
            Ok(rest) => rest.is_empty(),
            Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
        }
    }
}

// === impl Answer ===

impl Answer {
    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn read(reader: &mut impl BufRead) -> io::Result<Self> {
        let mut answer = Self::read_head(reader)?;
        if answer.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
            loop {
                let chunk = read_chunk(reader)?;
                if chunk.is_empty() {
                    return Ok(answer);
                }
                answer.body.extend(chunk);
            }
        }
        match answer.header("content-length").map(str::parse::<usize>) {
            Some(Ok(length)) => {
                answer.body = vec![0; length];
                reader.read_exact(&mut answer.body)?;
            }
            Some(Err(_)) => return Err(malformed("the content-length is no number")),
            None if answer.status == 204 || answer.status == 304 => {}
            None => {
                reader.read_to_end(&mut answer.body)?;
            }
        }
        Ok(answer)
    }

    fn read_head(reader: &mut impl BufRead) -> io::Result<Self> {
        let line = read_line(reader)?;
        let status = line.strip_prefix("HTTP/1.1 ").or_else(|| line.strip_prefix("HTTP/1.0 "));
        let status = status.and_then(|rest| rest.get(..3)?.parse().ok()).ok_or_else(|| malformed(&line))?;
        let mut headers = Vec::new();
        loop {
            let line = read_line(reader)?;
            if line.is_empty() {
                return Ok(Self { status, headers, body: Vec::new() });
            }
            let (name, value) = line.split_once(':').ok_or_else(|| malformed(&line))?;
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
}

/// One chunk of a body; an empty one is the last, and the trailers after it are taken with it.
fn read_chunk(reader: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let line = read_line(reader)?;
    let size = line.split(';').next().and_then(|size| usize::from_str_radix(size.trim(), 16).ok());
    let mut chunk = vec![0; size.ok_or_else(|| malformed(&line))?];
    reader.read_exact(&mut chunk)?;
    while !read_line(reader)?.is_empty() {
        if !chunk.is_empty() {
            return Err(malformed("a chunk is longer than it says"));
        }
    }
    Ok(chunk)
}

fn read_line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    // More than any server here sends: a broken one must not fill the memory.
    reader.by_ref().take(1 << 20).read_line(&mut line)?;
    match line.strip_suffix("\r\n") {
        Some(line) => Ok(line.to_owned()),
        None => Err(io::Error::new(io::ErrorKind::UnexpectedEof, format!("the connection ended after {line:?}"))),
    }
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("not an HTTP answer: {what}"))
}

fn ignore_not_connected(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotConnected { Ok(()) } else { Err(error) }
}

#[cfg(test)]
mod tests;
