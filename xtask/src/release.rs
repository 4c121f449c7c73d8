//! Builds the binary that is released, compiled and arranged by what a request runs; and so the one that it is compared with.
//!
//! The binary is large, and a request runs a thousand functions that lie all over it, most of them once and in part. What such
//! code costs is fetching it. So it is compiled twice: first to count what it runs while it is asked (`profile`), then by those
//! counts, so that what runs is inlined and what does not is out of the way. The linked binary is made to count once more, and
//! written anew by LLVM's BOLT: what ran lies side by side and in order.
//!
//! ```text
//! cargo, counting ──► asked ──► profile ──► cargo, with relocations ──► counting copy ──► asked ──► counts
//!                                                target/release/ ◄── asked ◄── arranged copy ◄────────┘
//! ```
//!
//! # Invariants
//!
//! 1. Arranging compiles nothing: the code is the linker's, moved. A binary that could not be arranged, or that does not answer
//!    afterwards, is left as it was linked.
//! 2. Without LLVM's tools there is a binary all the same, as cargo builds it.
//!
//! # Not here
//!
//! Installing the tools (`tools/setup release`), the components that are asked (`guests`).

mod asked;
mod profile;

use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};

/// Where LLVM's tools are found. BOLT looks for its own library beside the place that it is called at, so a link does not do.
const PLACES: [&str; 2] = ["/usr/lib/llvm-19/bin", "/usr/local/bin"];

/// A program whose code is arranged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    /// What is released.
    Wattle,
    /// The bare server of the benchmarks, which would be a worse one if it were built in another way.
    Floor,
}

const REQUESTS: usize = 3_000;

/// How BOLT arranges: blocks by how they follow one another, functions by who calls whom, and what never ran away from both. What
/// is the same is there once; small functions and those that a pointer nearly always means are called without a call.
const ARRANGED: [&str; 9] = [
    "-reorder-blocks=ext-tsp",
    "-reorder-functions=cdsort",
    "-split-functions",
    "-split-strategy=cdsplit",
    "-split-eh",
    "-icf",
    "-inline-small-functions",
    "-indirect-call-promotion=calls",
    "-plt=hot",
];

/// Builds a program into `target/release`, compiled by a profile and arranged where LLVM's tools are there.
pub(crate) fn run(program: Program) -> anyhow::Result<()> {
    let root = root()?;
    let mut cargo = program.build(root);
    let Some(tools) = tools() else {
        call(&mut cargo)?;
        return say("llvm-bolt is not here, so the code lies as it was linked (tools/setup release installs it)");
    };
    if let Some(profile) = profile::of(program, &tools, root)? {
        profile::use_in(&mut cargo, &profile);
    }
    call(cargo.args(["--", "-C", "link-arg=-Wl,--emit-relocs"]))?;
    arrange_with(&tools, root, program, &root.join("target/release").join(program.target().1))
}

/// Arranges a binary of `wattle` that was linked with its relocations.
pub(crate) fn arrange(binary: &Path) -> anyhow::Result<()> {
    let tools = tools().context("llvm-bolt is not here: tools/setup release")?;
    arrange_with(&tools, root()?, Program::Wattle, binary)
}

fn arrange_with(tools: &Path, root: &Path, program: Program, binary: &Path) -> anyhow::Result<()> {
    let workshop = root.join("target/arranged");
    std::fs::create_dir_all(&workshop)?;
    let (counting, counts) = (workshop.join("counting"), workshop.join("counts"));
    // Beside the binary, so that it is put in place at once.
    let arranged = binary.with_extension("arranged");
    let bolt = || Command::new(tools.join("llvm-bolt"));

    let mut instrument = bolt();
    instrument.arg(binary).arg("-o").arg(&counting).args(["-instrument", "-instrumentation-file-append-pid"]);
    log(instrument.arg(joined("-instrumentation-file=", &counts)), &workshop)?;
    let training = program.training(&root.join("target/guests"), &workshop);
    let parts = training
        .iter()
        .map(|arguments| {
            // What is compiled is kept in a cache that both copies share: the counts shall not be of the compiler.
            asked::ask(binary, arguments, &workshop, 1)?;
            let process = asked::ask(&counting, arguments, &workshop, REQUESTS)?;
            Ok(workshop.join(format!("counts.{process}.fdata")))
        })
        .collect::<anyhow::Result<Vec<PathBuf>>>()?;
    let merged = Command::new(tools.join("merge-fdata")).args(&parts).stderr(Stdio::null()).output()?;
    ensure!(merged.status.success(), "merge-fdata failed ({})", merged.status);
    std::fs::write(&counts, merged.stdout)?;

    let mut rewrite = bolt();
    rewrite.arg(binary).arg("-o").arg(&arranged).arg(joined("-data=", &counts));
    log(rewrite.args(ARRANGED), &workshop)?;
    for arguments in &training {
        asked::ask(&arranged, arguments, &workshop, REQUESTS)?;
    }
    std::fs::rename(&arranged, binary)?;
    parts.iter().try_for_each(std::fs::remove_file)?;
    std::fs::remove_file(&counting)?;
    say(&format!("{}: arranged", binary.display()))
}

fn root() -> anyhow::Result<&'static Path> {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the repository")
}

// === impl Program ===

impl Program {
    /// The program of that name on the command line.
    pub(crate) fn named(name: &str) -> Option<Self> {
        [Self::Wattle, Self::Floor].into_iter().find(|program| program.target().1 == name)
    }

    /// The package, and the binary of it.
    fn target(self) -> (&'static str, &'static str) {
        match self {
            Self::Wattle => ("wattle", "wattle"),
            Self::Floor => ("bench", "hyper-floor"),
        }
    }

    /// What builds it for the release.
    fn build(self, root: &Path) -> Command {
        let (package, name) = self.target();
        let mut cargo = Command::new("cargo");
        cargo.current_dir(root).args(["rustc", "--release", "--package", package, "--bin", name]);
        cargo
    }

    /// How it is run while it counts, one after the other; each serves thirteen bytes.
    fn training(self, guests: &Path, workshop: &Path) -> Vec<Vec<OsString>> {
        let common = ["--http", "127.0.0.1:0", "--threads", "1"].map(OsString::from);
        let serve = |(guest, flags): (&str, &[&str])| {
            let up = [OsString::from("up")].into_iter().chain(common.clone()).chain(["-o".into(), "json".into()]);
            let kept = [joined("--cache=", &workshop.join("cache")), joined("--data=", &workshop.join("data"))];
            let flags = flags.iter().map(OsString::from);
            up.chain(kept).chain(flags).chain([guests.join(format!("{guest}.wasm")).into()]).collect()
        };
        match self {
            Self::Wattle => [("hello", &["--reuse"][..]), ("hello", &[]), ("hello-p3", &["--reuse"])].map(serve).into(),
            Self::Floor => vec![common.into()],
        }
    }
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
