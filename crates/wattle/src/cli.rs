//! This is the command line: what can be typed, and which file answers it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use engine::{Compiler, EnginesConfig, Layout, ScanLimits};
use model::Registry;
use stdx::ByteSize;

use crate::output::Output;
use crate::{
    cache, call, component, context, failure, get, inspect, label, lattice, link, push, registry, run, secret,
    settings, spy, up,
};

/// Runs any WebAssembly program: serves it, runs it, calls it.
#[derive(Debug, Parser)]
#[command(name = "wattle", version, propagate_version = true, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Subcommand)]
enum Command {
    Up(up::Up),
    Run(run::Run),
    Call(call::CallCommand),
    Inspect(inspect::InspectCommand),
    Host(up::HostCommand),
    Get(get::GetCommand),
    Start(component::StartCommand),
    Stop(component::StopCommand),
    Scale(component::ScaleCommand),
    Update(component::UpdateCommand),
    Lattice(lattice::LatticeCommand),
    Link(link::LinkCommand),
    Spy(spy::SpyCommand),
    Ctx(context::ContextCommand),
    Label(label::LabelCommand),
    Config(settings::ConfigCommand),
    Secret(secret::SecretCommand),
    Cache(cache::CacheCommand),
    Push(push::PushCommand),
    Registry(registry::RegistryCommand),
}

/// What every command understands.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// How results and errors are printed
    #[arg(short, long, global = true, value_enum, default_value_t = Format::Text)]
    output: Format,
    /// The folder of compiled programs [default: the user's cache folder]
    #[arg(long, global = true, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// How WebAssembly is made to run: cranelift (fastest code), winch (compiles fastest) or pulley (portable)
    #[arg(long, global = true, value_name = "ENGINE", default_value_t = EngineName(Compiler::Cranelift))]
    engine: EngineName,
    /// The largest file that is taken for a program
    #[arg(long, global = true, value_name = "SIZE", default_value_t = artifact::SIZE_MAX)]
    max_component_size: ByteSize,
    /// A registry that is spoken to without encryption, as those on this machine are (can be given several times)
    #[arg(long, global = true, value_name = "HOST[:PORT]")]
    allow_insecure_registry: Vec<Registry>,
    /// What is logged on standard error: error, warn, info, debug or trace, also for parts as in engine=debug
    #[arg(long, global = true, value_name = "FILTER", default_value = "warn")]
    log: String,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// [`Compiler`] as a flag.
#[derive(Debug, Clone, Copy)]
struct EngineName(Compiler);

/// Reads the command line and carries it out.
pub(crate) fn dispatch() -> ExitCode {
    let cli = Cli::try_parse().unwrap_or_else(|error| end(&error));
    let output = match cli.common.output {
        Format::Text => Output::Text,
        Format::Json => Output::Json,
    };
    log(&cli.common.log);
    let done = match cli.command {
        Command::Up(up) => up::run(up, &cli.common, output),
        Command::Run(run) => run::run(run, &cli.common),
        Command::Call(call) => call::run(call, &cli.common, output),
        Command::Inspect(inspect) => inspect::run(inspect, &cli.common, output),
        Command::Host(host) => up::run_host(host, &cli.common, output),
        Command::Get(command) => get::run(command, output),
        Command::Start(command) => component::start(command, output),
        Command::Stop(command) => component::stop(command, output),
        Command::Scale(command) => component::scale(command, output),
        Command::Update(command) => component::update(command, output),
        Command::Lattice(command) => lattice::run(command, output),
        Command::Link(command) => link::run(command, output),
        Command::Spy(command) => spy::run(command, output),
        Command::Ctx(command) => context::run(command, output),
        Command::Label(command) => label::run(command, output),
        Command::Config(command) => settings::run(command, output),
        Command::Secret(command) => secret::run(command, output),
        Command::Cache(command) => cache::run(command, &cli.common, output),
        Command::Push(command) => push::run(command, &cli.common, output),
        Command::Registry(command) => registry::run(command, output),
    };
    done.unwrap_or_else(|failure| failure::report(&failure, output))
}

/// Ends the process as a wrong command line does.
pub(crate) fn refuse(why: &str) -> ! {
    end(&Cli::command().error(ErrorKind::MissingRequiredArgument, why))
}

/// Ends the process after a command line that is wrong, or that asks for help.
fn end(error: &clap::Error) -> ! {
    let arguments: Vec<String> =
        std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned()).collect();
    if error.use_stderr() && Output::asked_for_in(&arguments) == Output::Json {
        failure::report_wrong_line(&error.render().to_string());
        std::process::exit(error.exit_code());
    }
    error.exit()
}

fn log(filter: &str) {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("warn"));
    let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(is_terminal)
        .with_target(false)
        .init();
}

// === impl Common ===

impl Common {
    /// What engines are made from, with instances laid out as the command needs.
    pub(crate) fn engines(&self, layout: Layout) -> EnginesConfig {
        EnginesConfig {
            compiler: self.engine.0,
            layout,
            cache: self.cache.clone().unwrap_or_else(cache_folder),
            binary: own_binary(),
            scan: ScanLimits::default(),
        }
    }

    /// The largest file that is taken for a program.
    pub(crate) fn size_max(&self) -> ByteSize {
        self.max_component_size
    }

    /// The registries that are spoken to without encryption, beside those on this machine.
    pub(crate) fn plain_registries(&self) -> &[Registry] {
        &self.allow_insecure_registry
    }
}

/// This binary: where it lies, or as the system still holds it after the file was replaced by an upgrade.
fn own_binary() -> PathBuf {
    let lies = std::env::current_exe().ok().filter(|path| path.exists());
    lies.unwrap_or_else(|| "/proc/self/exe".into())
}

fn cache_folder() -> PathBuf {
    user_folder("XDG_CACHE_HOME", ".cache").join("artefacts")
}

/// Where data are kept when nobody says otherwise.
pub(crate) fn data_folder() -> PathBuf {
    user_folder("XDG_DATA_HOME", ".local/share")
}

/// Where what the user has chosen is kept.
pub(crate) fn config_folder() -> PathBuf {
    user_folder("XDG_CONFIG_HOME", ".config")
}

/// Where what is true of running hosts is kept.
pub(crate) fn state_folder() -> PathBuf {
    user_folder("XDG_STATE_HOME", ".local/state")
}

fn user_folder(variable: &str, below_home: &str) -> PathBuf {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = set(variable).or_else(|| set("HOME").map(|home| home.join(below_home)));
    base.unwrap_or_else(std::env::temp_dir).join("wattle")
}

// === impl EngineName ===

impl std::fmt::Display for EngineName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.as_str())
    }
}

impl std::str::FromStr for EngineName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map(Self)
    }
}
