//! What things are called in an object store.
//!
//! # Invariants
//!
//! 1. A path is the pieces of component and container, see `scope`, and the object's name as it is: the name may hold a `/`, the
//!    pieces cannot, so that no two objects have one path.
//! 2. A subject is shorter than 2.2 KiB; a server takes lines of 4 KiB, unless it is told otherwise.

use async_nats::jetstream::object_store::{ObjectInfo, ObjectOptions};
use async_nats::jetstream::stream::Config;
use data_encoding::BASE64URL;
use line::jetstream::{BadBucket, BucketName, Kept, NewBucket};

use crate::scope::{Container, Object, RESERVED};

/// A message of an object's bytes has so many of them, but the last.
pub(super) const CHUNK: usize = 128 << 10;

/// An object store.
#[derive(Debug, Clone)]
pub(super) struct Bucket(BucketName);

/// The name that an object has in its store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path(String);

// === impl Bucket ===

impl Bucket {
    pub(super) fn new(name: &str) -> Result<Self, BadBucket> {
        BucketName::new(name).map(Self)
    }

    /// The store as any client makes it.
    pub(super) fn kept(&self, new: Option<NewBucket>) -> Kept {
        let new = new.unwrap_or(NewBucket { replicas: 1, limit: None });
        let name = self.0.as_str();
        let config = Config {
            name: self.stream(),
            subjects: vec![format!("$O.{name}.C.>"), self.all_known()],
            allow_direct: true,
            ..new.config()
        };
        Kept { name: self.0.clone(), config }
    }

    /// The stream that keeps it.
    pub(super) fn stream(&self) -> String {
        format!("OBJ_{}", self.0.as_str())
    }

    /// Where all is that is known of objects.
    pub(super) fn all_known(&self) -> String {
        format!("$O.{}.M.>", self.0.as_str())
    }

    /// Where it is said what is known of an object.
    pub(super) fn known(&self, path: &Path) -> String {
        format!("$O.{}.M.{}", self.0.as_str(), BASE64URL.encode(path.0.as_bytes()))
    }

    /// Where the bytes of a version are.
    pub(super) fn bytes(&self, version: &str) -> String {
        format!("$O.{}.C.{version}", self.0.as_str())
    }

    /// The path that a subject says something of.
    pub(super) fn path(&self, subject: &str) -> Option<Path> {
        let encoded = subject.rsplit_once('.')?.1;
        let path = BASE64URL.decode(encoded.as_bytes()).ok()?;
        String::from_utf8(path).ok().map(Path)
    }

    /// A version without bytes.
    pub(super) fn version(&self, path: &Path, id: &str) -> ObjectInfo {
        ObjectInfo {
            name: path.0.clone(),
            description: None,
            metadata: Default::default(),
            headers: None,
            options: Some(ObjectOptions { link: None, max_chunk_size: Some(CHUNK) }),
            bucket: self.0.as_str().to_owned(),
            nuid: id.to_owned(),
            size: 0,
            chunks: 0,
            modified: None,
            digest: None,
            deleted: false,
        }
    }
}

// === impl Path ===

impl Path {
    pub(super) fn of(object: &Object) -> Self {
        let [component, container] = object.container().pieces();
        Self(format!("{component}/{container}/{}", object.name()))
    }

    /// Of the object that says that a container is there.
    pub(super) fn of_sign(container: &Container) -> Self {
        let [component, container] = container.pieces();
        Self(format!("{component}/{RESERVED}{container}"))
    }

    /// The name of the object, if it is in that container.
    pub(super) fn name_in(&self, container: &Container) -> Option<&str> {
        let [component, container] = container.pieces();
        self.0.strip_prefix(component)?.strip_prefix('/')?.strip_prefix(container)?.strip_prefix('/')
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::container;

    #[test]
    fn a_path_is_had_back_from_its_subject_and_is_of_one_container() {
        let bucket = Bucket::new("wattle").expect("it is legal");
        let files = container("shop", "files");
        for name in ["", "a", "a/b", "!files", "é", "\0", "*", ">", &"n".repeat(1_024)] {
            let path = Path::of(&files.object(name));
            let subject = bucket.known(&path);
            assert!(subject.len() < 2_200 && subject.is_ascii() && !subject.contains([' ', '*', '>']), "{subject}");
            assert_eq!(bucket.path(&subject).as_ref(), Some(&path));
            assert_eq!(path.name_in(&files), Some(name));
            for (component, other) in [("shop", "file"), ("shop", "files2"), ("sho", "pfiles"), ("shop2", "files")] {
                assert_eq!(path.name_in(&container(component, other)), None, "{component} {other}");
            }
        }
        assert_eq!(Path::of_sign(&files).name_in(&files), None);
        let longest = Path::of(&container(&"c".repeat(128), &"🌿".repeat(256)).object(&"🌿".repeat(256)));
        assert!(bucket.known(&longest).len() < 2_200, "{}", bucket.known(&longest).len());
    }

    #[test]
    fn what_others_put_there_is_no_path_of_ours() {
        let bucket = Bucket::new("wattle").expect("it is legal");
        for token in ["a", "%", "_w==", "a.b.c"] {
            let path = bucket.path(&format!("$O.wattle.M.{token}"));
            assert!(path.is_none_or(|path| path.name_in(&container("shop", "files")).is_none()), "{token}");
        }
    }
}
