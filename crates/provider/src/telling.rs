//! Decides what a provider has to be told so that it knows what its host knows.
//!
//! There is one way to tell: what was told is compared with what is known now. So nothing depends on whether a change came before the
//! provider listened, while it was being started again, or several times at once.

use model::lattice::Labels;
use model::{Briefing, LinkDefinition};

/// What is to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Word {
    Deleted(LinkDefinition),
    Put(LinkDefinition),
    Configured(Labels),
}

/// What makes of what was told what is known now. What is gone comes before what is new: a link may be in the place of another.
pub(crate) fn difference(told: &Briefing, known: &Briefing) -> Vec<Word> {
    let is_gone = |link: &&LinkDefinition| !known.links.iter().any(|other| other.is_same(link));
    let gone = told.links.iter().filter(is_gone).map(|link| Word::Deleted(link.bare()));
    let put = known.links.iter().filter(|link| !told.links.contains(link)).cloned().map(Word::Put);
    let config = (told.config != known.config).then(|| Word::Configured(known.config.clone()));
    gone.chain(put).chain(config).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(source: &str, root: &str) -> LinkDefinition {
        LinkDefinition {
            source_id: source.into(),
            target: "files".into(),
            name: "default".into(),
            wit_namespace: "wasi".into(),
            wit_package: "blobstore".into(),
            interfaces: vec!["blobstore".into()],
            source_config: Labels::new(),
            target_config: [("root".to_owned(), root.to_owned())].into(),
        }
    }

    #[test]
    fn only_what_is_otherwise_is_told() {
        let told = Briefing { links: vec![link("a", "/a"), link("b", "/b")], config: Labels::new() };
        assert_eq!(difference(&told, &told), []);
        let config = Labels::from([("k".to_owned(), "v".to_owned())]);
        let known = Briefing { links: vec![link("b", "/other"), link("c", "/c")], config: config.clone() };
        let words = difference(&told, &known);
        let (gone, put) = (Word::Deleted(link("a", "").bare()), [link("b", "/other"), link("c", "/c")].map(Word::Put));
        assert_eq!(words, [[gone].as_slice(), &put, &[Word::Configured(config)]].concat());
    }

    #[test]
    fn a_link_that_is_gone_takes_no_settings_along() {
        let told = Briefing { links: vec![link("a", "/secret")], config: Labels::new() };
        let words = difference(&told, &Briefing::default());
        assert!(matches!(words.as_slice(), [Word::Deleted(link)] if link.target_config.is_empty()), "{words:?}");
    }
}
