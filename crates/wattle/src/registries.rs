//! Programs that are named on the command line: files, and references to what registries have.
//!
//! A reference is pulled into a file before anything else is done with it, so that no command knows more than files.
//!
//! # Invariants
//!
//! 1. What begins with `oci://` or names a digest is a reference, whatever files there are: nobody's file stands in for bytes that
//!    were pinned. A file that is there is meant before any other reference that reads the same.
//! 2. Secrets come from files, never from the command line, where other users of the machine see them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use artifact::{Kind, Login, Logins, PullError, Pulled, Registries, RegistriesConfig};
use host::Source;
use model::{ComponentName, Reference, Registry, Secret};
use stdx::{ByteSize, Code};

use crate::alone;
use crate::cli::Common;
use crate::failure::Failure;
use crate::progress;

/// The longest password, and the longest configuration of another program.
const SECRET_MAX: u64 = 64 << 10;
const DOCKER_MAX: u64 = 1 << 20;

/// What is meant by a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Meant {
    /// A file, whether it is there or not.
    File,
    /// What a registry has.
    Reference(Reference),
}

/// What is meant by this word.
pub(crate) fn meant(word: &Path) -> Result<Meant, Failure> {
    read(&word.to_string_lossy(), word.exists()).map_err(|text| Failure::new(Code::E0111, text))
}

/// What is meant by a text, where there is such a file or not.
fn read(text: &str, is_there: bool) -> Result<Meant, String> {
    // What is written as a file is meant as one, and missed as one.
    let is_like_a_file = text.ends_with(".wasm") || text.ends_with(".wat");
    match text.parse::<Reference>() {
        Ok(reference) if text.contains("://") || reference.digest().is_some() => Ok(Meant::Reference(reference)),
        Err(error) if text.contains("://") => Err(error.to_string()),
        _ if is_there => Ok(Meant::File),
        Ok(reference) if !is_like_a_file => Ok(Meant::Reference(reference)),
        _ => Ok(Meant::File),
    }
}

/// The name that a program is known by: that of its file without its ending, or the last of what a registry calls it.
pub(crate) fn name_of(word: &Path) -> ComponentName {
    match meant(word) {
        Ok(Meant::Reference(reference)) => ComponentName::from_stem(reference.name()),
        _ => ComponentName::from_stem(&word.file_stem().unwrap_or_default().to_string_lossy()),
    }
}

/// The bytes of a program. What is pulled is kept in the folder of the data.
pub(crate) fn fetch(word: &Path, data: &Path, common: &Common) -> Result<Vec<u8>, Failure> {
    let file = match meant(word)? {
        Meant::File => word.to_owned(),
        Meant::Reference(reference) => {
            let registries = open(common, data)?;
            alone::new_runtime()?.block_on(pull(&registries, &reference, common.size_max()))?
        }
    };
    Ok(artifact::fetch(&file, common.size_max())?)
}

/// Pulls what is named by references among what a host shall run. All that cannot be had is said at once.
pub(crate) fn pull_all(sources: &mut [Source], registries: &Registries, size_max: ByteSize) -> Result<(), Failure> {
    let mut wanted = BTreeMap::new();
    for source in &*sources {
        if let Meant::Reference(reference) = meant(&source.path)? {
            wanted.insert(source.path.clone(), reference);
        }
    }
    if wanted.is_empty() {
        return Ok(());
    }
    let (mut pulled, mut errors) = (BTreeMap::new(), Vec::new());
    alone::new_runtime()?.block_on(async {
        for (word, reference) in wanted {
            match pull(registries, &reference, size_max).await {
                Ok(path) => drop(pulled.insert(word, (path, reference))),
                Err(error) => errors.push(error),
            }
        }
    });
    if !errors.is_empty() {
        return Err(Failure::all(&errors));
    }
    for source in sources {
        if let Some((path, reference)) = pulled.get(&source.path) {
            source.path.clone_from(path);
            source.origin = Some(reference.to_string());
        }
    }
    Ok(())
}

async fn pull(registries: &Registries, reference: &Reference, size_max: ByteSize) -> Result<PathBuf, PullError> {
    let spinner = progress::spinner(format!("pulling {reference}"));
    let pulled = registries.pull(reference, Kind::Component, size_max).await;
    spinner.finish_and_clear();
    let Pulled { path, digest } = pulled?;
    if reference.is_latest() {
        tracing::warn!("{reference} is {} today: named like that it stays the same", reference.at(digest));
    }
    Ok(path)
}

/// The registries as this user sees them.
pub(crate) fn open(common: &Common, data: &Path) -> Result<Registries, Failure> {
    let (folder, plain) = (data.join("artefacts"), common.plain_registries().to_vec());
    Ok(Registries::new(RegistriesConfig { folder, plain, logins: logins()? }))
}

/// A password or a token in a file, without the end of its line.
pub(crate) fn secret(path: &Path) -> Result<Secret, Failure> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(SECRET_MAX + 1).read_to_string(&mut text));
    let text = Secret::from(text);
    read.map_err(|error| Failure::new(Code::E0101, format!("cannot read {}: {error}", path.display())))?;
    if text.reveal().len() as u64 > SECRET_MAX {
        let text = format!("{} is longer than {}, and a secret is not", path.display(), ByteSize::bytes(SECRET_MAX));
        return Err(Failure::new(Code::E0109, text));
    }
    // Other spaces may be part of a secret.
    match text.reveal().trim_end_matches(['\r', '\n']) {
        "" => Err(Failure::new(Code::E0109, format!("{} is empty, and a secret should be in it", path.display()))),
        secret => Ok(secret.to_owned().into()),
    }
}

/// Who asks: as this process was told, else as Docker was.
fn logins() -> Result<Logins, Failure> {
    let mut logins = docker_logins();
    let Some(registry) = variable("WATTLE_REGISTRY") else { return Ok(logins) };
    let registry: Registry = registry
        .parse()
        .map_err(|error: model::NotARegistry| Failure::new(Code::E0109, format!("WATTLE_REGISTRY: {error}")))?;
    let (Some(user), Some(file)) = (variable("WATTLE_REGISTRY_USER"), variable("WATTLE_REGISTRY_PASSWORD_FILE")) else {
        let text =
            "WATTLE_REGISTRY names a registry, and WATTLE_REGISTRY_USER or WATTLE_REGISTRY_PASSWORD_FILE is missing";
        return Err(Failure::new(Code::E0109, text));
    };
    logins.put(registry, Login::Password { user, password: secret(Path::new(&file))? });
    Ok(logins)
}

/// What `docker login` has left. Without it, or where it cannot be read, registries see strangers.
fn docker_logins() -> Logins {
    let folder = variable("DOCKER_CONFIG").map(PathBuf::from);
    let Some(folder) = folder.or_else(|| Some(Path::new(&variable("HOME")?).join(".docker"))) else {
        return Logins::default();
    };
    let (path, mut text) = (folder.join("config.json"), String::new());
    let read = File::open(&path).and_then(|file| file.take(DOCKER_MAX).read_to_string(&mut text));
    let text = Secret::from(text);
    let why = match read.map(|_| Logins::from_docker(text.reveal())) {
        Ok(Ok(logins)) => return logins,
        Ok(Err(error)) => error.to_string(),
        Err(error) if error.kind() == ErrorKind::NotFound => return Logins::default(),
        Err(error) => error.to_string(),
    };
    tracing::warn!(file = %path.display(), why, "the logins of Docker are not used");
    Logins::default()
}

fn variable(name: &str) -> Option<String> {
    std::env::var_os(name).and_then(|value| value.into_string().ok()).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_there_is_meant_first_and_what_is_written_as_one_is_missed_as_one() {
        let reference = |text: &str| Ok(Meant::Reference(text.parse().expect("a reference")));
        assert_eq!(read("ghcr.io/shop/till:1", false), reference("ghcr.io/shop/till:1"));
        assert_eq!(read("ghcr.io/shop/till:1", true), Ok(Meant::File));
        assert_eq!(read("oci://ghcr.io/app.wasm", false), reference("ghcr.io/app.wasm"));
        for file in ["app.wasm", "build/app", "./ghcr.io/app", "/ghcr.io/app", "ghcr.io/app.wasm", "my app", ""] {
            assert_eq!(read(file, false), Ok(Meant::File), "{file}");
        }
        assert!(read("oci://till", false).expect_err("no registry").contains("names no artefact"));
    }

    #[test]
    fn no_file_stands_in_for_what_is_said_to_be_in_a_registry() {
        let pinned = format!("ghcr.io/shop/till@sha256:{}", "0".repeat(64));
        for text in ["oci://ghcr.io/shop/till:1", "oci://ghcr.io/app.wasm", pinned.as_str()] {
            assert_eq!(read(text, true), Ok(Meant::Reference(text.parse().expect("a reference"))), "{text}");
        }
        assert!(read("oci://till", true).expect_err("no registry").contains("names no artefact"));
    }

    #[test]
    fn what_is_pulled_is_called_by_the_last_of_its_name() {
        assert_eq!(name_of(Path::new("localhost:5000/shop/till:1.2")).as_str(), "till");
        assert_eq!(name_of(Path::new("build/till.wasm")).as_str(), "till");
    }
}
