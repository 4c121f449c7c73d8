//! These are the shapes of a manifest as it is written. Names and nesting are those of wasmCloud 1.x.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Document {
    #[serde(rename = "apiVersion")]
    pub(crate) api_version: String,
    pub(crate) kind: String,
    pub(crate) metadata: Metadata,
    pub(crate) spec: Spec,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) annotations: BTreeMap<String, Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Spec {
    /// Read one by one: what is wrong with one hides nothing of the next.
    pub(crate) components: Vec<Value>,
    #[serde(default)]
    pub(crate) policies: Vec<Value>,
}

/// A component, or a capability.
#[derive(Debug, Deserialize)]
#[serde(expecting = "a component with name, type and properties")]
pub(crate) struct Part {
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) kind: Kind,
    pub(crate) properties: Properties,
    #[serde(default)]
    pub(crate) traits: Vec<Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    #[serde(alias = "actor")]
    Component,
    Capability,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Properties {
    pub(crate) image: Option<String>,
    pub(crate) application: Option<Value>,
    /// What other hosts know it by. A host of its own has names for that.
    #[serde(rename = "id")]
    pub(crate) _id: Option<String>,
    #[serde(default)]
    pub(crate) config: Vec<Config>,
    #[serde(default)]
    pub(crate) secrets: Vec<Value>,
}

/// Settings with a name. Those without properties are kept elsewhere.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) properties: Option<BTreeMap<String, Scalar>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Trait {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) properties: Value,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Link {
    pub(crate) namespace: String,
    pub(crate) package: String,
    pub(crate) interfaces: Vec<String>,
    #[serde(default)]
    pub(crate) name: Option<String>,
    pub(crate) target: Target,
    #[serde(default)]
    pub(crate) source: Side,
    /// How it was written before `source` and `target` had a `config` each.
    #[serde(default)]
    pub(crate) source_config: Vec<Config>,
    #[serde(default)]
    pub(crate) target_config: Vec<Config>,
    /// Ours: as `--terms` of `wattle link put`.
    #[serde(default)]
    pub(crate) terms: Option<String>,
}

/// The target of a link: its name, or that with what it is told.
#[derive(Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "a target is a name, or a name with config, whose properties are texts, numbers, true or false"
)]
pub(crate) enum Target {
    Name(String),
    Configured(Configured),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Configured {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) config: Vec<Config>,
    #[serde(default)]
    pub(crate) secrets: Vec<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Side {
    #[serde(default)]
    pub(crate) config: Vec<Config>,
    #[serde(default)]
    pub(crate) secrets: Vec<Value>,
}

/// Ours: where a component answers requests without a server being declared.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Route {
    #[serde(default)]
    pub(crate) host: String,
    pub(crate) path: String,
    #[serde(default)]
    pub(crate) listener: Option<String>,
}

/// A value that is a text in the end, however YAML took it: `8080`, `true`.
#[derive(Debug, Clone)]
pub(crate) struct Scalar(pub(crate) String);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Self(text)),
            Value::Bool(value) => Ok(Self(value.to_string())),
            Value::Number(number) => Ok(Self(number.to_string())),
            Value::Null | Value::Array(_) | Value::Object(_) => {
                Err(serde::de::Error::custom("a setting is a text, a number, true or false"))
            }
        }
    }
}
