//! `wattle run`: runs a command like a native program.
//!
//! The program owns the streams and the exit code. Nothing is printed beside what it prints, unless it cannot be run or traps.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use engine::core_module::{self, CoreState};
use engine::{Engines, Failure as Ended, ImportName, Layout, Limits, Loaded, Pattern, Program, State, command};
use host::{Capabilities, Foreign, LoadError, linking};
use rt::Tick;
use stdx::{ByteSize, Code};
use wasmtime_wasi::WasiCtxBuilder;

use crate::alone::{self, Allowed};
use crate::cli::Common;
use crate::failure::Failure;
use crate::imports::ImportFlags;
use crate::{progress, registries};

/// Runs a command: arguments, streams and exit code are the program's own
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The program, as a file or a reference, and its arguments: all that stands behind it is the program's own
    #[arg(required = true, trailing_var_arg = true, value_names = ["FILE", "ARGS"], num_args = 1..)]
    command: Vec<String>,
    #[arg(skip)]
    file: PathBuf,
    #[arg(skip)]
    arguments: Vec<String>,
    /// Lets the program into a folder, under another name where one is given (can be given several times)
    #[arg(long, value_name = "HOST[::GUEST]")]
    dir: Vec<String>,
    #[command(flatten)]
    imports: ImportFlags,
    /// Memory of the program
    #[arg(long, value_name = "SIZE", default_value_t = Limits::own_program().memory)]
    memory: ByteSize,
    /// Time for the program, in seconds [default: as long as it takes]
    #[arg(long, value_name = "SECONDS", value_parser = crate::imports::seconds)]
    timeout: Option<f64>,
}

/// Carries out `wattle run`.
pub(crate) fn run(mut run: Run, common: &Common) -> Result<ExitCode, Failure> {
    run.arguments = run.command.split_off(1);
    run.file = run.command.pop().unwrap_or_default().into();
    // As a native program in a pipe: whoever writes to a reader that went away is ended by the system.
    sigpipe::reset();
    let engines = Engines::open(common.engines(Layout::OnDemand))?;
    let bytes = registries::fetch(&run.file, &run.imports.data(), common)?;
    let program = alone::read(&engines, &bytes, &run.file)?;
    let foreign = core_module::foreign_imports(&program.anatomy);
    if !foreign.is_empty() {
        return Err(Foreign(foreign).into());
    }
    if !program.anatomy.patterns().contains(&Pattern::Command) {
        let patterns: Vec<_> = program.anatomy.patterns().iter().map(|pattern| pattern.as_str()).collect();
        let what = if patterns.is_empty() {
            "has nothing to run".to_owned()
        } else {
            format!("is for use as {}", patterns.join(" and "))
        };
        return Err(Failure::new(Code::E0205, format!("{} is not a command: it {what}", run.file.display())));
    }
    let loaded = progress::prepare(&engines, &program, &run.file)?;
    let runtime = alone::new_runtime()?;
    let ticker = run.timeout.map(|_| alone::spawn_clock(&engines, program.recipe.settings)).transpose()?;
    let ended = runtime.block_on(within(run.timeout, start(&run, &engines, &program, &loaded)))?;
    drop(ticker);
    // A thread that still waits for standard input would keep the runtime from ending.
    runtime.shutdown_background();
    conclude(ended, &run)
}

/// A program that waits for the host executes nothing that the clock of the engine could stop: a timer ends it.
async fn within(
    seconds: Option<f64>,
    work: impl Future<Output = Result<Result<i32, Ended>, Failure>>,
) -> Result<Result<i32, Ended>, Failure> {
    let Some(seconds) = seconds else { return work.await };
    tokio::time::timeout(Duration::from_secs_f64(seconds) + 2 * rt::TICK, work)
        .await
        .unwrap_or(Ok(Err(Ended::OutOfTime)))
}

/// Runs the program to its end.
async fn start(
    run: &Run,
    engines: &Engines,
    program: &Program<'_>,
    loaded: &Loaded,
) -> Result<Result<i32, Ended>, Failure> {
    let limits = Arc::new(Limits { memory: run.memory, ..Limits::own_program() });
    let deadline = run.timeout.map_or(Tick::NEVER, |timeout| Tick::now().after(Duration::from_secs_f64(timeout)));
    let mut wasi = wasi(run)?;
    match loaded {
        Loaded::CoreModule(module) => Ok(command::run_core(module, CoreState::new(&mut wasi, &limits), deadline).await),
        Loaded::Component(component) => {
            let name = registries::name_of(&run.file);
            let capabilities = Capabilities::new(run.imports.capabilities()?);
            // A core module's imports are known once it is a component.
            let imports = ImportName::all_of(component);
            linking::check(&linking::link(&imports, &capabilities.offers()))?;
            let settings = program.recipe.settings;
            let linker = capabilities.linker_for(engines.engine(settings)?, settings, &imports);
            let linker = linker.map_err(alone::engine_failure)?;
            linker.instantiate_pre(component).map_err(|source| LoadError::Shape { path: run.file.clone(), source })?;
            let state = State::new(&mut wasi, &limits, capabilities.bind_by_default(&name, &imports).await?);
            Ok(command::run_component(component, &linker, state, deadline).await)
        }
    }
}

/// The program's context: all streams inherited, only the folders and variables that were named. A component has its variables from
/// what it is bound to.
fn wasi(run: &Run) -> Result<WasiCtxBuilder, Failure> {
    let mut wasi = WasiCtxBuilder::new();
    wasi.inherit_stdio().allow_blocking_current_thread(true).arg(run.file.to_string_lossy()).args(&run.arguments);
    for (name, value) in run.imports.environment() {
        wasi.env(name, value);
    }
    alone::open_folders(&mut wasi, &run.dir)?;
    Ok(wasi)
}

/// The program's own exit code, or what ended it.
fn conclude(ended: Result<i32, Ended>, run: &Run) -> Result<ExitCode, Failure> {
    let allowed = Allowed { memory: run.memory, seconds: run.timeout.unwrap_or_default() };
    match ended {
        Ok(code) => Ok(alone::exit_code(code)),
        Err(ended) => alone::conclude(ended, &run.file.display().to_string(), allowed),
    }
}
