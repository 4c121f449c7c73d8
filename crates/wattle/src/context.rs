//! `wattle ctx`: lattices by name, so that a command need not say where one is.
//!
//! ```text
//! CONFIG/contexts.json  {"current": "prod", "contexts": {"prod": {"nats": "nats://…", "lattice": "default", "nats-creds": "/…"}}}
//! ```
//!
//! # Invariants
//!
//! 1. What a command says itself counts before the context that it names, and that before the current one.
//! 2. What shows who connects is in files that it names, and not in it.
//! 3. The file is for its user only, since an address may have a password in it, and is there whole or as it was before.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use serde_json::json;
use stdx::{Code, printable};

use crate::cli::config_folder;
use crate::failure::Failure;
use crate::nats::NatsFlags;
use crate::output::Output;
use crate::reach::lattice_name;

/// Names lattices: commands reach the current one where they say no other
#[derive(Debug, Args)]
pub(crate) struct ContextCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Puts a context, in the place of one of the same name; the first one becomes the current
    Put {
        /// What it is called
        name: String,
        /// The bus of the lattice
        #[arg(long, value_name = "URL")]
        nats: String,
        /// The lattice
        #[arg(long, value_name = "NAME", default_value = model::LATTICE, value_parser = lattice_name)]
        lattice: String,
        #[command(flatten)]
        flags: Box<NatsFlags>,
    },
    /// Makes a context the current one
    Use {
        /// What it is called
        name: String,
    },
    /// Deletes a context
    Del {
        /// What it is called
        name: String,
    },
    /// Lists the contexts
    List,
}

/// Where a lattice is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Context {
    pub(crate) nats: String,
    pub(crate) lattice: String,
    /// Who connects, by files that are read when they are needed.
    #[serde(flatten)]
    pub(crate) flags: NatsFlags,
}

/// The same with its name.
#[derive(Serialize)]
struct Listed<'a> {
    name: &'a str,
    #[serde(flatten)]
    context: Context,
}

/// All that a user has named.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Contexts {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    current: Option<String>,
    #[serde(default)]
    contexts: BTreeMap<String, Context>,
}

/// Carries out `wattle ctx`.
pub(crate) fn run(command: ContextCommand, output: Output) -> Result<ExitCode, Failure> {
    let mut contexts = Contexts::read()?;
    match command.action {
        Action::Put { name, nats, lattice, flags } => {
            let nowhere = |error| Failure::new(Code::E0705, format!("a path cannot be made absolute: {error}"));
            contexts.put(name, Context { nats, lattice, flags: flags.anywhere().map_err(nowhere)? });
        }
        Action::Use { name } => {
            contexts.find(&name)?;
            contexts.current = Some(name);
        }
        Action::Del { name } => {
            contexts.find(&name)?;
            contexts.contexts.remove(&name);
            contexts.current = contexts.current.filter(|current| *current != name);
        }
        Action::List => {
            contexts.show(output);
            return Ok(ExitCode::SUCCESS);
        }
    }
    contexts.write()?;
    contexts.show(output);
    Ok(ExitCode::SUCCESS)
}

/// The context of that name, or the current one; nothing where there is none.
pub(crate) fn chosen(named: Option<&str>) -> Result<Option<Context>, Failure> {
    let contexts = Contexts::read()?;
    match named.or(contexts.current.as_deref()) {
        Some(name) => contexts.find(name).cloned().map(Some),
        None => Ok(None),
    }
}

// === impl Contexts ===

impl Contexts {
    fn put(&mut self, name: String, context: Context) {
        if self.contexts.is_empty() {
            self.current = Some(name.clone());
        }
        self.contexts.insert(name, context);
    }

    fn find(&self, name: &str) -> Result<&Context, Failure> {
        let known: Vec<_> = self.contexts.keys().map(String::as_str).collect();
        let known =
            if known.is_empty() { "there is none".to_owned() } else { format!("there is {}", known.join(", ")) };
        let missing = || Failure::new(Code::E0705, format!("there is no context {name:?}; {known}"));
        self.contexts.get(name).ok_or_else(missing)
    }

    fn read() -> Result<Self, Failure> {
        let path = path();
        let failed = |why: String| Failure::new(Code::E0705, format!("{} cannot be read: {why}", path.display()));
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| failed(error.to_string())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(failed(error.to_string())),
        }
    }

    /// Written beside it, made durable, and moved. What is made anew is for its user only.
    fn write(&self) -> Result<(), Failure> {
        let path = path();
        let folder = path.parent().expect("it is in a folder");
        let written = || -> std::io::Result<()> {
            std::fs::create_dir_all(folder)?;
            let mut draft = tempfile::NamedTempFile::new_in(folder)?;
            serde_json::to_writer_pretty(&mut draft, self)?;
            writeln!(draft)?;
            draft.as_file().sync_all()?;
            draft.persist(&path)?;
            Ok(())
        };
        written().map_err(|error| Failure::new(Code::E0705, format!("{} cannot be written: {error}", path.display())))
    }

    fn show(&self, output: Output) {
        let line = |(name, context): (&String, &Context)| {
            let mark = if self.current.as_ref() == Some(name) { '*' } else { ' ' };
            printable(&format!("{mark} {name}: lattice {} on {}", context.lattice, shown(&context.nats))).to_string()
        };
        let lines: Vec<_> = self.contexts.iter().map(line).collect();
        let text = if lines.is_empty() { "no lattice has a name here".to_owned() } else { lines.join("\n") };
        let listed = self
            .contexts
            .iter()
            .map(|(name, context)| Listed { name, context: Context { nats: shown(&context.nats), ..context.clone() } });
        output.print(&text, &json!({ "current": self.current, "contexts": listed.collect::<Vec<_>>() }));
    }
}

/// An address without what may be a password.
fn shown(url: &str) -> String {
    let address = |address: &str| match address.rsplit_once('@') {
        Some((before, after)) => format!("{}{after}", before.find("://").map_or("", |end| &before[..end + 3])),
        None => address.to_owned(),
    };
    url.split(',').map(address).collect::<Vec<_>>().join(",")
}

fn path() -> PathBuf {
    config_folder().join("contexts.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_context_is_the_current_one() {
        let mut contexts = Contexts::default();
        let context =
            |nats: &str| Context { nats: nats.into(), lattice: "default".into(), flags: NatsFlags::default() };
        contexts.put("a".into(), context("nats://a"));
        contexts.put("b".into(), context("nats://b"));
        assert_eq!((contexts.current.as_deref(), contexts.contexts.len()), (Some("a"), 2));
        assert_eq!(contexts.find("b").expect("it was put").nats, "nats://b");
        assert!(contexts.find("c").is_err());
    }

    #[test]
    fn no_password_is_shown() {
        assert_eq!(shown("nats://ada:secret@one:4222,nats://two"), "nats://one:4222,nats://two");
        assert_eq!(shown("token@one"), "one");
    }
}
