//! `wattle push`: puts a component, or a provider's archive, into a registry.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use artifact::{ARCHIVE_MAX, Artefact};
use clap::Args;
use engine::{Anatomy, ScanLimits};
use model::Reference;
use serde_json::json;
use stdx::{ByteSize, Code};

use crate::alone;
use crate::cli::{Common, data_folder};
use crate::failure::Failure;
use crate::output::Output;
use crate::registries;

/// How archives of providers end.
const ARCHIVES: [&str; 2] = [".par", ".par.gz"];

/// Puts a program into a registry, as an artefact that this and other hosts pull
#[derive(Debug, Args)]
pub(crate) struct PushCommand {
    /// A component or core module, or the archive of a provider (.par, .par.gz)
    file: PathBuf,
    /// Where to: REGISTRY/NAME:TAG
    reference: Reference,
}

/// Carries out `wattle push`.
pub(crate) fn run(command: PushCommand, common: &Common, output: Output) -> Result<ExitCode, Failure> {
    let PushCommand { file, reference } = command;
    if reference.digest().is_some() {
        let text = format!("{reference} names a digest, and what it is pushed as is a tag");
        return Err(Failure::new(Code::E0111, text));
    }
    let name = file.to_string_lossy();
    let artefact = match ARCHIVES.iter().any(|ending| name.ends_with(ending)) {
        true => Artefact::provider(artifact::fetch(&file, ARCHIVE_MAX)?),
        false => component(&file, common.size_max())?,
    };
    let registries = registries::open(common, &data_folder())?;
    let digest = alone::new_runtime()?.block_on(registries.push(&reference, &artefact))?;
    let pinned = reference.at(digest.clone());
    output.print(
        &format!("{} is {reference}, which is {pinned}", file.display()),
        &json!({ "reference": reference.to_string(), "digest": digest.to_string(), "pinned": pinned.to_string() }),
    );
    Ok(ExitCode::SUCCESS)
}

/// A program with what a reader of its artefact is told. The same file is the same artefact, whenever it is pushed.
fn component(file: &Path, size_max: ByteSize) -> Result<Artefact, Failure> {
    let bytes = artifact::fetch(file, size_max)?;
    let anatomy = Anatomy::scan(&bytes, &ScanLimits::default())?;
    let imports: Vec<_> = anatomy.imports.iter().map(ToString::to_string).collect();
    let system = if anatomy.wasi() == Some(engine::Wasi::P1) { "wasip1" } else { "wasip2" };
    Ok(Artefact::component(bytes, (&imports, &anatomy.exports), system))
}
