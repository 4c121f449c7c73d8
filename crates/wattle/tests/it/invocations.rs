//! What an invocation sees of a component that it calls several times, while that component is changed.

use testkit::{Connection, Redis, Up, eventually};

use crate::lattice::tell;
use crate::links::{connections_of, linked};
use crate::{guest, route, wattle};

/// An invocation of `till` that asks for the price whenever it is told to.
struct Held {
    connection: Connection,
    is_answered: bool,
}

// === impl Held ===

impl Held {
    fn begin(up: &Up) -> Self {
        let mut connection = up.connect();
        let head = "PUT / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n";
        connection.send(head.as_bytes()).expect("the host reads");
        Self { connection, is_answered: false }
    }

    /// The price that it is told now.
    fn ask(&mut self) -> u64 {
        self.connection.send(b"1\r\nx\r\n").expect("the host reads");
        if !self.is_answered {
            assert_eq!(self.connection.head().expect("an answer").status, 200);
            self.is_answered = true;
        }
        let line = self.connection.chunk().expect("a line");
        String::from_utf8_lossy(&line).trim().parse().expect("a number")
    }

    fn end(mut self) {
        self.connection.send(b"0\r\n\r\n").expect("the host reads");
        assert!(self.connection.chunk().expect("the answer is whole").is_empty());
    }
}

/// One invocation asks before and after what it calls is linked elsewhere: it is told by the same store, which is open until then.
#[test]
fn an_invocation_calls_a_component_as_it_was_when_it_called_it_first() {
    for flags in [&[][..], &["--reuse".to_owned()]] {
        let (wattle, redis) = (wattle(), Redis::start());
        let up = wattle.up([route("/", "till"), guest("haggle")].into_iter().chain(flags.iter().cloned()));
        let before = connections_of(&redis);
        linked(&wattle, &up, &format!("put haggle keyvalue/redis --set url={}", redis.url()));
        let mut held = Held::begin(&up);
        assert_eq!([held.ask(), held.ask()], [10, 20]);

        linked(&wattle, &up, "put haggle keyvalue/memory");
        assert_eq!(up.get("/").text(), "10\n", "who begins now is told by the other store");
        assert_eq!(held.ask(), 30);
        assert_eq!(up.get("/").text(), "20\n");
        assert!(connections_of(&redis) > before);
        held.end();
        eventually("the old store is closed", || connections_of(&redis) == before);
        assert_eq!(up.get("/").text(), "30\n");
        assert_eq!(up.stop().code, Some(0));
    }
}

#[test]
fn an_invocation_calls_the_program_that_it_called_first_also_when_that_has_gone() {
    let wattle = wattle();
    let up = wattle.up([route("/", "till"), guest("price-1")]);
    let mut held = Held::begin(&up);
    assert_eq!(held.ask(), 1);
    tell(&wattle, &up.bus(), &["update", "component", "price-1", &guest("price-2")]);
    assert_eq!((up.get("/").text().as_str(), held.ask()), ("2\n", 1));
    tell(&wattle, &up.bus(), &["stop", "component", "price-1"]);
    assert_eq!((up.get("/").status, held.ask()), (500, 1));
    held.end();
    assert_eq!(up.stop().code, Some(0));
}
