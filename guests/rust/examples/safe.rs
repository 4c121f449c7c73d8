//! Gives another component secrets, by `wasmcloud:secrets@0.1.0-draft`: what it gives is behind a handle, which leads back to it.
//!
//! | name | is |
//! | --- | --- |
//! | `none` | not there |
//! | `stuck` | refused |
//! | `trap` | there, and traps where it is revealed |
//! | any other | a text that says its name |

use crate::exports::wasmcloud::secrets::reveal;
use crate::exports::wasmcloud::secrets::store::{self, SecretBorrow, SecretValue, SecretsError};

wit_bindgen::generate!({
    inline: "
        package demo:safe;

        world safe {
            export wasmcloud:secrets/store@0.1.0-draft;
            export wasmcloud:secrets/reveal@0.1.0-draft;
        }
    ",
    path: "../../wit/wasmcloud-secrets",
    world: "demo:safe/safe",
    generate_all,
});

struct Safe;

export!(Safe);

/// A secret, by its name.
struct Secret(String);

impl store::Guest for Safe {
    type Secret = Secret;

    fn get(key: String) -> Result<store::Secret, SecretsError> {
        match key.as_str() {
            "none" => Err(SecretsError::NotFound),
            "stuck" => Err(SecretsError::Upstream("the safe is stuck".to_owned())),
            _ => Ok(store::Secret::new(Secret(key))),
        }
    }
}

impl store::GuestSecret for Secret {}

impl reveal::Guest for Safe {
    fn reveal(secret: SecretBorrow<'_>) -> SecretValue {
        let Secret(name) = secret.get::<Secret>();
        assert!(name != "trap", "the safe was told to trap");
        SecretValue::String(format!("what {name} is"))
    }
}
