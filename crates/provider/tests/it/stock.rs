//! A provider of wasmCloud as it is published, in the archive that its own tools make, on a real server.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bus::{Bus, ConnectOptions, Headers, Message};
use bytes::{BufMut, Bytes, BytesMut};
use model::lattice::Labels;
use model::{Briefing, LinkDefinition};
use provider::{Condition, Home, HostKey, News, Place, Program, Provider, Rhythm, Verdict};
use testkit::{Nats, PATIENCE};
use tokio::sync::mpsc;

/// Asks `files` to make a container, as wRPC has it. Nothing where nobody listens; the provider's own words where it does not.
async fn create(bus: &Bus, source: &str, container: &str) -> Option<Result<(), String>> {
    // Containers are called differently each time.
    let inbox = format!("test.{source}.{container}");
    let mut replies = bus.subscribe(inbox.parse().expect("a pattern"), None).await.expect("it listens");
    let results = format!("{inbox}.results").parse().expect("a pattern");
    let mut results = bus.subscribe(results, None).await.expect("it listens");
    bus.flush().await.expect("it is connected");
    let function = "default.files.wrpc.0.0.1.wrpc:blobstore/blobstore@0.2.0.create-container";
    let mut params = BytesMut::new();
    params.put_u8(container.len() as u8);
    params.put(container.as_bytes());
    let headers = Headers::of([("source-id", source)]).expect("headers");
    let reply = Some(inbox.parse().expect("a subject"));
    let question = Message { subject: function.parse().expect("a subject"), reply, headers, payload: params.freeze() };
    bus.publish(question).await.expect("it is said");
    let accepted = replies.next().await.expect("an answer");
    let server = accepted.reply?;
    let end = format!("{server}.params").parse().expect("a subject");
    bus.publish(Message::new(end, Bytes::new())).await.expect("it is said");
    let mut result = Vec::new();
    loop {
        let piece = results.next().await.expect("a piece").payload;
        if piece.is_empty() {
            break;
        }
        result.extend_from_slice(&piece);
    }
    match result.as_slice() {
        [0] => Some(Ok(())),
        // The length of the text is one or two bytes, and then it begins.
        [1, text @ ..] => Some(Err(String::from_utf8_lossy(text).into_owned())),
        other => Some(Err(format!("{other:?}"))),
    }
}

/// Asks again and again until the answer is as it should be: what was said to the provider takes a moment to reach it.
async fn create_until(bus: &Bus, source: &str, is_it: impl Fn(Option<Result<(), String>>) -> bool) -> String {
    let asking = async {
        for count in 0.. {
            let container = format!("box{count}");
            if is_it(create(bus, source, &container).await) {
                return container;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        unreachable!("it counts for longer than anybody waits")
    };
    tokio::time::timeout(PATIENCE, asking).await.expect("it answers so")
}

fn link(source: &str, root: &Path) -> LinkDefinition {
    LinkDefinition {
        source_id: source.into(),
        target: "files".into(),
        name: "default".into(),
        wit_namespace: "wasi".into(),
        wit_package: "blobstore".into(),
        interfaces: vec!["blobstore".into()],
        source_config: Labels::new(),
        target_config: [("root".to_owned(), root.display().to_string())].into(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stock_provider_knows_its_links_from_its_start_and_as_they_change() {
    let server = Nats::start();
    let bus = Bus::connect(&server.url(), ConnectOptions::default()).await.expect("it lets us in");
    let folder = tempfile::tempdir().expect("a folder");
    let (executable, archive) = testkit::provider("blobstore-fs");
    let program = Program::open(&archive, (folder.path(), "files"), SystemTime::now()).expect("an archive");
    let claims = program.claims().expect("claims");
    assert_eq!((claims.name.as_deref(), claims.revision), (Some("blobstore-fs"), Some(1)));
    let unpacked = program.path().to_owned();
    assert!(std::fs::read(&unpacked).expect("a file") == std::fs::read(&executable).expect("a file"));

    let place = Place { host: "N1".into(), lattice: "default".into(), address: server.url(), login: None };
    let (first_check, check_every) = (Duration::from_secs(1), Duration::from_secs(1));
    let rhythm = Rhythm { first_check, check_every, ..Rhythm::default() };
    let key = HostKey::new().expect("a key");
    let home = Arc::new(Home { bus: bus.clone(), place, key, variables: Vec::new(), rhythm });
    let (tell, mut news) = mpsc::channel(64);
    let [shop, desk] = ["shop", "desk"].map(|name| folder.path().join(name));
    let briefing = Briefing { links: vec![link("shop", &shop)], config: Labels::new() };
    let provider = Provider::start(home, ("files", program), briefing.clone(), tell).await.expect("it starts");

    let made = create_until(&bus, "shop", |answer| answer == Some(Ok(()))).await;
    assert!(shop.join(made).is_dir());
    let is_unknown =
        |answer: Option<Result<(), String>>| matches!(answer, Some(Err(why)) if why.contains("failed to lookup"));
    create_until(&bus, "desk", is_unknown).await;
    provider.brief(Briefing { links: vec![link("shop", &shop), link("desk", &desk)], ..briefing.clone() });
    let made = create_until(&bus, "desk", |answer| answer == Some(Ok(()))).await;
    assert!(desk.join(made).is_dir());
    provider.brief(briefing);
    create_until(&bus, "desk", is_unknown).await;
    let passed = tokio::time::timeout(PATIENCE, news.recv()).await.expect("it is asked how it is");
    assert_eq!(passed, Some(("files".to_owned(), News::Checked(Verdict::Passed))));
    // As well as before, which is said in another word.
    let again = tokio::time::timeout(PATIENCE, news.recv()).await.expect("it is asked again");
    assert_eq!(again, Some(("files".to_owned(), News::Checked(Verdict::Status))));

    let Condition::Running { pid, restarts: 0 } = provider.condition() else { panic!("it runs") };
    provider.stop().await;
    assert!(!Path::new("/proc").join(pid.to_string()).join("exe").exists(), "it has ended");
    assert_eq!(create(&bus, "shop", "late").await, None);
    assert!(!unpacked.exists(), "what was unpacked is gone with it");
}
