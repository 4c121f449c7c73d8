//! Builds the providers of `guests/providers` for this machine: each as an executable and as an archive.
//!
//! They are programs of others, with their own versions of everything, so that they have a folder of their own to be built in.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context as _, ensure};

use super::{Outcome, Places};

/// What is in the package beside providers: the program that packs them.
const PACK: &str = "pack";

/// The names of the providers.
pub(super) fn names(root: &Path) -> anyhow::Result<Vec<String>> {
    let names = super::stems(&root.join("guests/providers/src/bin"), "rs")?;
    Ok(names.into_iter().filter(|name| name != PACK).collect())
}

/// Makes `target/guests/NAME` and `target/guests/NAME.par`. What is up to date costs cargo a moment.
pub(super) fn make(places: &Places, name: &str) -> anyhow::Result<Outcome> {
    let build = places.root.join("target/providers-build");
    let mut cargo = Command::new("cargo");
    cargo.env_remove("CARGO_ENCODED_RUSTFLAGS").env_remove("RUSTC_WORKSPACE_WRAPPER");
    cargo.env("CARGO_TARGET_DIR", &build).current_dir(places.root.join("guests/providers"));
    run(cargo.args(["build", "--quiet", "--locked", "--bin", name, "--bin", PACK]))?;

    let built = build.join("debug").join(name);
    let (executable, archive) = (places.output().join(name), archive(places, name));
    if modified(&archive).is_some_and(|packed| modified(&built).is_some_and(|built| built <= packed)) {
        return Ok(Outcome::Ready);
    }
    let beside = places.output().join(format!(".{name}.{}.par", std::process::id()));
    run(Command::new(build.join("debug").join(PACK)).args([name]).args([&built, &beside]))?;
    replace(&executable, |path| std::fs::copy(&built, path).map(drop))?;
    std::fs::set_permissions(&executable, std::fs::Permissions::from_mode(0o755))?;
    std::fs::rename(&beside, &archive)?;
    Ok(Outcome::Ready)
}

/// Where the archive of a provider is.
pub(super) fn archive(places: &Places, name: &str) -> PathBuf {
    places.output().join(format!("{name}.par"))
}

/// Writes a file beside another one, and puts it in its place.
fn replace(path: &Path, write: impl FnOnce(&Path) -> std::io::Result<()>) -> std::io::Result<()> {
    let beside = path.with_extension(format!("{}.new", std::process::id()));
    write(&beside)?;
    std::fs::rename(&beside, path)
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("starting {:?}", command.get_program()))?;
    ensure!(status.success(), "a provider could not be built ({status})");
    Ok(())
}

fn modified(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).ok()?.modified().ok()
}
