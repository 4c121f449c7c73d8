//! Counts what a component's types come to once they are written out.
//!
//! Types are shared in the binary and not in WIT: 16 KB that export one interface of a thousand functions under nine hundred names
//! are nine hundred thousand functions, and 650 MB in the decoder. This counts first, each type once.

use std::collections::HashMap;

use wasmparser::component_types::{
    ComponentAnyTypeId, ComponentEntityType, ComponentFuncTypeId, ComponentInstanceTypeId, ComponentTypeId,
};
use wasmparser::types::Types;
use wasmparser::{Parser, Payload, Result, ValidPayload, Validator, WasmFeatures};

/// The functions, types and parameters of all imports and exports of a component.
pub(super) fn items(bytes: &[u8]) -> Result<u64> {
    let mut validator = Validator::new_with_features(WasmFeatures::all());
    let (mut depth, mut imports, mut exports) = (0usize, Vec::new(), Vec::new());
    let mut outermost = None;
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload?;
        // Function bodies are left to the compiler.
        if let ValidPayload::End(types) = validator.payload(&payload)? {
            outermost = Some(types);
        }
        match payload {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                section.into_iter().try_for_each(|import| import.map(|import| imports.push(import.name.name)))?;
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                section.into_iter().try_for_each(|export| export.map(|export| exports.push(export.name.name)))?;
            }
            _ => {}
        }
    }
    let Some(types) = outermost else { return Ok(0) };
    let mut weights = Weights { types: &types, instances: HashMap::new(), components: HashMap::new() };
    let imports = imports.into_iter().filter_map(|name| types.component_item_for_import(name));
    let exports = exports.into_iter().filter_map(|name| types.component_item_for_export(name));
    Ok(imports.chain(exports).map(|item| weights.of(item.ty)).fold(0, u64::saturating_add))
}

/// The custom sections in which a core module carries its world, each a component.
pub(super) fn worlds(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    Parser::new(0).parse_all(bytes).filter_map(|payload| match payload {
        Ok(Payload::CustomSection(section)) if section.name().starts_with("component-type") => Some(section.data()),
        _ => None,
    })
}

/// What was counted, so that nothing is counted twice. Validation has bounded how deep types are.
struct Weights<'a> {
    types: &'a Types,
    instances: HashMap<ComponentInstanceTypeId, u64>,
    components: HashMap<ComponentTypeId, u64>,
}

// === impl Weights ===

impl Weights<'_> {
    fn of(&mut self, entity: ComponentEntityType) -> u64 {
        match entity {
            ComponentEntityType::Func(id) => self.of_function(id),
            ComponentEntityType::Instance(id) => self.of_instance(id),
            ComponentEntityType::Component(id) => self.of_component(id),
            ComponentEntityType::Type { referenced: ComponentAnyTypeId::Instance(id), .. } => self.of_instance(id),
            ComponentEntityType::Type { referenced: ComponentAnyTypeId::Component(id), .. } => self.of_component(id),
            ComponentEntityType::Type { .. } | ComponentEntityType::Module(_) | ComponentEntityType::Value(_) => 1,
        }
    }

    fn of_function(&self, id: ComponentFuncTypeId) -> u64 {
        1 + self.types[id].params.len() as u64
    }

    fn of_instance(&mut self, id: ComponentInstanceTypeId) -> u64 {
        if let Some(weight) = self.instances.get(&id) {
            return *weight;
        }
        let types = self.types;
        let weights = types[id].exports.values().map(|item| self.of(item.ty));
        let weight = weights.fold(1, u64::saturating_add);
        self.instances.insert(id, weight);
        weight
    }

    fn of_component(&mut self, id: ComponentTypeId) -> u64 {
        if let Some(weight) = self.components.get(&id) {
            return *weight;
        }
        let types = self.types;
        let items = types[id].imports.values().chain(types[id].exports.values());
        let weight = items.map(|item| self.of(item.ty)).fold(1, u64::saturating_add);
        self.components.insert(id, weight);
        weight
    }
}
