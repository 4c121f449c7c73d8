//! The server that all hosts meet at ends, well or badly, and comes back.

use std::time::{Duration, Instant};

use testkit::{Nats, eventually};

use super::{Town, failed, for_a_while, under_load};

/// How long after the server's return calls may still fail.
const BACK: Duration = Duration::from_secs(10);

#[test]
fn what_needs_no_bus_goes_on_while_the_server_restarts_and_calls_are_back_soon_after_it() {
    let Some(mut town) = Town::try_new("timeout=5s") else { return };
    let ends: [fn(&mut Nats); 2] = [|server| server.stop(), |server| server.kill()];
    for end in ends {
        let (server, till) = (&mut town.server, &town.till);
        let (back, alone) = under_load(till, "/hello", |begin| {
            begin();
            end(server);
            for_a_while(Duration::from_secs(3));
            assert_eq!(till.get("/").status, 500, "nobody can be called");
            server.restart();
            let restarted = Instant::now();
            eventually("calls are answered", || till.get("/").status == 200);
            restarted.elapsed()
        });
        assert!(failed(&alone).is_empty() && !alone.is_empty(), "{:?}", failed(&alone));
        assert!(back < BACK, "{back:?}");
        town.serves_from(&["1", "2"]);
    }
}
