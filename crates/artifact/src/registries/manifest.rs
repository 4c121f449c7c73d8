//! Reads and writes manifests: which bytes an artefact is of.
//!
//! # Invariants
//!
//! 1. A manifest is one thing: whose header and text say different kinds, or that would be read as two, is refused.
//! 2. Its layer lies in the registry. One that a manifest would have fetched from elsewhere is refused.

use model::Digest;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;

use super::error::RegistryError;

/// The manifest of one artefact.
pub(super) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// A list of manifests, which is none of an artefact.
pub(super) const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// What an artefact is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A WebAssembly program.
    Component,
    /// The archive of a provider.
    Provider,
}

/// Bytes in a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layer {
    pub(super) digest: Digest,
    pub(super) size: u64,
}

/// A manifest that says one thing.
#[derive(Debug)]
pub(super) struct Manifest {
    layers: Vec<Descriptor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    schema_version: u64,
    media_type: Option<String>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: String,
    size: u64,
    #[serde(default)]
    urls: Vec<String>,
}

/// What a layer of each kind is called: by today's name first. A tar is what some tools call whatever they push.
const TAR: &str = "application/vnd.oci.image.layer.v1.tar";
const COMPONENTS: [&str; 3] = ["application/wasm", "application/vnd.module.wasm.content.layer.v1+wasm", TAR];
const PROVIDERS: [&str; 2] = ["application/vnd.wasmcloud.provider.archive.layer.v1+par", TAR];

// === impl Kind ===

impl Kind {
    fn layers(self) -> &'static [&'static str] {
        match self {
            Self::Component => &COMPONENTS,
            Self::Provider => &PROVIDERS,
        }
    }

    fn config(self) -> &'static str {
        match self {
            Self::Component => "application/vnd.wasm.config.v0+json",
            Self::Provider => "application/vnd.wasmcloud.provider.archive.config",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Component => "component",
            Self::Provider => "provider",
        }
    }
}

// === impl Manifest ===

impl Manifest {
    /// Reads a manifest. What its header called it is known where it comes from a registry, and not where it was kept.
    pub(super) fn read(bytes: &[u8], content_type: Option<&str>) -> Result<Self, RegistryError> {
        let wrong = |text: String| Err(RegistryError::Wrong(text));
        let written: Written = match serde_json::from_slice(bytes) {
            Ok(written) => written,
            Err(error) => return wrong(format!("its manifest cannot be read: {error}")),
        };
        let header = content_type.map(|text| text.split(';').next().unwrap_or(text).trim());
        if let (Some(header), Some(media_type)) = (header, written.media_type.as_deref())
            && header != media_type
        {
            return wrong(format!("its manifest is called {header}, and calls itself {media_type}"));
        }
        match (written.layers, written.manifests) {
            (Some(_), Some(_)) => {
                wrong("its manifest is one of an artefact and a list of several, as it is read".into())
            }
            (None, None) => wrong("its manifest names no layers".into()),
            (None, Some(_)) => Err(RegistryError::OtherKind(
                "it is a list of several artefacts: name one of them by its digest".into(),
            )),
            (Some(layers), None) => {
                let kind = header.or(written.media_type.as_deref()).unwrap_or(MANIFEST);
                match kind == MANIFEST && written.schema_version == 2 {
                    true => Ok(Self { layers }),
                    false => Err(RegistryError::OtherKind(format!("it is a {kind}, and not an artefact as OCI says"))),
                }
            }
        }
    }

    /// Its only layer, where it is of this kind.
    pub(super) fn layer(&self, kind: Kind) -> Result<Layer, RegistryError> {
        let other = |text: String| Err(RegistryError::OtherKind(text));
        let [layer] = self.layers.as_slice() else {
            return other(format!("it has {} layers, and a {} is one", self.layers.len(), kind.words()));
        };
        if !kind.layers().contains(&layer.media_type.as_str()) {
            return other(format!("it is no {}, but of {}", kind.words(), layer.media_type));
        }
        if let Some(url) = layer.urls.first() {
            return Err(RegistryError::Wrong(format!("its bytes would have to be fetched from elsewhere: {url}")));
        }
        match layer.digest.parse() {
            Ok(digest) => Ok(Layer { digest, size: layer.size }),
            Err(error) => Err(RegistryError::Wrong(format!("its layer cannot be checked: {error}"))),
        }
    }
}

/// The manifest of an artefact with this configuration and this layer, as bytes that are the same for the same artefact.
pub(super) fn write(kind: Kind, config: &Layer, layer: &Layer) -> Vec<u8> {
    let descriptor = |media_type: &str, Layer { digest, size }: &Layer| json!({ "mediaType": media_type, "digest": digest.to_string(), "size": size });
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": descriptor(kind.config(), config),
        "layers": [descriptor(kind.layers()[0], layer)],
    });
    manifest.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WASM: &str = "application/wasm";

    fn descriptor(media_type: &str) -> serde_json::Value {
        json!({ "mediaType": media_type, "digest": format!("sha256:{}", "0".repeat(64)), "size": 8 })
    }

    /// A manifest with these layers, of which `change` makes another.
    fn read(layers: serde_json::Value, change: impl FnOnce(&mut serde_json::Value)) -> Result<Layer, RegistryError> {
        let mut manifest = json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": {}, "layers": layers });
        change(&mut manifest);
        Manifest::read(manifest.to_string().as_bytes(), Some(MANIFEST))?.layer(Kind::Component)
    }

    #[test]
    fn what_is_written_is_read_again() {
        let layer =
            |digit: &str, size| Layer { digest: format!("sha256:{}", digit.repeat(64)).parse().expect("one"), size };
        for kind in [Kind::Component, Kind::Provider] {
            let bytes = write(kind, &layer("1", 2), &layer("2", 9));
            let manifest = Manifest::read(&bytes, Some(MANIFEST)).expect("it is read");
            assert_eq!(manifest.layer(kind).expect("a layer"), layer("2", 9));
        }
        let provider =
            Manifest::read(&write(Kind::Provider, &layer("1", 2), &layer("2", 9)), None).expect("it is read");
        let error = provider.layer(Kind::Component).expect_err("it is a provider").to_string();
        assert!(error.starts_with("it is no component, but of application/vnd.wasmcloud.provider"), "{error}");
    }

    #[test]
    fn layers_of_older_tools_are_taken() {
        for media_type in COMPONENTS {
            assert!(read(json!([descriptor(media_type)]), |_| {}).is_ok(), "{media_type}");
        }
    }

    #[test]
    fn a_manifest_that_says_two_things_is_refused() {
        let one = || json!([descriptor(WASM)]);
        let wrong = |error: RegistryError| matches!(error, RegistryError::Wrong(_));
        assert!(wrong(read(one(), |it| it["manifests"] = json!([])).expect_err("both")));
        assert!(wrong(read(one(), |it| it["mediaType"] = json!(INDEX)).expect_err("header and text differ")));
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "layers": one() }).to_string();
        let error = Manifest::read(index.as_bytes(), Some(INDEX)).expect_err("a list with layers");
        assert!(matches!(error, RegistryError::OtherKind(_)), "{error}");
        let twice = r#"{"schemaVersion":2,"layers":[],"layers":[]}"#;
        assert!(wrong(Manifest::read(twice.as_bytes(), None).expect_err("the same name twice")));
    }

    #[test]
    fn layers_that_lie_elsewhere_or_cannot_be_checked_are_refused() {
        let with = |name: &str, value: serde_json::Value| {
            let mut layer = descriptor(WASM);
            layer[name] = value;
            read(json!([layer]), |_| {}).expect_err("it is refused").to_string()
        };
        assert!(with("urls", json!(["https://evil.example/a"])).contains("from elsewhere: https://evil.example/a"));
        assert!(with("digest", json!("md5:00")).contains("cannot be checked"));
        assert!(with("digest", json!("sha256:../../x")).contains("cannot be checked"));
        assert!(with("size", json!(-1)).contains("cannot be read"));
        assert!(with("mediaType", json!("text/html")).contains("it is no component, but of text/html"));
        let several = read(json!([descriptor(WASM), descriptor(WASM)]), |_| {}).expect_err("two").to_string();
        assert_eq!(several, "it has 2 layers, and a component is one");
    }
}
