//! `wattle secret`: the encrypted secrets of this machine. What one is, is read from standard input and never printed.

use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use secrets::{Encrypted, Key, Name};
use serde_json::json;
use stdx::Code;

use crate::cli::{data_folder, state_folder};
use crate::failure::Failure;
use crate::output::Output;

/// More than a secret may have: what is longer is refused as a whole.
const READ_MAX: u64 = 1 << 20;

/// Keeps the encrypted secrets of this machine
#[derive(Debug, Args)]
pub(crate) struct SecretCommand {
    #[command(subcommand)]
    action: Action,
    /// The folder that they are in [default: secrets, in the user's data folder]
    #[arg(long, global = true, value_name = "DIR")]
    folder: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Makes a new key
    Key {
        /// The file that it shall be in
        file: PathBuf,
    },
    /// Keeps what standard input says, byte by byte, in the place of a secret of the same name
    Put {
        /// Letters, digits, `-`, `_` and `.`
        name: Name,
        /// The file of the key [default: secrets.key in the user's folder of states, made where no secret is yet]
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
    },
    /// Lists the names
    List,
    /// Forgets a secret
    Del {
        /// Which
        name: Name,
    },
}

/// Carries out `wattle secret`.
pub(crate) fn run(command: SecretCommand, output: Output) -> Result<ExitCode, Failure> {
    let folder = command.folder.unwrap_or_else(|| data_folder().join("secrets"));
    match command.action {
        Action::Key { file } => {
            Key::create(&file)?;
            let text = format!("a new key is in {}: without it what it encrypts is lost", file.display());
            output.print(&text, &json!({ "key": file }));
        }
        Action::Put { name, key: told } => {
            let (path, key) = key(told, &folder)?;
            let secret = said()?;
            // An absolute path leads to the key wherever a host was started.
            let path = std::path::absolute(&path).unwrap_or(path);
            Encrypted::new(folder.clone(), key).put(&name, secret)?;
            let text = format!(
                "{} is kept in {}\n  link: wattle link put COMPONENT secrets/encrypted --set key={} --set folder={}",
                name.as_str(),
                folder.display(),
                path.display(),
                std::path::absolute(&folder).as_deref().unwrap_or(&folder).display(),
            );
            output.print(&text, &json!({ "name": name.as_str(), "folder": folder, "key": path }));
        }
        Action::List => {
            let names = Encrypted::names(&folder)?;
            let names: Vec<&str> = names.iter().map(Name::as_str).collect();
            let text =
                if names.is_empty() { format!("there are none in {}", folder.display()) } else { names.join("\n") };
            output.print(&text, &json!({ "folder": folder, "names": names }));
        }
        Action::Del { name } => {
            if !Encrypted::forget(&folder, &name)? {
                let text = format!("there is no secret {} in {}", name.as_str(), folder.display());
                return Err(Failure::new(Code::E0804, text));
            }
            output
                .print(&format!("{} is forgotten", name.as_str()), &json!({ "name": name.as_str(), "folder": folder }));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The key that was named; or the user's own, which is made for the first secret.
fn key(told: Option<PathBuf>, folder: &Path) -> Result<(PathBuf, Key), Failure> {
    let Some(path) = told else {
        let path = state_folder().join("secrets.key");
        let key = match path.exists() || !Encrypted::names(folder)?.is_empty() {
            true => Key::read(&path)?,
            false => Key::create(&path)?,
        };
        return Ok((path, key));
    };
    let key = Key::read(&path)?;
    Ok((path, key))
}

/// What standard input says.
fn said() -> Result<Vec<u8>, Failure> {
    let mut input = std::io::stdin().lock();
    if input.is_terminal() {
        return Err(Failure::new(Code::E0803, "a secret is not typed, where others can see it and shells remember it"));
    }
    let mut bytes = Vec::new();
    let read = (&mut input).take(READ_MAX).read_to_end(&mut bytes);
    read.map_err(|error| Failure::new(Code::E0803, format!("standard input cannot be read: {error}")))?;
    Ok(bytes)
}
