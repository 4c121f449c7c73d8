//! Reads what a WebAssembly program is from its sections, before anything is compiled.
//!
//! One linear pass that allocates little: it tells core modules from components, finds the pattern a program is made for and
//! the WASI it was built against, and counts what the compiler would have to chew. A program is hostile until it has proved
//! otherwise, from its first byte.
//!
//! # Invariants
//!
//! 1. The pass is linear in the file and holds names of the outermost level only.
//! 2. Nothing is validated here: the compiler does that, in a process of its own (`compile`).
//! 3. A limit that is exceeded is named with its value and the program's.

mod import_name;

use stdx::{ByteSize, Code, Explain};
use wasmparser::{CanonicalFunction, CanonicalOption, Encoding, Parser, Payload};

use crate::claims;

pub use import_name::ImportName;

/// What a program is, read from its sections.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Anatomy {
    /// Core module or component.
    pub form: Form,
    /// Imports of the outermost level, in order: `module name` pairs of a core module are joined with a space.
    pub imports: Vec<ImportName>,
    /// Exports of the outermost level, in order.
    pub exports: Vec<String>,
    /// Whether it uses asynchronous functions, streams or futures of the component model, as WASI 0.3 does.
    pub is_concurrent: bool,
    /// Whether a core module carries the WIT world it was built for, as a `component-type` section.
    pub has_world: bool,
    /// How deep components and modules are nested.
    pub depth: usize,
    /// Components and core modules in it, itself included.
    pub parts: usize,
    /// Functions with a body, of all core modules together.
    pub functions: usize,
    /// Bytes of the largest function body.
    pub body_max: usize,
    /// Bytes of the file.
    pub size: u64,
    /// Whether it carries claims, see [`claims`].
    #[serde(skip)]
    pub has_claims: bool,
}

/// The two forms of WebAssembly programs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// A core module: numbers in, numbers out, imports by two names.
    #[default]
    CoreModule,
    /// A component: typed interfaces.
    Component,
}

/// A way to use a program. Many can be used in more than one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pattern {
    /// Started once with arguments, reads and writes streams, ends with an exit code: `wattle run`.
    Command,
    /// Answers HTTP requests: `wattle up`.
    HttpHandler,
    /// Initialised once, then called while it keeps its state: `wattle call`.
    Reactor,
    /// Functions to call: `wattle call`.
    Library,
}

/// The generation of WASI that a program was built against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub enum Wasi {
    /// `wasi_snapshot_preview1`, of core modules.
    #[serde(rename = "0.1")]
    P1,
    /// Interfaces `wasi:*@0.2.x`.
    #[serde(rename = "0.2")]
    P2,
    /// Interfaces `wasi:*@0.3.x`.
    #[serde(rename = "0.3")]
    P3,
}

/// What is read before compiling has its limits: generous for programs, cheap to check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScanLimits {
    /// Levels of components in components.
    pub depth: usize,
    /// Components and core modules in one file.
    pub parts: usize,
    /// Functions of all core modules together.
    pub functions: usize,
    /// Bytes of one function's body.
    pub body: usize,
    /// Imports, and exports, of the outermost level.
    pub names: usize,
}

/// Why a file cannot be run, before anything was compiled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    /// The bytes are something else.
    #[error("this is not WebAssembly: it is {0}")]
    NotWasm(String),
    /// It starts as WebAssembly and then does not go on as it.
    #[error("this WebAssembly file is damaged or cut off at byte {offset} of {size}: {message}")]
    Damaged {
        /// Where it stops making sense.
        offset: u64,
        /// Bytes of the file.
        size: u64,
        /// What the parser says.
        message: String,
    },
    /// It would cost too much to compile.
    #[error("this program has {what} {count}, and at most {limit} is compiled")]
    TooMuch {
        /// What there is too much of.
        what: &'static str,
        /// How much there is.
        count: usize,
        /// How much there may be.
        limit: usize,
    },
}

// === impl Anatomy ===

impl Anatomy {
    /// Reads the sections of `bytes`.
    pub fn scan(bytes: &[u8], limits: &ScanLimits) -> Result<Self, ScanError> {
        if !bytes.starts_with(b"\0asm") {
            return Err(ScanError::NotWasm(describe(bytes)));
        }
        let mut anatomy = Self { size: bytes.len() as u64, ..Self::default() };
        let mut depth = 0;
        for payload in Parser::new(0).parse_all(bytes) {
            let payload = payload.map_err(|error| damaged(&error, bytes))?;
            match payload {
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
                Payload::End(_) => depth = usize::saturating_sub(depth, 1),
                payload => anatomy.read(payload, depth).map_err(|error| damaged(&error, bytes))?,
            }
            anatomy.depth = anatomy.depth.max(depth);
            anatomy.check(limits)?;
        }
        // What WASI 0.3 offers needs tasks on the host's side, even where a component waits for each call.
        anatomy.is_concurrent |= anatomy.wasi() == Some(Wasi::P3);
        Ok(anatomy)
    }

    /// The ways in which the program can be used, the most specific first.
    pub fn patterns(&self) -> Vec<Pattern> {
        let exports = |name: &str| self.exports.iter().any(|export| export == name);
        let mut patterns = Vec::new();
        match self.form {
            Form::CoreModule => {
                if exports("_start") {
                    patterns.push(Pattern::Command);
                } else if exports("_initialize") {
                    patterns.push(Pattern::Reactor);
                } else if self.exports.iter().any(|export| export != "memory") {
                    patterns.push(Pattern::Library);
                }
                if self.has_world && self.exports.iter().any(|export| is_http_export(export)) {
                    patterns.insert(0, Pattern::HttpHandler);
                }
            }
            Form::Component => {
                let is_run = |export: &&String| export.starts_with("wasi:cli/run@");
                let handlers = self.exports.iter().filter(|export| is_http_export(export)).count();
                let runs = self.exports.iter().filter(is_run).count();
                if handlers > 0 {
                    patterns.push(Pattern::HttpHandler);
                }
                if runs > 0 {
                    patterns.push(Pattern::Command);
                }
                if self.exports.len() > handlers + runs {
                    patterns.push(Pattern::Library);
                }
            }
        }
        patterns
    }

    /// The newest WASI that it names, if it names one.
    pub fn wasi(&self) -> Option<Wasi> {
        let imports = self.imports.iter().map(ImportName::interface);
        imports.chain(self.exports.iter().map(String::as_str)).filter_map(wasi_of).max()
    }

    fn read(&mut self, payload: Payload<'_>, depth: usize) -> wasmparser::Result<()> {
        match payload {
            Payload::Version { encoding, .. } => {
                self.parts += 1;
                if depth == 0 && encoding == Encoding::Component {
                    self.form = Form::Component;
                }
            }
            Payload::CodeSectionEntry(body) => {
                self.functions += 1;
                self.body_max = self.body_max.max(body.range().len());
            }
            Payload::ComponentCanonicalSection(section) => {
                for function in section {
                    self.is_concurrent |= needs_concurrency(&function?);
                }
            }
            Payload::ImportSection(section) if depth == 0 => {
                for import in section.into_imports() {
                    let import = import?;
                    self.imports.push(ImportName::new(&format!("{} {}", import.module, import.name), None));
                }
            }
            Payload::ExportSection(section) if depth == 0 => {
                for export in section {
                    self.exports.push(export?.name.to_owned());
                }
            }
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    let import = import?.name;
                    self.imports.push(ImportName::new(import.name, import.implements));
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    self.exports.push(export?.name.name.to_owned());
                }
            }
            Payload::CustomSection(section) => {
                self.has_world |= depth == 0 && section.name().starts_with("component-type");
                self.has_claims |= claims::are_in(section.name(), depth);
            }
            _ => {}
        }
        Ok(())
    }

    fn check(&self, limits: &ScanLimits) -> Result<(), ScanError> {
        let counts = [
            ("nesting of depth", self.depth, limits.depth),
            ("a number of parts of", self.parts, limits.parts),
            ("a number of functions of", self.functions, limits.functions),
            ("a function body of bytes", self.body_max, limits.body),
            ("a number of imports of", self.imports.len(), limits.names),
            ("a number of exports of", self.exports.len(), limits.names),
        ];
        match counts.into_iter().find(|(_, count, limit)| count > limit) {
            Some((what, count, limit)) => Err(ScanError::TooMuch { what, count, limit }),
            None => Ok(()),
        }
    }
}

impl Pattern {
    /// The pattern in one word, as it is printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::HttpHandler => "HTTP handler",
            Self::Reactor => "reactor",
            Self::Library => "library",
        }
    }
}

impl Wasi {
    /// The version as it is printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::P1 => "WASI 0.1",
            Self::P2 => "WASI 0.2",
            Self::P3 => "WASI 0.3",
        }
    }
}

impl Form {
    /// The form as it is printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CoreModule => "core module",
            Self::Component => "component",
        }
    }
}

impl Default for ScanLimits {
    fn default() -> Self {
        Self { depth: 64, parts: 2_000, functions: 250_000, body: 4 << 20, names: 20_000 }
    }
}

impl Explain for ScanError {
    fn code(&self) -> Code {
        match self {
            Self::NotWasm(_) => Code::E0102,
            Self::Damaged { .. } => Code::E0103,
            Self::TooMuch { .. } => Code::E0105,
        }
    }
}

fn damaged(error: &wasmparser::BinaryReaderError, bytes: &[u8]) -> ScanError {
    ScanError::Damaged { offset: error.offset() as u64, size: bytes.len() as u64, message: error.message().to_owned() }
}

/// Serial components lift and lower plain functions and handle resources; all else needs tasks.
fn needs_concurrency(function: &CanonicalFunction) -> bool {
    match function {
        CanonicalFunction::Lift { options, .. } | CanonicalFunction::Lower { options, .. } => {
            options.iter().any(|option| matches!(option, CanonicalOption::Async | CanonicalOption::Callback(_)))
        }
        CanonicalFunction::ResourceNew { .. }
        | CanonicalFunction::ResourceDrop { .. }
        | CanonicalFunction::ResourceRep { .. } => false,
        _ => true,
    }
}

/// Whether an export makes a program an HTTP handler: WASI 0.2's or 0.3's interface.
fn is_http_export(name: &str) -> bool {
    name.starts_with("wasi:http/incoming-handler@0.2.") || name.starts_with("wasi:http/handler@0.3.")
}

fn wasi_of(name: &str) -> Option<Wasi> {
    if name.starts_with("wasi_snapshot_preview1 ") || name.starts_with("wasi_unstable ") {
        return Some(Wasi::P1);
    }
    let (package, version) = name.split_once('@')?;
    // Drafts such as wasi:keyvalue@0.2.0-draft say nothing of the generation.
    if !package.starts_with("wasi:") || version.contains("draft") {
        return None;
    }
    match version {
        version if version.starts_with("0.2.") => Some(Wasi::P2),
        version if version.starts_with("0.3.") => Some(Wasi::P3),
        _ => None,
    }
}

/// What bytes that are not WebAssembly seem to be, in words.
fn describe(bytes: &[u8]) -> String {
    let start = &bytes[..bytes.len().min(512)];
    let kinds: [(&[u8], &str); 7] = [
        (b"\x7fELF", "a native program or library (ELF)"),
        (b"PK\x03\x04", "a zip archive"),
        (b"\x1f\x8b", "a gzip file"),
        (b"#!", "a script"),
        (b"\xcf\xfa\xed\xfe", "a native program (Mach-O)"),
        (b"MZ", "a native program (Windows)"),
        (b"BC\xc0\xde", "LLVM bitcode"),
    ];
    if bytes.is_empty() {
        return "an empty file".into();
    }
    if let Some((_, kind)) = kinds.iter().find(|(magic, _)| start.starts_with(magic)) {
        return (*kind).into();
    }
    match std::str::from_utf8(start).map_err(|error| error.error_len()) {
        Ok(text) if !text.contains('\0') => "a text file".into(),
        Err(None) => "a text file".into(),
        _ => format!("{} of something else", ByteSize::bytes(bytes.len() as u64)),
    }
}

#[cfg(test)]
mod tests;
