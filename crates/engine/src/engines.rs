//! Makes programs ready to run: looks them up in the cache, has them compiled where they are missing, and loads them.
//!
//! ```text
//! bytes ── scan ── recipe ── find ──┬─ in the cache ── load
//!                                   └─ missing ── compile (a child) ── keep ── load
//! ```
//!
//! # Invariants
//!
//! 1. Native code is loaded at one place, [`Engines::load`], and only from a file whose digest was found right.
//! 2. There are at most two engines: with tasks and without. Each is made when its first program comes.
//! 3. What failed to compile within its limits is not tried again until someone says so.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::sync::OnceLock;

use stdx::{Blame, Code, Explain};
use wasmtime::component::Component;
use wasmtime::{Engine, Module};

use crate::anatomy::{Anatomy, Form, Pattern, ScanError, ScanLimits};
use crate::cache::{Cache, CacheError, Key, Sound};
use crate::compile::{self, CompileError, CompileLimits, Recipe, Target};
use crate::settings::{Compiler, Layout, Settings};

/// What the engines of a process are made from.
#[derive(Debug, Clone)]
pub struct EnginesConfig {
    /// The compiler that every program is compiled with.
    pub compiler: Compiler,
    /// How instances are laid out.
    pub layout: Layout,
    /// Where artefacts are kept.
    pub cache: PathBuf,
    /// The binary that compiles: this program's own, which understands [`compile::CHILD_ARGUMENT`].
    pub binary: PathBuf,
    /// What is refused before compiling.
    pub scan: ScanLimits,
}

/// The engines of a process, and the cache that they share.
pub struct Engines {
    config: EnginesConfig,
    cache: Cache,
    /// By the kind of their settings.
    made: [OnceLock<Engine>; Settings::KINDS],
}

/// A program that was read and has a recipe, but no artefact yet.
#[derive(Debug, Clone)]
pub struct Program<'a> {
    /// Its bytes.
    pub bytes: &'a [u8],
    /// What it is.
    pub anatomy: Anatomy,
    /// What it will be made into.
    pub recipe: Recipe,
    digest: blake3::Hash,
}

/// A fused program of more bytes is compiled without inlining: it would take minutes.
const INLINED_MAX: usize = 4 << 20;

/// How a program is going to be used, which decides what a core module is made into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Run or called by itself: core modules stay what they are.
    Alone,
    /// Linked or served: core modules are made into components.
    Linked,
    /// As one piece of several components, which call one another often.
    Fused,
}

/// Native code, ready to be instantiated.
#[derive(Clone)]
pub enum Loaded {
    /// A component.
    Component(Component),
    /// A core module.
    CoreModule(Module),
}

/// Why a program cannot be made ready.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// It is not a program, or too much of one.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// It did not compile.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// It did not compile before, and was not tried again.
    #[error("{0} (tried before; remembered by its digest)")]
    FailedBefore(String),
    /// The cache is out of order.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The engine refuses what it made itself.
    #[error("the engine cannot load what it compiled")]
    Load(#[source] wasmtime::Error),
    /// The engine cannot be set up.
    #[error("the engine cannot be set up")]
    Engine(#[source] wasmtime::Error),
}

// === impl Program ===

impl Program<'_> {
    /// Tells these bytes from all others: their BLAKE3 digest.
    pub fn digest(&self) -> [u8; 32] {
        *self.digest.as_bytes()
    }

    /// The bytes of the component that it is, or is made into. They cost no more than compiling it did.
    pub fn to_component(&self) -> Result<Vec<u8>, PrepareError> {
        let target = self.recipe.target;
        match target {
            Target::CommandComponent | Target::ReactorComponent => {
                Ok(compile::componentize(self.bytes, target).map_err(CompileError::Invalid)?)
            }
            Target::Component | Target::CoreModule => Ok(self.bytes.to_vec()),
        }
    }
}

// === impl Engines ===

impl Engines {
    /// Opens the cache. Engines are made when they are needed.
    pub fn open(config: EnginesConfig) -> Result<Self, CacheError> {
        let cache = Cache::open(config.cache.clone())?;
        Ok(Self { config, cache, made: Default::default() })
    }

    /// The engine for programs with these settings.
    pub fn engine(&self, settings: Settings) -> Result<&Engine, PrepareError> {
        let cell = &self.made[settings.kind()];
        if let Some(engine) = cell.get() {
            return Ok(engine);
        }
        let engine = settings
            .config(self.config.layout)
            .and_then(|config| Engine::new(&config))
            .map_err(PrepareError::Engine)?;
        Ok(cell.get_or_init(|| engine))
    }

    /// The engines that were made so far, whose epochs have to be counted.
    pub fn made(&self) -> impl Iterator<Item = &Engine> {
        self.made.iter().filter_map(OnceLock::get)
    }

    /// Reads what `bytes` are and decides what they are made into.
    pub fn read<'a>(&self, bytes: &'a [u8], used: Use) -> Result<Program<'a>, PrepareError> {
        let anatomy = Anatomy::scan(bytes, &self.config.scan)?;
        let settings = Settings {
            compiler: self.config.compiler,
            has_concurrency: anatomy.is_concurrent,
            has_inlining: used == Use::Fused && bytes.len() <= INLINED_MAX,
        };
        let recipe = Recipe { target: target(&anatomy, used), settings };
        Ok(Program { bytes, anatomy, recipe, digest: blake3::hash(bytes) })
    }

    /// The program from the cache, or nothing where it has to be compiled first.
    pub fn find(&self, program: &Program<'_>) -> Result<Option<Loaded>, PrepareError> {
        let key = self.key(program)?;
        match self.cache.find(&key)? {
            Some(sound) => self.load_or_forget(program, &key, &sound),
            None => match self.cache.failure(&key) {
                Some(why) => Err(PrepareError::FailedBefore(why)),
                None => Ok(None),
            },
        }
    }

    /// Compiles the program, keeps the artefact and loads it. Takes as long as it takes, at most the limits of
    /// [`compile::CompileLimits`].
    pub fn compile(&self, program: &Program<'_>) -> Result<Loaded, PrepareError> {
        let key = self.key(program)?;
        let _lock = self.cache.lock(&key)?;
        // Another process may have compiled it while this one waited.
        if let Some(loaded) = self.find(program)? {
            return Ok(loaded);
        }
        tracing::debug!(bytes = program.bytes.len(), "compiling");
        let draft = self.cache.draft()?;
        let artefact = draft.writer().map_err(CompileError::NoChild)?;
        let places = (self.config.binary.as_path(), self.config.cache.as_path());
        let limits = CompileLimits::for_size(program.bytes.len() as u64);
        if let Err(error) = compile::compile(places, program.bytes, (program.recipe, limits), (&key, artefact)) {
            if let CompileError::Exhausted(why) = &error {
                self.cache.fail(&key, why)?;
            }
            return Err(error.into());
        }
        self.cache.keep(&key, draft)?;
        let missing = || PrepareError::Load(wasmtime::Error::msg("the new artefact is damaged"));
        let sound = self.cache.find(&key)?.ok_or_else(missing)?;
        self.load(program, &sound)
    }

    /// [`find`](Self::find), or else [`compile`](Self::compile).
    pub fn prepare(&self, program: &Program<'_>) -> Result<Loaded, PrepareError> {
        match self.find(program)? {
            Some(loaded) => Ok(loaded),
            None => self.compile(program),
        }
    }

    /// Forgets artefact and failure of a program. Says whether there was any.
    pub fn forget(&self, program: &Program<'_>) -> Result<bool, PrepareError> {
        Ok(self.cache.forget(&self.key(program)?)?)
    }

    /// Gives back the pages of a component's image that loading it touched. The system reads them again from the file when the
    /// first request needs them, so a component that nobody calls costs little.
    #[expect(unsafe_code, reason = "advice about memory takes a raw range")]
    pub fn rest(component: &Component) {
        let image = component.image_range();
        let length = (image.end as usize).saturating_sub(image.start as usize);
        // SAFETY: the range is the component's own image, which is mapped from a page's start while the component lives, and
        // this advice never changes what a page holds: one that cannot be read again from its file stays.
        let advised =
            unsafe { rustix::mm::madvise(image.start.cast_mut().cast(), length, rustix::mm::Advice::LinuxPageOut) };
        if let Err(error) = advised {
            tracing::debug!(%error, "the image stays in memory");
        }
    }

    /// The digest of the bytes with everything that shapes the code, the engine's version included.
    fn key(&self, program: &Program<'_>) -> Result<Key, PrepareError> {
        let mut hasher = DefaultHasher::new();
        self.engine(program.recipe.settings)?.precompile_compatibility_hash().hash(&mut hasher);
        program.recipe.hash(&mut hasher);
        Ok(Key::new(&program.digest, hasher.finish()))
    }

    /// An artefact of sound bytes that the engine does not take was made by an engine that only looks the same: make it anew.
    fn load_or_forget(&self, program: &Program<'_>, key: &Key, sound: &Sound) -> Result<Option<Loaded>, PrepareError> {
        match self.load(program, sound) {
            Ok(loaded) => {
                tracing::debug!(bytes = program.bytes.len(), "found compiled");
                Ok(Some(loaded))
            }
            Err(error) => {
                tracing::warn!(error = %stdx::Chain(&error), "cached artefact cannot be loaded, compiling it anew");
                self.cache.forget(key)?;
                Ok(None)
            }
        }
    }

    #[expect(unsafe_code, reason = "native code has to be trusted at one place, and this is it")]
    fn load(&self, program: &Program<'_>, sound: &Sound) -> Result<Loaded, PrepareError> {
        let engine = self.engine(program.recipe.settings)?;
        let path = sound.path();
        // SAFETY: the file is an artefact that this program's own compiling child wrote into a folder that only this user
        // can write to, and its digest was found right through the very descriptor that is mapped here.
        let loaded = unsafe {
            match program.recipe.target {
                Target::CoreModule => Module::deserialize_file(engine, path).map(Loaded::CoreModule),
                _ => Component::deserialize_file(engine, path).map(Loaded::Component),
            }
        };
        loaded.map_err(PrepareError::Load)
    }
}

/// What a program is made into for a use.
fn target(anatomy: &Anatomy, used: Use) -> Target {
    match (anatomy.form, used) {
        (Form::Component, _) => Target::Component,
        (Form::CoreModule, _) if anatomy.has_world || used != Use::Alone => {
            let is_command = anatomy.patterns().contains(&Pattern::Command);
            if is_command { Target::CommandComponent } else { Target::ReactorComponent }
        }
        (Form::CoreModule, _) => Target::CoreModule,
    }
}

impl Explain for PrepareError {
    fn code(&self) -> Code {
        match self {
            Self::Scan(error) => error.code(),
            Self::Compile(CompileError::Invalid(_)) => Code::E0115,
            Self::Compile(CompileError::Exhausted(_)) | Self::FailedBefore(_) => Code::E0201,
            Self::Compile(CompileError::Killed) => Code::E0209,
            Self::Compile(CompileError::NoFile(_)) => Code::E0202,
            Self::Compile(CompileError::NoChild(_)) | Self::Load(_) => Code::E0203,
            Self::Cache(error) => error.code(),
            Self::Engine(_) => Code::E0209,
        }
    }

    fn blame(&self) -> Blame {
        self.code().blame()
    }
}
