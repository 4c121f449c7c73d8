//! Reads the sections in which a program speaks of itself: producers, annotations, claims.

use std::collections::{BTreeMap, BTreeSet};

use wasmparser::{KnownCustom, Parser, Payload, ProducersSectionReader};

/// A tool or language that made a program or a part of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Producer {
    /// `language`, `processed-by` or `sdk`.
    pub field: String,
    /// Its name.
    pub name: String,
    /// Its version, or nothing.
    pub version: String,
}

/// What the sections say.
#[derive(Debug, Default)]
pub(super) struct Sections {
    pub(super) counts: BTreeMap<&'static str, usize>,
    pub(super) producers: Vec<Producer>,
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) claims: Vec<String>,
}

/// More producers than these are not shown: real programs have about ten.
const PRODUCERS_MAX: usize = 200;

/// A longer annotation is cut.
const ANNOTATION_MAX: usize = 2_000;

const ANNOTATIONS: [&str; 7] = ["version", "description", "authors", "licenses", "homepage", "source", "revision"];

/// Reads `bytes` as far as they can be read.
pub(super) fn read(bytes: &[u8]) -> Sections {
    let mut sections = Sections::default();
    let mut producers = BTreeSet::new();
    let mut depth = 0usize;
    for payload in Parser::new(0).parse_all(bytes) {
        let Ok(payload) = payload else { break };
        if depth == 0
            && let Some(kind) = kind(&payload)
        {
            *sections.counts.entry(kind).or_default() += 1;
        }
        match payload {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::CustomSection(section) => match section.as_known() {
                KnownCustom::Producers(reader) => add_producers(reader, &mut producers),
                _ if depth == 0 => sections.add_text(section.name(), section.data()),
                _ => {}
            },
            _ => {}
        }
    }
    sections.producers = producers.into_iter().collect();
    sections
}

/// A section that is damaged ends where it is.
fn add_producers(reader: ProducersSectionReader<'_>, producers: &mut BTreeSet<Producer>) {
    for field in reader.into_iter().map_while(Result::ok) {
        for value in field.values.into_iter().map_while(Result::ok) {
            if producers.len() >= PRODUCERS_MAX {
                return;
            }
            let (field, name) = (field.name.to_owned(), value.name.to_owned());
            producers.insert(Producer { field, name, version: value.version.to_owned() });
        }
    }
}

// === impl Sections ===

impl Sections {
    fn add_text(&mut self, name: &str, data: &[u8]) {
        match name {
            "jwt" | "wasmcloud_jwt" => self.claims.push(String::from_utf8_lossy(data).into_owned()),
            name if ANNOTATIONS.contains(&name) => {
                let text = String::from_utf8_lossy(&data[..data.len().min(ANNOTATION_MAX)]);
                self.annotations.insert(name.to_owned(), text.into_owned());
            }
            _ => {}
        }
    }
}

fn kind(payload: &Payload<'_>) -> Option<&'static str> {
    Some(match payload {
        Payload::CustomSection(_) => "custom",
        Payload::TypeSection(_) | Payload::ComponentTypeSection(_) => "type",
        Payload::CoreTypeSection(_) => "core type",
        Payload::ImportSection(_) | Payload::ComponentImportSection(_) => "import",
        Payload::ExportSection(_) | Payload::ComponentExportSection(_) => "export",
        Payload::FunctionSection(_) => "function",
        Payload::TableSection(_) => "table",
        Payload::MemorySection(_) => "memory",
        Payload::TagSection(_) => "tag",
        Payload::GlobalSection(_) => "global",
        Payload::StartSection { .. } | Payload::ComponentStartSection { .. } => "start",
        Payload::ElementSection(_) => "element",
        Payload::DataCountSection { .. } => "data count",
        Payload::DataSection(_) => "data",
        Payload::CodeSectionStart { .. } => "code",
        Payload::ModuleSection { .. } => "module",
        Payload::InstanceSection(_) => "core instance",
        Payload::ComponentSection { .. } => "component",
        Payload::ComponentInstanceSection(_) => "instance",
        Payload::ComponentAliasSection(_) => "alias",
        Payload::ComponentCanonicalSection(_) => "canonical function",
        _ => return None,
    })
}
