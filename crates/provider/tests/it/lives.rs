//! What becomes of processes that crash, hang, start others, and are asked to end.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bus::{Broker, Bus, Limits, Subscription};
use model::lattice::Labels;
use model::{Briefing, LinkDefinition};
use provider::{Condition, Home, HostKey, News, Place, Program, Provider, Rhythm, Verdict};
use testkit::{PATIENCE, eventually};
use tokio::sync::mpsc;

/// A host that has one provider, which is a script.
struct Scene {
    folder: tempfile::TempDir,
    home: Arc<Home>,
    news: mpsc::Receiver<(String, News)>,
    tell: mpsc::Sender<(String, News)>,
}

impl Scene {
    fn new() -> Self {
        let place =
            Place { host: "N1".into(), lattice: "default".into(), address: "nats://nowhere".into(), login: None };
        let (key, bus) = (HostKey::new().expect("a key"), Bus::in_process(Broker::new(Limits::default())));
        let rhythm = Rhythm {
            first_check: Duration::from_millis(300),
            check_every: Duration::from_millis(20),
            ..Rhythm::default()
        };
        let variables = vec![("RUST_LOG".to_owned(), "debug".to_owned())];
        let (tell, news) = mpsc::channel(64);
        Self {
            folder: tempfile::tempdir().expect("a folder"),
            home: Arc::new(Home { bus, place, key, variables, rhythm }),
            news,
            tell,
        }
    }

    /// Starts `script` in a folder of its own, as the provider `p`.
    async fn start(&self, script: &str) -> Provider {
        let path = self.path("script");
        fs::write(&path, format!("#!/bin/sh\ncd {}\n{script}\n", self.folder.path().display())).expect("a script");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).expect("it may be executed");
        let program = Program::open(&path, (self.folder.path(), "p"), SystemTime::now()).expect("a program");
        let started = Provider::start(self.home.clone(), ("p", program), Briefing::default(), self.tell.clone());
        started.await.expect("it starts")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What a script has written, once it has.
    async fn written(&self, name: &str) -> String {
        let path = self.path(name);
        blocking(move || {
            let read = || fs::read_to_string(&path).unwrap_or_default();
            eventually("the script writes it", || read().ends_with('\n'));
            read()
        })
        .await
    }

    async fn hear(&mut self) -> News {
        let news = tokio::time::timeout(PATIENCE, self.news.recv()).await.expect("there are news");
        news.expect("somebody tells").1
    }

    async fn listen(&self, pattern: &str) -> Subscription {
        self.home.bus.subscribe(pattern.parse().expect("a pattern"), None).await.expect("it listens")
    }

    /// Answers for the script that it is well, or not.
    async fn answer_health(&self, payload: &'static str) -> rt::Task {
        let mut questions = self.listen("wasmbus.rpc.default.p.health").await;
        let bus = self.home.bus.clone();
        rt::Task::spawn(async move {
            while let Some(question) = questions.next().await {
                let answer = question.answer(payload.into()).expect("an answer is expected");
                bus.publish(answer).await.expect("it is said");
            }
        })
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.expect("it does not panic")
}

fn is_there(pid: &str) -> bool {
    // One that was not yet waited for is a zombie, which is no longer there.
    let status = fs::read_to_string(Path::new("/proc").join(pid.trim()).join("stat")).unwrap_or_default();
    status.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

fn link(source: &str) -> LinkDefinition {
    LinkDefinition {
        source_id: source.into(),
        target: "p".into(),
        name: "default".into(),
        wit_namespace: "wasi".into(),
        wit_package: "blobstore".into(),
        interfaces: vec!["blobstore".into()],
        source_config: Labels::new(),
        target_config: Labels::new(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_has_one_line_three_streams_and_the_variables_that_it_was_given() {
    let scene = Scene::new();
    let script =
        "read -r line; cat /proc/$$/environ > variables; ls /proc/$$/fd > streams; echo \"$line\" > line; sleep 600";
    let _provider = scene.start(script).await;
    let line = scene.written("line").await;
    assert!(line.ends_with("\r\n") && line.len() > 500, "{line:?}");
    assert_eq!(fs::read(scene.path("variables")).expect("variables"), b"RUST_LOG=debug\0");
    let streams = fs::read_to_string(scene.path("streams")).expect("streams");
    // The shell itself holds its script and, while it redirects, a copy of what it writes to.
    let inherited: Vec<_> = streams.split_whitespace().filter(|stream| stream.len() == 1).collect();
    assert_eq!(inherited, ["0", "1", "2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_crashes_starts_again_at_once_and_then_waits() {
    let mut scene = Scene::new();
    let provider = scene.start("echo started >> starts; exit 3").await;
    let how = "exited with 3".to_owned();
    assert_eq!(scene.hear().await, News::Ended { how: how.clone(), again_in: Duration::ZERO });
    assert_eq!(scene.hear().await, News::Restarted);
    assert_eq!(scene.hear().await, News::Ended { how: how.clone(), again_in: Duration::from_secs(5) });
    assert_eq!(provider.condition(), Condition::Waiting { why: how, restarts: 1 });
    assert_eq!(fs::read_to_string(scene.path("starts")).expect("starts"), "started\nstarted\n");
    // It is stopped while it waits.
    provider.stop().await;
    assert_eq!(fs::read_to_string(scene.path("starts")).expect("starts"), "started\nstarted\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_process_started_ends_with_it() {
    let scene = Scene::new();
    let provider = scene.start("sleep 600 & echo $! > child; echo $$ > own; wait").await;
    let pids = [scene.written("child").await, scene.written("own").await];
    assert!(pids.iter().all(|pid| is_there(pid)));
    assert!(
        matches!(provider.condition(), Condition::Running { pid, restarts: 0 } if pid.to_string() == pids[1].trim())
    );
    drop(provider);
    blocking(move || eventually("both have ended", || !pids.iter().any(|pid| is_there(pid)))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_of_a_process_that_crashed_ends_before_it_starts_again() {
    let mut scene = Scene::new();
    let _provider = scene.start("sleep 600 & echo $! > child; exit 1").await;
    let child = scene.written("child").await;
    assert!(matches!(scene.hear().await, News::Ended { .. }));
    blocking(move || eventually("it has ended", || !is_there(&child))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_that_it_will_end_is_waited_for() {
    let scene = Scene::new();
    let provider = scene.start("echo $$ > own; while [ ! -e stop ]; do sleep 0.02; done; echo bye > bye").await;
    scene.written("own").await;
    let mut asked = scene.listen("wasmbus.rpc.default.p.default.shutdown").await;
    let (bus, stop) = (scene.home.bus.clone(), scene.path("stop"));
    let answering = async move {
        let question = asked.next().await.expect("a question");
        assert_eq!(question.payload, r#"{"host_id":"N1"}"#);
        fs::write(stop, "").expect("a file");
        bus.publish(question.answer("shutting down".into()).expect("an answer is expected")).await.expect("it is said");
    };
    tokio::join!(provider.stop(), answering);
    assert_eq!(fs::read_to_string(scene.path("bye")).expect("it ended by itself"), "bye\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_answer_and_obeys_no_signal_is_killed() {
    let scene = Scene::new();
    let provider = scene.start("trap '' TERM INT HUP; echo $$ > own; while :; do sleep 600; done").await;
    let pid = scene.written("own").await;
    provider.stop().await;
    assert!(!is_there(&pid));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_told_of_changes_from_the_moment_that_it_listens() {
    let scene = Scene::new();
    let mut words = scene.listen("wasmbus.rpc.default.*.linkdefs.*").await;
    let mut settings = scene.listen("wasmbus.rpc.default.p.config.update").await;
    let provider = scene.start("sleep 600").await;
    // It does not listen yet.
    provider.brief(Briefing { links: vec![link("a")], config: Labels::new() });
    provider.brief(Briefing { links: vec![link("b")], config: [("k".to_owned(), "v".to_owned())].into() });
    let _well = scene.answer_health(r#"{"healthy":true}"#).await;

    let put = words.next().await.expect("a word");
    let subject: Vec<_> = put.subject.tokens().collect();
    assert!(subject[3].starts_with('X') && subject[4..] == ["linkdefs", "put"], "{subject:?}");
    let told: serde_json::Value = serde_json::from_slice(&put.payload).expect("JSON");
    assert_eq!(told["source_id"], "b");
    assert_eq!(settings.next().await.expect("a word").payload, r#"{"k":"v"}"#);

    provider.brief(Briefing::default());
    let deleted = words.next().await.expect("a word");
    assert_eq!(deleted.subject.as_str(), "wasmbus.rpc.default.p.linkdefs.del");
}

#[tokio::test(flavor = "multi_thread")]
async fn its_health_is_said_and_that_it_crashed_is_no_health() {
    let mut scene = Scene::new();
    let well = scene.answer_health(r#"{"healthy":true}"#).await;
    let provider = scene.start("echo $$ > own; sleep 600").await;
    assert_eq!(scene.hear().await, News::Checked(Verdict::Passed));
    assert_eq!(scene.hear().await, News::Checked(Verdict::Status));
    let Condition::Running { pid, .. } = provider.condition() else { panic!("it runs") };
    drop(well);
    let pid = rustix::process::Pid::from_raw(pid.cast_signed()).expect("a number");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("it is killed");
    let ended = News::Ended { how: "was ended by signal 9".into(), again_in: Duration::ZERO };
    loop {
        match scene.hear().await {
            News::Checked(Verdict::Status) => {}
            news => break assert_eq!(news, News::Checked(Verdict::Failed)),
        }
    }
    assert_eq!([scene.hear().await, scene.hear().await], [ended, News::Restarted]);
    let _ill = scene.answer_health("{}").await;
    assert_eq!(scene.hear().await, News::Checked(Verdict::Status));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_system_does_not_execute_is_said() {
    let scene = Scene::new();
    let path = scene.path("file");
    fs::write(&path, "#!/nowhere/interpreter\n").expect("a file");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).expect("it may be executed");
    let program = Program::open(&path, (scene.folder.path(), "p"), SystemTime::now()).expect("a program");
    let started = Provider::start(scene.home.clone(), ("p", program), Briefing::default(), scene.tell.clone()).await;
    let error = started.err().expect("it cannot be executed");
    assert!(error.to_string().ends_with("file cannot be executed"), "{error}");
}
