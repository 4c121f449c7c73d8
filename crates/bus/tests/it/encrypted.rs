//! Encrypted connections to real servers: who is trusted, who is not, and what is said of it.

use std::path::PathBuf;

use bus::{Bus, ClientCertificate, ConnectError, ConnectOptions, Tls};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use stdx::{Chain, Code, Explain};
use tempfile::TempDir;

use crate::server::Server;
use crate::{eventually, keeping, run};

/// An authority, and what it certified, in a folder.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

// === impl Authority ===

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new([name.to_owned()]).expect("a name");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        let authority = Self {
            issuer: CertifiedIssuer::self_signed(params, key).expect("it is signed"),
            folder: keeping::folder(),
        };
        authority.write("ca.pem", authority.issuer.pem());
        authority
    }

    fn write(&self, name: &str, content: String) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).expect("the folder is ours");
        path
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Certifies somebody of that name or address.
    fn certify(&self, name: &str) -> ClientCertificate {
        let mut params = CertificateParams::new([name.to_owned()]).expect("a name");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("it is signed");
        let certificate = self.write(&format!("{name}.pem"), certificate.pem());
        ClientCertificate { certificate, key: self.write(&format!("{name}.key"), key.serialize_pem()) }
    }

    /// What trusts this one alone.
    fn trusted(&self) -> Tls {
        Tls { authority: Some(self.path("ca.pem")), ..Tls::default() }
    }
}

/// A server that shows this certificate, with more lines about encryption.
fn server(shown: &ClientCertificate, more: &str) -> Server {
    Server::configured(&lines(shown, more))
}

fn lines(shown: &ClientCertificate, more: &str) -> String {
    format!("tls {{ cert_file: {:?}\n key_file: {:?}\n timeout: 10\n {more} }}", shown.certificate, shown.key)
}

async fn connect(server: &Server, tls: Tls) -> Result<Bus, ConnectError> {
    Bus::connect(&server.url(), ConnectOptions { tls, ..ConnectOptions::default() }).await
}

/// What is said of a server that is not trusted, or does not trust us.
async fn distrust(server: &Server, tls: Tls) -> String {
    let error = connect(server, tls).await.expect_err("one does not trust the other");
    assert!(matches!(error, ConnectError::Untrusted { .. }) && error.code() == Code::E0710, "{error:?}");
    Chain(&error).to_string()
}

#[test]
fn a_server_of_an_authority_that_is_named_is_trusted_and_no_other_is() {
    run(async {
        let (ours, other) = (Authority::new("ours"), Authority::new("other"));
        let server = server(&ours.certify("127.0.0.1"), "");
        connect(&server, ours.trusted()).await.expect("it is trusted").flush().await.expect("the bus is there");
        let said = distrust(&server, other.trusted()).await;
        assert!(said.contains("shows a certificate of an authority that is not trusted here"), "{said}");
        // Without a word about it, too: the authorities of this machine do not know it.
        let said = distrust(&server, Tls::default()).await;
        assert!(said.contains("an authority that is not trusted here"), "{said}");
    });
}

#[test]
fn a_server_with_the_certificate_of_another_is_not_trusted() {
    run(async {
        let ours = Authority::new("ours");
        let server = server(&ours.certify("nats.example"), "");
        let said = distrust(&server, ours.trusted()).await;
        assert!(said.contains("shows a certificate for another name") && said.contains("nats.example"), "{said}");
    });
}

#[test]
fn a_server_that_wants_a_certificate_is_shown_ours() {
    run(async {
        let (ours, other) = (Authority::new("ours"), Authority::new("other"));
        let verify = format!("ca_file: {:?}\n verify: true", ours.path("ca.pem"));
        let server = server(&ours.certify("127.0.0.1"), &verify);
        let with = |certificate| Tls { certificate: Some(certificate), ..ours.trusted() };
        connect(&server, with(ours.certify("me"))).await.expect("each trusts the other");
        for _ in 0..10 {
            let said = distrust(&server, ours.trusted()).await;
            assert!(said.contains("wants a certificate from us and was shown none"), "{said}");
        }
        let said = distrust(&server, with(other.certify("me"))).await;
        assert!(said.contains("wants another certificate from us"), "{said}");
        let (me, you) = (ours.certify("me"), ours.certify("you"));
        let mixed = ClientCertificate { certificate: me.certificate, key: you.key };
        let error = connect(&server, with(mixed)).await.expect_err("the key is another");
        assert!(Chain(&error).to_string().ends_with("it is not the key of that certificate"), "{}", Chain(&error));
    });
}

#[test]
fn a_server_may_want_to_encrypt_from_the_first_byte_on() {
    run(async {
        let ours = Authority::new("ours");
        let first = Tls { is_first: true, ..ours.trusted() };
        let server = server(&ours.certify("127.0.0.1"), "handshake_first: true");
        connect(&server, first.clone()).await.expect("it is trusted").flush().await.expect("the bus is there");
        let plain = Server::start(crate::server::newest(), &[]);
        distrust(&plain, first).await;
    });
}

#[test]
fn who_wants_encryption_is_not_connected_without() {
    run(async {
        let plain = Server::start(crate::server::newest(), &[]);
        let said = distrust(&plain, Authority::new("ours").trusted()).await;
        assert!(said.contains("does not encrypt"), "{said}");
        let url = plain.url().replace("nats://", "tls://");
        let connected = Bus::connect(&url, ConnectOptions::default()).await;
        assert!(matches!(connected, Err(ConnectError::Untrusted { .. })), "{connected:?}");
    });
}

#[test]
fn an_authority_that_was_changed_counts_from_the_next_connection_on() {
    run(async {
        let (ours, next) = (Authority::new("ours"), Authority::new("next"));
        let mut server = server(&ours.certify("127.0.0.1"), "");
        let bus = connect(&server, ours.trusted()).await.expect("it is trusted");
        server.kill();
        eventually("the loss is seen", async || !bus.is_connected()).await;
        server.configure(&lines(&next.certify("127.0.0.1"), ""));
        ours.write("ca.pem", next.issuer.pem());
        server.restart();
        eventually("it is trusted again", async || bus.flush().await.is_ok()).await;
    });
}
