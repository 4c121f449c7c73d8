//! `wattle call`: calls functions of a library or reactor, with arguments and results as text.
//!
//! All calls of a command line go to one instance, one after the other, so that a reactor keeps its state from call to call;
//! with `--fresh` each gets an instance of its own. Results are printed as they come, one a line.
//!
//! What is no file is the name of a component that runs in a lattice, and is called there: see [`Meant`].

mod lattice;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use engine::call::{self, Call, CallError, Instance, Request};
use engine::core_module::{self, CoreState};
use engine::{Bound, Engines, Failure as Ended, Form, ImportName, Layout, Limits, Loaded, Program, State};
use host::{Capabilities, Foreign, linking};
use model::{ComponentName, NotAName};
use stdx::{ByteSize, Code, printable};
use wasmtime_wasi::WasiCtxBuilder;

use crate::alone::{self, Allowed};
use crate::cli::Common;
use crate::failure::Failure;
use crate::imports::ImportFlags;
use crate::output::{Output, say};
use crate::reach::LatticeReach;
use crate::{progress, registries};

/// Calls exported functions of a component or core module: of a file, or of what runs in a lattice
///
/// A file is called in an instance of its own, here. What is no file is the name of a component, and a host of the lattice that
/// runs it is asked, as it is with --nats, --lattice or --ctx. Functions are named as in 'add(1, 2)' or 'demo:calc/ops.divide(1.0, 2.0)', with arguments in WAVE.
#[derive(Debug, Args)]
#[command(mut_arg("timeout", |timeout| timeout.help("Time for one call, in seconds").default_value("30")))]
pub(crate) struct CallCommand {
    /// The program, as a file or a reference, or the name of a component that runs in the lattice
    #[arg(value_name = "FILE|COMPONENT")]
    file: PathBuf,
    /// Calls, one after the other in one instance; only names where the arguments are given with --json
    #[arg(required = true, value_name = "FUNCTION(ARGUMENTS)")]
    calls: Vec<String>,
    /// Arguments as a JSON array, and the result as JSON (once for each function)
    #[arg(long, value_name = "ARRAY")]
    json: Vec<String>,
    /// How often each call is made
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    repeat: u64,
    /// Makes a fresh instance for each call, so that none sees what another left
    #[arg(long)]
    fresh: bool,
    /// Lets the program into a folder, under another name where one is given (can be given several times)
    #[arg(long, value_name = "HOST[::GUEST]")]
    dir: Vec<String>,
    #[command(flatten)]
    imports: ImportFlags,
    /// Memory of one instance
    #[arg(long, value_name = "SIZE", default_value_t = Limits::default().memory)]
    memory: ByteSize,
    #[command(flatten)]
    reach: LatticeReach,
}

/// What is called.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Meant {
    /// A program, here.
    File,
    /// What a host runs.
    Component(ComponentName),
    /// A component by what can be no name.
    Nothing(NotAName),
}

/// What instances are made from.
enum Origin {
    Component { pre: wasmtime::component::InstancePre<State>, bound: Arc<Bound> },
    CoreModule { pre: wasmtime::InstancePre<CoreState> },
}

/// Carries out `wattle call`.
pub(crate) fn run(command: CallCommand, common: &Common, output: Output) -> Result<ExitCode, Failure> {
    let requests = command.requests()?;
    match meant(&command.file, command.file.exists(), command.reach.is_said()) {
        Meant::File => run_file(&command, &requests, common, output),
        Meant::Component(name) => {
            command.check_flags(&name)?;
            command.reach.once_reached(async |reached| lattice::call(&reached, &command, &name, output).await)
        }
        Meant::Nothing(error) => Err(Failure::new(Code::E1002, format!("no component can be meant: {error}"))),
    }
}

/// What is meant by this word, where there is such a file or not, and where a lattice was named or not.
fn meant(word: &Path, is_there: bool, is_lattice_said: bool) -> Meant {
    let name = word.to_string_lossy().parse::<ComponentName>();
    // What is written as a file is meant as one, and missed as one.
    let is_like_a_file = word.extension().is_some_and(|extension| extension == "wasm" || extension == "wat");
    match name {
        Ok(name) if is_lattice_said || !is_there && !is_like_a_file => Meant::Component(name),
        Err(error) if is_lattice_said => Meant::Nothing(error),
        _ => Meant::File,
    }
}

fn run_file(command: &CallCommand, requests: &[Request], common: &Common, output: Output) -> Result<ExitCode, Failure> {
    let engines = Engines::open(common.engines(Layout::OnDemand))?;
    let bytes = registries::fetch(&command.file, &command.imports.data(), common)?;
    let program = alone::read(&engines, &bytes, &command.file)?;
    let foreign = core_module::foreign_imports(&program.anatomy);
    if !foreign.is_empty() {
        return Err(Foreign(foreign).into());
    }
    let capabilities = Capabilities::new(command.imports.capabilities()?);
    if program.anatomy.form == Form::Component {
        linking::check(&linking::link(&program.anatomy.imports, &capabilities.offers()))?;
    }
    let loaded = progress::prepare(&engines, &program, &command.file)?;
    let functions = call::functions(&loaded);
    let calls = requests.iter().map(|request| call::find(&functions, &request.name)?.call(request));
    let calls = calls.collect::<Result<Vec<Call<'_>>, CallError>>()?;
    let runtime = alone::new_runtime()?;
    let origin = runtime.block_on(command.origin(&engines, (&program, &loaded), &capabilities))?;
    let clock = alone::spawn_clock(&engines, program.recipe.settings)?;
    let output = if command.json.is_empty() { output } else { Output::Json };
    let done = runtime.block_on(command.carry_out(&calls, &origin, output));
    drop(clock);
    // A thread that still waits for standard input would keep the runtime from ending.
    runtime.shutdown_background();
    done
}

// === impl CallCommand ===

impl CallCommand {
    /// The calls as they were typed.
    fn requests(&self) -> Result<Vec<Request>, Failure> {
        let requests = match self.json.len() {
            0 => self.calls.iter().map(|text| Request::parse(text)).collect::<Result<_, _>>(),
            count if count == self.calls.len() => {
                let pairs = self.calls.iter().zip(&self.json);
                pairs.map(|(name, json)| Request::with_json(name, json)).collect()
            }
            count => {
                let text =
                    format!("{count} times --json for {} functions: it is given once for each", self.calls.len());
                return Err(Failure::new(Code::E0501, text));
            }
        };
        Ok(requests?)
    }

    /// Sees to it that nothing was said of an instance that this command would make: the host has made it by its own flags.
    fn check_flags(&self, name: &ComponentName) -> Result<(), Failure> {
        let is_said = [
            ("--fresh", self.fresh),
            ("--dir", !self.dir.is_empty()),
            ("--memory", self.memory != Limits::default().memory),
            (self.imports.said().unwrap_or_default(), self.imports.said().is_some()),
        ];
        match is_said.into_iter().find(|(_, is_said)| *is_said) {
            None => Ok(()),
            Some((flag, _)) => {
                let text = format!(
                    "{flag} is for the call of a file, and {name} is called as its host runs it: leave {flag} out"
                );
                Err(Failure::new(Code::E0501, text))
            }
        }
    }

    /// Links the program.
    async fn origin(
        &self,
        engines: &Engines,
        (program, loaded): (&Program<'_>, &Loaded),
        capabilities: &Capabilities,
    ) -> Result<Origin, Failure> {
        let not_linkable = |error: wasmtime::Error| {
            Failure::new(Code::E0204, format!("{} cannot be linked: {error:#}", self.file.display()))
        };
        match loaded {
            Loaded::CoreModule(module) => {
                let linker = core_module::core_linker(module.engine()).map_err(alone::engine_failure)?;
                Ok(Origin::CoreModule { pre: linker.instantiate_pre(module).map_err(not_linkable)? })
            }
            Loaded::Component(component) => {
                // A core module's imports are known once it is a component.
                let imports = ImportName::all_of(component);
                linking::check(&linking::link(&imports, &capabilities.offers()))?;
                let settings = program.recipe.settings;
                let linker = capabilities.linker_for(engines.engine(settings)?, settings, &imports);
                let linker = linker.map_err(alone::engine_failure)?;
                let pre = linker.instantiate_pre(component).map_err(not_linkable)?;
                let name = registries::name_of(&self.file);
                Ok(Origin::Component { pre, bound: capabilities.bind_by_default(&name, &imports).await? })
            }
        }
    }

    /// Makes all calls in turn and prints what each gives, until one fails.
    async fn carry_out(&self, calls: &[Call<'_>], origin: &Origin, output: Output) -> Result<ExitCode, Failure> {
        let mut instance = None;
        for call in calls {
            for _ in 0..self.repeat {
                let mut callee = match instance.take() {
                    Some(instance) => instance,
                    None => match self.instance(origin).await? {
                        Ok(instance) => instance,
                        Err(ended) => return self.conclude(ended, "its start"),
                    },
                };
                match callee.call(call).await {
                    Ok(results) if output == Output::Json => say(&results.to_json().to_string()),
                    Ok(results) => say(&results.to_wave()),
                    Err(ended) => return self.conclude(ended, &call.path()),
                }
                instance = (!self.fresh).then_some(callee);
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    async fn instance(&self, origin: &Origin) -> Result<Result<Instance, Ended>, Failure> {
        let limits = Arc::new(Limits { memory: self.memory, timeout: self.reach.timeout(), ..Limits::default() });
        let mut wasi = self.wasi()?;
        Ok(match origin {
            Origin::Component { pre, bound } => {
                Instance::of_component(pre, State::new(&mut wasi, &limits, bound.clone())).await
            }
            Origin::CoreModule { pre } => Instance::of_core_module(pre, CoreState::new(&mut wasi, &limits)).await,
        })
    }

    /// The program's context: all streams inherited, only the folders and variables that were named. A component has its variables
    /// from what it is bound to.
    fn wasi(&self) -> Result<WasiCtxBuilder, Failure> {
        let mut wasi = WasiCtxBuilder::new();
        wasi.inherit_stdio().arg(self.file.to_string_lossy());
        for (name, value) in self.imports.environment() {
            wasi.env(name, value);
        }
        alone::open_folders(&mut wasi, &self.dir)?;
        Ok(wasi)
    }

    fn conclude(&self, ended: Ended, what: &str) -> Result<ExitCode, Failure> {
        let allowed = Allowed { memory: self.memory, seconds: self.reach.timeout().as_secs_f64() };
        alone::conclude(ended, &format!("{} in {}", printable(what), self.file.display()), allowed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_file_is_a_component_and_what_is_written_as_a_file_is_none() {
        let meant = |word: &str, is_there, is_lattice_said| meant(Path::new(word), is_there, is_lattice_said);
        let component = |name: &str| Meant::Component(name.parse().expect("a name"));
        assert_eq!(meant("price", false, false), component("price"));
        assert_eq!(meant("price", true, false), Meant::File);
        assert_eq!(meant("price", true, true), component("price"));
        assert_eq!(meant("price.wasm", false, false), Meant::File);
        assert_eq!(meant("price.wasm", false, true), component("price.wasm"));
        assert_eq!(meant("a/price", false, false), Meant::File);
        assert!(matches!(meant("a/price", true, true), Meant::Nothing(_)));
    }
}
