//! What a link says of a bucket in a stream of NATS, whatever the bucket holds.

use line::jetstream::{NewBucket, Reach};

use crate::settings::{Default, Kind, Setting, Settings};

/// The server.
pub const URL: Setting = Setting {
    name: "url",
    about: "where the server is",
    kind: Kind::Url(&["nats", "tls"]),
    default: Default::Required,
};

/// The bucket.
pub const BUCKET: Setting =
    Setting { name: "bucket", about: "the server's bucket", kind: Kind::Text, default: Default::Is("wattle") };

/// Who connects.
pub const CREDENTIALS: Setting =
    Setting { name: "credentials", about: "a file to log in with", kind: Kind::Path, default: Default::Absent };

/// Whether a bucket is made.
pub const CREATE: Setting =
    Setting { name: "create", about: "make a missing bucket", kind: Kind::Switch, default: Default::Is("true") };

/// Copies of a bucket that is made.
pub const REPLICAS: Setting =
    Setting { name: "replicas", about: "of a new bucket", kind: Kind::Count(1, 5), default: Default::Is("1") };

/// Size of a bucket that is made.
pub const LIMIT: Setting =
    Setting { name: "limit", about: "of a new bucket's size", kind: Kind::Size, default: Default::Absent };

/// How the server is reached, where `timeout` is a setting besides.
///
/// # Panics
///
/// Where these settings are none of the backend's.
pub fn reach(settings: &Settings) -> Reach {
    Reach {
        url: settings.text(URL.name).expect("it is required").to_owned(),
        credentials: settings.path(CREDENTIALS.name),
        timeout: settings.time("timeout").expect("it has a default"),
    }
}

/// The bucket's name.
///
/// # Panics
///
/// Where it is no setting of the backend.
pub fn bucket(settings: &Settings) -> String {
    settings.text(BUCKET.name).expect("it has a default").to_owned()
}

/// What to make where there is no such bucket; nothing.
///
/// # Panics
///
/// Where these settings are none of the backend's.
pub fn create(settings: &Settings) -> Option<NewBucket> {
    let replicas = settings.count(REPLICAS.name).and_then(|count| usize::try_from(count).ok());
    let new = NewBucket { replicas: replicas.expect("it has a default"), limit: settings.size(LIMIT.name) };
    settings.is_on(CREATE.name).then_some(new)
}
