//! Keys and tokens of NATS, made as its own tools make them, for servers whose users are known by nothing else.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use data_encoding::BASE64URL_NOPAD;
use trust::{KeyKind, Seed};

/// Who says which accounts there are, and an account that says which users it has.
pub(crate) struct Operator {
    key: Seed,
    account: Seed,
}

/// A user's key from a number.
pub(crate) fn user(number: u8) -> Seed {
    Seed::new(KeyKind::User, [number; 32])
}

/// A moment from now on, as tokens have it.
pub(crate) fn in_time(time: Duration) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
    (now + time).as_secs()
}

// === impl Operator ===

impl Operator {
    pub(crate) fn new() -> Self {
        Self { key: Seed::new(KeyKind::Operator, [101; 32]), account: Seed::new(KeyKind::Account, [102; 32]) }
    }

    /// What a server is configured with to let in the users of the account.
    pub(crate) fn lines(&self) -> String {
        let operator = token(&self.key, &self.key, r#""type":"operator","version":2"#, None);
        let none = ["subs", "data", "payload", "imports", "exports", "conn", "leaf", "mem_storage", "disk_storage"];
        let limits: Vec<_> = none.iter().map(|what| format!(r#""{what}":-1"#)).collect();
        let limits = format!(r#"{{{},"wildcards":true}}"#, limits.join(","));
        let account = format!(r#""type":"account","version":2,"limits":{limits}"#);
        let account = token(&self.key, &self.account, &account, None);
        format!(
            "operator: {operator}\nresolver: MEMORY\nresolver_preload: {{ {}: {account} }}\n",
            self.account.public()
        )
    }

    /// The file of a user's credentials, which hold up to a moment.
    pub(crate) fn credentials(&self, user: &Seed, until: Option<u64>) -> String {
        let said = r#""type":"user","version":2,"pub":{},"sub":{},"subs":-1,"data":-1,"payload":-1"#;
        let token = token(&self.account, user, said, until);
        let seed = user.to_secret_text();
        format!(
            "-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n",
            seed.as_str()
        )
    }
}

/// What one says of another, signed.
fn token(issuer: &Seed, subject: &Seed, said: &str, until: Option<u64>) -> String {
    let (by, of, at) = (issuer.public(), subject.public(), in_time(Duration::ZERO));
    let until = until.map(|until| format!(r#""exp":{until},"#)).unwrap_or_default();
    let body =
        format!(r#"{{"jti":"{of}","iat":{at},{until}"iss":"{by}","name":"test","sub":"{of}","nats":{{{said}}}}}"#);
    let header = r#"{"typ":"JWT","alg":"ed25519-nkey"}"#;
    let signed = [header, &body].map(|part| BASE64URL_NOPAD.encode(part.as_bytes())).join(".");
    let signature = BASE64URL_NOPAD.encode(&issuer.sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}
