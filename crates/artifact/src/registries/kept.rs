//! Keeps what was pulled, on this machine's disk: bytes by their digest, and for each tag the digest that was seen last.
//!
//! ```text
//! FOLDER/sha256/HEX    a manifest or a layer
//! FOLDER/tags/HEX      the digest that a reference with a tag led to, by the digest of the reference's text
//! ```
//!
//! # Invariants
//!
//! 1. A file is there as a whole or not at all: it is written beside its place, flushed, and moved there.
//! 2. What is given out was read to its end and has its digest. What has another one is pulled again, and replaced.
//! 3. The folder is this user's, and nobody else may write to it.

use std::fs::{DirBuilder, File};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use model::{Digest, Reference};
use ring::digest::{Context, SHA256};
use tempfile::NamedTempFile;
use tokio::io::AsyncWriteExt;

use super::error::RegistryError;
use super::manifest::Layer;

/// Read at once when a file is checked.
const PIECE: usize = 256 << 10;

/// Longer manifests are none, see `MANIFEST_MAX`.
const MANIFEST_MAX: u64 = super::MANIFEST_MAX as u64;

/// How the names of drafts begin, and when a draft is one that nobody writes any more.
const DRAFT: &str = ".draft-";
const STALE: Duration = Duration::from_secs(24 * 3600);

/// What was pulled before.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    folder: PathBuf,
}

/// Bytes that come in, and are not kept yet. Dropped, they are gone.
pub(super) struct Draft {
    file: NamedTempFile,
    writer: tokio::fs::File,
    hash: Context,
    size: u64,
}

/// The digest of these bytes.
pub(super) fn digest_of(bytes: &[u8]) -> Digest {
    let mut hash = Context::new(&SHA256);
    hash.update(bytes);
    finished(hash)
}

fn finished(hash: Context) -> Digest {
    let sum = hash.finish();
    Digest::of_bytes(sum.as_ref().try_into().expect("SHA-256 has 32 bytes"))
}

// === impl Kept ===

impl Kept {
    /// What is in a folder, which is made where it is not there.
    pub(super) async fn open(folder: &Path) -> Result<Self, RegistryError> {
        let kept = Self { folder: folder.to_owned() };
        kept.with(Self::make).await?;
        Ok(kept)
    }

    /// The file of these bytes, if they are there.
    pub(super) async fn find(&self, layer: &Layer) -> Result<Option<PathBuf>, RegistryError> {
        let layer = layer.clone();
        self.with(move |kept| kept.check(&layer)).await
    }

    /// Whether a file of those that are kept begins with these bytes.
    pub(super) async fn begins(&self, path: &Path, with: &'static [u8]) -> Result<bool, RegistryError> {
        let path = path.to_owned();
        let read = move |_: &Self| -> io::Result<bool> {
            let mut start = Vec::new();
            File::open(path)?.take(with.len() as u64).read_to_end(&mut start)?;
            Ok(start == with)
        };
        self.with(read).await
    }

    /// A manifest, if it is there.
    pub(super) async fn manifest(&self, digest: &Digest) -> Result<Option<Vec<u8>>, RegistryError> {
        let digest = digest.clone();
        let read = move |kept: &Self| -> io::Result<Option<Vec<u8>>> {
            let Some(file) = existing(File::open(kept.place(&digest)))? else { return Ok(None) };
            let mut bytes = Vec::new();
            file.take(MANIFEST_MAX).read_to_end(&mut bytes)?;
            Ok(Some(bytes).filter(|bytes| digest_of(bytes) == digest))
        };
        self.with(read).await
    }

    /// Keeps a manifest.
    pub(super) async fn keep(&self, manifest: &[u8]) -> Result<(), RegistryError> {
        let bytes = manifest.to_vec();
        self.with(move |kept| kept.write(&kept.place(&digest_of(&bytes)), &bytes)).await
    }

    /// A place for bytes that come in.
    pub(super) async fn draft(&self) -> Result<Draft, RegistryError> {
        let draft = |kept: &Self| -> io::Result<Draft> {
            let file = kept.new_draft()?;
            let writer = tokio::fs::File::from_std(file.reopen()?);
            Ok(Draft { file, writer, hash: Context::new(&SHA256), size: 0 })
        };
        self.with(draft).await
    }

    /// Keeps bytes that have come in.
    pub(super) async fn keep_draft(&self, draft: Draft) -> Result<(), RegistryError> {
        let Draft { file, mut writer, hash, .. } = draft;
        // What was written is at the system then, or it is said why not.
        writer.flush().await.map_err(|source| self.failed(source))?;
        drop(writer);
        self.with(move |kept| kept.persist(file, &kept.place(&finished(hash)))).await
    }

    /// Writes what has come in.
    pub(super) async fn write_to(&self, draft: &mut Draft, bytes: &[u8]) -> Result<(), RegistryError> {
        draft.hash.update(bytes);
        draft.size += bytes.len() as u64;
        draft.writer.write_all(bytes).await.map_err(|source| self.failed(source))
    }

    /// What a tag led to when it was pulled last.
    pub(super) async fn last(&self, reference: &Reference) -> Result<Option<Digest>, RegistryError> {
        let place = self.place_of_tag(reference);
        let text = self.with(move |_| existing(std::fs::read_to_string(place))).await?;
        Ok(text.and_then(|text| text.trim().parse().ok()))
    }

    /// A tag leads to this now.
    pub(super) async fn note(&self, reference: &Reference, digest: &Digest) -> Result<(), RegistryError> {
        let (place, text) = (self.place_of_tag(reference), digest.to_string());
        self.with(move |kept| kept.write(&place, text.as_bytes())).await
    }

    fn place(&self, digest: &Digest) -> PathBuf {
        self.folder.join("sha256").join(digest.hex())
    }

    fn place_of_tag(&self, reference: &Reference) -> PathBuf {
        self.folder.join("tags").join(digest_of(reference.to_string().as_bytes()).hex())
    }

    fn make(&self) -> io::Result<()> {
        for name in ["sha256", "tags"] {
            DirBuilder::new().recursive(true).mode(0o700).create(self.folder.join(name))?;
        }
        let found = std::fs::metadata(&self.folder)?;
        let is_ours = found.uid() == rustix::process::geteuid().as_raw() && found.mode() & 0o022 == 0;
        let others = "it belongs to somebody else, or others may write to it";
        if !is_ours {
            return Err(io::Error::new(ErrorKind::PermissionDenied, others));
        }
        self.remove_stale();
        Ok(())
    }

    fn new_draft(&self) -> io::Result<NamedTempFile> {
        tempfile::Builder::new().prefix(DRAFT).tempfile_in(&self.folder)
    }

    /// Removes drafts that a killed process left behind.
    fn remove_stale(&self) {
        let Ok(entries) = std::fs::read_dir(&self.folder) else { return };
        for entry in entries.flatten() {
            let is_draft = entry.file_name().to_string_lossy().starts_with(DRAFT);
            let written = entry.metadata().and_then(|status| status.modified()).unwrap_or_else(|_| SystemTime::now());
            let is_old = written.elapsed().is_ok_and(|age| age > STALE);
            if is_draft
                && is_old
                && let Err(error) = std::fs::remove_file(entry.path())
            {
                tracing::debug!(%error, "stale draft stays");
            }
        }
    }

    fn check(&self, Layer { digest, size }: &Layer) -> io::Result<Option<PathBuf>> {
        let place = self.place(digest);
        let Some(mut file) = existing(File::open(&place))? else { return Ok(None) };
        let (mut hash, mut piece) = (Context::new(&SHA256), vec![0; PIECE]);
        loop {
            match file.read(&mut piece)? {
                0 => break,
                length => hash.update(&piece[..length]),
            }
        }
        if finished(hash) == *digest && file.metadata()?.len() == *size {
            return Ok(Some(place));
        }
        // Its name may be that of another file by now, which is whole: it is replaced, and not removed.
        tracing::warn!(file = %place.display(), "this file is not what it should be: it is pulled again");
        Ok(None)
    }

    fn write(&self, place: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = self.new_draft()?;
        file.write_all(bytes)?;
        self.persist(file, place)
    }

    fn persist(&self, file: NamedTempFile, place: &Path) -> io::Result<()> {
        file.as_file().sync_all()?;
        file.persist(place).map_err(|error| error.error)?;
        // The name, too, is there after a power cut.
        File::open(place.parent().unwrap_or(&self.folder))?.sync_all()
    }

    /// Works on the disk, where it keeps no other task waiting.
    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> io::Result<T> + Send + 'static,
    ) -> Result<T, RegistryError> {
        let kept = self.clone();
        let done = tokio::task::spawn_blocking(move || work(&kept)).await;
        done.unwrap_or_else(|gone| Err(io::Error::other(gone))).map_err(|source| self.failed(source))
    }

    fn failed(&self, source: io::Error) -> RegistryError {
        RegistryError::Disk { folder: self.folder.clone(), source }
    }
}

fn existing<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

// === impl Draft ===

impl Draft {
    /// Bytes so far.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// What they are so far.
    pub(super) fn digest(&self) -> Digest {
        finished(self.hash.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block_on<T>(work: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(work)
    }

    #[test]
    fn what_is_kept_is_found_and_what_was_damaged_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        block_on(async {
            let kept = Kept::open(&folder.path().join("artefacts")).await.expect("it is made");
            let digest = digest_of(b"two pieces");
            let layer = Layer { digest: digest.clone(), size: 10 };
            let mut draft = kept.draft().await.expect("a file");
            for piece in ["two ", "pieces"] {
                kept.write_to(&mut draft, piece.as_bytes()).await.expect("it is written");
            }
            assert_eq!((draft.size(), draft.digest()), (10, digest.clone()));
            assert_eq!(kept.find(&layer).await.expect("it can be read"), None);
            kept.keep_draft(draft).await.expect("it is kept");
            let path = kept.find(&layer).await.expect("it can be read").expect("it is there");
            assert_eq!(std::fs::read(&path).expect("it can be read"), b"two pieces");
            assert_eq!(std::fs::metadata(&path).expect("it is there").mode() & 0o777, 0o600);
            let longer = Layer { digest, size: 11 };
            assert_eq!(kept.find(&longer).await.expect("it can be read"), None);
            std::fs::write(&path, "two piecez").expect("it is ours");
            assert_eq!(kept.find(&layer).await.expect("it can be read"), None);
        });
    }

    #[test]
    fn drafts_of_who_was_killed_are_removed_and_those_that_are_written_stay() {
        let folder = tempfile::tempdir().expect("a folder");
        let (old, new) = (folder.path().join(".draft-old"), folder.path().join(".draft-new"));
        for path in [&old, &new] {
            std::fs::write(path, "half").expect("it is written");
        }
        let file = File::options().write(true).open(&old).expect("it is there");
        file.set_modified(SystemTime::now() - STALE * 2).expect("it is ours");
        block_on(Kept::open(folder.path())).expect("it is there");
        assert_eq!((old.exists(), new.exists()), (false, true));
    }

    #[test]
    fn a_tag_is_remembered_by_its_whole_reference() {
        let folder = tempfile::tempdir().expect("a folder");
        let reference = |text: &str| text.parse::<Reference>().expect("a reference");
        block_on(async {
            let kept = Kept::open(folder.path()).await.expect("it is there");
            let digest = digest_of(b"");
            kept.note(&reference("lab:1/a:1"), &digest).await.expect("it is noted");
            assert_eq!(kept.last(&reference("lab:1/a:1")).await.expect("it can be read"), Some(digest));
            for other in ["lab:1/a:2", "lab:2/a:1", "lab:1/b:1"] {
                assert_eq!(kept.last(&reference(other)).await.expect("it can be read"), None, "{other}");
            }
        });
    }

    #[test]
    fn a_folder_that_others_may_write_to_is_not_used() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).expect("it is ours");
        let error = block_on(Kept::open(folder.path())).expect_err("others may write to it");
        assert!(stdx::Chain(&error).to_string().ends_with("others may write to it"), "{error}");
    }
}
