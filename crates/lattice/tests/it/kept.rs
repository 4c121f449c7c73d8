//! What a lattice keeps is what each host does, whatever became of its watch.

use std::time::Duration;

use bus::Keep;
use bus::sim::{Network, Weather};
use model::lattice::Labels;

use crate::hosts::{Host, simulate};

/// The host's write is acknowledged and its watch sees nothing any more; when it sees something again there is nothing to see.
async fn deleted_unseen(seed: u64) -> Option<Labels> {
    let network = Network::new(seed);
    let (people, host) = (network.bus("people"), Host::start(network.bus("NA"), "NA", Duration::ZERO).await);
    tokio::time::sleep(Duration::from_secs(12)).await;
    network.set_weather(Weather::BREEZE);
    let subject = "wasmbus.ctl.v1.default.config.put.s".parse().expect("a subject");
    people.request(subject, r#"{"k":"v"}"#.into(), Duration::from_secs(5)).await.expect("it is answered");
    network.part(&["NA"]);
    let bucket = people.bucket("CONFIGDATA_default".parse().expect("a name"), Keep::default()).await.expect("a bucket");
    bucket.delete(&"s".parse().expect("a key")).await.expect("it is deleted");
    network.heal();
    tokio::time::sleep(Duration::from_secs(30)).await;
    host.hands.done().settings.remove("till")
}

#[test]
fn what_one_host_kept_and_another_deleted_is_gone_from_both() {
    for seed in 0..100 {
        let told = simulate(deleted_unseen(seed));
        assert_eq!(told, Some(Labels::new()), "seed {seed}: settings that were deleted are as if they were empty");
    }
}
