//! Artefacts of real registries, and of registries that lie.

mod hostile;
mod lies;
mod real;

use std::path::{Path, PathBuf};

use artifact::{Artefact, Kind, Login, Logins, PullError, Pulled, Registries, RegistriesConfig};
use model::Reference;
use stdx::ByteSize;
use tempfile::TempDir;

/// Who asks, in these tests.
const USER: &str = testkit::Registry::USER;
const PASSWORD: &str = testkit::Registry::PASSWORD;

/// The smallest program that there is.
const WASM: &[u8] = b"\0asm\x01\0\0\0";

/// The largest artefact that is taken here.
const SIZE_MAX: ByteSize = ByteSize::kib(64);

/// A machine that pulls: it shows who asks to those registries that are named here, and to no others.
struct Machine {
    folder: TempDir,
    registries: Registries,
}

impl Machine {
    fn new() -> Self {
        Self::that_knows(&[])
    }

    fn that_knows(known: &[&str]) -> Self {
        Self::with_password(known, PASSWORD)
    }

    fn with_password(known: &[&str], password: &str) -> Self {
        let mut logins = Logins::default();
        for registry in known {
            let login = Login::Password { user: USER.into(), password: password.to_owned().into() };
            logins.put(registry.parse().expect("a registry"), login);
        }
        Self::with(Vec::new(), logins)
    }

    fn with(plain: Vec<model::Registry>, logins: Logins) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let registries = Registries::new(RegistriesConfig { folder: folder.path().join("artefacts"), plain, logins });
        Self { folder, registries }
    }

    fn try_pull(&self, reference: &str) -> Result<Pulled, PullError> {
        block_on(self.registries.pull(&read(reference), Kind::Component, SIZE_MAX))
    }

    fn pull(&self, reference: &str) -> Vec<u8> {
        let pulled = self.try_pull(reference).expect("it is pulled");
        std::fs::read(pulled.path).expect("it is there")
    }

    /// Why something is not pulled.
    fn refusal(&self, reference: &str) -> PullError {
        self.try_pull(reference).expect_err("it is not to be pulled")
    }

    /// All files that are kept.
    fn kept(&self) -> Vec<PathBuf> {
        let folder = self.folder.path().join("artefacts");
        let list = |folder: &Path| {
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            entries.map(|entry| entry.path()).filter(|path| path.is_file()).collect::<Vec<_>>()
        };
        [list(&folder), list(&folder.join("sha256")), list(&folder.join("tags"))].concat()
    }
}

fn component(bytes: &[u8]) -> Artefact {
    Artefact::component(bytes.to_vec(), (&[], &["run".to_owned()]), "wasip2")
}

fn read(reference: &str) -> Reference {
    reference.parse().expect("a reference")
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(work)
}
