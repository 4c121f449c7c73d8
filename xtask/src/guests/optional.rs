//! Makes the guests in C, JavaScript and Python, where there are tools for them.
//!
//! Their tools are large and say nothing about what they have read, so a guest is made again when
//! one of its sources is newer than it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use anyhow::{Context as _, ensure};

use super::{Outcome, Places};

/// A command of WASI 0.1, by Clang or by the one that Zig brings.
pub(super) fn c(places: &Places, name: &str) -> anyhow::Result<Outcome> {
    let source = places.root.join("guests/c/hello.c");
    if is_fresh(&places.product(name), &[&source])? {
        return Ok(Outcome::Ready);
    }
    let Some(mut compiler) = c_compiler(places)? else {
        return Ok(skipped("a Clang with the WASI C library"));
    };
    make(places, name, |output| compiler.args(["-O2", "-s", "-o"]).arg(output).arg(&source).status())
}

/// An HTTP component, by componentize-js.
pub(super) fn javascript(places: &Places, name: &str) -> anyhow::Result<Outcome> {
    let folder = places.root.join("guests/js");
    let (source, script, wit) = (folder.join("hello.js"), folder.join("build.mjs"), http_wit(places));
    if is_fresh(&places.product(name), &[&source, &script, &wit])? {
        return Ok(Outcome::Ready);
    }
    let tools = places.tools().join("js");
    if !tools.join("node_modules/@bytecodealliance/componentize-js").is_dir() {
        return Ok(skipped("componentize-js"));
    }
    let copy = tools.join("build.mjs");
    std::fs::copy(&script, &copy)?;
    make(places, name, |output| Command::new("node").arg(&copy).args([&source, &wit]).arg(output).status())
}

/// An HTTP component, by componentize-py.
pub(super) fn python(places: &Places, name: &str) -> anyhow::Result<Outcome> {
    let source = places.root.join("guests/python/app.py");
    let wit = http_wit(places);
    if is_fresh(&places.product(name), &[&source, &wit])? {
        return Ok(Outcome::Ready);
    }
    let tool = places.tools().join("py/bin/componentize-py");
    if !tool.exists() {
        return Ok(skipped("componentize-py"));
    }
    // Python leaves its bytecode beside the source, so it gets a copy.
    let workshop = places.workshop().join("python");
    std::fs::create_dir_all(&workshop)?;
    std::fs::copy(&source, workshop.join("app.py"))?;
    make(places, name, |output| {
        let mut command = Command::new(&tool);
        command.current_dir(&workshop).arg("--quiet").arg("--wit-path").arg(&wit);
        command.args(["--world", "app", "componentize", "app", "--output"]).arg(output).status()
    })
}

fn http_wit(places: &Places) -> PathBuf {
    places.root.join("guests/wit/http")
}

fn skipped(tool: &str) -> Outcome {
    Outcome::Skipped(format!("it needs {tool}, which `tools/setup guests` installs where it can be had"))
}

/// Lets a tool write a file, and installs it.
fn make(
    places: &Places,
    name: &str,
    tool: impl FnOnce(&Path) -> std::io::Result<std::process::ExitStatus>,
) -> anyhow::Result<Outcome> {
    let output = places.workshop().join(format!("{name}.wasm"));
    std::fs::create_dir_all(places.workshop())?;
    let status = tool(&output).context("the tool could not be started")?;
    ensure!(status.success(), "the tool failed ({status})");
    places.install(name, &std::fs::read(&output)?)?;
    // The same bytes keep their old time, which would make the tool run again each time.
    std::fs::File::options().append(true).open(places.product(name))?.set_modified(SystemTime::now())?;
    Ok(Outcome::Ready)
}

/// Whether a product is newer than all that it is made of; a folder stands for what is in it.
fn is_fresh(product: &Path, sources: &[&Path]) -> anyhow::Result<bool> {
    let Ok(made) = std::fs::metadata(product).and_then(|metadata| metadata.modified()) else {
        return Ok(false);
    };
    for source in sources {
        if newest(source)? > made {
            return Ok(false);
        }
    }
    Ok(true)
}

fn newest(path: &Path) -> anyhow::Result<SystemTime> {
    let metadata = std::fs::metadata(path).with_context(|| format!("reading {}", path.display()))?;
    let mut newest_time = metadata.modified()?;
    if metadata.is_dir() {
        for entry in std::fs::read_dir(path)? {
            newest_time = newest_time.max(newest(&entry?.path())?);
        }
    }
    Ok(newest_time)
}

/// The first compiler that can make a program for WASI: it is asked to, since many a Clang lacks a library for it.
fn c_compiler(places: &Places) -> anyhow::Result<Option<Command>> {
    let trial = places.workshop().join("trial.c");
    std::fs::create_dir_all(places.workshop())?;
    std::fs::write(&trial, "#include <stdio.h>\nint main(void) { return puts(\"\") == EOF; }\n")?;
    let zig = places.tools().join("zig/bin/python");
    let candidates: [(&Path, &[&str]); 2] =
        [(Path::new("clang"), &["--target=wasm32-wasi"]), (&zig, &["-m", "ziglang", "cc", "--target=wasm32-wasi"])];
    Ok(candidates.into_iter().find_map(|(program, arguments)| {
        let compiler = || {
            let mut command = Command::new(program);
            command.args(arguments);
            command
        };
        let mut attempt = compiler();
        attempt.arg(&trial).args(["-o", "/dev/null"]).stdout(Stdio::null()).stderr(Stdio::null());
        attempt.status().is_ok_and(|status| status.success()).then(compiler)
    }))
}
