//! Which of its databases a component asks that has several: by the name that it opens, or by the link that it chose.

use capability::conformance::{link, run, state};
use capability::{OpenLink, Place};

use super::wattle::wattle::sql::database::HostConnection;
use super::*;
use crate::Sql;
use crate::suite::{Fresh, ask, refused, run as change};
use crate::value::Value;

/// A component with a database without a name and one that is called `books`.
fn component(first: &Fresh, books: &Fresh) -> State {
    let named = OpenLink { name: "books".parse().expect("a name"), ..link(books.database.clone()) };
    state(&Sql::new(Place { folder: "nowhere".into() }), "shop", &[link(first.database.clone()), named])
}

/// What the component opens by that name, taken out of its table.
fn opened(state: &mut State, name: &str) -> Connection {
    let handle = HostConnection::open(state, name.into()).unwrap_or_else(|_| panic!("it is there"));
    state.table.delete(handle).expect("it is there")
}

#[test]
fn a_connection_without_a_name_follows_the_link_that_was_chosen() {
    let (first, books) = (Fresh::sqlite(), Fresh::sqlite());
    let mut state = component(&first, &books);
    run(async {
        for (name, number) in [("default", 1), ("books", 2)] {
            let database = opened(&mut state, name);
            change(&database, "create table pair (number bigint)", &[]).await;
            change(&database, "insert into pair values ($1)", &[Value::Integer(number)]).await;
        }
        let asked = async |state: &mut State, name: &str| {
            let rows = ask(&opened(state, name), "select number from pair", &[]).await;
            rows.into_iter().flatten().collect::<Vec<_>>()
        };
        assert_eq!(asked(&mut state, "").await, [Value::Integer(1)]);
        state.choose("wattle:sql/database", "books");
        assert_eq!(asked(&mut state, "").await, [Value::Integer(2)]);
        assert_eq!(asked(&mut state, "default").await, [Value::Integer(1)], "a name that is said counts");
        // What was chosen for another interface is none of this one's.
        state.choose("wattle:sql/database", State::DEFAULT_NAME);
        state.choose("wasmcloud:postgres/query", "books");
        assert_eq!(asked(&mut state, "").await, [Value::Integer(1)]);
        // A connection stays where it was opened.
        let before = opened(&mut state, "");
        state.choose("wattle:sql/database", "books");
        assert_eq!(refused(&before, "update pair set number = 3 where number = 1", &[]).await, "changed 1");
    });
}
