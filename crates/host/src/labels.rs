//! Counts the imports with a label: each that a capability meets follows a link of its own, so each is a part of its component.
//!
//! ```text
//! import left: wasi:keyvalue/store    ─▶ the link named `left`, else the one without a name, else what the host has
//! import right: wasi:keyvalue/store   ─▶ the link named `right`, else …
//! import wasi:keyvalue/store          ─▶ the link without a name, else what the host has
//! ```

use engine::{ImportName, Part};
use model::Contract;

/// An import with a label that is a part of its component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Label {
    pub(crate) import: ImportName,
    /// What is imported.
    pub(crate) interface: Contract,
    pub(crate) part: Part,
}

/// A component has more parts than can be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a component has {max} parts at most: itself, those that are fused with it, and one for each import with a label that a \
     capability meets",
    max = Part::MAX
)]
pub struct TooManyParts;

/// Those of these imports that have a label; the parts are counted from `before`.
pub(crate) fn of<'a>(
    imports: impl IntoIterator<Item = &'a ImportName>,
    before: usize,
) -> Result<Vec<Label>, TooManyParts> {
    let labelled = imports.into_iter().filter(|import| import.label().is_some());
    let wanted = labelled.filter_map(|import| Some((import, import.interface().parse().ok()?)));
    let label = |(index, (import, interface)): (usize, (&ImportName, Contract))| {
        let part = Part::new(before + index).ok_or(TooManyParts)?;
        Ok(Label { import: import.clone(), interface, part })
    };
    wanted.enumerate().map(label).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_label_is_a_part_of_its_own_and_there_are_so_many() {
        let import = |number: usize| ImportName::new(&format!("label{number}"), Some("a:b/c@0.1.0"));
        let imports: Vec<_> = [ImportName::from("a:b/c@0.1.0")].into_iter().chain((1..Part::MAX).map(import)).collect();
        let labels = of(&imports, 1).expect("as many as there may be");
        let parts: Vec<_> = labels.iter().map(|label| label.part.number()).collect();
        assert_eq!(parts, (1..Part::MAX).collect::<Vec<_>>());
        assert_eq!(of(&imports, 2), Err(TooManyParts));
    }
}
