//! A site with a server of its own, the leaf of another: it goes on when it is cut off, and comes back.

use std::time::{Duration, Instant};

use testkit::{Cut, Nats, Net, eventually};

use super::{asked_with_pauses, failed, for_a_while, joined, joining};
use crate::lattice::{is, refusal, tell};
use crate::{guest, route, wattle};

/// How long the site is cut off: longer than a lease lasts, and shorter than servers that were told nothing else need to notice it.
const ALONE: Duration = Duration::from_secs(60);

/// Between two requests of one who asks all the while.
const PAUSE: Duration = Duration::from_millis(10);

#[test]
fn a_site_on_a_leaf_goes_on_alone_and_learns_afterwards_what_was_put_meanwhile() {
    let Some(net) = Net::try_new() else { return };
    let (hub, shop) = (net.site(), net.site());
    let door = hub.address(7422);
    let listen = format!("leafnodes {{ listen: \"{door}\" }}");
    let above = Nats::start_bare_at(&hub, ["jetstream { store_dir: \"data\", domain: hub }", &listen]);
    let remote = format!("leafnodes {{ reconnect: 1, remotes: [{{ url: \"nats://{door}\" }}] }}");
    // There is one JetStream, that of the hub: what asks for any asks for that.
    let below = Nats::start_bare_at(&shop, ["default_js_domain: { \"$G\": hub }", &remote]);
    let (desk, till_home, bob_home, eve_home) = (wattle(), wattle().at(&shop), wattle().at(&shop), wattle().at(&hub));
    let till =
        till_home.up([route("/", "till"), route("/reverse", "desk")].into_iter().chain(joining(&below.url(), "ada")));
    let (bob, eve) = (joined(&bob_home, &below.url(), "bob"), joined(&eve_home, &above.url(), "eve"));
    let start = |file: &str, name: &str, on: &str| {
        let words = ["start", "component", &guest(file), name, "--host", on, "--nats", &above.url()];
        eventually("it is started", || desk.run(words).code == Some(0));
    };
    start("price-1", "price", "bob");
    start("price-2", "price", "eve");
    start("calc", "calc", "bob");
    let link = ["link", "put", "till", "price", "--contract", "demo:shop/tag", "--terms", "retry=3,timeout=5s"];
    tell(&desk, &above.url(), &link);
    // Both sides of the lattice answer.
    let mut heard = std::collections::BTreeSet::new();
    eventually("both sides are called", || {
        let answer = till.get("/");
        heard.insert((answer.status, answer.text()));
        heard.contains(&(200, "1\n".into())) && heard.contains(&(200, "2\n".into()))
    });

    let link = ["link", "put", "desk", "calc", "--contract", "demo:calc/ops"];
    let ((), asked) = asked_with_pauses(&till, ("/", PAUSE), |begin| {
        begin();
        shop.cut(Cut::Both);
        let cut = Instant::now();
        eventually("the hub has lost the hosts of the site", || {
            ["ada", "bob"].iter().all(|name| is(&desk, &above.url(), name, "lost"))
        });
        tell(&desk, &above.url(), &link);
        let refused = refusal(&desk, &below.url(), &["link", "put", "a", "b", "--contract", "c:d/e"]);
        assert!(!refused.is_empty(), "what cannot be kept is refused");
        assert_eq!(till.get("/reverse").status, 500, "nobody has told it");
        for_a_while(ALONE.saturating_sub(cut.elapsed()));
        shop.heal();
        // Nobody has noticed the cut: what the servers say to one another comes when TCP tries again, later each time.
        eventually("it learns of the link", || till.get("/reverse").status == 200);
    });
    assert!(failed(&asked).is_empty() && !asked.is_empty(), "{:?}", failed(&asked));
    heard.clear();
    eventually("both sides are called again", || {
        let answer = till.get("/");
        heard.insert((answer.status, answer.text()));
        heard.contains(&(200, "2\n".into()))
    });
    eventually("the hub knows that they are there", || {
        ["ada", "bob", "eve"].iter().all(|name| is(&desk, &above.url(), name, "present"))
    });
    let links = tell(&desk, &below.url(), &["link", "query"])["links"].clone();
    assert_eq!(links.as_array().map(Vec::len), Some(2), "{links}");
    assert_eq!([till.stop(), bob.stop(), eve.stop()].map(|ended| ended.code), [Some(0); 3]);
}
