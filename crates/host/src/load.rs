//! Makes a file into a component that can be linked: read, check what it imports, compile.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use capability::OpenError;
use engine::{Anatomy, Engines, ImportName, Loaded, PrepareError, Settings, Use, claims, core_module};
use http_capability::NotAHandler;
use model::ComponentName;
use route::Route;
use stdx::{Code, Explain};
use trust::{ClaimsView, NotVouched, vouch};
use wasmtime::component::Component;

use crate::foreign::Foreign;
use crate::linking::{self, Import, Missing, Offer};
use crate::links::{LinkError, Shape};

/// A component to run, and where it is served.
#[derive(Debug, Clone)]
pub struct Source {
    /// What it is called.
    pub name: ComponentName,
    /// The file it comes from.
    pub path: PathBuf,
    /// The reference that led to the file, where it was pulled.
    pub origin: Option<String>,
    /// The requests that it answers; none where it is there for other components.
    pub route: Option<Route>,
}

/// A component that is there, as it is shown.
#[derive(Debug, Clone)]
pub struct LoadedComponent {
    /// What it is called, and where it is served.
    pub source: Source,
    /// What it is.
    pub anatomy: Anatomy,
    /// What each of its imports is linked to.
    pub imports: Vec<Import>,
    /// Whether it answers HTTP requests; else it is there for other components.
    pub is_served: bool,
    /// What is said of it by who signed it, checked.
    pub claims: Option<Arc<ClaimsView>>,
}

/// A component that is compiled, and not linked yet.
pub(crate) struct Prepared {
    pub(crate) source: Source,
    pub(crate) anatomy: Anatomy,
    /// Its imports as it names them.
    pub(crate) imports: Vec<ImportName>,
    pub(crate) component: Component,
    pub(crate) settings: Settings,
    /// Tells its bytes from all others.
    pub(crate) digest: [u8; 32],
    /// What is said of it by who signed it, checked.
    pub(crate) claims: Option<Arc<ClaimsView>>,
}

/// How far a component came by itself.
pub(crate) enum Step {
    /// It is compiled.
    Prepared(Box<Prepared>),
    /// It imports what this host does not offer: another component may.
    Waits(Source, Box<Anatomy>),
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
    /// It carries claims that do not hold.
    #[error("{} is not run", path.display())]
    Claims {
        /// The file.
        path: PathBuf,
        /// Why they do not.
        #[source]
        source: BadClaims,
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
    /// It is a core module that imports what neither WASI 0.1 nor its own world has.
    #[error("{} cannot be linked", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Which imports.
        #[source]
        source: Foreign,
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
    /// Two components want the same requests, or one does twice.
    #[error("{} routed at {route}", who(.first, .second))]
    Taken {
        /// Which requests.
        route: Box<Route>,
        /// The one.
        first: ComponentName,
        /// The other.
        second: ComponentName,
    },
    /// A backend that it needs cannot be opened.
    #[error("{component} cannot be linked")]
    Open {
        /// Which component.
        component: ComponentName,
        /// Why.
        #[source]
        source: OpenError,
    },
    /// A link that was asked for cannot be put.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The engine cannot be set up.
    #[error("the engine cannot be set up")]
    Engine(#[source] wasmtime::Error),
}

/// Why the claims that a program carries do not hold.
#[derive(Debug, thiserror::Error)]
pub enum BadClaims {
    /// Which of them count?
    #[error("it carries {0} claims, and there may be one")]
    Several(usize),
    /// They do not hold for it.
    #[error(transparent)]
    NotVouched(#[from] NotVouched),
}

impl Explain for LoadError {
    fn code(&self) -> Code {
        match self {
            Self::Fetch(error) => error.code(),
            Self::Prepare { source, .. } => source.code(),
            Self::Claims { .. } => Code::E0107,
            Self::Missing { source, .. } => source.code(),
            Self::Foreign { source, .. } => source.code(),
            Self::Shape { .. } => Code::E0204,
            Self::NotAHandler { .. } => Code::E0303,
            Self::Taken { .. } => Code::E0302,
            Self::Open { source, .. } => source.code(),
            Self::Link(error) => error.code(),
            Self::Engine(_) => Code::E0209,
        }
    }
}

fn who(first: &ComponentName, second: &ComponentName) -> String {
    if first == second { format!("{first} is twice") } else { format!("{first} and {second} are both") }
}

/// What loading needs beside the file.
pub(crate) struct Loading<'a> {
    pub(crate) engines: &'a Engines,
    pub(crate) size_max: stdx::ByteSize,
    /// Whether components of other hosts may meet what nothing here does.
    pub(crate) may_come: bool,
}

// === impl Source ===

impl Source {
    /// Where it comes from, as people know it.
    pub fn shown(&self) -> PathBuf {
        self.origin.as_ref().map_or_else(|| self.path.clone(), PathBuf::from)
    }
}

// === impl Step ===

impl Step {
    /// What it exports to other components.
    pub(crate) fn exports(&self) -> Vec<Offer> {
        let (source, contracts) = match self {
            // What a core module exports is known once it is a component.
            Self::Prepared(prepared) => (&prepared.source, Shape::of(prepared).exports),
            Self::Waits(source, anatomy) => {
                (source, anatomy.exports.iter().filter_map(|export| export.parse().ok()).collect())
            }
        };
        let offer = |contract| Offer { contract, by: source.name.to_string(), is_linkable: true };
        contracts.into_iter().map(offer).collect()
    }
}

// === impl Loading ===

impl Loading<'_> {
    /// Reads one component and compiles it, if these offers meet all that it imports.
    pub(crate) fn load(&self, source: Source, offers: &[Offer]) -> Result<Step, LoadError> {
        let bytes = artifact::fetch(&source.path, self.size_max)?;
        let prepare = |error| LoadError::Prepare { path: source.shown(), source: error };
        let program = self.engines.read(&bytes, Use::Linked).map_err(prepare)?;
        let claims = vouched(&bytes, &program.anatomy, SystemTime::now())
            .map_err(|bad| LoadError::Claims { path: source.shown(), source: bad })?;
        // A core module's own imports are WASI 0.1, which its adapter meets: what it imports as a component is known after.
        let foreign = core_module::foreign_imports(&program.anatomy);
        if !foreign.is_empty() {
            return Err(LoadError::Foreign { path: source.shown(), source: Foreign(foreign) });
        }
        let is_component = program.anatomy.form == engine::Form::Component;
        let missing = linking::check(&linking::link(&program.anatomy.imports, offers)).err();
        if is_component && missing.is_some_and(|missing| !(self.may_come && missing.may_all_come())) {
            return Ok(Step::Waits(source, Box::new(program.anatomy)));
        }
        let (settings, digest) = (program.recipe.settings, program.digest());
        let loaded = self.engines.prepare(&program).map_err(prepare)?;
        let Loaded::Component(component) = loaded else { unreachable!("what is linked is made into a component") };
        Engines::rest(&component);
        let imports = ImportName::all_of(&component);
        Ok(Step::Prepared(Box::new(Prepared {
            source,
            anatomy: program.anatomy,
            imports,
            component,
            settings,
            digest,
            claims,
        })))
    }
}

/// What is said of a program by who signed it; nothing where nobody did. What says so and is not so is not run.
fn vouched(bytes: &[u8], anatomy: &Anatomy, now: SystemTime) -> Result<Option<Arc<ClaimsView>>, BadClaims> {
    if !anatomy.has_claims {
        return Ok(None);
    }
    let claims::Carried { tokens, digest } = claims::carried(bytes);
    match tokens.as_slice() {
        [] => Ok(None),
        [token] => Ok(Some(Arc::new(vouch(token, &digest, now)?))),
        several => Err(BadClaims::Several(several.len())),
    }
}

/// What a program is, in the words that an error needs: `a component, command and library`.
pub(crate) fn describe(anatomy: &Anatomy) -> String {
    let patterns: Vec<_> = anatomy.patterns().iter().map(|pattern| pattern.as_str()).collect();
    let patterns = if patterns.is_empty() { "without anything to call".to_owned() } else { patterns.join(" and ") };
    format!("a {}, {patterns}", anatomy.form.as_str())
}
