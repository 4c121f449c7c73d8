//! The backends, each held to what any place of settings has to promise, as a component sees it.

use std::any::Any;
use std::collections::BTreeMap;

use capability::conformance::{run, state};
use capability::{Capability, OpenLink, Opened, settings};
use engine::State;
use model::{LinkName, Terms};

use crate::{Config, Settings};

/// What all places hold but for the environment.
const PAIRS: [(&str, &str); 3] = [("empty", ""), ("greeting", "good day"), ("retries", "3")];

/// Names with their values.
type Pairs = BTreeMap<String, String>;

/// A place of settings, what it holds, and the folder that goes away after it.
struct Fresh {
    config: Config,
    opened: Opened,
    holds: Pairs,
    _place: Box<dyn Any>,
}

impl Fresh {
    /// The settings that the host was started with.
    fn host() -> Self {
        Self::open(Config::new(owned(&PAIRS).into_iter().collect()), "host", &[])
    }

    fn literals() -> Self {
        Self::open(Config::new(Settings::default()), "literals", &PAIRS)
    }

    fn file(name: &str, text: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("the folder takes a file");
        let told = [("path", path.to_str().expect("a text"))];
        Self { _place: Box::new(folder), ..Self::open(Config::new(Settings::default()), "file", &told) }
    }

    /// What cargo tells every process that it starts.
    fn environment() -> Self {
        let variables = std::env::vars_os().filter_map(|(name, value)| {
            let name = name.into_string().ok()?.strip_prefix("CARGO_PKG_")?.to_lowercase();
            Some((name, value.into_string().ok()?))
        });
        let holds: Pairs = variables.collect();
        assert_eq!(holds.get("name").map(String::as_str), Some("config"));
        let told = [("prefix", "CARGO_PKG_")];
        Self { holds, ..Self::open(Config::new(Settings::default()), "environment", &told) }
    }

    fn open(config: Config, backend: &str, told: &[(&str, &str)]) -> Self {
        let info = config.backends().into_iter().find(|info| info.name == backend).expect("there is such a backend");
        let told = settings::check(backend, info.settings, &owned(told)).expect("the test tells what there is");
        let opened = run(config.open(backend, &told)).unwrap_or_else(|error| panic!("{error}"));
        Self { config, opened, holds: owned(&PAIRS), _place: Box::new(()) }
    }

    fn link(&self, name: &str, target: &Opened) -> OpenLink {
        let name: LinkName = name.parse().expect("a name");
        OpenLink { name, terms: Terms::default(), target: Some(target.clone()) }
    }

    /// A component with one link to it.
    fn component(&self) -> State {
        state(&self.config, "shop", &[self.link("default", &self.opened)])
    }
}

fn owned(pairs: &[(&str, &str)]) -> Pairs {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

mod promises {
    use super::*;
    use crate::guest::{get, get_all};

    pub(super) async fn each_is_given_by_its_name(fresh: Fresh) {
        let state = fresh.component();
        for (name, value) in &fresh.holds {
            assert_eq!(get(&state, name).as_ref(), Some(value), "{name}");
        }
    }

    pub(super) async fn all_are_given_at_once_in_order(fresh: Fresh) {
        let all = get_all(&fresh.component());
        assert!(all.is_sorted_by(|one, next| one.0 < next.0), "{all:?}");
        assert_eq!(all.into_iter().collect::<Pairs>(), fresh.holds);
    }

    pub(super) async fn what_is_not_there_has_no_value(fresh: Fresh) {
        let state = fresh.component();
        let others = fresh.holds.keys().flat_map(|name| [name.to_uppercase(), format!("{name} "), format!("{name}=")]);
        for name in others.chain([String::new(), "none".into(), "\0".into()]) {
            assert_eq!(get(&state, &name), None, "{name:?}");
        }
    }

    pub(super) async fn what_was_not_changed_has_not_changed(fresh: Fresh) {
        assert!(!fresh.config.has_changed(&fresh.opened).await);
    }

    /// Whatever the other link says, and whichever of them is asked first.
    pub(super) async fn the_link_without_a_name_counts_first(fresh: Fresh) {
        let (name, value) = fresh.holds.last_key_value().expect("it holds something");
        let told = [(name.as_str(), "other"), ("a-colour", "red")];
        let other = settings::check("literals", all_settings(), &owned(&told)).expect("it takes anything");
        let other = fresh.config.open("literals", &other).await.unwrap_or_else(|error| panic!("{error}"));
        let links = [fresh.link("a", &other), fresh.link("default", &fresh.opened)];
        let both = state(&fresh.config, "shop", &links);
        assert_eq!(get(&both, name).as_ref(), Some(value));
        assert_eq!(get(&both, "a-colour").as_deref(), Some("red"));
        assert_eq!(get_all(&both).len(), fresh.holds.len() + 1);

        let links = [fresh.link("default", &other), fresh.link("a", &fresh.opened)];
        assert_eq!(get(&state(&fresh.config, "shop", &links), name).as_deref(), Some("other"));
    }

    fn all_settings() -> &'static [capability::Setting] {
        let backends = Config::new(Settings::default()).backends();
        backends.into_iter().find(|info| info.name == "literals").expect("there is such a backend").settings
    }
}

capability::conformance! {
    promises over Fresh [
        each_is_given_by_its_name,
        all_are_given_at_once_in_order,
        what_is_not_there_has_no_value,
        what_was_not_changed_has_not_changed,
        the_link_without_a_name_counts_first,
    ] {
        host => Fresh::host(),
        literals => Fresh::literals(),
        file_of_toml => Fresh::file("app.toml", "greeting = 'good day'\nretries = 3\nempty = ''\n"),
        file_of_json => Fresh::file("app.json", r#"{ "greeting": "good day", "retries": 3, "empty": "" }"#),
        file_of_lines => Fresh::file("app.env", "greeting=\"good day\"\nexport retries=3\nempty=\n"),
        environment => Fresh::environment(),
    }
}
