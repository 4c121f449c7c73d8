//! The store of secrets of this machine: a folder with a file for each, encrypted by a key that is kept elsewhere.
//!
//! ```text
//! NAME = "wattle secret 1\n" + nonce (12 bytes) + ChaCha20-Poly1305(secret, with the header and NAME beside it)
//! ```
//!
//! # Invariants
//!
//! 1. Who has the folder and not the key learns names and sizes, and nothing else.
//! 2. A file that was changed, or that stands under another name than its own, is refused: it is never taken for a secret.
//! 3. A secret is replaced as a whole: whatever happens meanwhile, the one before or the new one is there.
//!
//! # Not here
//!
//! That an older file was put back, with the key that was in use then, is not seen.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use stdx::{Code, Explain};
use zeroize::Zeroizing;

use crate::keep::{Keep, KeepError, Name, SIZE_MAX, Secret};

/// How a file begins: what it is, and in which form.
const HEADER: &[u8] = b"wattle secret 1\n";
/// Bytes of a key.
const KEY_SIZE: usize = 32;
/// Bytes that a file has beside its secret.
const BESIDE: usize = HEADER.len() + NONCE_LEN + 16;

/// What a store is opened with. Its memory is wiped when it is dropped.
pub struct Key(Zeroizing<[u8; KEY_SIZE]>);

/// A folder of encrypted secrets, and what opens them.
pub struct Encrypted {
    folder: PathBuf,
    key: Key,
}

/// Something could not be done with a store or its key.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The system does not let us.
    #[error("{path} cannot be {done}")]
    System {
        /// What it was about.
        path: PathBuf,
        /// What was to be done.
        done: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// There is a file where a new key was to be.
    #[error("{0} is there already: a key that is replaced opens nothing any more")]
    KeyExists(PathBuf),
    /// The file is no key.
    #[error("{0} is no key: that is {digits} digits of 0 to 9 and a to f", digits = KEY_SIZE * 2)]
    NoKey(PathBuf),
    /// Others can read the key.
    #[error("others of this machine can read or change the key {0}: chmod 600 it")]
    OpenKey(PathBuf),
    /// The secret cannot be kept.
    #[error("the secret cannot be kept")]
    Refused(#[source] KeepError),
}

// === impl Key ===

impl Key {
    /// Makes a key that was never there before, and keeps it in a new file that its owner alone can read.
    pub fn create(path: &Path) -> Result<Self, StoreError> {
        let failed = |source| StoreError::System { path: path.to_owned(), done: "made", source };
        let mut bytes = Zeroizing::new([0; KEY_SIZE]);
        getrandom::fill(&mut *bytes).map_err(|error| failed(error.into()))?;
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        }
        let mut file = match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(StoreError::KeyExists(path.to_owned()));
            }
            file => file.map_err(failed)?,
        };
        let digits: Zeroizing<String> = Zeroizing::new(bytes.iter().map(|byte| format!("{byte:02x}")).collect());
        writeln!(file, "{}", *digits).and_then(|()| file.sync_all()).map_err(failed)?;
        Ok(Self(bytes))
    }

    /// Reads a key that nobody else can read.
    pub fn read(path: &Path) -> Result<Self, StoreError> {
        let failed = |source| StoreError::System { path: path.to_owned(), done: "read", source };
        let file = File::open(path).map_err(failed)?;
        if file.metadata().map_err(failed)?.mode() & 0o077 != 0 {
            return Err(StoreError::OpenKey(path.to_owned()));
        }
        let mut text = Zeroizing::new(Vec::with_capacity(KEY_SIZE * 4));
        file.take(KEY_SIZE as u64 * 4).read_to_end(&mut text).map_err(failed)?;
        let digits = text.trim_ascii();
        let byte = |pair: &[u8]| {
            let [high, low] = [pair[0], pair[1]].map(|digit| char::from(digit).to_digit(16));
            u8::try_from(high? << 4 | low?).ok()
        };
        let mut bytes = Zeroizing::new([0; KEY_SIZE]);
        let is_key = digits.len() == KEY_SIZE * 2
            && digits
                .chunks_exact(2)
                .zip(bytes.iter_mut())
                .all(|(pair, place)| byte(pair).map(|byte| *place = byte).is_some());
        if is_key { Ok(Self(bytes)) } else { Err(StoreError::NoKey(path.to_owned())) }
    }

    fn cipher(&self) -> LessSafeKey {
        LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &*self.0).expect("it is as long as it has to be"))
    }

    /// The file of a secret.
    fn seal(&self, name: &Name, secret: &[u8]) -> io::Result<Vec<u8>> {
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce)?;
        let mut sealed = Zeroizing::new(Vec::with_capacity(secret.len() + 16));
        sealed.extend_from_slice(secret);
        let done =
            self.cipher().seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), beside(name), &mut *sealed);
        done.map_err(|_too_long| io::Error::other("it is too long"))?;
        Ok([HEADER, &nonce, &sealed].concat())
    }

    /// The secret of a file; nothing where it is not one of this key and name.
    fn open(&self, name: &Name, file: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, sealed) = file.strip_prefix(HEADER)?.split_first_chunk::<NONCE_LEN>()?;
        let mut sealed = Zeroizing::new(sealed.to_vec());
        let size =
            self.cipher().open_in_place(Nonce::assume_unique_for_key(*nonce), beside(name), &mut sealed).ok()?.len();
        sealed.truncate(size);
        Some(sealed)
    }
}

/// What a file belongs to.
fn beside(name: &Name) -> Aad<Vec<u8>> {
    Aad::from([HEADER, name.as_str().as_bytes()].concat())
}

// === impl Encrypted ===

impl Encrypted {
    /// The secrets in a folder, which need not be there before the first is put.
    pub fn new(folder: PathBuf, key: Key) -> Self {
        Self { folder, key }
    }

    /// Keeps a secret, in the place of one of the same name.
    pub fn put(&self, name: &Name, secret: Vec<u8>) -> Result<(), StoreError> {
        let secret = Secret::new(secret).map_err(StoreError::Refused)?;
        let path = self.folder.join(name.as_str());
        let failed = |source| StoreError::System { path: path.clone(), done: "written", source };
        let sealed = self.key.seal(name, secret.reveal()).map_err(failed)?;
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder).map_err(failed)?;
        // No name begins with a dot.
        let draft = self.folder.join(format!(".draft-{}", std::process::id()));
        let write = || {
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
            file.write_all(&sealed)?;
            file.sync_all()?;
            fs::rename(&draft, &path)?;
            File::open(&self.folder)?.sync_all()
        };
        write().map_err(|source| {
            // What is left of it is of no use, and may be gone already.
            fs::remove_file(&draft).ok();
            failed(source)
        })
    }

    /// The secret of that name; nothing where there is none.
    pub fn find(&self, name: &Name) -> Result<Option<Secret>, KeepError> {
        let unreadable = |error: io::Error| KeepError::Unreadable(error.into());
        let file = match File::open(self.folder.join(name.as_str())) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(unreadable)?,
        };
        let mut bytes = Vec::with_capacity(BESIDE);
        file.take((SIZE_MAX + BESIDE) as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        match self.key.open(name, &bytes) {
            Some(secret) => Secret::new(secret.to_vec()).map(Some),
            None => Err(KeepError::Unsafe("it was changed, has another name, or was encrypted by another key".into())),
        }
    }

    /// The names in a folder, in their order: none where there is no folder.
    pub fn names(folder: &Path) -> Result<Vec<Name>, StoreError> {
        let failed = |source| StoreError::System { path: folder.to_owned(), done: "read", source };
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(failed)?,
        };
        let mut names = Vec::new();
        for entry in entries {
            // What is called otherwise is none of ours.
            names.extend(entry.map_err(failed)?.file_name().to_str().and_then(|name| name.parse::<Name>().ok()));
        }
        names.sort_by(|one, other| one.as_str().cmp(other.as_str()));
        Ok(names)
    }

    /// Forgets a secret; whether there was one.
    pub fn forget(folder: &Path, name: &Name) -> Result<bool, StoreError> {
        let path = folder.join(name.as_str());
        match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            done => done.map(|()| true).map_err(|source| StoreError::System { path, done: "deleted", source }),
        }
    }
}

#[async_trait]
impl Keep for std::sync::Arc<Encrypted> {
    async fn get(&self, name: &Name) -> Result<Option<Secret>, KeepError> {
        let (store, name) = (self.clone(), name.clone());
        let found = tokio::task::spawn_blocking(move || store.find(&name)).await;
        found.map_err(|error| KeepError::Unreadable(error.into()))?
    }
}

// === impl StoreError ===

impl Explain for StoreError {
    fn code(&self) -> Code {
        match self {
            Self::System { .. } => Code::E0801,
            Self::KeyExists(_) | Self::NoKey(_) | Self::OpenKey(_) => Code::E0802,
            Self::Refused(_) => Code::E0803,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn name(text: &str) -> Name {
        text.parse().expect("a name")
    }

    fn store(home: &Path) -> Encrypted {
        let path = home.join("key");
        let key = Key::read(&path).or_else(|_| Key::create(&path)).expect("the folder is ours");
        Encrypted::new(home.join("store"), key)
    }

    fn found(store: &Encrypted, text: &str) -> Option<Vec<u8>> {
        store.find(&name(text)).expect("it is readable").map(|secret| secret.reveal().to_vec())
    }

    #[test]
    fn what_is_put_is_found_by_whoever_has_the_key() {
        let home = tempfile::tempdir().expect("a folder for the test");
        let all: Vec<u8> = (0..=255).collect();
        for (text, secret) in
            [("db", b"hunter2\n".to_vec()), ("all", all), ("empty", vec![]), ("large", vec![7; SIZE_MAX])]
        {
            store(home.path()).put(&name(text), b"before".to_vec()).expect("there is room");
            store(home.path()).put(&name(text), secret.clone()).expect("there is room");
            assert_eq!(found(&store(home.path()), text), Some(secret));
        }
        assert_eq!(found(&store(home.path()), "other"), None);
        let names = Encrypted::names(&home.path().join("store")).expect("it is there");
        assert_eq!(names.iter().map(Name::as_str).collect::<Vec<_>>(), ["all", "db", "empty", "large"]);
        assert!(Encrypted::forget(&home.path().join("store"), &name("db")).expect("it is ours"));
        assert!(!Encrypted::forget(&home.path().join("store"), &name("db")).expect("it is ours"));
        assert_eq!(found(&store(home.path()), "db"), None);
        let refused = store(home.path()).put(&name("db"), vec![0; SIZE_MAX + 1]).expect_err("it is too large");
        assert!(matches!(refused, StoreError::Refused(KeepError::TooLarge)));
        assert_eq!(Encrypted::names(&home.path().join("nowhere")).expect("it is empty"), []);
    }

    #[test]
    fn nothing_of_a_secret_is_in_the_folder() {
        let home = tempfile::tempdir().expect("a folder for the test");
        let store = store(home.path());
        store.put(&name("db"), b"correct-horse-battery-staple".to_vec()).expect("there is room");
        let path = home.path().join("store/db");
        let once = fs::read(&path).expect("it is there");
        assert!(!once.windows(7).any(|part| b"correct-horse-battery-staple".windows(7).any(|secret| secret == part)));
        store.put(&name("db"), b"correct-horse-battery-staple".to_vec()).expect("there is room");
        assert_ne!(once, fs::read(&path).expect("it is there"), "the same secret looks different each time");
        for path in [path, home.path().join("store"), home.path().join("key")] {
            assert_eq!(fs::metadata(&path).expect("it is there").mode() & 0o077, 0, "{path:?}");
        }
        assert_eq!(fs::read_dir(home.path().join("store")).expect("it is there").count(), 1, "no draft is left");
    }

    /// Each byte changed, each length cut, another name, another key.
    #[test]
    fn what_was_changed_is_never_taken_for_a_secret() {
        let home = tempfile::tempdir().expect("a folder for the test");
        let store = store(home.path());
        store.put(&name("db"), b"hunter2".to_vec()).expect("there is room");
        let path = home.path().join("store/db");
        let whole = fs::read(&path).expect("it is there");
        let changed = (0..whole.len()).map(|at| {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            bytes
        });
        let cut = (0..whole.len()).map(|size| whole[..size].to_vec());
        for bytes in changed.chain(cut).chain([[&*whole, b"x"].concat()]) {
            fs::write(&path, &bytes).expect("it is ours");
            let refused = store.find(&name("db")).expect_err("it was changed");
            assert!(matches!(&refused, KeepError::Unsafe(_)) && !refused.to_string().contains("hunter2"), "{refused}");
        }
        fs::write(home.path().join("store/other"), &whole).expect("it is ours");
        assert!(store.find(&name("other")).is_err(), "it stands under another name");
        fs::write(&path, &whole).expect("it is ours");
        let another =
            Encrypted::new(home.path().join("store"), Key::create(&home.path().join("other")).expect("it is ours"));
        assert!(another.find(&name("db")).is_err(), "it is another key's");
        assert_eq!(found(&store, "db"), Some(b"hunter2".to_vec()));
    }

    #[test]
    fn a_key_is_its_owners_and_is_not_replaced() {
        let home = tempfile::tempdir().expect("a folder for the test");
        let path = home.path().join("some/where/key");
        Key::create(&path).expect("the folder is ours");
        assert!(matches!(Key::create(&path), Err(StoreError::KeyExists(_))));
        let text = fs::read_to_string(&path).expect("it is there");
        assert!(text.len() == KEY_SIZE * 2 + 1 && Key::read(&path).is_ok());
        for mode in [0o640, 0o604, 0o622] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("it is ours");
            assert!(matches!(Key::read(&path), Err(StoreError::OpenKey(_))), "{mode:o}");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("it is ours");
        for wrong in ["", "abc", &text[1..], &format!("{text}0"), &text.replace(|_| true, "g"), "ä"] {
            fs::write(&path, wrong).expect("it is ours");
            assert!(matches!(Key::read(&path), Err(StoreError::NoKey(_))), "{wrong:?}");
        }
        assert!(matches!(Key::read(&home.path().join("none")), Err(StoreError::System { .. })));
    }
}
