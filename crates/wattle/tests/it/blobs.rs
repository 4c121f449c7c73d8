//! The embedded blob store: what is written is read back, in pieces and after a crash, and its link is changed under load.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};

use testkit::{Azurite, Gcs, Nats, Over, S3, Up, Wattle};

use crate::links::linked;
use crate::{guest, noise, wattle};

fn put(up: &Up, name: &str, bytes: &[u8]) {
    let answer = up.ask("PUT", &format!("/{name}"), bytes);
    assert_eq!(answer.status, 204, "{}", answer.text());
}

#[test]
fn objects_are_kept_listed_and_deleted_and_survive_a_crash() {
    let wattle = wattle();
    let up = wattle.up([guest("blobs")]);
    let bytes = noise(3 << 20);
    put(&up, "big", &bytes);
    put(&up, "empty", b"");
    put(&up, "..%2F..%2Fetc", b"not a path");
    assert_eq!(up.get("/big").body, bytes);
    assert_eq!(up.get("/big?start=1048576&end=1048579").body, &bytes[1 << 20..(1 << 20) + 4], "the end is included");
    assert_eq!((up.get("/empty").status, up.get("/empty").body), (200, Vec::new()));
    assert_eq!(up.get("/").text(), "../../etc\nbig\nempty\n");
    assert_eq!(up.get("/none").status, 404);
    put(&up, "big", b"small now");
    drop(up.kill());

    let up = wattle.up([guest("blobs")]);
    assert_eq!(up.get("/big").text(), "small now");
    assert_eq!(up.ask("DELETE", "/big", b"").status, 204);
    assert_eq!(up.get("/").text(), "../../etc\nempty\n");
    assert!(!wattle.home().join("etc").exists());
    assert_eq!(up.stop().code, Some(0));
}

#[test]
fn a_blob_store_is_swapped_while_objects_are_written_and_read() {
    let wattle = wattle();
    let up = wattle.up([guest("blobs")]);
    let folders = ["one", "two"].map(|name| wattle.home().join(name));
    let link = |folder: &std::path::Path| {
        let path = format!("path={}", folder.display());
        let ended = wattle.run(["link", "put", "blobs", "blobstore/folder", "--set", &path, "--nats", &up.bus()]);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    };
    link(&folders[0]);
    let is_over = AtomicBool::new(false);
    let client = |number: usize| {
        let (up, bytes, mut count) = (&up, noise(200_000), 0);
        while !is_over.load(Ordering::Relaxed) {
            put(up, &format!("object-{number}-{count}"), &bytes);
            count += 1;
        }
        count
    };
    let written: usize = std::thread::scope(|threads| {
        let over = Over(&is_over);
        let client = &client;
        let clients: Vec<_> = (0..4).map(|number| threads.spawn(move || client(number))).collect();
        (0..20).for_each(|round| link(&folders[(round + 1) % 2]));
        drop(over);
        clients.into_iter().map(|client| client.join().expect("nothing fails")).sum()
    });
    let listed = folders.each_ref().map(|folder| {
        link(folder);
        up.get("/").text().lines().count()
    });
    assert_eq!(listed.iter().sum::<usize>(), written, "every object that was acknowledged is in one of the folders");
    assert!(listed.iter().all(|count| *count > 0), "both were used: {listed:?}");
    assert_eq!(up.stop().code, Some(0));
}

/// Sends so many blocks as one object and gets them back; each block differs from the ones around it.
pub(crate) fn there_and_back(up: &Up, name: &str, blocks: usize) {
    let mut block = noise(1 << 20);
    let mut stream = TcpStream::connect(up.address()).expect("it listens");
    let length = blocks * block.len();
    let head = format!("PUT /{name} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).expect("it is taken");
    for number in 0..blocks {
        block[..8].copy_from_slice(&(number as u64).to_le_bytes());
        if stream.write_all(&block).is_err() {
            // The answer says why.
            break;
        }
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}{}", up.stderr());

    let mut stream = TcpStream::connect(up.address()).expect("it listens");
    write!(stream, "GET /{name} HTTP/1.0\r\nhost: a\r\n\r\n").expect("it is taken");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a head");
        head.push(byte[0]);
    }
    let mut got = vec![0; block.len()];
    for number in 0..blocks {
        block[..8].copy_from_slice(&(number as u64).to_le_bytes());
        stream.read_exact(&mut got).expect("it comes");
        assert!(got == block, "block {number} differs");
    }
    assert_eq!(stream.read(&mut got).expect("an end"), 0);
}

/// A host that takes large objects, by that link.
fn serving(wattle: &Wattle, link: &str) -> Up {
    let up = wattle.up([&*guest("blobs"), "--max-body=1GiB", "--timeout=600"]);
    linked(wattle, &up, &format!("put blobs blobstore/{link}"));
    up
}

/// Objects of several hundred mebibytes, by that link: the host is a process of its own, so that what a server of the tests takes,
/// wherever that is, does not count.
fn takes_no_more_memory_for_a_large_object(wattle: &Wattle, link: &str) {
    let up = serving(wattle, link);
    there_and_back(&up, "small", 40);
    let before = up.peak();
    there_and_back(&up, "large", 320);
    let grown = up.peak().saturating_sub(before);
    assert!(grown < 64 << 10, "{grown} KiB more for eight times as much");
    assert_eq!(up.stop().code, Some(0));
}

/// A file of the home with a secret in it, as a setting names it.
fn secret(wattle: &Wattle, name: &str, text: &str) -> String {
    format!("file:{}", wattle.write(name, text).display())
}

#[test]
fn a_large_object_takes_no_more_memory_than_a_small_one() {
    takes_no_more_memory_for_a_large_object(&wattle(), "folder");
}

#[test]
fn a_large_object_of_s3_takes_no_more_memory_than_a_small_one() {
    let (wattle, server) = (wattle(), S3::start());
    let link = format!(
        "s3 --set bucket={} --set endpoint={} --set allow-http=true --set access-key={} --set secret-key={}",
        S3::BUCKET,
        server.endpoint(),
        secret(&wattle, "id", S3::ACCESS_KEY),
        secret(&wattle, "key", S3::SECRET_KEY)
    );
    takes_no_more_memory_for_a_large_object(&wattle, &link);
}

#[test]
fn a_large_object_of_google_takes_no_more_memory_than_a_small_one() {
    let (wattle, server) = (wattle(), Gcs::start());
    let link = format!(
        "gcs --set bucket={} --set endpoint={} --set allow-http=true --set account={}",
        Gcs::BUCKET,
        server.endpoint(),
        secret(&wattle, "account", server.account())
    );
    takes_no_more_memory_for_a_large_object(&wattle, &link);
}

/// What memory that takes is not promised: it was measured to grow with the object, differently each time.
#[test]
fn a_large_object_of_azure_comes_back_whole() {
    let (wattle, server) = (wattle(), Azurite::start());
    let link = format!(
        "azure --set account={} --set container={} --set endpoint={} --set allow-http=true --set key={}",
        Azurite::ACCOUNT,
        Azurite::CONTAINER,
        server.endpoint(),
        secret(&wattle, "key", Azurite::KEY)
    );
    let up = serving(&wattle, &link);
    there_and_back(&up, "large", 320);
    assert_eq!(up.stop().code, Some(0));
}

#[test]
fn a_large_object_of_nats_takes_no_more_memory_than_a_small_one() {
    let server = Nats::start();
    takes_no_more_memory_for_a_large_object(&wattle(), &format!("nats --set url={}", server.url()));
}
