//! What a program runs while it is asked, counted by code that the compiler adds: a profile, by which it is compiled again.
//!
//! # Invariants
//!
//! 1. What counts is built elsewhere (`target/counted`) and never released.
//! 2. All that a request needs is counted, what compiles the component as well: what is never counted is taken to be cold.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Program, asked, call, joined, log, say};

/// Enough that a request weighs more than compiling the component that answers it.
const REQUESTS: usize = 60_000;

/// The profile of a program, where the tool is there that makes one of the counts.
pub(super) fn of(program: Program, tools: &Path, root: &Path) -> anyhow::Result<Option<PathBuf>> {
    let merger = tools.join("llvm-profdata");
    if !merger.exists() {
        say("llvm-profdata is not here, so the code is compiled without a profile (tools/setup release installs it)")?;
        return Ok(None);
    }
    let workshop = root.join("target/counted");
    let (counts, profile) = (workshop.join("counts"), workshop.join(program.target().1).with_extension("profile"));
    let mut cargo = program.build(root);
    // The counts are of each function as it is written: what linking makes of it is not asked.
    cargo.env("CARGO_PROFILE_RELEASE_LTO", "off").env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
    call(with(cargo.arg("--target-dir").arg(&workshop), joined("-Cprofile-generate=", &counts)))?;
    // Build scripts, where any ran, have counted as well. What was compiled before would not be compiled now, and not be counted.
    for folder in [&counts, &workshop.join("cache")] {
        if folder.exists() {
            std::fs::remove_dir_all(folder)?;
        }
    }
    for arguments in program.training(&root.join("target/guests"), &workshop) {
        asked::ask(&workshop.join("release").join(program.target().1), &arguments, &workshop, REQUESTS)?;
    }
    // Counts have the form of the compiler's own LLVM, which may be a later one than the tool's.
    let merged = log(Command::new(merger).args(["merge", "-o"]).arg(&profile).arg(&counts), &workshop);
    std::fs::remove_dir_all(&counts)?;
    if let Err(error) = merged {
        say(&format!("the counts could not be read, so the code is compiled without a profile: {error:#}"))?;
        return Ok(None);
    }
    Ok(Some(profile))
}

/// Compiles by that profile.
pub(super) fn use_in(cargo: &mut Command, profile: &Path) {
    with(cargo, joined("-Cprofile-use=", profile));
}

/// With a flag more for the compiler than whoever calls this has set.
fn with(cargo: &mut Command, flag: OsString) -> &mut Command {
    let mut flags = std::env::var_os("RUSTFLAGS").unwrap_or_default();
    flags.push(" ");
    flags.push(flag);
    cargo.env("RUSTFLAGS", flags)
}
