//! This is how a program names what it imports.

use std::fmt;

use wasmtime::component::Component;

/// An import's name: that of an interface, or a label of the program's own beside the interface that it stands for
/// (`implements` of the component model). A program may import one interface under several labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportName {
    name: String,
    implements: Option<String>,
}

// === impl ImportName ===

impl ImportName {
    /// The import `name`, and the interface that it stands for where that is a label.
    pub fn new(name: &str, implements: Option<&str>) -> Self {
        Self { name: name.to_owned(), implements: implements.map(ToOwned::to_owned) }
    }

    /// What a component imports, in order.
    pub fn all_of(component: &Component) -> Vec<Self> {
        let shape = component.component_type();
        shape.imports(component.engine()).map(|(name, item)| Self::new(name, item.implements)).collect()
    }

    /// What the program calls it: the name by which it is linked.
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// The interface that is wanted.
    pub fn interface(&self) -> &str {
        self.implements.as_deref().unwrap_or(&self.name)
    }

    /// The label, where it has one.
    pub fn label(&self) -> Option<&str> {
        self.implements.is_some().then_some(&self.name)
    }
}

impl From<&str> for ImportName {
    fn from(name: &str) -> Self {
        Self::new(name, None)
    }
}

/// As in the text of a world: `primary: wasi:keyvalue/store@0.2.0-draft`.
impl fmt::Display for ImportName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.label() {
            Some(label) => write!(f, "{label}: {}", self.interface()),
            None => f.write_str(&self.name),
        }
    }
}

impl serde::Serialize for ImportName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
