//! This is what `inspect` found out, as text and as JSON.
//!
//! # Invariants
//!
//! 1. Text and JSON say the same.
//! 2. Names and texts of the file are printed so that a terminal obeys none of them.

use std::fmt::{self, Display, Formatter};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use engine::inspect::{Export, Inspection, World};
use engine::{Form, Pattern, core_module};
use host::linking::{self, Import, Offer};
use serde_json::{Value, json};
use stdx::{ByteSize, Chain, printable};

mod claims;

use claims::Claims;

/// A program beside what this host offers it.
pub(super) struct Report {
    file: PathBuf,
    inspection: Inspection,
    /// Interfaces that it imports.
    imports: Vec<Import>,
    /// How many functions of WASI 0.1 it imports.
    wasi_p1: usize,
    /// What a core module imports beside that, as two names.
    foreign: Vec<String>,
    claims: Option<Claims>,
}

// === impl Report ===

impl Report {
    /// Compares a program with what there is for it.
    pub(super) fn new(file: &Path, inspection: Inspection, offers: &[Offer], now: SystemTime) -> Self {
        let anatomy = &inspection.anatomy;
        let imports = match anatomy.form {
            Form::Component => linking::link(&anatomy.imports, offers),
            Form::CoreModule => linking::link(&core_module::world_imports(anatomy), offers),
        };
        let foreign = core_module::foreign_imports(anatomy);
        let foreign = foreign.iter().map(|import| format!("{} {}", import.module, import.name)).collect();
        let wasi_p1 = core_module::wasi_imports(anatomy);
        let claims = Claims::of(&inspection.claims, now);
        Self { file: file.to_owned(), imports, wasi_p1, foreign, claims, inspection }
    }

    /// The report as one value.
    pub(super) fn to_json(&self) -> Value {
        let Inspection { anatomy, world, .. } = &self.inspection;
        let (wit, why_no_wit) = match world {
            World::Wit { text, .. } => (Some(text), None),
            World::None => (None, None),
            World::NotShown(why) => (None, Some(why)),
        };
        let patterns = anatomy.patterns();
        let patterns =
            patterns.into_iter().map(|pattern| json!({ "pattern": pattern, "command": self.command(pattern) }));
        json!({
            "file": self.file,
            "form": anatomy.form,
            "patterns": patterns.collect::<Vec<_>>(),
            "wasi": anatomy.wasi(),
            "size": anatomy.size,
            "blake3": self.inspection.blake3,
            "imports": self.imports,
            "wasi_p1_functions": self.wasi_p1,
            "foreign_imports": self.foreign,
            "exports": self.inspection.exports,
            "wit": wit,
            "wit_problem": why_no_wit,
            "annotations": self.inspection.annotations,
            "producers": self.inspection.producers,
            "claims": self.claims,
            "parts": anatomy.parts,
            "depth": anatomy.depth,
            "functions": anatomy.functions,
            "sections": self.inspection.sections,
        })
    }

    fn command(&self, pattern: Pattern) -> String {
        let file = self.file.display();
        match pattern {
            Pattern::Command => format!("wattle run {file}"),
            Pattern::HttpHandler => format!("wattle up {file}"),
            Pattern::Reactor | Pattern::Library => format!("wattle call {file} 'FUNCTION(ARGUMENTS)'"),
        }
    }

    fn write_head(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let anatomy = &self.inspection.anatomy;
        let patterns: Vec<_> = anatomy.patterns().iter().map(|pattern| pattern.as_str()).collect();
        write!(f, "{}: {}", self.file.display(), anatomy.form.as_str())?;
        match patterns.is_empty() {
            true => f.write_str(", without anything to run or call")?,
            false => write!(f, ", {}", patterns.join(" and "))?,
        }
        anatomy.wasi().iter().try_for_each(|wasi| write!(f, ", {}", wasi.as_str()))?;
        write!(f, ", {}", ByteSize::bytes(anatomy.size))?;
        let mut commands: Vec<String> = anatomy.patterns().into_iter().map(|pattern| self.command(pattern)).collect();
        commands.dedup();
        commands.iter().try_for_each(|command| line(f, "use", command))?;
        line(f, "blake3", &self.inspection.blake3)?;
        self.inspection.annotations.iter().try_for_each(|(name, text)| line(f, name, text))
    }

    fn write_imports(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.imports.is_empty() && self.wasi_p1 == 0 && self.foreign.is_empty() {
            return f.write_str("\nimports nothing");
        }
        f.write_str("\nimports")?;
        if self.wasi_p1 > 0 {
            let plural = if self.wasi_p1 == 1 { "" } else { "s" };
            write!(f, "\n  wasi_snapshot_preview1 ({} function{plural})  -> this host", self.wasi_p1)?;
        }
        let width = self.imports.iter().map(|import| import.name.to_string().len()).max().unwrap_or(0).min(60);
        for import in &self.imports {
            write!(f, "\n  {:width$}  -> {}", printable(&import.name.to_string()).to_string(), import.linked)?;
        }
        self.foreign.iter().try_for_each(|name| write!(f, "\n  {}  -> nothing on this host offers it", printable(name)))
    }

    fn write_exports(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(if self.inspection.exports.is_empty() { "\nexports nothing" } else { "\nexports" })?;
        for export in &self.inspection.exports {
            match export {
                Export::Item { name, ty } => write!(f, "\n  {}: {ty}", printable(name))?,
                Export::Interface { name, functions } => {
                    write!(f, "\n  {}", printable(name))?;
                    let mut functions = functions.iter();
                    functions
                        .try_for_each(|function| write!(f, "\n    {}: {}", printable(&function.name), function.ty))?;
                }
            }
        }
        match &self.inspection.world {
            World::NotShown(why) => write!(f, "\nits world cannot be shown: {}", printable(why)),
            World::Wit { .. } | World::None => Ok(()),
        }
    }

    fn write_origin(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if !self.inspection.producers.is_empty() {
            f.write_str("\nmade with")?;
        }
        for producer in &self.inspection.producers {
            let text = format!("{} {}", producer.name, producer.version);
            write!(f, "\n  {:12}  {}", printable(&producer.field).to_string(), printable(text.trim()))?;
        }
        let anatomy = &self.inspection.anatomy;
        let sections = self.inspection.sections.iter().map(|(kind, count)| format!("{count} {kind}"));
        let (parts, functions) = (anatomy.parts, anatomy.functions);
        write!(
            f,
            "\nconsists of {parts} part{}, {functions} function{}",
            if parts == 1 { "" } else { "s" },
            if functions == 1 { "" } else { "s" }
        )?;
        write!(f, "; sections: {}", sections.collect::<Vec<_>>().join(", "))
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.write_head(f)?;
        self.write_imports(f)?;
        self.write_exports(f)?;
        self.claims.iter().try_for_each(|claims| claims.fmt(f))?;
        self.write_origin(f)
    }
}

/// A line of a name and what stands for it.
fn line(f: &mut Formatter<'_>, name: &str, text: &str) -> fmt::Result {
    write!(f, "\n  {:12}  {}", printable(name).to_string(), printable(text))
}

/// An error of the claims on one line.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    Chain(error).to_string()
}

#[cfg(test)]
mod tests;
