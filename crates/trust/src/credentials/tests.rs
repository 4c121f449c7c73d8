//! Credentials as the tools of NATS write them, and what is not quite that.

use super::*;
use crate::key::KeyKind;

/// What the text of credentials comes to.
fn read(text: &str) -> Result<Credentials, CredentialsError> {
    text.parse()
}

fn seed(secret: u8) -> Seed {
    Seed::new(KeyKind::User, [secret; 32])
}

fn token(user: &Seed) -> String {
    let body = BASE64URL_NOPAD.encode(format!(r#"{{"sub":"{}"}}"#, user.public()).as_bytes());
    format!("e30.{body}.c2ln")
}

fn file(token: &str, seed: &str) -> String {
    format!(
        "-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n*** IMPORTANT ***\n\n\
         -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
    )
}

#[test]
fn credentials_are_read_whatever_ends_their_lines() {
    let (token, seed) = (token(&seed(1)), seed(1).to_secret_text());
    for text in [file(&token, &seed), file(&token, &seed).replace('\n', "\r\n")] {
        let read = read(&text).expect("credentials");
        assert_eq!((read.token(), read.seed().to_secret_text()), (token.as_str(), seed.clone()));
        let shown = format!("{read:?}");
        assert!(shown.starts_with("Credentials(of U") && !shown.contains(seed.as_str()) && !shown.contains(&token));
    }
}

#[test]
fn what_is_no_file_of_credentials_says_why() {
    use CredentialsError::{BadSeed, BadToken, NoSeed, NoToken, OtherUser};
    let (user, text) = (token(&seed(1)), seed(1).to_secret_text());
    let without_seed = file(&user, &text).split("***").next().expect("a part").to_owned();
    for (text, wrong) in [
        (String::new(), NoToken),
        (text.to_string(), NoToken),
        (file("", &text), BadToken),
        (file("a.b", &text), BadToken),
        (file("e30.e30.c2ln", &text), BadToken),
        (file(&user, "SUA"), BadSeed),
        (file(&user, ""), BadSeed),
        (without_seed, NoSeed),
        (file(&token(&seed(2)), &text), OtherUser),
    ] {
        assert_eq!(read(&text).expect_err("no credentials"), wrong, "{text}");
    }
}

#[test]
fn credentials_of_ones_own_are_read_as_those_of_others() {
    let own = Credentials::self_issued(seed(1), "files");
    let (token, secret) = (own.token().to_owned(), own.seed().to_secret_text());
    let read = read(&file(&token, &secret)).expect("credentials");
    assert_eq!((read.token(), user_of(&token)), (token.as_str(), Some(seed(1).public().to_string())));
    let (signed, signature) = token.rsplit_once('.').expect("three parts");
    let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).expect("base64");
    assert!(seed(1).public().has_signed(signed.as_bytes(), &signature));
}
