//! Keeps accounts in a database, by `wattle:sql@0.1.0`, and runs whatever statement it is given.
//!
//! | request | answer |
//! | --- | --- |
//! | `PUT /` | the table of accounts is there |
//! | `PUT /NAME?balance=N` | the account has this balance |
//! | `POST /FROM/TO?amount=N` | so much went from one to the other; 422 where there is not so much, 409 where it may be tried again |
//! | `GET /NAME` | its balance; 404 where there is none |
//! | `GET /` | how many accounts there are and what is in them together, read row by row |
//! | `POST /?run` | how many rows the statement in the body changed |
//! | `POST /?ask` | the rows of the statement in the body, a line each |
//! | `POST /?count` | how many rows the statement in the body gave, counted one batch after the other |
//! | `POST /?leave=N` | begins a transaction, runs the body, and leaves it: by `drop`, `trap`, `spin` or `commit` |
//!
//! Parameters of a statement are `p=…`, as text, and `i=…`, as number, in this order. `link=NAME` chooses the link.

use guests::{Target, answer, body_of};
use wasip2::http::types::{IncomingRequest, ResponseOutparam};

use crate::wattle::sql::database::{Access, Connection, Error, Transaction, Value};

wit_bindgen::generate!({ path: "../../wit/sql", world: "imports", generate_all });

struct Ledger;

wasip2::http::proxy::export!(Ledger);

const TABLE: &str =
    "create table if not exists account (name text primary key, balance bigint not null check (balance >= 0))";
const PUT: &str = "insert into account (name, balance) values ($1, $2)
     on conflict (name) do update set balance = excluded.balance";
const MOVE: &str = "update account set balance = balance + $1 where name = $2";

impl wasip2::exports::http::incoming_handler::Guest for Ledger {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = Target::of(&request);
        let body = String::from_utf8_lossy(&body_of(&request)).into_owned();
        match answered(&target, &body) {
            Ok(text) => answer(out, 200, format!("{text}\n")),
            Err(error) => answer(out, status(&error), format!("{error:?}\n")),
        }
    }
}

fn answered(target: &Target, body: &str) -> Result<String, Error> {
    let database = Connection::open(&target.text("link").unwrap_or_default())?;
    let parameters = parameters(target);
    let names = target.path.split_once('/');
    match (target.method.as_str(), target.path.as_str()) {
        ("PUT", "") => Ok(database.execute(TABLE, &[])?.to_string()),
        ("PUT", name) => {
            let balance = Value::Integer(target.number("balance", 0));
            Ok(database.execute(PUT, &[Value::Text(name.into()), balance])?.to_string())
        }
        ("POST", "") if target.text("run").is_some() => Ok(database.execute(body, &parameters)?.to_string()),
        ("POST", "") if target.text("ask").is_some() => ask(&database, body, &parameters),
        ("POST", "") if target.text("count").is_some() => count(&database, body, &parameters),
        ("POST", "") => leave(&database, body, &target.text("leave").unwrap_or_default()),
        ("POST", _) => {
            let (from, to) = names.unwrap_or_default();
            transfer(&database, (from, to), target.number("amount", 1))
        }
        ("GET", "") => sum(&database),
        ("GET", name) => balance(&database, name),
        _ => Err(Error::Unsupported(target.method.clone())),
    }
}

fn status(error: &Error) -> u16 {
    match error {
        Error::Constraint(_) => 422,
        Error::Conflict(_) => 409,
        Error::Other(text) if text == "no such account" => 404,
        Error::Unavailable | Error::Timeout | Error::NoSuchDatabase => 503,
        _ => 400,
    }
}

fn parameters(target: &Target) -> Vec<Value> {
    let text = target.text("p").map(Value::Text);
    let number = target.text("i").map(|number| Value::Integer(number.parse().unwrap_or_default()));
    text.into_iter().chain(number).collect()
}

fn transfer(database: &Connection, (from, to): (&str, &str), amount: i64) -> Result<String, Error> {
    let move_ = database.prepare(MOVE)?;
    let transaction = database.begin(Access::ReadWrite)?;
    // Always in the order of their names: two that go both ways do not wait for each other.
    let mut changes = [(from, -amount), (to, amount)];
    changes.sort_unstable();
    for (name, change) in changes {
        let parameters = [Value::Integer(change), Value::Text(name.into())];
        if move_.execute(&parameters, Some(&transaction))? != 1 {
            return Err(Error::Other("no such account".into()));
        }
    }
    Transaction::commit(transaction)?;
    Ok("moved".into())
}

fn balance(database: &Connection, name: &str) -> Result<String, Error> {
    let rows = database.query("select balance from account where name = $1", &[Value::Text(name.into())])?;
    match rows.next()?.pop().and_then(|mut row| row.pop()) {
        Some(value) => Ok(shown(&value)),
        None => Err(Error::Other("no such account".into())),
    }
}

/// Reads all accounts in one transaction, so that what moves meanwhile is in one of them.
fn sum(database: &Connection) -> Result<String, Error> {
    let transaction = database.begin(Access::ReadOnly)?;
    let rows = transaction.query("select name, balance from account order by name", &[])?;
    let (mut count, mut sum) = (0, 0);
    loop {
        let batch = rows.next()?;
        if batch.is_empty() {
            break;
        }
        count += batch.len();
        sum += batch
            .iter()
            .filter_map(|row| if let Value::Integer(value) = row[1] { Some(value) } else { None })
            .sum::<i64>();
    }
    drop(rows);
    Transaction::rollback(transaction)?;
    Ok(format!("{count} {sum}"))
}

fn ask(database: &Connection, statement: &str, parameters: &[Value]) -> Result<String, Error> {
    let rows = database.query(statement, parameters)?;
    let mut lines = Vec::new();
    loop {
        let batch = rows.next()?;
        if batch.is_empty() {
            return Ok(lines.join("\n"));
        }
        lines.extend(batch.iter().map(|row| row.iter().map(shown).collect::<Vec<_>>().join(" ")));
    }
}

fn count(database: &Connection, statement: &str, parameters: &[Value]) -> Result<String, Error> {
    let rows = database.query(statement, parameters)?;
    let mut count = 0;
    loop {
        let batch = rows.next()?;
        if batch.is_empty() {
            return Ok(count.to_string());
        }
        count += batch.len();
    }
}

fn leave(database: &Connection, statement: &str, how: &str) -> Result<String, Error> {
    let transaction = database.begin(Access::ReadWrite)?;
    transaction.execute(statement, &[])?;
    match how {
        "trap" => panic!("the ledger was told to trap"),
        "spin" => loop {
            std::hint::spin_loop();
        },
        "commit" => Transaction::commit(transaction)?,
        _ => drop(transaction),
    }
    Ok("left".into())
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Boolean(value) => value.to_string(),
        Value::Integer(value) => value.to_string(),
        Value::Float(value) => format!("{value:?}"),
        Value::Decimal(value) => format!("{value}d"),
        Value::Text(value) => value.clone(),
        Value::Bytes(value) => format!("{} bytes", value.len()),
        Value::Timestamp(value) => format!("{value}us"),
    }
}
