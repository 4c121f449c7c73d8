//! The repository as values: its text files, and its crates with what they use.
//!
//! This is the only place of `tidy` that touches the disk or starts a process. What git ignores is
//! not part of the repository; what is new and not yet committed is.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};
use serde_json::Value;

/// All that the rules look at.
#[derive(Debug, Default)]
pub(crate) struct Repository {
    pub(crate) tree: Tree,
    pub(crate) crates: Vec<Crate>,
}

/// Text files by their path from the root, with `/` between folders.
#[derive(Debug, Default)]
pub(crate) struct Tree(BTreeMap<String, String>);

/// A member of the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Crate {
    pub(crate) name: String,
    /// From the root, without a slash at the end.
    pub(crate) folder: String,
    pub(crate) uses: Vec<Use>,
}

/// One dependency of a crate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Use {
    pub(crate) name: String,
    pub(crate) purpose: Purpose,
}

/// What a dependency is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The program, or its build script.
    Program,
    Tests,
}

/// The members of the workspace that the current folder is in, by name.
pub(crate) fn crates() -> anyhow::Result<Vec<Crate>> {
    crates_in(&metadata()?)
}

// === impl Repository ===

impl Repository {
    /// Reads the repository that the current folder is in.
    pub(crate) fn read() -> anyhow::Result<Self> {
        let metadata = metadata()?;
        let root = metadata["workspace_root"].as_str().context("cargo metadata names no workspace root")?;
        Ok(Self { tree: Tree::read(Path::new(root))?, crates: crates_in(&metadata)? })
    }

    /// The Rust files under `part` (`src`, `tests`) of each crate, with their text.
    pub(crate) fn sources<'a>(&'a self, part: &'a str) -> impl Iterator<Item = (&'a Crate, &'a str, &'a str)> {
        self.crates.iter().flat_map(move |owner| {
            let folder = format!("{}/{part}/", owner.folder);
            let own = move |(file, text): (&'a str, &'a str)| {
                (file.starts_with(&folder) && file.ends_with(".rs")).then_some((owner, file, text))
            };
            self.tree.files().filter_map(own)
        })
    }
}

// === impl Tree ===

impl Tree {
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        Self(files.iter().map(|&(file, text)| (file.to_owned(), text.to_owned())).collect())
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(file, text)| (file.as_str(), text.as_str()))
    }

    pub(crate) fn text(&self, file: &str) -> Option<&str> {
        self.0.get(file).map(String::as_str)
    }

    /// What git tracks or would add. Files that are gone or are not text are left out.
    fn read(root: &Path) -> anyhow::Result<Self> {
        let mut git = Command::new("git");
        git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(root);
        let listed = String::from_utf8(output(git)?)?;
        let read = |file: &str| Some((file.to_owned(), std::fs::read_to_string(root.join(file)).ok()?));
        Ok(Self(listed.split_terminator('\0').filter_map(read).collect()))
    }
}

// === impl Crate ===

impl Crate {
    #[cfg(test)]
    pub(crate) fn plain(name: &str, folder: &str) -> Self {
        Self { name: name.to_owned(), folder: folder.to_owned(), uses: Vec::new() }
    }

    #[cfg(test)]
    pub(crate) fn using(mut self, purpose: Purpose, names: &[&str]) -> Self {
        self.uses.extend(names.iter().map(|&name| Use { name: name.to_owned(), purpose }));
        self
    }

    pub(crate) fn manifest(&self) -> String {
        format!("{}/Cargo.toml", self.folder)
    }
}

fn metadata() -> anyhow::Result<Value> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["metadata", "--no-deps", "--format-version", "1"]);
    Ok(serde_json::from_slice(&output(cargo)?)?)
}

fn output(mut command: Command) -> anyhow::Result<Vec<u8>> {
    let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
    ensure!(output.status.success(), "{command:?} failed: {}", String::from_utf8_lossy(&output.stderr).trim_end());
    Ok(output.stdout)
}

fn crates_in(metadata: &Value) -> anyhow::Result<Vec<Crate>> {
    let root = metadata["workspace_root"].as_str().context("cargo metadata names no workspace root")?;
    let packages = metadata["packages"].as_array().context("cargo metadata lists no packages")?;
    let mut crates = packages.iter().map(|package| crate_in(package, root)).collect::<anyhow::Result<Vec<_>>>()?;
    crates.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(crates)
}

fn crate_in(package: &Value, root: &str) -> anyhow::Result<Crate> {
    let name = package["name"].as_str().context("a package without a name")?;
    let manifest = package["manifest_path"].as_str().context("a package without a manifest")?;
    let folder = Path::new(manifest).strip_prefix(root)?.parent().context("a manifest without a folder")?;
    let uses = package["dependencies"].as_array().context("a package without a list of dependencies")?;
    Ok(Crate {
        name: name.to_owned(),
        folder: folder.to_str().context("a folder's name is not UTF-8")?.replace('\\', "/"),
        uses: uses.iter().map(use_in).collect::<anyhow::Result<_>>()?,
    })
}

fn use_in(dependency: &Value) -> anyhow::Result<Use> {
    let name = dependency["name"].as_str().context("a dependency without a name")?;
    let purpose = if dependency["kind"] == "dev" { Purpose::Tests } else { Purpose::Program };
    Ok(Use { name: name.to_owned(), purpose })
}

#[cfg(test)]
mod tests;
