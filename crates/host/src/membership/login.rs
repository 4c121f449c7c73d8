//! This is how a bus is connected to by the files that were named for it.

use bus::{ClientCertificate, ConnectOptions, Domain, Login, NameError, Replicas, Tls};
use model::NatsLogin;

/// What a host connects to servers with, by these files. Where none of them says who connects, it is anyone.
pub fn connect_options(login: &NatsLogin) -> Result<ConnectOptions, NameError> {
    let NatsLogin { token, creds, nkey, ca, cert, key, tls_first, domain } = login.clone();
    let certificate = cert.zip(key).map(|(certificate, key)| ClientCertificate { certificate, key });
    let token = token.map(Login::TokenFile);
    let shown = token.or_else(|| nkey.map(Login::NkeyFile)).or_else(|| creds.map(Login::CredentialsFile));
    Ok(ConnectOptions {
        name: "wattle host".into(),
        login: shown.unwrap_or(Login::Anyone),
        tls: Tls { authority: ca, certificate, is_first: tls_first },
        domain: domain.as_deref().map(str::parse::<Domain>).transpose()?,
        replicas: Replicas::Auto,
        ..ConnectOptions::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_one_thing_and_no_name_of_a_domain_is_no_option() {
        let login = NatsLogin { nkey: Some("/seed".into()), ca: Some("/ca".into()), ..NatsLogin::default() };
        let options = connect_options(&login).expect("they are options");
        assert_eq!((options.login, options.tls.authority), (Login::NkeyFile("/seed".into()), Some("/ca".into())));
        let login = NatsLogin { domain: Some("a.b".into()), ..NatsLogin::default() };
        assert!(connect_options(&login).is_err());
    }
}
