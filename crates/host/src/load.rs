//! Makes a file into a component that can be served: read, link, compile, bind.

use std::path::PathBuf;
use std::sync::Arc;

use engine::{Anatomy, Engines, Limits, Loaded, PrepareError, Program, Settings, State, Use};
use http_capability::{NotAHandler, Reuse, Room, Served, ServedParts};
use model::ComponentName;
use route::Prefix;
use stdx::{Code, Explain};
use wasmtime::component::Linker;

use crate::capabilities::{Capabilities, CapabilityError};
use crate::linking::{self, Import, Missing, Offer};

/// A component to run, and where it is served.
#[derive(Debug, Clone)]
pub struct Source {
    /// What it is called.
    pub name: ComponentName,
    /// The file it comes from.
    pub path: PathBuf,
    /// The path at which it answers.
    pub prefix: Prefix,
}

/// A component that is ready to be served.
pub struct LoadedComponent {
    /// What it is called, and where it is served.
    pub source: Source,
    /// What it is.
    pub anatomy: Anatomy,
    /// What each of its imports is linked to.
    pub imports: Vec<Import>,
    /// What serves it.
    pub served: Arc<Served>,
}

/// Why a component cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error(transparent)]
    Fetch(#[from] artifact::FetchError),
    /// It cannot be made ready.
    #[error("{} cannot be run", path.display())]
    Prepare {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: PrepareError,
    },
    /// Some imports cannot be met.
    #[error("{} cannot be linked", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// Which.
        #[source]
        source: Missing,
    },
    /// It has imports by the right name and of the wrong shape.
    #[error("{} cannot be linked", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// What differs.
        #[source]
        source: wasmtime::Error,
    },
    /// It handles no HTTP.
    #[error("{} cannot be served: it is {what}", path.display())]
    NotAHandler {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        what: String,
        /// What the engine missed.
        #[source]
        source: Option<NotAHandler>,
    },
    /// A backend cannot be opened.
    #[error(transparent)]
    Capability(#[from] CapabilityError),
    /// The engine cannot be set up.
    #[error("the engine cannot be set up")]
    Engine(#[source] wasmtime::Error),
}

impl Explain for LoadError {
    fn code(&self) -> Code {
        match self {
            Self::Fetch(error) => error.code(),
            Self::Prepare { source, .. } => source.code(),
            Self::Missing { source, .. } => source.code(),
            Self::Shape { .. } => Code::E0204,
            Self::NotAHandler { .. } => Code::E0303,
            Self::Capability(error) => error.code(),
            Self::Engine(_) => Code::E0209,
        }
    }
}

/// What loading needs beside the file.
pub(crate) struct Loading<'a> {
    pub(crate) engines: &'a Engines,
    pub(crate) capabilities: &'a Capabilities,
    pub(crate) offers: &'a [Offer],
    pub(crate) limits: &'a Arc<Limits>,
    pub(crate) reuse: Option<Reuse>,
    pub(crate) cores: usize,
    pub(crate) size_max: stdx::ByteSize,
    pub(crate) linkers: &'a Linkers,
    pub(crate) room: &'a Arc<Room>,
}

/// The linkers of a host: one an engine, shared by all its components.
#[derive(Default)]
pub(crate) struct Linkers {
    serial: std::sync::OnceLock<Linker<State>>,
    concurrent: std::sync::OnceLock<Linker<State>>,
}

// === impl Loading ===

impl Loading<'_> {
    /// Reads, links, compiles and binds one component.
    pub(crate) fn load(&self, source: Source) -> Result<LoadedComponent, LoadError> {
        let path = &source.path;
        let bytes = artifact::fetch(path, self.size_max)?;
        let prepare = |error| LoadError::Prepare { path: path.clone(), source: error };
        let program = self.engines.read(&bytes, Use::Linked).map_err(prepare)?;
        let imports = self.imports(&program);
        linking::check(&imports).map_err(|missing| LoadError::Missing { path: path.clone(), source: missing })?;
        let is_handler = program.anatomy.patterns().contains(&engine::Pattern::HttpHandler);
        if !is_handler {
            return Err(LoadError::NotAHandler { path: path.clone(), what: describe(&program.anatomy), source: None });
        }
        self.capabilities.open_for(&program.anatomy.imports)?;
        let loaded = self.engines.prepare(&program).map_err(prepare)?;
        let served = self.serve(&source, &program, &loaded)?;
        if let Loaded::Component(component) = &loaded {
            Engines::rest(component);
        }
        Ok(LoadedComponent { imports, served: Arc::new(served), anatomy: program.anatomy, source })
    }

    /// A core module's own imports are WASI 0.1, which its adapter meets: what it imports as a component is known after.
    fn imports(&self, program: &Program<'_>) -> Vec<Import> {
        match program.anatomy.form {
            engine::Form::Component => linking::link(&program.anatomy.imports, self.offers),
            engine::Form::CoreModule => Vec::new(),
        }
    }

    fn serve(&self, source: &Source, program: &Program<'_>, loaded: &Loaded) -> Result<Served, LoadError> {
        let path = &source.path;
        let Loaded::Component(component) = loaded else { unreachable!("what is linked is made into a component") };
        let linker = self.linkers.of(self, program.recipe.settings)?;
        let pre = linker
            .instantiate_pre(component)
            .map_err(|error| LoadError::Shape { path: path.clone(), source: error })?;
        let bound = self.capabilities.bind(&source.name);
        let wasi = self.capabilities.wasi(&source.name);
        let limits = self.limits.clone();
        let parts = ServedParts {
            name: source.name.clone(),
            limits: self.limits.clone(),
            reuse: self.reuse,
            new_state: Box::new(move || State::new(&mut wasi(), &limits, bound.clone())),
            cores: self.cores,
            room: self.room.clone(),
        };
        let not_a_handler = |error| LoadError::NotAHandler {
            path: path.clone(),
            what: describe(&program.anatomy),
            source: Some(error),
        };
        parts.with(pre).map_err(not_a_handler)
    }
}

impl Linkers {
    fn of(&self, loading: &Loading<'_>, settings: Settings) -> Result<&Linker<State>, LoadError> {
        let cell = if settings.has_concurrency { &self.concurrent } else { &self.serial };
        if let Some(linker) = cell.get() {
            return Ok(linker);
        }
        let engine = loading.engines.engine(settings).map_err(|error| match error {
            PrepareError::Engine(error) => LoadError::Engine(error),
            other => LoadError::Engine(wasmtime::Error::new(other)),
        })?;
        let linker = loading.capabilities.linker(engine, settings).map_err(LoadError::Engine)?;
        Ok(cell.get_or_init(|| linker))
    }
}

/// What a program is, in the words that an error needs: `a component, command and library`.
fn describe(anatomy: &Anatomy) -> String {
    let patterns: Vec<_> = anatomy.patterns().iter().map(|pattern| pattern.as_str()).collect();
    let patterns = if patterns.is_empty() { "without anything to call".to_owned() } else { patterns.join(" and ") };
    format!("a {}, {patterns}", anatomy.form.as_str())
}
