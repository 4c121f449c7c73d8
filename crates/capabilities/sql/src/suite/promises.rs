//! The promises, each a test of its own.

use std::time::{Duration, Instant};

use model::Terms;

use super::*;
use crate::database::Access;
use crate::guest::Transaction;

const TABLE: &str = "create table pair (name text primary key, value bigint not null check (value >= 0))";

fn pair(name: &str, value: i64) -> [Value; 2] {
    [Value::Text(name.into()), Value::Integer(value)]
}

async fn with_table(fresh: &Fresh) -> Connection {
    let database = fresh.linked("shop");
    run(&database, TABLE, &[]).await;
    database
}

async fn put(database: &Connection, name: &str, value: i64) {
    run(database, "insert into pair values ($1, $2)", &pair(name, value)).await;
}

async fn sum(database: &Connection) -> Value {
    ask(database, "select cast(coalesce(sum(value), 0) as bigint) from pair", &[]).await.remove(0).remove(0)
}

async fn begin(database: &Connection, access: Access) -> Transaction {
    database.begin(access).await.unwrap_or_else(|failure| panic!("{}", text(failure)))
}

async fn commit(transaction: Transaction) {
    transaction.commit().await.unwrap_or_else(|failure| panic!("{}", text(failure)));
}

pub(super) async fn values_come_back_as_they_went(fresh: Fresh) {
    let database = fresh.linked("shop");
    let columns = "a boolean, b bigint, c double precision, d text, e bytea, f timestamptz, g numeric, h text";
    run(&database, &format!("create table value ({columns})"), &[]).await;
    let rows = [
        vec![
            Value::Boolean(true),
            Value::Integer(i64::MIN),
            Value::Float(-0.1),
            Value::Text("'; drop table value; -- \u{1f33f}".into()),
            Value::Bytes(vec![0, 255, 39]),
            Value::Timestamp(1_795_451_400_123_456),
            Value::Decimal("-12.5".into()),
            Value::Null,
        ],
        vec![
            Value::Boolean(false),
            Value::Integer(i64::MAX),
            Value::Float(1e300),
            Value::Text(String::new()),
            Value::Bytes(Vec::new()),
            Value::Timestamp(-1),
            Value::Decimal("1000000".into()),
            Value::Text("null".into()),
        ],
        vec![Value::Null; 8],
    ];
    for row in &rows {
        run(&database, "insert into value values ($1, $2, $3, $4, $5, $6, $7, $8)", row).await;
    }
    assert_eq!(ask(&database, "select * from value where b is not null order by b", &[]).await, rows[..2]);
    assert_eq!(ask(&database, "select * from value where b is null", &[]).await, rows[2..]);
    let found = database.query("select a, b as other from value where d = $1", vec![rows[0][3].clone()]).await;
    let found = found.unwrap_or_else(|failure| panic!("{}", text(failure)));
    let names: Vec<_> = found.columns().iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["a", "other"]);
    assert_eq!(all(found).await, [rows[0][..2].to_vec()]);
}

/// However a value looks, and wherever a statement has it.
pub(super) async fn values_stay_values(fresh: Fresh) {
    let database = with_table(&fresh).await;
    let names = ["'", "';", "'; drop table pair; --", "\\'", "$1", "\"", "/*", "%", "\u{feff}", "a\nb"];
    for name in names {
        put(&database, name, 1).await;
        let name = [Value::Text(name.into())];
        let found = ask(&database, "select value from pair where name = $1 and $1 = name", &name).await;
        assert_eq!(found, [[Value::Integer(1)]], "{name:?}");
    }
    assert_eq!(sum(&database).await, Value::Integer(10));
    assert_eq!(ask(&database, "select name from pair where name = '$1'", &[]).await.len(), 1, "it stands in quotes");
}

pub(super) async fn what_is_wrong_is_told_apart(fresh: Fresh) {
    let database = with_table(&fresh).await;
    put(&database, "a", 1).await;
    run(&database, "create table child (name text not null references pair (name))", &[]).await;
    for (statement, class) in [
        ("insert into pair values ('a', 1)", "constraint 23505"),
        ("insert into pair values ('b', -1)", "constraint 23514"),
        ("insert into pair values ('b', null)", "constraint 23502"),
        ("insert into child values ('b')", "constraint 23503"),
        ("selec 1", "statement 42601"),
        ("select 1; select 2", "statement 42601"),
        ("select * from missing", "statement 42P01"),
        ("select missing from pair", "statement 42703"),
        ("create table pair (x text)", "statement 42P07"),
        ("select $1 || 'x'", "statement 07001"),
    ] {
        assert_eq!(refused(&database, statement, &[]).await, class, "{statement}");
    }
    assert_eq!(refused(&database, "select 1", &pair("a", 1)).await, "statement 07001");
    assert_eq!(sum(&database).await, Value::Integer(1), "nothing was changed");
}

pub(super) async fn what_a_statement_changed_is_counted(fresh: Fresh) {
    let database = with_table(&fresh).await;
    for name in ["a", "b", "c"] {
        put(&database, name, 1).await;
    }
    for (statement, count) in [
        ("update pair set value = value + 1", 3),
        ("create table other (x bigint)", 0),
        ("delete from pair where name = 'a'", 1),
        ("delete from pair where name = 'a'", 0),
        ("select * from pair", 2),
        ("insert into pair values ('d', 1), ('e', 1) returning name", 2),
    ] {
        assert_eq!(run(&database, statement, &[]).await, count, "{statement}");
    }
    let made = ask(&database, "insert into pair values ('f', 7) returning value, name", &[]).await;
    assert_eq!(made, [[Value::Integer(7), Value::Text("f".into())]]);
}

pub(super) async fn a_transaction_lasts_or_leaves_nothing(fresh: Fresh) {
    let database = with_table(&fresh).await;
    for (name, count) in [("kept", 1), ("undone", 1), ("dropped", 1)] {
        let transaction = begin(&database, Access::ReadWrite).await;
        let inserted = transaction.execute("insert into pair values ($1, $2)", pair(name, count).into()).await;
        assert!(matches!(inserted, Ok(1)));
        match name {
            "kept" => commit(transaction).await,
            "undone" => transaction.rollback().await.unwrap_or_else(|failure| panic!("{}", text(failure))),
            _ => drop(transaction),
        }
    }
    assert_eq!(ask(&database, "select name from pair", &[]).await, [[Value::Text("kept".into())]]);
}

pub(super) async fn a_failed_statement_ends_its_transaction(fresh: Fresh) {
    let database = with_table(&fresh).await;
    let transaction = begin(&database, Access::ReadWrite).await;
    let insert = "insert into pair values ($1, $2)";
    assert!(transaction.execute(insert, pair("a", 1).into()).await.is_ok());
    assert!(transaction.execute(insert, pair("a", 1).into()).await.is_err());
    let later = transaction.execute(insert, pair("b", 1).into()).await.map_err(class);
    assert_eq!(later, Err("statement 25P02".into()));
    assert_eq!(transaction.commit().await.map_err(class), Err("statement 25P02".into()));
    assert_eq!(sum(&database).await, Value::Integer(0));
}

pub(super) async fn nobody_sees_what_is_not_committed(fresh: Fresh) {
    let database = with_table(&fresh).await;
    let transaction = begin(&database, Access::ReadWrite).await;
    assert!(transaction.execute("insert into pair values ($1, $2)", pair("a", 5).into()).await.is_ok());
    assert_eq!(sum(&database).await, Value::Integer(0));
    let own = transaction.query("select value from pair", Vec::new()).await;
    assert_eq!(all(own.unwrap_or_else(|failure| panic!("{}", text(failure)))).await, [[Value::Integer(5)]]);
    commit(transaction).await;
    assert_eq!(sum(&database).await, Value::Integer(5));
}

pub(super) async fn a_transaction_that_reads_writes_nothing(fresh: Fresh) {
    let database = with_table(&fresh).await;
    let transaction = begin(&database, Access::ReadOnly).await;
    let outcome = transaction.execute("insert into pair values ($1, $2)", pair("a", 1).into()).await;
    assert_eq!(outcome.map_err(class), Err("statement 25006".into()));
    drop(transaction);
    // Nor is the next one kept from it.
    for name in ["a", "b", "c", "d"] {
        put(&database, name, 1).await;
    }
}

pub(super) async fn transactions_are_begun_by_functions_alone(fresh: Fresh) {
    let database = with_table(&fresh).await;
    for statement in ["begin", "/* */ COMMIT", "rollback", "savepoint a", "end", "start transaction", "-- \nabort"] {
        assert_eq!(refused(&database, statement, &[]).await, "unsupported", "{statement}");
    }
}

pub(super) async fn many_rows_come_a_batch_at_a_time(fresh: Fresh) {
    let database = fresh.linked("shop");
    let numbers = "with recursive c(x) as (select 1 union all select x + 1 from c where x < 100000) select x from c";
    let mut rows = database.query(numbers, Vec::new()).await.unwrap_or_else(|failure| panic!("{}", text(failure)));
    let mut next = 1;
    loop {
        let batch = rows.next().await.unwrap_or_else(|failure| panic!("{}", text(failure)));
        if batch.is_empty() {
            break;
        }
        assert!(batch.len() <= Limits::DEFAULT.batch_rows);
        for row in batch {
            assert_eq!(row, [Value::Integer(next)]);
            next += 1;
        }
    }
    assert_eq!(next, 100_001);
    assert!(rows.next().await.is_ok_and(|batch| batch.is_empty()), "the end stays the end");
}

pub(super) async fn a_result_ends_with_the_next_statement_of_its_transaction(fresh: Fresh) {
    let database = fresh.linked("shop");
    let numbers = "with recursive c(x) as (select 1 union all select x + 1 from c where x < 10000) select x from c";
    let transaction = begin(&database, Access::ReadOnly).await;
    let first = transaction.query(numbers, Vec::new()).await;
    let mut first = first.unwrap_or_else(|failure| panic!("{}", text(failure)));
    assert!(first.next().await.is_ok_and(|batch| !batch.is_empty()));
    let second = transaction.query("select 7", Vec::new()).await;
    let second = second.unwrap_or_else(|failure| panic!("{}", text(failure)));
    assert_eq!(first.next().await.map_err(class), Err("statement 24000".into()));
    assert_eq!(all(second).await.len(), 1);
}

pub(super) async fn a_result_that_nobody_reads_is_in_nobodys_way(fresh: Fresh) {
    let database = with_table(&fresh).await;
    let numbers = "with recursive c(x) as (select 1 union all select x + 1 from c) select x from c";
    for round in 0..20 {
        let mut rows = database.query(numbers, Vec::new()).await.unwrap_or_else(|failure| panic!("{}", text(failure)));
        assert!(rows.next().await.is_ok_and(|batch| !batch.is_empty()));
        drop(rows);
        put(&database, &round.to_string(), 1).await;
    }
    assert_eq!(sum(&database).await, Value::Integer(20));
}

pub(super) async fn what_is_too_large_is_refused_and_harms_nobody(fresh: Fresh) {
    let database = with_table(&fresh).await;
    let long = Value::Text("x".repeat(5 << 20));
    assert_eq!(refused(&database, "select $1", &[long]).await, "too large");
    assert_eq!(refused(&database, &format!("select '{}'", "x".repeat(2 << 20)), &[]).await, "too large");
    assert_eq!(refused(&database, "select 1", &vec![Value::Null; 20_000]).await, "too large");
    let huge = format!("select {}", fresh.huge);
    let outcome = match database.query(&huge, Vec::new()).await {
        Ok(mut rows) => rows.next().await.map(|batch| batch.len()),
        Err(failure) => Err(failure),
    };
    assert_eq!(outcome.map_err(class), Err("too large".into()));
    let wide = "x".repeat(1 << 20);
    let parameters: Vec<Value> = (0..3).map(|_| Value::Text(wide.clone())).collect();
    let found = ask(&database, "select cast($1 as text), cast($2 as text), cast($3 as text)", &parameters).await;
    assert_eq!(found, [parameters]);
    put(&database, "a", 1).await;
}

pub(super) async fn a_prepared_statement_runs_as_often_as_needed(fresh: Fresh) {
    let database = with_table(&fresh).await;
    let insert = database.prepare("insert into pair values ($1, $2)").await;
    let insert = insert.unwrap_or_else(|failure| panic!("{}", text(failure)));
    assert_eq!(insert.parameters(), 2);
    for name in 0..100 {
        assert!(insert.execute(pair(&name.to_string(), 1).into(), None).await.is_ok());
    }
    let transaction = begin(&database, Access::ReadWrite).await;
    assert!(insert.execute(pair("more", 1).into(), Some(&transaction)).await.is_ok());
    drop(transaction);
    assert_eq!(sum(&database).await, Value::Integer(100));
    assert_eq!(database.prepare("selec").await.map(|_| ()).map_err(class), Err("statement 42601".into()));
}

pub(super) async fn a_prepared_statement_outlives_a_change_of_its_table(fresh: Fresh) {
    let database = with_table(&fresh).await;
    put(&database, "a", 1).await;
    for columns in 2..6 {
        for _ in 0..4 {
            assert_eq!(ask(&database, "select * from pair", &[]).await[0].len(), columns);
        }
        run(&database, &format!("alter table pair add column c{columns} bigint"), &[]).await;
    }
}

pub(super) async fn a_statement_that_never_ends_is_given_up(fresh: Fresh) {
    let terms = Terms { timeout: Some(Duration::from_millis(300)), ..Terms::default() };
    let (hurried, database) = (fresh.linked_on("shop", terms), with_table(&fresh).await);
    for round in 0..6 {
        let begun = Instant::now();
        assert_eq!(refused(&hurried, fresh.endless, &[]).await, "late");
        assert!(begun.elapsed() < Duration::from_secs(5));
        put(&database, &round.to_string(), 1).await;
    }
    let transaction = begin(&hurried, Access::ReadWrite).await;
    assert_eq!(transaction.execute(fresh.endless, Vec::new()).await.map_err(class), Err("late".into()));
    drop(transaction);
    put(&database, "last", 1).await;
}

/// Transactions that read and then write the same row, some of which have to be tried again.
pub(super) async fn writers_that_meet_all_count(fresh: Fresh) {
    put(&with_table(&fresh).await, "a", 0).await;
    let add = async |database: &Connection| loop {
        let transaction = begin(database, Access::ReadWrite).await;
        let outcome = transaction.execute("update pair set value = value + 1 where name = 'a'", Vec::new()).await;
        match outcome {
            Ok(_) => return commit(transaction).await,
            Err(failure) => assert!(class(failure).starts_with("conflict")),
        }
    };
    let work = || {
        let database = fresh.linked("shop");
        capability::conformance::run(async {
            for _ in 0..25 {
                add(&database).await;
            }
        });
    };
    std::thread::scope(|threads| (0..4).for_each(|_| drop(threads.spawn(work))));
    assert_eq!(sum(&fresh.linked("shop")).await, Value::Integer(100));
}

pub(super) async fn names_choose_links(fresh: Fresh) {
    let named = OpenLink { name: "books".parse().expect("a name"), ..link(fresh.database.clone()) };
    assert!(connection("shop", std::slice::from_ref(&named), "books").is_ok());
    let class_of = |links: &[OpenLink], name: &str| connection("shop", links, name).map(|_| ()).map_err(class);
    assert_eq!(class_of(std::slice::from_ref(&named), "default"), Err("no such database".into()));
    assert_eq!(class_of(&[named, link(fresh.database.clone())], "other"), Err("no such database".into()));
    let closed = OpenLink { target: None, ..link(fresh.database.clone()) };
    let closed = connection("shop", &[closed], "default").unwrap_or_else(|failure| panic!("{}", text(failure)));
    assert_eq!(refused(&closed, "select 1", &[]).await, "unavailable");
}
