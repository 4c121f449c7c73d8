//! The backends, each held to what any place of secrets has to promise, as a component sees it.

use std::any::Any;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use capability::conformance::{run, state};
use capability::{Capability, OpenLink, Opened, Place, settings};
use engine::State;
use model::Terms;
use wasmtime::component::Resource;

use crate::guest::wasmcloud::secrets::store::{SecretValue, SecretsError};
use crate::guest::wasmcloud::secrets::{reveal, store};
use crate::keep::{SIZE_MAX, Secret};
use crate::{Encrypted, Key, Secrets};

/// Names with their bytes.
type Pairs = BTreeMap<&'static str, Vec<u8>>;

/// A place of secrets, what it holds, and the folder that goes away after it.
struct Fresh {
    secrets: Secrets,
    opened: Opened,
    holds: Pairs,
    _place: Box<dyn Any>,
}

impl Fresh {
    fn files() -> Self {
        let (folder, holds) = (tempfile::tempdir().expect("a folder for the test"), pairs());
        for (name, bytes) in &holds {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).expect("the folder takes a file");
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("it is ours");
        }
        let opened = open("files", &[("folder", text(folder.path()))]);
        Self { secrets: secrets(), opened, holds, _place: Box::new(folder) }
    }

    fn encrypted() -> Self {
        let (home, holds) = (tempfile::tempdir().expect("a folder for the test"), pairs());
        let (key, folder) = (home.path().join("key"), home.path().join("store"));
        let kept = Encrypted::new(folder.clone(), Key::create(&key).expect("the folder is ours"));
        for (name, bytes) in &holds {
            kept.put(&name.parse().expect("a name"), bytes.clone()).expect("there is room");
        }
        let opened = open("encrypted", &[("key", text(&key)), ("folder", text(&folder))]);
        Self { secrets: secrets(), opened, holds, _place: Box::new(home) }
    }

    /// What cargo tells every process that it starts.
    fn environment() -> Self {
        let holds = [("name", env!("CARGO_PKG_NAME")), ("description", env!("CARGO_PKG_DESCRIPTION"))];
        let holds = holds.map(|(name, value)| (name, value.as_bytes().to_vec())).into();
        Self {
            secrets: secrets(),
            opened: open("environment", &[("prefix", "CARGO_PKG_")]),
            holds,
            _place: Box::new(()),
        }
    }

    fn link(&self, name: &str, target: Option<&Opened>) -> OpenLink {
        OpenLink { name: name.parse().expect("a name"), terms: Terms::default(), target: target.cloned() }
    }

    fn component(&self, links: &[OpenLink]) -> State {
        state(&self.secrets, "shop", links)
    }

    /// A component with one link to it.
    fn linked(&self) -> State {
        self.component(&[self.link("default", Some(&self.opened))])
    }
}

/// What all places hold but for the environment, which holds no more than text.
fn pairs() -> Pairs {
    let all = (0..=255).collect();
    [("db-password", b"hunter2\n".to_vec()), ("TLS.key", all), ("empty", vec![]), ("largest", vec![7; SIZE_MAX])].into()
}

fn secrets() -> Secrets {
    Secrets::new(Place { folder: "nowhere".into() })
}

fn open(backend: &str, told: &[(&str, &str)]) -> Opened {
    let told = told.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let info = secrets().backends().into_iter().find(|info| info.name == backend).expect("there is such a backend");
    let told = settings::check(backend, info.settings, &told).expect("the test tells what there is");
    run(secrets().open(backend, &told)).unwrap_or_else(|error| panic!("{error}"))
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a text")
}

async fn get(state: &mut State, name: &str) -> Result<Resource<Secret>, SecretsError> {
    store::Host::get(state, name.to_owned()).await.expect("no trap")
}

/// What a component gets to see: text where it is that, else bytes.
async fn revealed(state: &mut State, secret: &Resource<Secret>) -> Result<String, Vec<u8>> {
    match reveal::Host::reveal(state, Resource::new_borrow(secret.rep())).await.expect("no trap") {
        SecretValue::String(text) => Ok(text),
        SecretValue::Bytes(bytes) => Err(bytes),
    }
}

mod promises {
    use super::*;

    pub(super) async fn each_is_given_byte_by_byte(fresh: Fresh) {
        let mut state = fresh.linked();
        for (name, bytes) in &fresh.holds {
            let secret = get(&mut state, name).await.unwrap_or_else(|error| panic!("{name}: {error:?}"));
            let expected = String::from_utf8(bytes.clone()).map_err(std::string::FromUtf8Error::into_bytes);
            assert_eq!(revealed(&mut state, &secret).await, expected, "{name}");
        }
    }

    pub(super) async fn what_is_not_there_is_not_found(fresh: Fresh) {
        let mut state = fresh.linked();
        for name in ["none", "db-passwor", "db-password-", "CARGO"] {
            let outcome = get(&mut state, name).await;
            assert!(matches!(outcome, Err(SecretsError::NotFound)), "{name}: {outcome:?}");
        }
    }

    pub(super) async fn a_name_that_is_none_is_refused(fresh: Fresh) {
        let mut state = fresh.linked();
        for name in ["", ".", "../key", "/etc/passwd", "a b", "a\0", "db-password/"] {
            let outcome = get(&mut state, name).await;
            assert!(matches!(outcome, Err(SecretsError::Upstream(_))), "{name:?}: {outcome:?}");
        }
    }

    pub(super) async fn a_handle_is_good_until_it_is_dropped(fresh: Fresh) {
        let mut state = fresh.linked();
        let name = fresh.holds.keys().next().expect("it holds something");
        let [first, second] = [get(&mut state, name).await, get(&mut state, name).await]
            .map(|secret| secret.unwrap_or_else(|error| panic!("{error:?}")));
        assert_eq!(revealed(&mut state, &first).await, revealed(&mut state, &second).await);
        let gone = first.rep();
        store::HostSecret::drop(&mut state, first).await.expect("it is there to drop");
        assert!(reveal::Host::reveal(&mut state, Resource::new_borrow(gone)).await.is_err());
        assert!(reveal::Host::reveal(&mut state, second).await.is_ok());
    }

    pub(super) async fn who_is_not_linked_knows_nothing(fresh: Fresh) {
        let name = fresh.holds.keys().next().expect("it holds something");
        let outcome = get(&mut fresh.component(&[]), name).await;
        assert!(matches!(outcome, Err(SecretsError::NotFound)), "{outcome:?}");
        // What is not there yet is not passed over: who comes next may have another secret of that name.
        let links = [fresh.link("default", None), fresh.link("more", Some(&fresh.opened))];
        let outcome = get(&mut fresh.component(&links), name).await;
        assert!(matches!(outcome, Err(SecretsError::Upstream(_))), "{outcome:?}");
    }

    /// The one that was chosen, then the one without a name, then the others: the first that has it.
    pub(super) async fn links_are_asked_one_after_the_other(fresh: Fresh) {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let name = *fresh.holds.keys().next().expect("it holds something");
        let path = folder.path().join(name);
        std::fs::write(&path, "other").expect("the folder takes a file");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("it is ours");
        let told = [("folder".to_owned(), text(folder.path()).to_owned())].into();
        let info = fresh.secrets.backends().into_iter().find(|info| info.name == "files").expect("it is there");
        let told = settings::check("files", info.settings, &told).expect("it is a folder");
        let other = fresh.secrets.open("files", &told).await.unwrap_or_else(|error| panic!("{error}"));

        let mut state = fresh.component(&[fresh.link("a", Some(&other)), fresh.link("default", Some(&fresh.opened))]);
        let secret = get(&mut state, name).await.unwrap_or_else(|error| panic!("{error:?}"));
        assert_ne!(revealed(&mut state, &secret).await, Ok("other".into()));
        state.choose("wasmcloud:secrets/store", "a");
        let secret = get(&mut state, name).await.unwrap_or_else(|error| panic!("{error:?}"));
        assert_eq!(revealed(&mut state, &secret).await, Ok("other".into()));
        let last = fresh.holds.keys().next_back().expect("it holds something");
        assert!(get(&mut state, last).await.is_ok(), "only the other link has it");
    }
}

capability::conformance! {
    promises over Fresh [
        each_is_given_byte_by_byte,
        what_is_not_there_is_not_found,
        a_name_that_is_none_is_refused,
        a_handle_is_good_until_it_is_dropped,
        who_is_not_linked_knows_nothing,
        links_are_asked_one_after_the_other,
    ] {
        files => Fresh::files(),
        encrypted => Fresh::encrypted(),
        environment => Fresh::environment(),
    }
}
