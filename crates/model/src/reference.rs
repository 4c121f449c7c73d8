//! This is how an artefact in a registry is named: `ghcr.io/shop/till:1.2`, `localhost:5000/till@sha256:…`.
//!
//! # Invariants
//!
//! 1. Nothing of a reference can lead out of a path or a URL that it is made part of: each part has its own few letters.
//! 2. A reference names its registry. There is no registry that is meant where none is named.
//!
//! # Not here
//!
//! What is fetched by it (`artifact`), and who may have it fetched (`host`).

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// An artefact in a registry: by a tag, which may move, by a digest, or by both.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    registry: Registry,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// A server that keeps artefacts: `HOST` or `HOST:PORT`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Registry(String);

/// What bytes are known by: their SHA-256.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Digest(String);

/// The text names nothing in a registry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} names no artefact in a registry: {why}; one is written REGISTRY/NAME:TAG, as in ghcr.io/shop/till:1.2"
)]
pub struct NotAReference {
    text: String,
    why: &'static str,
}

/// The text names no registry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no registry, which is written HOST or HOST:PORT")]
pub struct NotARegistry(String);

/// The text is no digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no digest, which is written sha256: with 64 hexadecimal digits behind it")]
pub struct NotADigest(String);

/// What a reference may begin with, as clients of others write it.
const SCHEME: &str = "oci://";

/// What an address of a registry may have behind its host, as files of others have it: it means the same registry.
const PATHS: [&str; 3] = ["", "v1", "v2"];

/// The tag that is meant where none is named.
const LATEST: &str = "latest";

/// The registry of Docker, which answers by another name than it is called by.
const DOCKER: &str = "docker.io";

// === impl Reference ===

impl Reference {
    /// Where it is.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// What it is called there: `shop/till`.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag; `latest` where none is named.
    pub fn tag(&self) -> &str {
        self.tag.as_deref().unwrap_or(LATEST)
    }

    /// The digest, where it is named: then it is these bytes and no others.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// Whether it is whatever was put there last.
    pub fn is_latest(&self) -> bool {
        self.digest.is_none() && self.tag() == LATEST
    }

    /// The last part of what it is called: `till`.
    pub fn name(&self) -> &str {
        self.repository.rsplit('/').next().unwrap_or(&self.repository)
    }

    /// The same artefact by its digest alone.
    pub fn at(&self, digest: Digest) -> Self {
        Self { tag: None, digest: Some(digest), ..self.clone() }
    }
}

impl FromStr for Reference {
    type Err = NotAReference;

    fn from_str(text: &str) -> Result<Self, NotAReference> {
        let not = |why| NotAReference { text: text.to_owned(), why };
        let written = text.strip_prefix(SCHEME).unwrap_or(text);
        let (registry, rest) = written.split_once('/').ok_or(not("it names no registry"))?;
        // A first word without these is a folder, or a user of a registry that is not named.
        let is_named = registry.contains(['.', ':']) || registry.eq_ignore_ascii_case("localhost");
        let registry = Some(registry).filter(|_| is_named).and_then(|registry| registry.parse().ok());
        let registry = registry.ok_or(not("it does not begin with a registry"))?;
        let (rest, digest) = match rest.split_once('@') {
            None => (rest, None),
            Some((rest, digest)) => {
                (rest, Some(digest.parse().ok().ok_or(not("what is behind the @ is no SHA-256 digest"))?))
            }
        };
        let (repository, tag) = match rest.split_once(':') {
            None => (rest, None),
            Some((repository, tag)) => (repository, Some(tag.to_owned())),
        };
        let repository = repository.to_ascii_lowercase();
        if repository.len() > 255 || !repository.split('/').all(is_part) {
            return Err(not("its name has other letters than a to z, digits and `.`, `-`, `_` between them"));
        }
        if tag.as_deref().is_some_and(|tag| !is_tag(tag)) {
            return Err(not("its tag has other letters than those of a word, `.` and `-`"));
        }
        Ok(Self { registry, repository, tag, digest })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        match (&self.tag, &self.digest) {
            (Some(tag), _) => write!(f, ":{tag}")?,
            (None, None) => write!(f, ":{LATEST}")?,
            (None, Some(_)) => {}
        }
        self.digest.as_ref().map_or(Ok(()), |digest| write!(f, "@{digest}"))
    }
}

/// A part of a name begins and ends with a letter or a digit: `..` is none.
fn is_part(part: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = [part.bytes().next(), part.bytes().next_back()];
    ends.into_iter().all(|end| end.is_some_and(is_inner))
        && part.bytes().all(|byte| is_inner(byte) || matches!(byte, b'.' | b'-' | b'_'))
}

fn is_tag(tag: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    tag.len() <= 128
        && tag.bytes().next().is_some_and(is_word)
        && tag.bytes().all(|byte| is_word(byte) || matches!(byte, b'.' | b'-'))
}

// === impl Registry ===

impl Registry {
    /// The registry of an address as files of others have it: `https://index.docker.io/v1/`. What is for a part of a registry is
    /// for none as a whole.
    pub fn of_address(address: &str) -> Result<Self, NotARegistry> {
        let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let path = path.strip_suffix('/').unwrap_or(path);
        if PATHS.contains(&path) { host.parse() } else { Err(NotARegistry(address.to_owned())) }
    }

    /// As it was named.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where it answers.
    pub fn answers_at(&self) -> &str {
        if self.0 == DOCKER { "registry-1.docker.io" } else { &self.0 }
    }

    /// Whether it is on this machine: what is said to it does not leave it.
    pub fn is_local(&self) -> bool {
        let host = self.host();
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }

    /// Whether this name means that registry: all ports of a host, where it names none.
    pub fn means(&self, other: &Self) -> bool {
        self == other || (self.port().is_none() && self.host() == other.host())
    }

    fn host(&self) -> &str {
        let host = self.port().map_or(self.0.as_str(), |port| &self.0[..self.0.len() - port.len() - 1]);
        host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
    }

    fn port(&self) -> Option<&str> {
        let (host, port) = self.0.rsplit_once(':')?;
        // Within brackets there is no port.
        (!host.starts_with('[') || host.ends_with(']')).then_some(port)
    }
}

impl FromStr for Registry {
    type Err = NotARegistry;

    fn from_str(text: &str) -> Result<Self, NotARegistry> {
        let registry = Self(text.to_ascii_lowercase());
        let is_port = |port: &str| port.parse::<u16>().is_ok_and(|number| number.to_string() == port);
        let host = registry.host();
        let is_host = match text.starts_with('[') {
            true => host.parse::<std::net::Ipv6Addr>().is_ok(),
            false => !host.is_empty() && host.split('.').all(is_label),
        };
        match is_host && registry.port().is_none_or(is_port) {
            true if registry.0 == "index.docker.io" => Ok(Self(DOCKER.to_owned())),
            true => Ok(registry),
            false => Err(NotARegistry(text.to_owned())),
        }
    }
}

impl fmt::Display for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A word of a host's name.
fn is_label(label: &str) -> bool {
    !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

// === impl Digest ===

impl Digest {
    /// The digest of which these are the bytes.
    pub fn of_bytes(sha256: &[u8; 32]) -> Self {
        Self(sha256.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Its 64 hexadecimal digits.
    pub fn hex(&self) -> &str {
        &self.0
    }
}

impl FromStr for Digest {
    type Err = NotADigest;

    fn from_str(text: &str) -> Result<Self, NotADigest> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
        let hex = text.strip_prefix("sha256:").filter(|hex| hex.len() == 64 && hex.bytes().all(is_digit));
        hex.map(|hex| Self(hex.to_owned())).ok_or_else(|| NotADigest(text.to_owned()))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Reference {
        text.parse().expect("a reference")
    }

    #[test]
    fn a_reference_is_read_in_its_parts() {
        let reference = read("oci://GHCR.io/Shop/till:V1");
        assert_eq!(reference.registry().as_str(), "ghcr.io");
        assert_eq!((reference.repository(), reference.name(), reference.tag()), ("shop/till", "till", "V1"));
        assert_eq!(reference.to_string(), "ghcr.io/shop/till:V1");
        let digest = "0123456789abcdef".repeat(4);
        let pinned = read(&format!("localhost:5000/till:1@sha256:{digest}"));
        assert_eq!(pinned.digest().map(Digest::hex), Some(digest.as_str()));
        assert_eq!(pinned.to_string(), format!("localhost:5000/till:1@sha256:{digest}"));
        let alone = reference.at(pinned.digest().expect("one").clone());
        assert_eq!(alone.to_string(), format!("ghcr.io/shop/till@sha256:{digest}"));
    }

    #[test]
    fn without_tag_and_digest_it_is_the_latest() {
        assert!(read("localhost/a").is_latest() && read("[::1]:5000/a:latest").is_latest());
        assert!(!read("localhost/a:1").is_latest());
        assert!(!read(&format!("localhost/a@sha256:{}", "0".repeat(64))).is_latest());
        assert_eq!(read("localhost/a").to_string(), "localhost/a:latest");
    }

    #[test]
    fn files_and_what_leads_elsewhere_are_no_references() {
        let wrong = [
            "",
            "a",
            "a.wasm",
            "./a",
            "../a",
            "/a/b",
            "shop/till:1",
            "build/a.wasm",
            "ghcr.io",
            "ghcr.io/",
            "ghcr.io//a",
            "ghcr.io/../a",
            "ghcr.io/a/..",
            "ghcr.io/a b",
            "ghcr.io/a:",
            "ghcr.io/a:-1",
            "ghcr.io/a:1:2",
            "ghcr.io/a@1",
            "ghcr.io/a@sha256:0",
            "ghcr.io/a?b",
            "ghcr.io/a%2f",
            "user@ghcr.io/a",
            "ghcr.io:x/a",
            "ghcr.io:99999/a",
            ":1/a",
            ".a/b",
            "[::1/a",
            "[x]/a",
            "file:///a/b",
            "https://ghcr.io/a",
            "http://ghcr.io/a",
            "oci://",
        ];
        for text in wrong {
            assert!(text.parse::<Reference>().is_err(), "{text:?}");
        }
        assert!(format!("ghcr.io/{}", "a".repeat(256)).parse::<Reference>().is_err());
    }

    #[test]
    fn a_registry_is_known_by_host_and_port() {
        let registry = |text: &str| text.parse::<Registry>().expect("a registry");
        for local in ["localhost", "localhost:5000", "127.0.0.1:1", "127.9.9.9", "[::1]", "[::1]:5000"] {
            assert!(registry(local).is_local(), "{local}");
        }
        for remote in ["ghcr.io", "localhost.example.com", "0.0.0.0:5000", "[::2]:5000", "128.0.0.1"] {
            assert!(!registry(remote).is_local(), "{remote}");
        }
        assert!(registry("lab").means(&registry("lab:5000")) && registry("lab:5000").means(&registry("lab:5000")));
        assert!(!registry("lab:5000").means(&registry("lab")) && !registry("lab").means(&registry("lab.example")));
        let docker = Registry::of_address("https://index.docker.io/v1/").expect("a registry");
        assert_eq!((docker.as_str(), docker.answers_at()), ("docker.io", "registry-1.docker.io"));
        for address in
            ["lab", "lab/", "https://lab", "https://lab/", "https://lab/v1", "https://lab/v2/", "http://LAB/v2"]
        {
            assert_eq!(Registry::of_address(address), Ok(registry("lab")), "{address}");
        }
        for part in ["lab/shop", "https://lab/shop/", "lab/v2/shop", "lab/v3"] {
            assert!(Registry::of_address(part).is_err(), "{part}");
        }
    }
}
