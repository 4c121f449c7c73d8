//! The token of a host's bus, and whom else it lets in: who has it can change what the host's components are linked to.
//!
//! ```text
//! wattle up   ─▶ new token ─▶ STATE/bus/127.0.0.1-4222.token (for this user only) ─▶ wattle link
//! ```
//!
//! # Invariants
//!
//! 1. A token is in no message and in no log.
//! 2. A file with a token in it is readable by its owner only, from the moment that it is there.

use std::fs::{DirBuilder, OpenOptions, Permissions};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use bus::Pass;
use stdx::Code;
use trust::{KeyKind, PublicKey};

use crate::cli::state_folder;
use crate::failure::Failure;

/// Bytes of a token that nobody can guess.
const BYTES: usize = 32;

/// What the clients of a bus have to show, as a flag says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TokenFlag {
    /// Nothing: whoever connects is let in.
    None,
    /// What is in this file.
    File(PathBuf),
}

/// The token of a running host, where others of the same user find it. Dropping it takes it away.
pub(crate) struct Published {
    path: PathBuf,
    token: String,
}

impl FromStr for TokenFlag {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(if text == "none" { Self::None } else { Self::File(text.into()) })
    }
}

/// A token that was never there before.
pub(crate) fn new() -> Result<String, Failure> {
    let mut bytes = [0; BYTES];
    let failed = |error| Failure::new(Code::E0209, format!("this machine gives no random numbers: {error}"));
    getrandom::fill(&mut bytes).map_err(failed)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The token in a file that somebody named.
pub(crate) fn read(path: &Path) -> Result<String, Failure> {
    let failed = |why: String| {
        Failure::new(Code::E0705, format!("the token of the bus cannot be read from {}: {why}", path.display()))
    };
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    match text.trim() {
        "" => Err(failed("it is empty".into())),
        token => Ok(token.to_owned()),
    }
}

/// Who is let in beside who has the token, as a file that somebody named says it.
pub(crate) fn read_users(path: &Path) -> Result<Vec<Pass>, Failure> {
    let failed = |why: String| {
        Failure::new(Code::E0705, format!("the users of the bus cannot be read from {}: {why}", path.display()))
    };
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    users(&text).map_err(failed)
}

/// A line each: `NAME:PASSWORD`, or the public key of a user. What is wrong is said by its line, since a password may be in it.
fn users(text: &str) -> Result<Vec<Pass>, String> {
    let lines = text.lines().map(str::trim).enumerate();
    let said = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let user = |(index, line): (usize, &str)| {
        let key = line.parse::<PublicKey>().ok().filter(|key| key.kind() == KeyKind::User).map(Pass::Nkey);
        let named = || {
            let (name, password) = line.split_once(':').filter(|(name, word)| !name.is_empty() && !word.is_empty())?;
            Some(Pass::User { name: name.to_owned(), password: password.to_owned() })
        };
        let wrong = || format!("line {} is neither NAME:PASSWORD nor the public key of a user (U…)", index + 1);
        key.or_else(named).ok_or_else(wrong)
    };
    let users = said.map(user).collect::<Result<Vec<_>, _>>()?;
    if users.is_empty() { Err("it names nobody".into()) } else { Ok(users) }
}

/// The token that a host of this user has left for others, if the address is that of one.
pub(crate) fn left_for(url: &str) -> Option<String> {
    let address = url.strip_prefix("nats://")?.trim_end_matches('/');
    let address = address.replacen("localhost", "127.0.0.1", 1).parse().ok()?;
    read(&path_for(address)).ok()
}

/// Leaves the token of the bus at `address` where other commands of this user find it.
pub(crate) fn publish(address: SocketAddr, token: String) -> io::Result<Published> {
    let path = path_for(address);
    let folder = path.parent().expect("it is in a folder");
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    std::fs::set_permissions(folder, Permissions::from_mode(0o700))?;
    // Written beside it and moved: a reader finds all of it or what was before.
    let draft = folder.join(format!("{}.draft", std::process::id()));
    let written =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft).and_then(|mut file| {
            file.set_permissions(Permissions::from_mode(0o600))?;
            writeln!(file, "{token}")
        });
    if let Err(error) = written.and_then(|()| std::fs::rename(&draft, &path)) {
        // What is left of it is of no use, and may be gone already.
        std::fs::remove_file(&draft).ok();
        return Err(error);
    }
    Ok(Published { path, token })
}

fn path_for(address: SocketAddr) -> PathBuf {
    state_folder().join("bus").join(format!("{}-{}.token", address.ip(), address.port()))
}

// === impl Published ===

impl Published {
    /// The file that it is in.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Published {
    fn drop(&mut self) {
        // Another host may have the address by now, and its token there.
        if read(&self.path).is_ok_and(|token| token == self.token) {
            std::fs::remove_file(&self.path).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_named_by_a_password_or_a_key_and_no_password_is_repeated() {
        let key = "UAAACAQDAQCQMBYIBEFAWDANBYHRAEISCMKBKFQXDAMRUGY4DUPB63NN";
        let read = users(&format!("# who\nada:secret:1\n\n  {key}  \n")).expect("two users");
        let ada = Pass::User { name: "ada".into(), password: "secret:1".into() };
        assert_eq!(read, [ada, Pass::Nkey(key.parse().expect("a key"))]);
        for (text, why) in [("", "it names nobody"), ("# only\n", "it names nobody")] {
            assert_eq!(users(text), Err(why.to_owned()));
        }
        // The key of a host, half of a user, and a line too many.
        for wrong in ["NAAACAQDAQCQMBYIBEFAWDANBYHRAEISCMKBKFQXDAMRUGY4DUPB6CRG", "ada:", ":secret", "secret"] {
            let why = users(&format!("bob:b\n{wrong}\n")).expect_err("it is wrong");
            assert!(why.starts_with("line 2 is neither") && !why.contains("secret"), "{wrong}: {why}");
        }
    }
}
