//! Compiles a program in a process of its own, with limits on memory, processor time and wall-clock time.
//!
//! A file of a few kilobytes can take gigabytes or minutes in the compiler, and a failed allocation cannot be caught: it ends the
//! process. So it ends a child, and the host lives. The child is this same binary, started with [`CHILD_ARGUMENT`]; it limits
//! itself before it has read its first byte, reads the program from its standard input and writes a sealed artefact to its
//! standard output.
//!
//! # Invariants
//!
//! 1. The child inherits no environment and no descriptor but its three streams, and dies with its parent.
//! 2. How the child ended is all that the parent believes; the artefact is checked like any other when it is loaded.
//! 3. Both sides make the engine from one [`Settings`].

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, Signal};
use stdx::ByteSize;

use crate::cache::{Key, seal};
use crate::settings::{Compiler, Layout, Settings};

/// The first argument that makes the binary a compiling child.
pub const CHILD_ARGUMENT: &str = "__compile";

const INVALID: u8 = 65;

/// What a program is made into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Target {
    /// A component as it is.
    Component,
    /// A core module as it is, for `wattle run` and plain calls.
    CoreModule,
    /// A core module made into a component with the WASI 0.1 adapter for commands.
    CommandComponent,
    /// A core module made into a component with the WASI 0.1 adapter for reactors.
    ReactorComponent,
}

/// What decides how the compiled program looks: all but the program itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Recipe {
    /// What it is made into.
    pub target: Target,
    /// For which engine.
    pub settings: Settings,
}

/// What a compiling child may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompileLimits {
    /// Address space.
    pub memory: ByteSize,
    /// Processor time, of all its threads together.
    pub processor: Duration,
    /// Wall-clock time.
    pub wall: Duration,
}

/// Why there is no artefact.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// The compiler looked at it and refused: it is not valid.
    #[error("it is not a valid program: {0}")]
    Invalid(String),
    /// A limit was reached. It will be again, so this is worth remembering.
    #[error("{0}")]
    Exhausted(String),
    /// Someone else ended the child, most likely because memory ran out. It may go well another time.
    #[error("the compiling process was killed by someone else")]
    Killed,
    /// A file for the child could not be written.
    #[error("a file for the compiling process cannot be written")]
    NoFile(#[source] std::io::Error),
    /// The child could not be started or read.
    #[error("the compiling process could not be run")]
    NoChild(#[source] std::io::Error),
}

// === impl CompileLimits ===

impl CompileLimits {
    /// What a program of `size` bytes may cost: a fixed part, and more for large ones.
    pub fn for_size(size: u64) -> Self {
        let mib = size.div_ceil(1 << 20);
        Self {
            memory: ByteSize::mib(2048 + 48 * mib),
            processor: Duration::from_secs(60 + 6 * mib),
            wall: Duration::from_secs(90 + 6 * mib),
        }
    }
}

// === impl Target ===

impl Target {
    const ALL: [Self; 4] = [Self::Component, Self::CoreModule, Self::CommandComponent, Self::ReactorComponent];

    fn as_str(self) -> &'static str {
        match self {
            Self::Component => "component",
            Self::CoreModule => "core-module",
            Self::CommandComponent => "command-component",
            Self::ReactorComponent => "reactor-component",
        }
    }
}

/// Compiles `program` with `binary` into an artefact in `artefact`, sealed for `key`, waiting for the child to end within its limits. What
/// the child reads is put into `folder` first.
pub(crate) fn compile(
    (binary, folder): (&Path, &Path),
    program: &[u8],
    (Recipe { target, settings }, limits): (Recipe, CompileLimits),
    (key, artefact): (&Key, File),
) -> Result<(), CompileError> {
    let mut source = tempfile::tempfile_in(folder).map_err(CompileError::NoFile)?;
    let mut complaints = tempfile::tempfile_in(folder).map_err(CompileError::NoFile)?;
    source.write_all(program).and_then(|()| source.seek(SeekFrom::Start(0))).map_err(CompileError::NoFile)?;

    let mut child = Command::new(binary)
        .arg(CHILD_ARGUMENT)
        .args([target.as_str(), settings.compiler.as_str()])
        .arg(if settings.has_concurrency { "tasks" } else { "serial" })
        .arg(if settings.has_inlining { "inlined" } else { "plain" })
        .args([limits.memory.as_u64().to_string(), limits.processor.as_secs().to_string()])
        .arg(key.as_str())
        .env_clear()
        .stdin(Stdio::from(source))
        .stdout(Stdio::from(artefact))
        .stderr(Stdio::from(complaints.try_clone().map_err(CompileError::NoChild)?))
        .spawn()
        .map_err(CompileError::NoChild)?;
    let status = wait(&mut child, limits.wall).map_err(CompileError::NoChild)?;
    let mut text = String::new();
    complaints.seek(SeekFrom::Start(0)).map_err(CompileError::NoChild)?;
    complaints.take(16 << 10).read_to_string(&mut text).map_err(CompileError::NoChild)?;
    judge(status, &limits, text.trim())
}

/// The child's whole life: limits first, then one program.
pub fn compile_child(arguments: &[String]) -> ExitCode {
    match try_child(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The parent reads this; where it cannot be written the exit code still says what happened.
            let mut complaint = std::io::stderr();
            if writeln!(complaint, "{error}").is_err() {
                return ExitCode::FAILURE;
            }
            ExitCode::from(INVALID)
        }
    }
}

fn try_child(arguments: &[String]) -> Result<(), String> {
    let [target, compiler, tasks, inlined, memory, processor, key] = arguments else {
        return Err("wrong arguments".into());
    };
    let number = |text: &String| text.parse::<u64>().map_err(|error| error.to_string());
    confine(number(memory)?, number(processor)?).map_err(|error| format!("limits cannot be set: {error}"))?;

    let target = Target::ALL.into_iter().find(|known| known.as_str() == target).ok_or("unknown target")?;
    let settings =
        Settings { compiler: compiler.parse()?, has_concurrency: tasks == "tasks", has_inlining: inlined == "inlined" };
    let mut program = Vec::new();
    std::io::stdin().lock().read_to_end(&mut program).map_err(|error| error.to_string())?;
    let artefact = precompile(&program, target, settings)?;
    seal(key, &artefact, &mut std::io::stdout().lock())
        .map_err(|error| format!("the artefact cannot be written: {error}"))
}

fn confine(memory: u64, processor: u64) -> rustix::io::Result<()> {
    let limit = |value| Rlimit { current: Some(value), maximum: Some(value) };
    rustix::process::setrlimit(Resource::As, limit(memory))?;
    // The soft limit tells its own signal from a kill by somebody else.
    rustix::process::setrlimit(Resource::Cpu, Rlimit { current: Some(processor), maximum: Some(processor + 5) })?;
    rustix::process::setrlimit(Resource::Core, limit(0))?;
    #[cfg(target_os = "linux")]
    {
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        rustix::thread::set_no_new_privs(true)?;
    }
    Ok(())
}

fn precompile(program: &[u8], target: Target, settings: Settings) -> Result<Vec<u8>, String> {
    let engine = settings
        .config(Layout::OnDemand)
        .and_then(|config| wasmtime::Engine::new(&config))
        .map_err(|error| format!("{error:#}"))?;
    let artefact = match target {
        Target::CoreModule => engine.precompile_module(program),
        Target::Component => engine.precompile_component(program),
        Target::CommandComponent | Target::ReactorComponent => {
            engine.precompile_component(&componentize(program, target)?)
        }
    };
    artefact.map_err(|error| match settings.compiler {
        Compiler::Winch => format!("{error:#}; winch does not know all of WebAssembly, --engine cranelift may take it"),
        Compiler::Cranelift | Compiler::Pulley => format!("{error:#}"),
    })
}

/// Makes a core module into a component, with WASI 0.1 carried by the adapter that its pattern needs.
pub fn componentize(program: &[u8], target: Target) -> Result<Vec<u8>, String> {
    use wasi_preview1_component_adapter_provider as adapters;
    let adapter = match target {
        Target::CommandComponent => adapters::WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER,
        _ => adapters::WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
    };
    let encode = || {
        let encoder = wit_component::ComponentEncoder::default().validate(true).module(program)?;
        encoder.adapter(adapters::WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, adapter)?.encode()
    };
    encode().map_err(|error| format!("it cannot be made into a component: {error:#}"))
}

/// Waits for the child, and kills it when its time is over.
fn wait(child: &mut Child, wall: Duration) -> std::io::Result<Option<std::process::ExitStatus>> {
    let deadline = Instant::now() + wall;
    let pid = rustix::process::Pid::from_child(child);
    // Kernels before 5.3 and some sandboxes have no such descriptor: there the child is asked now and then.
    let ended = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).ok();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        match &ended {
            Some(ended) => wait_for(ended, left)?,
            None => std::thread::sleep(left.min(Duration::from_millis(5))),
        }
    }
}

fn wait_for(ended: &impl std::os::fd::AsFd, left: Duration) -> std::io::Result<()> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let timeout = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
    match poll(&mut [PollFd::new(ended, PollFlags::IN)], Some(&timeout)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// What the end of the child means.
fn judge(
    status: Option<std::process::ExitStatus>,
    limits: &CompileLimits,
    complaint: &str,
) -> Result<(), CompileError> {
    let exhausted = |what: String| Err(CompileError::Exhausted(format!("compiling it was given up: {what}")));
    let Some(status) = status else { return exhausted(format!("it took more than {} s", limits.wall.as_secs())) };
    let is_signal = |signal: Signal| status.signal() == Some(signal.as_raw());
    match status.code() {
        Some(0) => Ok(()),
        Some(code) if code == i32::from(INVALID) => Err(CompileError::Invalid(complaint.to_owned())),
        _ if is_signal(Signal::KILL) => Err(CompileError::Killed),
        _ if is_signal(Signal::XCPU) => {
            exhausted(format!("it took more than {} s of processor time", limits.processor.as_secs()))
        }
        _ if is_signal(Signal::ABORT) || complaint.contains("allocation") => {
            exhausted(format!("it took more than {} of memory", limits.memory))
        }
        _ => exhausted(format!(
            "the compiler ended with {status}: {}",
            complaint.lines().next().unwrap_or("it said nothing")
        )),
    }
}

#[cfg(test)]
mod tests;
