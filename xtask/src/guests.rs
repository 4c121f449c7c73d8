//! Builds the components of `guests/` and `examples/` into `target/guests/NAME.wasm`, and the providers beside them.
//!
//! Tests, benchmarks and the demo run components that are built from source, so that none has to be
//! kept as bytes in the repository. What is up to date is left alone. C, JavaScript and Python are
//! extras: without their tools a line says that they are skipped, and all else goes on.
//!
//! # Invariants
//!
//! 1. A file under `target/guests` is whole: it is written beside and moved into place.
//! 2. A guest is named by its file; there is no list of guests to keep.
//!
//! # Not here
//!
//! Installing the tools (`tools/setup guests`).

mod optional;
mod provider;
mod rust;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};

/// How a guest is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Recipe {
    /// From the text format, in this process.
    Text,
    /// The same, as a core module that carries the world which the first line of its text names.
    Core,
    /// A component of the package `guests/rust`.
    Example,
    /// One of the same package, linked as a core module and made into a component here: what it imports is of a kind that the
    /// linkers of stable toolchains do not read yet.
    Encoded,
    /// The command `cat`, as a component of WASI 0.2.
    Command,
    /// The command `cat`, as a core module of WASI 0.1.
    CommandP1,
    /// A package of its own under `examples/`.
    Application,
    /// A provider of others, as a process of this machine.
    Provider,
    C,
    JavaScript,
    Python,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Guest {
    recipe: Recipe,
    name: String,
}

/// The folders that everything is read from and written to.
struct Places {
    root: PathBuf,
}

/// Builds the guests of these names, or all if there are none.
pub(crate) fn run(names: &[&str]) -> anyhow::Result<()> {
    let places = Places::new()?;
    let guests = chosen(all(&places)?, names)?;
    std::fs::create_dir_all(places.output())?;

    rust::build(&places, &guests)?;
    for guest in &guests {
        let line = match make(&places, guest).with_context(|| format!("building {}", guest.name))? {
            Outcome::Ready => {
                let product = match guest.recipe {
                    Recipe::Provider => provider::archive(&places, &guest.name),
                    _ => places.product(&guest.name),
                };
                let size = std::fs::metadata(product)?.len();
                format!("{:<18} {:>6} KiB", guest.name, size.div_ceil(1024))
            }
            Outcome::Skipped(why) => format!("{:<18} skipped: {why}", guest.name),
        };
        writeln!(std::io::stdout(), "{line}")?;
    }
    Ok(())
}

/// What became of a guest.
enum Outcome {
    Ready,
    /// Its tool is not there; says which, and how to get it.
    Skipped(String),
}

fn all(places: &Places) -> anyhow::Result<Vec<Guest>> {
    let mut guests = Vec::new();
    let mut add = |recipe, name: &str| guests.push(Guest { recipe, name: name.to_owned() });
    for name in stems(&places.root.join("guests/wat"), "wat")? {
        add(Recipe::Text, &name);
    }
    for name in stems(&places.root.join("guests/core"), "wat")? {
        add(Recipe::Core, &name);
    }
    for name in stems(&places.root.join("guests/rust/examples"), "rs")? {
        add(Recipe::Example, &name);
    }
    for name in stems(&places.root.join("guests/rust/encoded"), "rs")? {
        add(Recipe::Encoded, &name);
    }
    for entry in std::fs::read_dir(places.root.join("examples"))? {
        let folder = entry?.path();
        if let (true, Some(name)) = (folder.join("Cargo.toml").exists(), folder.file_name()) {
            add(Recipe::Application, &name.to_string_lossy());
        }
    }
    for name in provider::names(&places.root)? {
        add(Recipe::Provider, &name);
    }
    add(Recipe::Command, "cat");
    add(Recipe::CommandP1, "cat-p1");
    add(Recipe::C, "hello-c");
    add(Recipe::JavaScript, "hello-js");
    add(Recipe::Python, "hello-python");
    guests.sort();
    Ok(guests)
}

fn chosen(guests: Vec<Guest>, names: &[&str]) -> anyhow::Result<Vec<Guest>> {
    if names.is_empty() {
        return Ok(guests);
    }
    for name in names {
        if !guests.iter().any(|guest| guest.name == *name) {
            let known: Vec<_> = guests.iter().map(|guest| guest.name.as_str()).collect();
            bail!("there is no guest {name}; there are {}", known.join(", "));
        }
    }
    Ok(guests.into_iter().filter(|guest| names.contains(&guest.name.as_str())).collect())
}

/// The names of the files in a folder that end so, without their endings.
fn stems(folder: &Path, extension: &str) -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().unwrap_or_default() == extension {
            let stem = path.file_stem().context("a file has a name")?;
            names.push(stem.to_string_lossy().into_owned());
        }
    }
    ensure!(!names.is_empty(), "there is nothing to build in {}", folder.display());
    Ok(names)
}

fn make(places: &Places, guest: &Guest) -> anyhow::Result<Outcome> {
    match guest.recipe {
        Recipe::Text => {
            let source = places.root.join("guests/wat").join(&guest.name).with_extension("wat");
            places.install(&guest.name, &wat::parse_file(source)?).map(|()| Outcome::Ready)
        }
        Recipe::Core => {
            let source = places.root.join("guests/core").join(&guest.name).with_extension("wat");
            let module = with_world(places, &std::fs::read_to_string(source)?)?;
            places.install(&guest.name, &module).map(|()| Outcome::Ready)
        }
        Recipe::Example | Recipe::Command | Recipe::CommandP1 | Recipe::Application => {
            let built = std::fs::read(rust::product(places, guest))?;
            places.install(&guest.name, &built).map(|()| Outcome::Ready)
        }
        Recipe::Encoded => {
            let built = std::fs::read(rust::product(places, guest))?;
            places.install(&guest.name, &encode(&built)?).map(|()| Outcome::Ready)
        }
        Recipe::Provider => provider::make(places, &guest.name),
        Recipe::C => optional::c(places, &guest.name),
        Recipe::JavaScript => optional::javascript(places, &guest.name),
        Recipe::Python => optional::python(places, &guest.name),
    }
}

/// A core module with a world in it, from a text that begins with `;; world NAME of FOLDER`.
fn with_world(places: &Places, text: &str) -> anyhow::Result<Vec<u8>> {
    let named = text.lines().next().and_then(|line| line.strip_prefix(";; world ")?.split_once(" of "));
    let (world, folder) = named.context("the first line is not `;; world NAME of FOLDER`")?;
    let mut resolve = wit_parser::Resolve::default();
    let (package, _) = resolve.push_dir(places.root.join(folder))?;
    let world = resolve.select_world(&[package], Some(world))?;
    let mut module = wat::parse_str(text)?;
    wit_component::embed_component_metadata(&mut module, &resolve, world, wit_component::StringEncoding::UTF8)?;
    Ok(module)
}

/// Makes a core module that carries its world into a component.
fn encode(module: &[u8]) -> anyhow::Result<Vec<u8>> {
    use wasi_preview1_component_adapter_provider as adapters;
    let (name, adapter) =
        (adapters::WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, adapters::WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER);
    wit_component::ComponentEncoder::default().validate(true).module(module)?.adapter(name, adapter)?.encode()
}

// === impl Places ===

impl Places {
    fn new() -> anyhow::Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the repository")?;
        Ok(Self { root: root.to_owned() })
    }

    fn output(&self) -> PathBuf {
        self.root.join("target/guests")
    }

    fn product(&self, name: &str) -> PathBuf {
        self.output().join(format!("{name}.wasm"))
    }

    /// Where tools/setup puts what it installs.
    fn tools(&self) -> PathBuf {
        self.root.join("target/tools")
    }

    /// Where something is made before it is installed.
    fn workshop(&self) -> PathBuf {
        self.root.join("target/guests-build")
    }

    /// Puts the bytes in place at once; the same bytes keep the file as it is, and its time.
    fn install(&self, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
        let product = self.product(name);
        if std::fs::read(&product).is_ok_and(|there| there == bytes) {
            return Ok(());
        }
        let beside = self.output().join(format!(".{name}.{}", std::process::id()));
        std::fs::write(&beside, bytes)?;
        std::fs::rename(&beside, &product)?;
        Ok(())
    }
}
