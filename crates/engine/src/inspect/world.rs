//! Reads the WIT world of a program: what it imports and exports in the words of its author.

use wit_component::{DecodedWasm, WitPrinter};
use wit_parser::{Function, FunctionKind, InterfaceId, PackageId, Resolve, WorldId, WorldItem};

use super::weight;
use crate::anatomy::{Anatomy, Form};

/// The WIT world of a program.
#[derive(Debug, Clone)]
pub enum World {
    /// It has one: as WIT, and its exports in order.
    Wit {
        /// The whole world.
        text: String,
        /// What it exports.
        exports: Vec<Export>,
    },
    /// It has none: a core module of numbers.
    None,
    /// It has one that cannot be shown, and why.
    NotShown(String),
}

/// Something that a program exports.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(untagged)]
pub enum Export {
    /// An interface with its functions.
    Interface {
        /// Its name and version.
        name: String,
        /// Functions in it.
        functions: Vec<FunctionText>,
    },
    /// A function or anything else by itself.
    Item {
        /// Its name.
        name: String,
        /// Its type, or only what it is where the type cannot be read.
        #[serde(rename = "type")]
        ty: String,
    },
}

/// A function and its type.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct FunctionText {
    /// Its name.
    pub name: String,
    /// Its type, as in `func(a: u32) -> u32`.
    #[serde(rename = "type")]
    pub ty: String,
}

/// Functions, types and parameters that are decoded. All of WASI together has about two thousand.
const ITEMS_MAX: u64 = 50_000;

// === impl World ===

impl World {
    /// The world of `bytes`, which were found to be as `anatomy` says.
    pub(super) fn read(bytes: &[u8], anatomy: &Anatomy) -> Self {
        if anatomy.form == Form::CoreModule && !anatomy.has_world {
            return Self::None;
        }
        match items(bytes, anatomy.form) {
            Ok(items) if items > ITEMS_MAX => {
                return Self::NotShown(format!(
                    "it has {items} functions, types and parameters, and at most {ITEMS_MAX} are shown"
                ));
            }
            Ok(_) => {}
            Err(error) => return Self::NotShown(error.to_string()),
        }
        match anatomy.form {
            Form::CoreModule => match wit_component::metadata::decode(bytes) {
                Ok((_, bindings)) => Self::of_world(&bindings.resolve, bindings.world),
                Err(error) => Self::NotShown(format!("{error:#}")),
            },
            Form::Component => match wit_component::decode(bytes) {
                Ok(DecodedWasm::Component(resolve, world)) => Self::of_world(&resolve, world),
                Ok(DecodedWasm::WitPackage(resolve, package)) => Self::of_package(&resolve, package, Vec::new()),
                Err(error) => Self::NotShown(format!("{error:#}")),
            },
        }
    }

    fn of_world(resolve: &Resolve, world: WorldId) -> Self {
        match resolve.worlds[world].package {
            Some(package) => Self::of_package(resolve, package, exports(resolve, world)),
            None => Self::NotShown("it belongs to no package".into()),
        }
    }

    fn of_package(resolve: &Resolve, package: PackageId, exports: Vec<Export>) -> Self {
        let others: Vec<PackageId> = resolve.packages.iter().map(|(id, _)| id).filter(|id| *id != package).collect();
        let mut printer = WitPrinter::default();
        match printer.print(resolve, package, &others) {
            Ok(()) => Self::Wit { text: printer.output.to_string(), exports },
            Err(error) => Self::NotShown(format!("{error:#}")),
        }
    }

    /// What a component exports: as its world has it, or only the names.
    pub(super) fn exports(&self, anatomy: &Anatomy) -> Vec<Export> {
        match self {
            Self::Wit { exports, .. } => exports.clone(),
            Self::None | Self::NotShown(_) => {
                let names = anatomy.exports.iter();
                names.map(|name| Export::Item { name: name.clone(), ty: "not read".into() }).collect()
            }
        }
    }
}

fn exports(resolve: &Resolve, world: WorldId) -> Vec<Export> {
    let exports = resolve.worlds[world].exports.iter();
    let exports = exports.map(|(key, item)| {
        let name = resolve.name_world_key(key);
        match item {
            WorldItem::Interface { id, .. } => Export::Interface { name, functions: functions(resolve, *id) },
            WorldItem::Function(function) => Export::Item { name, ty: function_type(resolve, function) },
            WorldItem::Type { .. } => Export::Item { name, ty: "type".into() },
        }
    });
    exports.collect()
}

fn functions(resolve: &Resolve, interface: InterfaceId) -> Vec<FunctionText> {
    let functions = resolve.interfaces[interface].functions.values();
    functions
        .map(|function| FunctionText { name: function.name.clone(), ty: function_type(resolve, function) })
        .collect()
}

/// The type as WIT has it, with the names of its types.
fn function_type(resolve: &Resolve, function: &Function) -> String {
    let named = |ty| {
        let mut printer = WitPrinter::default();
        match printer.print_type_name(resolve, ty) {
            Ok(()) => printer.output.to_string(),
            Err(_) => "?".to_owned(),
        }
    };
    let parameters = function.params.iter().map(|parameter| format!("{}: {}", parameter.name, named(&parameter.ty)));
    let parameters = parameters.collect::<Vec<_>>().join(", ");
    let result = function.result.as_ref().map_or(String::new(), |ty| format!(" -> {}", named(ty)));
    let is_async = match function.kind {
        FunctionKind::AsyncFreestanding | FunctionKind::AsyncMethod(_) | FunctionKind::AsyncStatic(_) => "async ",
        FunctionKind::Freestanding
        | FunctionKind::Method(_)
        | FunctionKind::Static(_)
        | FunctionKind::Constructor(_) => "",
    };
    format!("{is_async}func({parameters}){result}")
}

/// How much there is to decode: in the component itself, or in the sections of a core module.
fn items(bytes: &[u8], form: Form) -> wasmparser::Result<u64> {
    match form {
        Form::Component => weight::items(bytes),
        Form::CoreModule => weight::worlds(bytes).map(weight::items).sum(),
    }
}
