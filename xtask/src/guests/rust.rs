//! Runs cargo for the guests in Rust, with whichever toolchain can compile to WebAssembly.
//!
//! A toolchain of rustup with the two targets is the plain way. Where the targets cannot be had,
//! the packages of Debian can: their compiler builds the standard library from source, and the
//! linkers come from the toolchain that runs this.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};

use super::{Guest, Places, Recipe};

const P1: &str = "wasm32-wasip1";
const P2: &str = "wasm32-wasip2";

/// What compiles Rust to WebAssembly here.
enum Toolchain {
    /// The compiler in use has the targets.
    Targets,
    /// Debian's compiler, with the folder of the linkers.
    Source { linkers: PathBuf },
}

const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_CARGO: &str = "/usr/bin/cargo";
const WASI_LIBC: &str = "/usr/lib/wasm32-wasi";

/// Compiles whatever is in Rust among the guests. What is up to date costs cargo a moment.
pub(super) fn build(places: &Places, guests: &[Guest]) -> anyhow::Result<()> {
    let of = |recipe| guests.iter().filter(move |guest| guest.recipe == recipe).map(|guest| guest.name.as_str());
    let examples: Vec<&str> = of(Recipe::Example).flat_map(|name| ["--example", name]).collect();
    let (command, command_p1) = (of(Recipe::Command).count() > 0, of(Recipe::CommandP1).count() > 0);
    let is_rust = |guest: &Guest| {
        let others = [Recipe::Text, Recipe::Core, Recipe::Provider, Recipe::C, Recipe::JavaScript, Recipe::Python];
        !others.contains(&guest.recipe)
    };
    if !guests.iter().any(is_rust) {
        return Ok(());
    }
    let toolchain = Toolchain::find(&places.root)?;
    let folder = places.root.join("guests/rust");
    if !examples.is_empty() {
        finish(toolchain.cargo(places, &folder, ("build", P2)).args(examples))?;
    }
    for name in of(Recipe::Encoded) {
        let mut command = toolchain.cargo(places, &folder, ("rustc", P2));
        finish(command.args(["--example", name, "--", "-C", "link-arg=--skip-wit-component"]))?;
    }
    if command {
        toolchain.command(places, &folder, P2)?;
    }
    if command_p1 {
        toolchain.command(places, &folder, P1)?;
    }
    for name in of(Recipe::Application) {
        finish(&mut toolchain.cargo(places, &places.root.join("examples").join(name), ("build", P2)))?;
    }
    Ok(())
}

/// Where cargo leaves a guest.
pub(super) fn product(places: &Places, guest: &Guest) -> PathBuf {
    let file = guest.name.replace('-', "_");
    let path = match guest.recipe {
        Recipe::CommandP1 => format!("{P1}/release/cat.wasm"),
        Recipe::Example | Recipe::Encoded => format!("{P2}/release/examples/{file}.wasm"),
        _ => format!("{P2}/release/{file}.wasm"),
    };
    places.workshop().join(path)
}

fn finish(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("starting {:?}", command.get_program()))?;
    ensure!(status.success(), "cargo could not build the guests ({status})");
    Ok(())
}

// === impl Toolchain ===

impl Toolchain {
    fn find(root: &Path) -> anyhow::Result<Self> {
        let rustc = |arguments: &[&str]| ask(Command::new("rustc").args(arguments).current_dir(root));
        let has = |target| rustc(&["--print", "target-libdir", "--target", target]).is_ok_and(|path| path.is_dir());
        if has(P1) && has(P2) {
            return Ok(Self::Targets);
        }
        let standard_library = ask(Command::new(DEBIAN_RUSTC).args(["--print", "sysroot"]))
            .map(|sysroot| sysroot.join("lib/rustlib/src/rust/library/std"));
        let linkers = rustc(&["--print", "target-libdir"])?.with_file_name("bin");
        let there = standard_library.is_ok_and(|path| path.is_dir())
            && Path::new(DEBIAN_CARGO).exists()
            && Path::new(WASI_LIBC).exists()
            && linkers.join("wasm-component-ld").exists();
        if !there {
            bail!("no toolchain here compiles Rust to {P1} and {P2}; `tools/setup guests` installs one");
        }
        Ok(Self::Source { linkers })
    }

    /// Cargo for a package and a target, with everything set that depends on the toolchain.
    fn cargo(&self, places: &Places, folder: &Path, (task, target): (&str, &str)) -> Command {
        let mut command = match self {
            Self::Targets => Command::new("cargo"),
            Self::Source { linkers } => source(linkers, target),
        };
        // This process is itself run by cargo, which tells its children about the package and the flags of this one.
        command.env_remove("CARGO_ENCODED_RUSTFLAGS").env_remove("RUSTC_WORKSPACE_WRAPPER");
        command.env("CARGO_TARGET_DIR", places.workshop()).current_dir(folder);
        command.args([task, "--quiet", "--locked", "--release", "--target", target]);
        match self {
            Self::Targets => command.env_remove("RUSTFLAGS"),
            Self::Source { .. } => command.arg("-Zbuild-std=std,panic_abort"),
        };
        command
    }

    /// Cargo for the command `cat`. A program needs the start code of the C library, which rustup's toolchain brings
    /// and Debian's does not; a flag for it alone does not make cargo build the standard library again.
    fn command(&self, places: &Places, folder: &Path, target: &str) -> anyhow::Result<()> {
        let mut command = self.cargo(places, folder, ("rustc", target));
        command.args(["--bin", "cat"]);
        if let Self::Source { .. } = self {
            command.args(["--", "-C", &format!("link-arg={WASI_LIBC}/crt1-command.o")]);
        }
        finish(&mut command)
    }
}

/// Debian's cargo, which has to be told about its own compiler, the linkers and the C library.
fn source(linkers: &Path, target: &str) -> Command {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let paths = std::iter::once(linkers.to_owned()).chain(std::env::split_paths(&path));
    let mut command = Command::new(DEBIAN_CARGO);
    if let Ok(path) = std::env::join_paths(paths) {
        command.env("PATH", path);
    }
    // Rustup's libraries are not for Debian's compiler. Building the standard library is a feature of nightly, which
    // the variable lets a stable compiler do.
    command.env_remove("LD_LIBRARY_PATH").env("RUSTC", DEBIAN_RUSTC).env("RUSTC_BOOTSTRAP", "1");
    let mut flags = format!("-C link-self-contained=no -L {WASI_LIBC}");
    if target == P2 {
        // Its `_initialize` runs the C library's constructors. Without it the linker lets each export run them, also the
        // one that the host calls for memory while it must not be called back: opening a file would trap.
        flags.push_str(&format!(" -C link-arg={WASI_LIBC}/crt1-reactor.o"));
    }
    command.env("RUSTFLAGS", flags);
    command.env("CARGO_TARGET_WASM32_WASIP1_LINKER", "rust-lld");
    command.env("CARGO_TARGET_WASM32_WASIP2_LINKER", "wasm-component-ld");
    command
}

/// The path that a compiler prints.
fn ask(command: &mut Command) -> anyhow::Result<PathBuf> {
    let output = command.output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(PathBuf::from(String::from_utf8(output.stdout)?.trim_end()))
}
