//! What clients say of themselves, as they say it.

use super::*;

fn options(json: &str) -> Options {
    Options::parse(json.as_bytes()).expect("options")
}

#[test]
fn what_clients_say_is_understood() {
    assert_eq!(options("{}"), Options::default());
    let rust = r#"{"verbose":false,"pedantic":false,"jwt":null,"nkey":null,"sig":null,"name":"x","echo":false,"lang":"rust",
        "version":"0.51.0","protocol":1,"tls_required":false,"user":null,"pass":null,"auth_token":"t","headers":true,"no_responders":true}"#;
    let wanted = Options {
        verbose: false,
        echo: false,
        headers: true,
        no_responders: true,
        auth_token: Some("t".to_owned()),
        ..Options::default()
    };
    assert_eq!(options(rust), wanted);
    for wrong in ["", "nonsense", "[]", "{\"verbose\":7}", "{\"verbose\":true", "{}{}", &"[".repeat(4_000)] {
        assert!(Options::parse(wrong.as_bytes()).is_err(), "{wrong}");
    }
}
