//! Gives imports of a component other names.
//!
//! A component names its imports in one kind of section and refers to them by number everywhere else: all other sections are
//! copied as they are.

use std::collections::BTreeMap;
use std::ops::Range;

use stdx::BoxError;
use wasm_encoder::reencode::{ReencodeComponent, RoundtripReencoder};
use wasm_encoder::{Component, ComponentImportSection, ComponentSectionId, RawSection};
use wasmparser::{ComponentImportSectionReader, Encoding, Parser, Payload};

/// The component with those imports renamed that `names` has.
pub(crate) fn imports(bytes: &[u8], names: &BTreeMap<String, String>) -> Result<Vec<u8>, BoxError> {
    if names.is_empty() {
        return Ok(bytes.to_vec());
    }
    let mut renamed = Component::new();
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload?;
        if let Payload::End(_) = payload {
            depth = depth.saturating_sub(1);
        }
        let section = match &payload {
            _ if depth > 0 => None,
            Payload::Version { encoding: Encoding::Module, .. } => return Err("it is a core module".into()),
            Payload::ComponentImportSection(section) => {
                renamed.section(&with_names(section, names)?);
                None
            }
            Payload::ModuleSection { unchecked_range, .. } => {
                Some((ComponentSectionId::CoreModule.into(), unchecked_range.clone()))
            }
            Payload::ComponentSection { unchecked_range, .. } => {
                Some((ComponentSectionId::Component.into(), unchecked_range.clone()))
            }
            other => other.as_section(),
        };
        if let Some((id, range)) = section {
            renamed.section(&RawSection { id, data: part(bytes, range)? });
        }
        if let Payload::ModuleSection { .. } | Payload::ComponentSection { .. } = payload {
            depth += 1;
        }
    }
    Ok(renamed.finish())
}

fn with_names(
    section: &ComponentImportSectionReader<'_>,
    names: &BTreeMap<String, String>,
) -> Result<ComponentImportSection, BoxError> {
    let mut renamed = ComponentImportSection::new();
    for import in section.clone() {
        let import = import?;
        let kind = RoundtripReencoder.component_type_ref(import.ty)?;
        match names.get(import.name.name) {
            Some(name) => renamed.import(name.as_str(), kind),
            None => renamed.import(import.name, kind),
        };
    }
    Ok(renamed)
}

fn part(bytes: &[u8], range: Range<usize>) -> Result<&[u8], BoxError> {
    bytes.get(range).ok_or_else(|| "a section reaches past the end".into())
}
