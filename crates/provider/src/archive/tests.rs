//! Archives as they are built, and as they should not be.

use std::io::{Cursor, Seek, SeekFrom, Write};
use std::time::{Duration, UNIX_EPOCH};

use data_encoding::BASE64URL_NOPAD;
use flate2::Compression;
use flate2::write::GzEncoder;
use trust::{KeyKind, Seed};

use super::*;

const MACHINE: &str = "vax-vms";

/// The entries of a tar.
fn tarred(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, bytes) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o600);
        archive.append_data(&mut header, name, Cursor::new(bytes)).expect("an entry");
    }
    archive.into_inner().expect("an archive")
}

/// Claims about an executable, by an account, with what is said beside.
fn claims(executable: &[u8], more: &str) -> String {
    let digest = HEXUPPER.encode(ring::digest::digest(&SHA256, executable).as_ref());
    let account = Seed::new(KeyKind::Account, [7; 32]);
    let subject = Seed::new(KeyKind::Provider, [8; 32]).public();
    let body = format!(
        r#"{{"iss":"{}","sub":"{subject}","wascap":{{"name":"files","vendor":"w","ver":"0.1.0","rev":3,"target_hashes":{{"{MACHINE}":"{digest}"}}}}{more}}}"#,
        account.public()
    );
    let parts = [r#"{"typ":"jwt","alg":"Ed25519"}"#, &body].map(|part| BASE64URL_NOPAD.encode(part.as_bytes()));
    let signed = parts.join(".");
    format!("{signed}.{}", BASE64URL_NOPAD.encode(&account.sign(signed.as_bytes())))
}

fn unpacked(bytes: &[u8]) -> Result<(String, Vec<u8>), ArchiveError> {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(bytes).expect("it is written");
    file.seek(SeekFrom::Start(0)).expect("it begins");
    let folder = tempfile::tempdir().expect("a folder");
    let now = UNIX_EPOCH + Duration::from_secs(1_000);
    let unpacked = unpack(file, folder.path(), (MACHINE, now))?;
    let executable = std::fs::read(unpacked.executable.path()).expect("an executable");
    Ok((unpacked.claims.name.unwrap_or_default(), executable))
}

fn refused(bytes: &[u8]) -> String {
    unpacked(bytes).expect_err("it is refused").to_string()
}

#[test]
fn the_executable_for_this_machine_is_found_compressed_or_not() {
    let token = claims(b"run me", "");
    let bytes = tarred(&[
        ("x86_64-windows.bin", b"no"),
        ("claims.jwt", token.as_bytes()),
        ("vax-vms.bin", b"run me"),
        ("world.wasm", b""),
    ]);
    let expected = ("files".to_owned(), b"run me".to_vec());
    assert_eq!(unpacked(&bytes).expect("an archive"), expected);
    let mut compressed = GzEncoder::new(Vec::new(), Compression::fast());
    compressed.write_all(&bytes).expect("it is compressed");
    assert_eq!(unpacked(&compressed.finish().expect("an end")).expect("an archive"), expected);
}

#[test]
fn what_the_claims_are_not_about_is_not_executed() {
    let token = claims(b"run me", "");
    let with = |name: &str, executable: &[u8]| tarred(&[("claims.jwt", token.as_bytes()), (name, executable)]);
    assert_eq!(refused(&with("vax-vms.bin", b"run ME")), "its executable is not the one that its claims are about");
    assert_eq!(refused(&with("x86_64-linux.bin", b"run me")), "it has no executable for vax-vms; it has x86_64-linux");
    assert_eq!(refused(&tarred(&[("vax-vms.bin", b"run me")])), "it has no claims");
}

#[test]
fn claims_that_do_not_hold_are_none() {
    let with = |token: &str| tarred(&[("claims.jwt", token.as_bytes()), ("vax-vms.bin", b"run me")]);
    assert_eq!(refused(&with(&claims(b"run me", r#","exp":999"#))), "its claims are expired");
    assert_eq!(refused(&with(&claims(b"run me", r#","nbf":1001"#))), "its claims are not valid yet");
    let (this, other) = (claims(b"run me", ""), claims(b"run you", ""));
    let ((said, _), (_, signature)) =
        (this.rsplit_once('.').expect("a token"), other.rsplit_once('.').expect("a token"));
    assert_eq!(
        refused(&with(&format!("{said}.{signature}"))),
        "its claims are not signed by who is said to issue them"
    );
    assert_eq!(refused(&with("words")), "its claims cannot be read");
}

#[test]
fn what_is_cut_off_or_no_archive_is_refused() {
    let token = claims(b"run me", "");
    let bytes = tarred(&[("claims.jwt", token.as_bytes()), ("vax-vms.bin", &[b'x'; 4096])]);
    for end in [0, 1, 512, 1024, bytes.len() / 2] {
        assert!(unpacked(&bytes[..end]).is_err(), "cut at {end}");
    }
    assert!(unpacked(&[0x1f, 0x8b, 1, 2, 3]).is_err());
}
