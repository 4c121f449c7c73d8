//! Relational databases: a component's own file at first, then a server by a live link, and what both promise under attack.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use testkit::{Connection, Over, Postgres, Up, Wattle, request};

use crate::{guest, wattle};

fn put(up: &Up, name: &str, balance: u64) {
    let answer = up.ask("PUT", &format!("/{name}?balance={balance}"), b"");
    assert_eq!((answer.status, answer.text().as_str()), (200, "1\n"));
}

fn make_accounts(up: &Up) {
    let answer = up.ask("PUT", "/", b"");
    assert_eq!(answer.status, 200, "{}{}", answer.text(), up.stderr());
    (0..10).for_each(|number| put(up, &format!("account-{number}"), 100));
}

fn link_to(wattle: &Wattle, up: &Up, target: &str, setting: &str) {
    let ended = wattle.run(["link", "put", "ledger", target, "--set", setting, "--nats", &up.bus()]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}

#[test]
fn a_component_has_a_database_without_asking() {
    let wattle = wattle();
    let up = wattle.up([guest("ledger")]);
    make_accounts(&up);
    assert_eq!(up.ask("POST", "/account-0/account-1?amount=30", b"").text(), "moved\n");
    assert_eq!((up.get("/account-0").text(), up.get("/account-1").text()), ("70\n".into(), "130\n".into()));
    let refused = up.ask("POST", "/account-0/account-1?amount=71", b"");
    assert_eq!(refused.status, 422, "{}", refused.text());
    assert!(refused.text().contains("23514"), "{}", refused.text());
    assert_eq!(up.ask("POST", "/account-0/nobody", b"").status, 404);
    assert_eq!(up.get("/").text(), "10 1000\n");
    for left in ["drop", "trap"] {
        up.ask("POST", &format!("/?leave={left}"), b"update account set balance = 0");
        assert_eq!(up.get("/").text(), "10 1000\n", "{left}");
    }
    assert_eq!(up.ask("POST", "/?leave=commit", b"update account set balance = 1").status, 200);
    assert_eq!(up.get("/").text(), "10 10\n");
    assert_eq!(up.stop().code, Some(0));
    let up = wattle.up([guest("ledger")]);
    assert_eq!(up.get("/").text(), "10 10\n");
}

/// Money is moved while the host is killed, five times: nothing is lost, nothing is made, and what was answered is there.
#[test]
fn what_was_acknowledged_survives_a_crash() {
    let wattle = wattle();
    let up = wattle.up([guest("ledger")]);
    make_accounts(&up);
    assert_eq!(up.ask("POST", "/?run", b"create table moved (n bigint)").status, 200);
    drop(up.kill());
    let acknowledged = AtomicU64::new(0);
    let mut uncertain = 0;
    for round in 0..5 {
        let up = wattle.up([guest("ledger")]);
        let enough = acknowledged.load(Ordering::Relaxed) + 20 + 10 * round;
        std::thread::scope(|threads| {
            for client in 0..4 {
                let (acknowledged, address) = (&acknowledged, up.address());
                threads.spawn(move || insert_until_cut(Connection::open(address), client, acknowledged));
            }
            testkit::eventually("it has written enough", || acknowledged.load(Ordering::Relaxed) >= enough);
            assert_eq!(up.kill().code, None);
        });
        uncertain += 4;
        let up = wattle.up([guest("ledger")]);
        assert_eq!(up.get("/").text(), "10 1000\n");
        let found: u64 =
            up.ask("POST", "/?ask", b"select count(*) from moved").text().trim().parse().expect("a number");
        let least = acknowledged.load(Ordering::Relaxed);
        assert!((least..=least + uncertain).contains(&found), "{found} are kept of {least} to {}", least + uncertain);
        assert_eq!(up.stop().code, Some(0));
    }
}

fn insert_until_cut(connection: io::Result<Connection>, client: usize, acknowledged: &AtomicU64) {
    let Ok(mut connection) = connection else { return };
    let transfer = format!("/account-{client}/account-{}", client + 1);
    let mut ask = |target: &str, body: &[u8]| -> io::Result<u16> {
        connection.send(&request("POST", target, &[], body))?;
        Ok(connection.answer()?.status)
    };
    while let Ok(status) = ask("/?run", b"insert into moved values (1)") {
        assert_eq!(status, 200);
        acknowledged.fetch_add(1, Ordering::Relaxed);
        match ask(&transfer, b"") {
            Ok(status) => assert!([200, 422].contains(&status), "{status}"),
            Err(_) => return,
        }
    }
}

#[test]
fn a_database_is_swapped_while_money_moves() {
    let (wattle, postgres) = (wattle(), Postgres::start());
    let up = wattle.up([guest("ledger")]);
    make_accounts(&up);
    link_to(&wattle, &up, "sql/postgres", &format!("url={}", postgres.url()));
    make_accounts(&up);
    let is_over = AtomicBool::new(false);
    let client = |number: usize| {
        let (mut connection, mut moved) = (up.connect(), 0_u64);
        while !is_over.load(Ordering::Relaxed) {
            let target = format!("/account-{number}/account-{}", 9 - number);
            connection.send(&request("POST", &target, &[], b"")).expect("it is open");
            let answer = connection.answer().expect("an answer");
            assert!([200, 422].contains(&answer.status), "{}{}", answer.text(), up.stderr());
            moved += u64::from(answer.status == 200);
        }
        moved
    };
    let links = [("sql/postgres", format!("url={}", postgres.url())), ("sql/sqlite", "connections=4".to_owned())];
    let moved: u64 = std::thread::scope(|threads| {
        let over = Over(&is_over);
        let client = &client;
        let clients: Vec<_> = (0..4).map(|number| threads.spawn(move || client(number))).collect();
        for (target, setting) in links.iter().cycle().take(30) {
            link_to(&wattle, &up, target, setting);
        }
        drop(over);
        clients.into_iter().map(|client| client.join().expect("nothing fails")).sum()
    });
    let received = links.each_ref().map(|(target, setting)| {
        link_to(&wattle, &up, target, setting);
        assert_eq!(up.get("/").text(), "10 1000\n", "{target}");
        let sent: u64 = (0..4)
            .map(|number| up.get(&format!("/account-{number}")).text().trim().parse::<u64>().expect("a number"))
            .sum();
        400 - sent
    });
    assert_eq!(received.iter().sum::<u64>(), moved, "what was answered is in one of the databases: {received:?}");
    assert!(received.iter().all(|received| *received > 0), "both were used: {received:?}");
    let shown = wattle.run(["link", "query", "--nats", &up.bus()]);
    assert!(!shown.stdout.contains("sesame") && !up.stderr().contains("sesame"), "{}{}", shown.stdout, up.stderr());
    assert_eq!(up.stop().code, Some(0));
}

#[test]
fn a_server_that_was_killed_is_used_again() {
    let (wattle, mut postgres) = (wattle(), Postgres::start());
    let up = wattle.up([guest("ledger")]);
    link_to(&wattle, &up, "sql/postgres", &format!("url={}", postgres.url()));
    make_accounts(&up);
    for _ in 0..3 {
        postgres.kill();
        let answer = up.ask("POST", "/account-0/account-1", b"");
        assert_eq!((answer.status, answer.text().as_str()), (503, "Error::Unavailable\n"));
        postgres.restart();
        assert_eq!(up.ask("POST", "/account-0/account-1", b"").text(), "moved\n");
    }
    assert_eq!(up.get("/").text(), "10 1000\n");
    assert_eq!((up.get("/account-0").text(), up.get("/account-1").text()), ("97\n".into(), "103\n".into()));
    // A component that is stopped in the middle of a transaction holds nothing up.
    let terms = ["link", "put", "ledger", "sql/postgres", "--set"];
    let url = format!("url={}", postgres.url());
    let ended = wattle.run(terms.into_iter().chain([&*url, "--set", "connections=1", "--nats", &up.bus()]));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    for _ in 0..4 {
        assert!(up.ask("POST", "/?leave=trap", b"update account set balance = 0").status >= 500);
        assert_eq!(up.get("/").text(), "10 1000\n");
    }
    assert_eq!(up.stop().code, Some(0));
}

/// A component that was made for wasmCloud's contract.
#[test]
fn a_component_asks_postgres_by_its_own_contract() {
    let (wattle, postgres) = (wattle(), Postgres::start());
    let up = wattle.up([guest("asker")]);
    let unlinked = up.ask("POST", "/", b"select 1");
    assert_eq!(unlinked.status, 400);
    assert!(unlinked.text().contains("wattle link put asker sql/postgres --set url="), "{}", unlinked.text());
    let url = format!("url={}", postgres.url());
    let ended = wattle.run(["link", "put", "asker", "sql/postgres", "--set", &url, "--nats", &up.bus()]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let made =
        up.ask("POST", "/?batch", b"create table pair (name text, value int8); insert into pair values ('a', 1)");
    assert_eq!(made.text(), "done\n");
    assert_eq!(up.ask("POST", "/?exec&p=b'", b"insert into pair values ($1, 2)").text(), "1\n");
    let rows = up.ask("POST", "/?p=a", b"select * from pair where name >= $1 order by name").text();
    assert_eq!(
        rows,
        "name=PgValue::Text(\"a\") value=PgValue::Int8(1)\nname=PgValue::Text(\"b'\") value=PgValue::Int8(2)\n"
    );
    assert_eq!(up.stop().code, Some(0));
}

/// A million rows pass through, and few of them are ever in memory.
#[test]
fn a_long_result_takes_no_more_memory_than_a_short_one() {
    let (wattle, postgres) = (wattle(), Postgres::start());
    let up = wattle.up([guest("ledger")]);
    let count = |rows: u32| {
        let body = format!(
            "with recursive c(x) as (select 1 union all select x + 1 from c where x < {rows}) \
             select x, 'some text that makes a row as long as rows often are, and then a little longer' from c"
        );
        let answer = up.ask("POST", "/?count", body.as_bytes());
        assert_eq!(answer.text(), format!("{rows}\n"));
    };
    for (target, setting) in
        [("sql/sqlite", "connections=1".to_owned()), ("sql/postgres", format!("url={}", postgres.url()))]
    {
        link_to(&wattle, &up, target, &setting);
        count(1_000);
        let before = up.peak();
        count(1_000_000);
        // What the system counts, it counts roughly.
        let grown = up.peak().saturating_sub(before);
        assert!(grown < 32 << 10, "{target}: {grown} KiB more for a thousand times as much");
    }
}
