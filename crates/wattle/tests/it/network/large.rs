//! Values of many mebibytes that cross from host to host, many at once.

use testkit::{Nats, Net, Up, eventually};

use super::{joined, joining};
use crate::lattice::tell;
use crate::{guest, route, wattle};

/// How large each is, and how many there are at once. Of them so many are worked on.
const SIZE: usize = 8 << 20;
const AT_ONCE: usize = 24;
const COUNT: &str = "4";

/// What may wait on the host that is called, in KiB, and what each call that is worked on may take: its values as they came, as
/// they are called with, in the instance, and the same of the answer.
const WAITING: u64 = 256 << 10;
const WORKED_ON: u64 = 4 * 8 * (SIZE >> 10) as u64;

/// Has it turn so many bytes around on the other host, and gives what it says of it.
fn reverse(up: &Up, size: usize) -> (u16, String) {
    let answer = up.get(&format!("/reverse?size={size}"));
    (answer.status, answer.text())
}

/// How many of those that are asked for at once are right. The others found no room.
fn burst(up: &Up) -> usize {
    std::thread::scope(|scope| {
        let asked: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(|| reverse(up, SIZE))).collect();
        let answers = asked.into_iter().map(|asked| asked.join().expect("it is answered"));
        let (right, full): (Vec<_>, Vec<_>) = answers.partition(|(status, _)| *status == 200);
        assert!(right.iter().all(|(_, text)| *text == format!("{SIZE} true\n")), "{right:?}");
        assert!(full.iter().all(|(status, _)| *status == 500), "{full:?}");
        right.len()
    })
}

#[test]
fn large_values_of_many_calls_at_once_cost_memory_within_limits_and_what_finds_no_room_is_told_so() {
    let Some(net) = Net::try_new() else { return };
    let [hub, ada_at, bob_at] = std::array::from_fn(|_| net.site());
    // By itself it gives up a host for which more than 64 MiB wait.
    let server = Nats::start_at(&hub, ["max_pending: 1GB"]);
    let (desk, bus) = (wattle(), server.url());
    let more = [route("/", "desk"), "--timeout=60".into()];
    let ada = wattle().at(&ada_at).up(more.into_iter().chain(joining(&bus, "ada")));
    let bob_home = wattle().at(&bob_at);
    let bob = joined(&bob_home, &bus, "bob");
    let calc = guest("calc");
    let start = ["start", "component", &calc, "--host", "bob", "--count", COUNT, "--nats", &bus];
    eventually("it starts", || desk.run(start).code == Some(0));
    tell(&desk, &bus, &["link", "put", "desk", "calc", "--contract", "demo:calc/ops", "--terms", "timeout=20s"]);
    eventually("it is called", || ada.get("/").status == 200);

    // With its length it is larger than may travel; more than that the host does not even copy from the component.
    assert_eq!(reverse(&ada, 16 << 20).0, 500);
    ada.says("was not called: its parameters have 16 MiB, and 16 MiB is the most");
    assert_eq!(reverse(&ada, 17 << 20).0, 500);
    ada.says("too much data is being copied");

    let before = bob.peak();
    // With the second one each thread has a connection of its own.
    assert!(burst(&ada) > 0 && burst(&ada) > 0);
    let first = [ada.peak(), bob.peak()];
    assert!(first[1] < before + WAITING + WORKED_ON, "{before} KiB before, {} after", first[1]);
    for _ in 0..3 {
        assert!(burst(&ada) > 0, "who was full has room again");
    }
    for (first, last) in first.into_iter().zip([ada.peak(), bob.peak()]) {
        assert!(last < first + first / 2, "what is over is given back: {first} KiB, {last} later");
    }
    // Whoever found no room was told so.
    assert!(!ada.stderr().contains("is larger than") && !bob.stderr().contains("does not keep up"));
    assert_eq!(reverse(&ada, SIZE), (200, format!("{SIZE} true\n")));
    let ended = [ada.stop(), bob.stop()].map(|ended| ended.code);
    assert_eq!(ended, [Some(0); 2]);
}
