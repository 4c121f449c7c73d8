//! This is what the providers that manifests name are here: backends of this host, by the names of their images.

use std::collections::{BTreeMap, BTreeSet};

/// What a provider is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Provider {
    /// Requests come in by it: routes.
    Serves,
    /// Requests leave by it: what `--allow-http` names.
    Sends,
    /// `CAPABILITY/BACKEND`, and what its settings were called there.
    Backend(&'static str, &'static [(&'static str, &'static str)]),
}

/// By the last part of an image's name, without what comes after `:` or `@`.
const KNOWN: &[(&str, Provider)] = &[
    ("blobstore-fs", Provider::Backend("blobstore/folder", &[("root", "path")])),
    ("blobstore-s3", Provider::Backend("blobstore/s3", &[])),
    ("http-client", Provider::Sends),
    ("http-server", Provider::Serves),
    ("keyvalue-nats", Provider::Backend("keyvalue/nats", &[("cluster_uri", "url"), ("cluster_uris", "url")])),
    ("keyvalue-redis", Provider::Backend("keyvalue/redis", &[])),
    ("messaging-nats", Provider::Backend("messaging/nats", &[("cluster_uri", "url"), ("cluster_uris", "url")])),
    ("sqldb-postgres", Provider::Backend("sql/postgres", &[])),
];

/// How a manifest names a backend of this host itself.
const BUILT_IN: &str = "wattle+builtin://";

/// What an image stands for: a provider that is known, or a backend by its own name.
pub(crate) fn of_image(image: &str) -> Result<(Provider, &str), String> {
    if let Some(backend) = image.strip_prefix(BUILT_IN) {
        return Ok((Provider::Backend("", &[]), backend));
    }
    let last = image.rsplit('/').next().unwrap_or(image);
    let name = last.split([':', '@']).next().unwrap_or(last);
    let known = KNOWN.iter().find(|(known, _)| *known == name);
    known.map(|(_, provider)| (*provider, provider.backend())).ok_or_else(|| {
        let names: Vec<_> = KNOWN.iter().map(|(name, _)| *name).collect();
        format!(
            "{image} is no provider that this host has something for ({}); {BUILT_IN}CAPABILITY/BACKEND names a backend, \
             as `wattle link backends` lists them",
            names.join(", ")
        )
    })
}

/// A provider's `orders.*|workers` is a subject and a queue group; here a link has one group for all of its subjects.
pub(crate) fn split_groups(config: &mut BTreeMap<String, String>) -> Result<(), String> {
    let Some(written) = config.get("subscriptions").filter(|written| written.contains('|')) else { return Ok(()) };
    let split =
        |one: &str| one.split_once('|').map(|(subject, group)| (subject.trim().to_owned(), group.trim().to_owned()));
    let split: Option<Vec<_>> = written.split(',').map(split).collect();
    let (subjects, groups): (Vec<_>, BTreeSet<_>) = split.unwrap_or_default().into_iter().unzip();
    match groups.first().filter(|_| groups.len() == 1) {
        Some(group) => {
            config.insert("queue_group".into(), group.clone());
            config.insert("subscriptions".into(), subjects.join(","));
            Ok(())
        }
        None => Err(format!(
            "{written:?} has several queue groups, or none for some; a link of a name of its own has another"
        )),
    }
}

// === impl Provider ===

impl Provider {
    fn backend(self) -> &'static str {
        match self {
            Self::Backend(backend, _) => backend,
            Self::Serves | Self::Sends => "",
        }
    }

    /// What a setting of the provider is called here. All others have the same name.
    pub(crate) fn setting(self, name: &str) -> String {
        let lower = name.to_ascii_lowercase();
        let Self::Backend(_, renamed) = self else { return lower };
        let renamed = renamed.iter().find(|(old, _)| *old == lower);
        renamed.map_or(lower.clone(), |(_, new)| (*new).to_owned())
    }
}
