//! Encrypted connections, and who the host says that it is. HTTP/2 on them is in `http2`.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use testkit::{Up, Wattle, eventually};

use crate::{guest, wattle};

/// Who the hosts of these tests say they are.
pub(crate) const NAME: &str = "shop.test";

/// A certificate in its files.
pub(crate) struct Certificate {
    der: CertificateDer<'static>,
    files: [PathBuf; 2],
}

impl Certificate {
    /// A new one, in the files that every host of this home reads.
    pub(crate) fn new(wattle: &Wattle) -> Self {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed([NAME.to_owned()]).expect("a certificate");
        let files = [wattle.write("cert.pem", cert.pem()), wattle.write("key.pem", signing_key.serialize_pem())];
        Self { der: cert.der().clone(), files }
    }

    pub(crate) fn flags(&self) -> [String; 6] {
        let [certificate, key] = self.files.each_ref().map(|file| file.display().to_string());
        ["--https".into(), "127.0.0.1:0".into(), "--tls-cert".into(), certificate, "--tls-key".into(), key]
    }

    /// What a client needs that trusts this one only, and offers these versions of HTTP.
    pub(crate) fn trusted(&self, versions: &[&str]) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).expect("a certificate");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let mut config = config.expect("ring has them").with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = versions.iter().map(|version| version.as_bytes().to_vec()).collect();
        Arc::new(config)
    }
}

/// Where it listens for encrypted connections.
pub(crate) fn address(up: &Up) -> SocketAddr {
    let url = up.values().iter().find_map(|value| Some(value["listening_too"].as_str()?.to_owned()));
    let url = url.expect("it says so");
    url.strip_prefix("https://").and_then(|address| address.parse().ok()).expect("an address")
}

#[test]
fn requests_of_http_1_are_answered_on_encrypted_connections() {
    let wattle = wattle();
    let certificate = Certificate::new(&wattle);
    let up = wattle.up([guest("http-kit")].into_iter().chain(certificate.flags()));
    assert_eq!(up.get("/scheme").text(), "Some(Scheme::Http)\n");
    for versions in [&[][..], &["http/1.1"], &["http/1.1", "h2"]] {
        let name = ServerName::try_from(NAME).expect("a name");
        let mut tls = rustls::ClientConnection::new(certificate.trusted(&versions[..versions.len().min(1)]), name)
            .expect("a client");
        let mut socket = TcpStream::connect(address(&up)).expect("it listens");
        let mut stream = rustls::Stream::new(&mut tls, &mut socket);
        let head = format!("GET /scheme HTTP/1.1\r\nhost: {NAME}\r\nconnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).expect("it is sent");
        let mut text = String::new();
        // An end without a farewell would be an error here.
        stream.read_to_string(&mut text).expect("an answer");
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && text.ends_with("Some(Scheme::Https)\n"), "{text}");
    }
    assert_eq!(up.stop().code, Some(0));
}

#[test]
fn a_certificate_that_changes_is_read_again_and_a_bad_one_is_not_used() {
    let wattle = wattle();
    let first = Certificate::new(&wattle);
    let up = wattle.up([guest("http-kit")].into_iter().chain(first.flags()));
    let is_shown = |certificate: &Certificate| {
        let name = ServerName::try_from(NAME).expect("a name");
        let mut tls = rustls::ClientConnection::new(certificate.trusted(&[]), name).expect("a client");
        let mut socket = TcpStream::connect(address(&up)).expect("it listens");
        tls.complete_io(&mut socket).is_ok()
    };
    assert!(is_shown(&first));
    std::fs::write(&first.files[0], "no certificate").expect("it can be written");
    up.says("the certificate has changed and cannot be used; the old one is");
    assert!(is_shown(&first));
    let second = Certificate::new(&wattle);
    eventually("the new one is shown", || is_shown(&second));
    assert!(!is_shown(&first));
    assert_eq!(up.stop().code, Some(0));
}

#[test]
fn what_is_not_encrypted_or_says_nothing_is_let_go() {
    let wattle = wattle();
    let certificate = Certificate::new(&wattle);
    let up = wattle.up([guest("http-kit")].into_iter().chain(certificate.flags()));
    let mut plain = TcpStream::connect(address(&up)).expect("it listens");
    let mut silent = TcpStream::connect(address(&up)).expect("it listens");
    silent.set_read_timeout(Some(Duration::from_secs(30))).expect("a time");
    plain.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").expect("it is sent");
    let mut rest = Vec::new();
    // It may be reset, or told by an alert of TLS; no byte of HTTP comes.
    drop(plain.read_to_end(&mut rest));
    assert!(!rest.starts_with(b"HTTP"), "{rest:?}");
    assert_eq!(silent.read_to_end(&mut rest).map_err(|error| error.kind()), Ok(0), "it is closed in time");
    assert_eq!(up.get("/scheme").status, 200);
    assert_eq!(up.stop().code, Some(0));
}

#[test]
fn what_cannot_be_shown_is_refused_at_the_start() {
    let wattle = wattle();
    let certificate = Certificate::new(&wattle);
    let [file, key] = certificate.files.each_ref().map(|file| file.display().to_string());
    let garbage = wattle.write("garbage.pem", "garbage").display().to_string();
    let CertifiedKey { signing_key, .. } = generate_simple_self_signed([NAME.to_owned()]).expect("a certificate");
    let other = wattle.write("other.pem", signing_key.serialize_pem()).display().to_string();
    let refused = |certificate: &str, key: &str| {
        let flags = ["--https", "127.0.0.1:0", "--tls-cert", certificate, "--tls-key", key];
        let ended = wattle.try_up([&*guest("http-kit")].into_iter().chain(flags)).expect_err("it cannot be");
        assert_eq!(ended.code, Some(65), "{}", ended.stderr);
        assert!(ended.stderr.contains("E0304"), "{}", ended.stderr);
        ended.stderr
    };
    assert!(refused("none.pem", &key).contains("the certificate cannot be read from none.pem"));
    assert!(refused(&file, "none.pem").contains("the key cannot be read from none.pem"));
    assert!(refused(&file, &garbage).contains("the key cannot be read from"));
    assert!(refused(&garbage, &key).contains("garbage.pem"));
    assert!(refused(&file, &other).contains("cannot be used with the key"));

    let alone = wattle.run(["up", &guest("http-kit"), "--https", "127.0.0.1:0"]);
    assert_eq!(alone.code, Some(2), "{}", alone.stderr);
    let nowhere = wattle.run(["up", &guest("http-kit"), "--http", "off"]);
    assert!(nowhere.stderr.contains("there has to be --https"), "{}", nowhere.stderr);
}
