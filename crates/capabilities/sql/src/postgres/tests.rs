//! What holds of servers: how they are found, how they fail, and what they give.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use capability::conformance::link;
use testkit::{Postgres as Server, eventually};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::*;
use crate::guest::Connection;
use crate::suite::{HOME, ask, connection, postgres_options, refused, run};
use crate::value::Value;

/// A server and its database, linked to a component by this many connections.
fn linked(server: &Server, connections: usize) -> Connection {
    let options = Options { connections, timeout: Duration::from_secs(2), ..postgres_options(&server.url()) };
    let database: Arc<dyn Database> =
        Arc::new(HOME.block_on(Postgres::connect(&options)).unwrap_or_else(|error| panic!("{}", stdx::Chain(&error))));
    connection("shop", &[link(database)], "default").unwrap_or_else(|_| panic!("the link is there"))
}

fn connect_error(options: &Options) -> String {
    match HOME.block_on(Postgres::connect(options)) {
        Ok(_) => panic!("it connects"),
        Err(error) => stdx::Chain(&error).to_string(),
    }
}

fn text(value: &str) -> Value {
    Value::Text(value.into())
}

#[test]
fn each_type_is_read_or_refused_with_what_helps() {
    let server = Server::start();
    let database = linked(&server, 1);
    capability::conformance::run(async {
        for (expression, value) in [
            ("1::smallint", Value::Integer(1)),
            ("-1::int", Value::Integer(-1)),
            ("7::oid", Value::Integer(7)),
            ("1.5::real", Value::Float(1.5)),
            ("'nan'::float8 = 'nan'::float8", Value::Boolean(true)),
            ("12345678901234567890.0123456789::numeric", Value::Decimal("12345678901234567890.0123456789".into())),
            ("0.00001200::numeric", Value::Decimal("0.00001200".into())),
            ("'NaN'::numeric", Value::Decimal("NaN".into())),
            ("'x'::char(3)", text("x  ")),
            ("'x'::name", text("x")),
            ("'{\"a\": 1}'::json", text("{\"a\": 1}")),
            ("'{\"a\": 1}'::jsonb", text("{\"a\": 1}")),
            ("'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid", text("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")),
            ("'2026-11-23'::date", text("2026-11-23")),
            ("'0001-01-01'::date", text("0001-01-01")),
            ("'infinity'::date", text("infinity")),
            ("'24:00'::time", text("24:00:00.000000")),
            ("'16:30:00.5'::time", text("16:30:00.500000")),
            ("'2026-11-23T17:30:00+01'::timestamptz", Value::Timestamp(1_795_451_400_000_000)),
            ("'2026-11-23 16:30'::timestamp", Value::Timestamp(1_795_451_400_000_000)),
            ("'-infinity'::timestamp", text("-infinity")),
            ("null::int", Value::Null),
            ("pg_sleep(0)", Value::Null),
            ("array[1, 2]::text", text("{1,2}")),
        ] {
            assert_eq!(ask(&database, &format!("select {expression}"), &[]).await, [[value]], "{expression}");
        }
        for expression in ["array[1, 2]", "point(1, 2)", "interval '1 day'", "row(1, 2)", "'4713-01-01 BC'::date"] {
            let rows = database.query(&format!("select {expression}"), Vec::new()).await;
            let outcome = rows.unwrap_or_else(|failure| panic!("{}", crate::suite::text(failure))).next().await;
            let refused = crate::suite::text(outcome.map(|_| ()).expect_err(expression));
            assert!(refused.contains("::text"), "{expression}: {refused}");
        }
        run(&database, "create type mood as enum ('well', 'ill')", &[]).await;
        assert_eq!(ask(&database, "select $1::mood", &[text("well")]).await, [[text("well")]]);
        assert_eq!(refused(&database, "select $1::mood", &[text("odd")]).await, "statement 22P02");
        assert_eq!(refused(&database, "select $1::date", &[text("odd")]).await, "statement 22007");
        assert_eq!(refused(&database, "select $1::int", &[Value::Bytes(vec![1])]).await, "statement 42804");
        assert_eq!(refused(&database, "select $1::text", &[text("a\0b")]).await, "statement 22021");
    });
}

#[test]
fn nothing_of_a_session_is_left_for_the_next() {
    let server = Server::start();
    let database = linked(&server, 1);
    capability::conformance::run(async {
        for (leave, look, clean) in [
            ("select set_config('search_path', 'elsewhere', false)", "show search_path", text("\"$user\", public")),
            ("set statement_timeout = 1", "show statement_timeout", text("2s")),
            (
                "select pg_advisory_lock(7)",
                "select count(*) from pg_locks where locktype = 'advisory'",
                Value::Integer(0),
            ),
            (
                "create temporary table t (x int)",
                "select count(*) from pg_class where relname = 't'",
                Value::Integer(0),
            ),
            ("listen news", "select count(*) from pg_listening_channels()", Value::Integer(0)),
            ("set role pg_monitor", "select current_user::text", text("postgres")),
        ] {
            run(&database, leave, &[]).await;
            assert_eq!(ask(&database, look, &[]).await, [[clean]], "{leave}");
        }
    });
}

#[test]
fn a_server_that_was_killed_is_used_again() {
    let mut server = Server::start();
    let database = linked(&server, 4);
    capability::conformance::run(async {
        run(&database, "create table pair (name text)", &[]).await;
        let transaction = database.begin(crate::Access::ReadWrite).await.unwrap_or_else(|_| panic!("it begins"));
        server.kill();
        assert_eq!(refused(&database, "insert into pair values ('a')", &[]).await, "unavailable");
        let lost = transaction.execute("insert into pair values ('b')", Vec::new()).await;
        assert_eq!(lost.map_err(crate::suite::class), Err("unavailable".into()));
        drop(transaction);
        server.restart();
        assert_eq!(refused(&database, "insert into pair values ('c')", &[]).await, "changed 1");
        assert_eq!(ask(&database, "select name from pair", &[]).await, [[text("c")]]);
    });
}

/// Twice as many write as there are connections, so that some wait for one.
#[test]
fn a_server_killed_under_load_costs_only_the_statements_of_that_time() {
    const TIMEOUT: Duration = Duration::from_millis(500);
    const GRACE: Duration = Duration::from_secs(2);
    let mut server = Server::start();
    let options =
        Options { connections: 4, timeout: TIMEOUT, connect_timeout: TIMEOUT, ..postgres_options(&server.url()) };
    let database: Arc<dyn Database> = Arc::new(HOME.block_on(Postgres::connect(&options)).expect("the server is up"));
    let database = connection("shop", &[link(database)], "default").unwrap_or_else(|_| panic!("the link is there"));
    let database = &database;
    capability::conformance::run(run(database, "create table pair (name text primary key)", &[]));
    // A connection is waited for, is made, and answers: for who waits twice.
    let acknowledged = testkit::survives_kills(&mut *server, 4 * TIMEOUT + GRACE, |name| async move {
        let insert = "insert into pair values ($1) on conflict do nothing";
        let outcome = database.execute(insert, vec![text(&name)]).await.map_err(crate::suite::class);
        let is_clean = outcome.as_ref().err().is_none_or(|class| ["unavailable", "late"].contains(&class.as_str()));
        assert!(is_clean, "{outcome:?}");
        outcome.is_ok()
    });
    let there = capability::conformance::run(ask(database, "select name from pair", &[]));
    for name in acknowledged {
        assert!(there.contains(&vec![text(&name)]), "{name} was acknowledged and is gone");
    }
}

#[test]
fn a_server_that_stands_still_is_not_waited_for() {
    let server = Server::start();
    let database = linked(&server, 2);
    capability::conformance::run(async {
        run(&database, "create table pair (name text)", &[]).await;
        server.pause();
        for _ in 0..3 {
            let begun = Instant::now();
            let outcome = refused(&database, "insert into pair values ('a')", &[]).await;
            assert!(["late", "unavailable"].contains(&outcome.as_str()), "{outcome}");
            assert!(begun.elapsed() < Duration::from_secs(9), "{:?}", begun.elapsed());
        }
        server.resume();
        run(&database, "insert into pair values ('b')", &[]).await;
    });
}

#[test]
fn who_cannot_log_in_is_told_without_the_password() {
    let server = Server::start();
    let wrong = server.url().replace("open%20sesame", "open%20barley");
    let error = connect_error(&postgres_options(&wrong));
    assert!(error.contains("password authentication failed") && !error.contains("barley"), "{error}");
    let given = Options { password: Some(Server::PASSWORD.into()), ..postgres_options(&wrong) };
    assert!(HOME.block_on(Postgres::connect(&given)).is_ok());
    let nowhere = server.url().strip_suffix("/postgres").map(|server| format!("{server}/nowhere"));
    let error = connect_error(&postgres_options(&nowhere.expect("it ends with the database")));
    assert!(error.contains("\"nowhere\" does not exist"), "{error}");
}

#[test]
fn a_server_that_does_not_encrypt_is_refused_where_it_should() {
    let server = Server::start();
    let url = format!("{}?sslmode=verify-full", server.url());
    let error = connect_error(&postgres_options(&url));
    assert!(error.contains("sslmode=disable"), "{error}");
}

#[test]
fn a_server_has_to_show_that_it_is_the_one() {
    let (server, folder) = (Server::start(), tempfile::tempdir().expect("a folder for the test"));
    let [own, other] = ["own.pem", "other.pem"].map(|name| folder.path().join(name));
    let front = encrypting(&server, &own);
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a name");
    std::fs::write(&other, made.cert.pem()).expect("the folder is ours");
    let connect = |host: &str, mode: &str, ca: Option<&PathBuf>| {
        let address = server.address().to_string();
        let url = server.url().replace(&address, &format!("{host}:{}", front.port()));
        let options = Options { ca: ca.cloned(), ..postgres_options(&format!("{url}?sslmode={mode}")) };
        HOME.block_on(Postgres::connect(&options)).map_err(|error| stdx::Chain(&error).to_string())
    };
    for mode in ["require", "verify-ca", "verify-full", "prefer"] {
        let database: Arc<dyn Database> =
            Arc::new(connect("localhost", mode, Some(&own)).unwrap_or_else(|error| panic!("{error}")));
        let database = connection("shop", &[link(database)], "default").unwrap_or_else(|_| panic!("the link is there"));
        assert_eq!(capability::conformance::run(ask(&database, "select 7", &[])), [[Value::Integer(7)]], "{mode}");
        for (host, ca, why) in [
            ("localhost", None, "UnknownIssuer"),
            ("localhost", Some(&other), "invalid peer certificate"),
            ("127.0.0.1", Some(&own), "not valid for name"),
        ] {
            let error = connect(host, mode, ca).map(|_| ()).expect_err(why);
            assert!(error.contains(why), "{mode}: {error}");
        }
    }
    let nowhere = folder.path().join("nowhere.pem");
    assert!(connect("localhost", "require", Some(&nowhere)).is_err_and(|error| error.contains("nowhere.pem")));
}

/// Something in front of a server that encrypts, as the server itself would: the one in the tests is built without. Leaves its
/// certificate, which it has made for `localhost` by itself, in a file.
fn encrypting(server: &Server, certificate: &Path) -> SocketAddr {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a name");
    std::fs::write(certificate, made.cert.pem()).expect("the folder is ours");
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|config| config.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key));
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config.expect("they fit together")));
    let listener = HOME.block_on(TcpListener::bind("127.0.0.1:0")).expect("the machine has a loopback interface");
    let (address, behind) = (listener.local_addr().expect("it is bound"), server.address());
    let pass_on = move |mut client: TcpStream, acceptor: tokio_rustls::TlsAcceptor| async move {
        let mut asked = [0; 8];
        client.read_exact(&mut asked).await?;
        client.write_all(b"S").await?;
        let mut client = acceptor.accept(client).await?;
        tokio::io::copy_bidirectional(&mut client, &mut TcpStream::connect(behind).await?).await
    };
    HOME.spawn(async move {
        let mut passing = JoinSet::new();
        while let Ok((client, _)) = listener.accept().await {
            // One that does not trust it goes away.
            passing.spawn(pass_on(client, acceptor.clone()));
        }
    });
    address
}

/// As many at once as there are connections, and many more that wait for them.
#[test]
fn a_pool_is_shared_by_many() {
    let server = Server::start();
    let database = linked(&server, 3);
    capability::conformance::run(async {
        run(&database, "create table pair (name bigint)", &[]).await;
        let inserts = (0..60).map(|name| {
            let database = &database;
            async move { run(database, "insert into pair values ($1)", &[Value::Integer(name)]).await }
        });
        assert_eq!(futures::future::join_all(inserts).await.into_iter().sum::<u64>(), 60);
        let used = ask(&database, "select count(*) from pg_stat_activity where application_name = 'wattle'", &[]).await;
        assert_eq!(used, [[Value::Integer(3)]]);
    });
    drop(database);
    let other = linked(&server, 1);
    eventually("the connections are closed", || {
        let count = ask(&other, "select count(*) from pg_stat_activity where application_name = 'wattle'", &[]);
        capability::conformance::run(count) == [[Value::Integer(1)]]
    });
}
