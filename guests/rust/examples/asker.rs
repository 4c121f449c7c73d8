//! Asks a PostgreSQL server what it is told to, by `wasmcloud:postgres@0.1.1-draft`.
//!
//! `POST /` answers with the rows of the statement in the body, a line each; `p=…` is its parameter, as text. `POST /?batch` runs all
//! statements of the body, `POST /?exec` prepares and runs it.

use guests::{Target, answer, body_of};
use wasip2::http::types::{IncomingRequest, ResponseOutparam};

use crate::wasmcloud::postgres::types::PgValue;
use crate::wasmcloud::postgres::{prepared, query};

wit_bindgen::generate!({ path: "../../wit/wasmcloud-postgres", world: "imports", generate_all });

struct Asker;

wasip2::http::proxy::export!(Asker);

impl wasip2::exports::http::incoming_handler::Guest for Asker {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = Target::of(&request);
        let statement = String::from_utf8_lossy(&body_of(&request)).into_owned();
        match answered(&target, &statement) {
            Ok(text) => answer(out, 200, text),
            Err(text) => answer(out, 400, text),
        }
    }
}

fn answered(target: &Target, statement: &str) -> Result<String, String> {
    let params: Vec<PgValue> = target.text("p").map(PgValue::Text).into_iter().collect();
    if target.text("batch").is_some() {
        return query::query_batch(statement).map(|()| "done\n".into()).map_err(|error| format!("{error:?}"));
    }
    if target.text("exec").is_some() {
        let token = prepared::prepare(statement).map_err(|error| format!("{error:?}"))?;
        return prepared::exec(&token, &params).map(|count| format!("{count}\n")).map_err(|error| format!("{error:?}"));
    }
    let rows = query::query(statement, &params).map_err(|error| format!("{error:?}"))?;
    let line = |row: &query::ResultRow| {
        let entries = row.iter().map(|entry| format!("{}={:?}", entry.column_name, entry.value));
        entries.collect::<Vec<_>>().join(" ") + "\n"
    };
    Ok(rows.iter().map(line).collect())
}
