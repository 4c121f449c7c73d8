//! Reads the types of what a core module exports.

use wasmparser::{
    CompositeInnerType, ExternalKind, FuncType, Import, Parser, Payload, Result, TypeRef, TypeSectionReader, ValType,
};

use super::Export;

/// What is numbered in a core module, as far as functions need it.
#[derive(Default)]
struct Numbered {
    /// The types, nothing where one is not of a function.
    types: Vec<Option<FuncType>>,
    /// For each function, imported ones first, which of the types it has.
    functions: Vec<u32>,
    exports: Vec<Export>,
}

/// The exports of a core module, as far as they can be read.
pub(super) fn exports(bytes: &[u8]) -> Vec<Export> {
    let mut numbered = Numbered::default();
    for payload in Parser::new(0).parse_all(bytes) {
        let Ok(payload) = payload else { break };
        match payload {
            // What follows exports says nothing of types.
            Payload::CodeSectionStart { .. } => break,
            payload => {
                if numbered.read(payload).is_err() {
                    break;
                }
            }
        }
    }
    numbered.exports
}

// === impl Numbered ===

impl Numbered {
    fn read(&mut self, payload: Payload<'_>) -> Result<()> {
        match payload {
            Payload::TypeSection(section) => self.types = function_types(section)?,
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    if let Import { ty: TypeRef::Func(ty) | TypeRef::FuncExact(ty), .. } = import? {
                        self.functions.push(ty);
                    }
                }
            }
            Payload::FunctionSection(section) => {
                for ty in section {
                    self.functions.push(ty?);
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export?;
                    let exported = self.export(export.kind, export.index);
                    self.exports.push(Export::Item { name: export.name.to_owned(), ty: exported });
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn export(&self, kind: ExternalKind, index: u32) -> String {
        match kind {
            ExternalKind::Func | ExternalKind::FuncExact => self.function(index).unwrap_or_else(|| "func".into()),
            ExternalKind::Table => "table".into(),
            ExternalKind::Memory => "memory".into(),
            ExternalKind::Global => "global".into(),
            ExternalKind::Tag => "tag".into(),
        }
    }

    fn function(&self, index: u32) -> Option<String> {
        let ty = *self.functions.get(usize::try_from(index).ok()?)?;
        let function = self.types.get(usize::try_from(ty).ok()?)?.as_ref()?;
        let results = listed(function.results());
        let results = match function.results() {
            [] => String::new(),
            [_] => format!(" -> {results}"),
            _ => format!(" -> ({results})"),
        };
        Some(format!("func({}){results}", listed(function.params())))
    }
}

fn function_types(section: TypeSectionReader<'_>) -> Result<Vec<Option<FuncType>>> {
    let mut types = Vec::new();
    for group in section {
        types.extend(group?.into_types().map(|ty| match ty.composite_type.inner {
            CompositeInnerType::Func(function) => Some(function),
            _ => None,
        }));
    }
    Ok(types)
}

/// The first types of a list: a function can have a thousand.
fn listed(types: &[ValType]) -> String {
    const LISTED_MAX: usize = 16;
    let mut names: Vec<String> = types.iter().take(LISTED_MAX).map(ToString::to_string).collect();
    if types.len() > LISTED_MAX {
        names.push("…".into());
    }
    names.join(", ")
}
