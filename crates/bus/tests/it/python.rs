//! A client in another language, by other people: `nats-py` takes part in what is said in a process.

use std::process::Command;

use bus::{Broker, Bus, LoopbackConfig, Pass};
use testkit::{Lack, skip};

use crate::suite::{hear, listen, message};
use crate::words::beside;
use crate::{PATIENCE, carriers, server};

/// Asks and answers, and says with its last line that all was as it should be.
const SCRIPT: &str = include_str!("python/client.py");

#[test]
fn nats_py_takes_part() {
    let python = server::tools().join("python");
    let has_client = Command::new(&python).args(["-c", "import nats"]).output();
    if !has_client.is_ok_and(|output| output.status.success()) {
        skip(Lack::Tool, &format!("{} has no nats-py", python.display()));
        return;
    }
    beside(|runtime| {
        let _entered = runtime.enter();
        let broker = Broker::default();
        let config = LoopbackConfig { passes: vec![Pass::Token("secret".into())], ..LoopbackConfig::default() };
        let loopback = carriers::listen(broker.clone(), config);
        let bus = Bus::in_process(broker);
        let _answering = runtime.block_on(answer(bus.clone()));
        let client = Command::new(&python)
            .args(["-c", SCRIPT, &format!("nats://secret@{}", loopback.address())])
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .expect("Python starts");
        runtime.block_on(async {
            let mut ready = listen(&bus, "python.ready", None).await;
            let asked = async {
                // It says that it is ready until it was asked.
                hear(&mut ready).await;
                bus.request("python.echo".parse().expect("a subject"), "hello".into(), PATIENCE).await
            };
            assert_eq!(asked.await.expect("an answer").payload, "hello, said python");
        });
        let output = client.wait_with_output().expect("it was started here");
        let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && said.ends_with("all is well\n"), "{said}\n{complained}");
    });
}

/// Answers questions with what was asked and its headers.
async fn answer(bus: Bus) -> rt::Task {
    let mut questions = listen(&bus, "rust.echo", None).await;
    rt::Task::spawn(async move {
        while let Some(question) = questions.next().await {
            let Some(answer) = question.answer(question.payload.clone()) else { continue };
            bus.publish(bus::Message { headers: question.headers, ..answer }).await.expect("it is taken");
            bus.publish(message("rust.noted", "")).await.expect("it is taken");
        }
    })
}
