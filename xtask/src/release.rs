//! Builds the binary that is released, and arranges its code by what a request runs.
//!
//! The binary is large, and a request runs a thousand functions that lie all over it, most of them once and in part. What such
//! code costs is fetching it. So the linked binary is made to count what it runs, asked a few thousand times, and written anew
//! by LLVM's BOLT: what ran lies side by side and in order, what did not is out of the way.
//!
//! ```text
//! cargo, with relocations ──► counting copy ──► asked ──► counts ──► arranged copy ──► asked ──► target/release/wattle
//! ```
//!
//! # Invariants
//!
//! 1. The code is the linker's, moved: nothing is compiled for it. A binary that could not be arranged, or that does not answer
//!    afterwards, is left as it was linked.
//! 2. Without BOLT there is a binary all the same, as cargo builds it.
//!
//! # Not here
//!
//! Installing BOLT (`tools/setup release`), the components that are asked (`guests`).

mod asked;

use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};

use asked::Asked;

/// Where BOLT is found. It looks for its own library beside the place that it is called at, so a link to it does not do.
const PLACES: [&str; 2] = ["/usr/lib/llvm-19/bin", "/usr/local/bin"];

/// What the binary is asked while it counts: the components, and how they are run.
const TRAINING: [(&str, &[&str]); 3] = [("hello", &["--reuse"]), ("hello", &[]), ("hello-p3", &["--reuse"])];

const REQUESTS: usize = 3_000;

/// How BOLT arranges: blocks by how they follow one another, functions by who calls whom, and what never ran away from both.
const ARRANGED: [&str; 5] =
    ["-reorder-blocks=ext-tsp", "-reorder-functions=hfsort", "-split-functions", "-split-all-cold", "-split-eh"];

/// Builds `target/release/wattle`, arranged where BOLT is there.
pub(crate) fn run() -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the repository")?;
    let mut cargo = Command::new("cargo");
    cargo.current_dir(root).args(["rustc", "--release", "--package", "wattle", "--bin", "wattle"]);
    let Some(tools) = tools() else {
        call(&mut cargo)?;
        return say("llvm-bolt is not here, so the code lies as it was linked (tools/setup release installs it)");
    };
    call(cargo.args(["--", "-C", "link-arg=-Wl,--emit-relocs"]))?;
    arrange_with(&tools, root, &root.join("target/release/wattle"))
}

/// Arranges a binary that was linked with its relocations.
pub(crate) fn arrange(binary: &Path) -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the repository")?;
    let tools = tools().context("llvm-bolt is not here: tools/setup release")?;
    arrange_with(&tools, root, binary)
}

fn arrange_with(tools: &Path, root: &Path, binary: &Path) -> anyhow::Result<()> {
    let workshop = root.join("target/arranged");
    std::fs::create_dir_all(&workshop)?;
    let (counting, counts) = (workshop.join("counting"), workshop.join("counts"));
    // Beside the binary, so that it is put in place at once.
    let arranged = binary.with_extension("arranged");
    let bolt = || Command::new(tools.join("llvm-bolt"));

    let mut instrument = bolt();
    instrument.arg(binary).arg("-o").arg(&counting).args(["-instrument", "-instrumentation-file-append-pid"]);
    log(instrument.arg(joined("-instrumentation-file=", &counts)), &workshop)?;
    // What is compiled is kept in a cache that both copies share: the counts shall not be of the compiler.
    let asked = Asked { guests: root.join("target/guests"), folder: workshop.clone() };
    let parts = TRAINING
        .iter()
        .map(|(guest, flags)| {
            asked.ask(binary, (guest, flags), 1)?;
            let process = asked.ask(&counting, (guest, flags), REQUESTS)?;
            Ok(workshop.join(format!("counts.{process}.fdata")))
        })
        .collect::<anyhow::Result<Vec<PathBuf>>>()?;
    let merged = Command::new(tools.join("merge-fdata")).args(&parts).stderr(Stdio::null()).output()?;
    ensure!(merged.status.success(), "merge-fdata failed ({})", merged.status);
    std::fs::write(&counts, merged.stdout)?;

    let mut rewrite = bolt();
    rewrite.arg(binary).arg("-o").arg(&arranged).arg(joined("-data=", &counts));
    log(rewrite.args(ARRANGED), &workshop)?;
    for (guest, flags) in TRAINING {
        asked.ask(&arranged, (guest, flags), REQUESTS)?;
    }
    std::fs::rename(&arranged, binary)?;
    parts.iter().try_for_each(std::fs::remove_file)?;
    std::fs::remove_file(&counting)?;
    say(&format!("{}: arranged", binary.display()))
}

/// The folder of BOLT's programs.
fn tools() -> Option<PathBuf> {
    PLACES.map(PathBuf::from).into_iter().find(|place| place.join("llvm-bolt").exists())
}

fn joined(flag: &str, path: &Path) -> OsString {
    [OsStr::new(flag), path.as_os_str()].into_iter().collect()
}

fn call(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("starting {:?}", command.get_program()))?;
    ensure!(status.success(), "{:?} failed ({status})", command.get_program());
    Ok(())
}

/// Calls what says more than anybody reads.
fn log(command: &mut Command, workshop: &Path) -> anyhow::Result<()> {
    let path = workshop.join("log");
    let file = std::fs::File::create(&path)?;
    call(command.stdout(file.try_clone()?).stderr(file))
        .with_context(|| format!("the whole story is in {}", path.display()))
}

fn say(text: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout(), "{text}")?)
}
