//! This is how values look in SQLite, which has five types: what it has none for is kept as the nearest, and told by the type that
//! a column was declared with.
//!
//! | value | kept as | comes back where the column was declared as |
//! | --- | --- | --- |
//! | boolean | 0 or 1 | `boolean`, `bool` |
//! | decimal | its digits | `decimal…`, `numeric…`: there SQLite makes a number of it, exact to 15 digits |
//! | timestamp | `2026-11-23T16:30:00.000000Z` | `timestamp…`, `datetime…` |

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Row as Found, Statement};
use time::format_description::BorrowedFormatItem;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{OffsetDateTime, UtcOffset};

use crate::database::{Problem, SqlError};
use crate::value::{Column, Row, Value};

/// Instants in this form sort as they follow one another.
const INSTANT: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");

/// How many parameters a statement takes: the highest number that is in it.
pub(super) fn parameters(statement: &Statement<'_>) -> Result<usize, SqlError> {
    let mut numbers = (1..=statement.parameter_count()).map(|index| place(statement, index).map(|place| place + 1));
    numbers.try_fold(0, |highest, number| Ok(highest.max(number?)))
}

/// Gives a statement its parameters, which are as many as it takes.
pub(super) fn bind(statement: &mut Statement<'_>, values: &[Value]) -> Result<(), SqlError> {
    for index in 1..=statement.parameter_count() {
        let value = &values[place(statement, index)?];
        let value = kept(value)?;
        statement.raw_bind_parameter(index, value).map_err(|error| super::failure::of("sqlite", error))?;
    }
    Ok(())
}

/// Which of the values belongs to a parameter: that of its number, or without one, that of its place.
fn place(statement: &Statement<'_>, index: usize) -> Result<usize, SqlError> {
    let Some(name) = statement.parameter_name(index) else { return Ok(index - 1) };
    let number = name.strip_prefix(['$', '?']).and_then(|number| number.parse::<usize>().ok());
    match number.and_then(|number| number.checked_sub(1)) {
        Some(place) if place < usize::from(u16::MAX) => Ok(place),
        _ => Err(SqlError::Unsupported(format!("parameters are $1, $2 and so on; this one is {name}"))),
    }
}

/// A value as SQLite keeps it.
fn kept(value: &Value) -> Result<ToSqlOutput<'_>, SqlError> {
    Ok(match value {
        Value::Null => ToSqlOutput::Borrowed(ValueRef::Null),
        Value::Boolean(value) => ToSqlOutput::from(*value),
        Value::Integer(value) => ToSqlOutput::from(*value),
        Value::Float(value) => ToSqlOutput::from(*value),
        Value::Decimal(text) | Value::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
        Value::Bytes(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
        Value::Timestamp(micros) => ToSqlOutput::from(instant_text(*micros)?),
    })
}

/// The columns of a statement, as they were declared.
pub(super) fn columns(statement: &Statement<'_>) -> Vec<Column> {
    let column = |column: rusqlite::Column<'_>| Column {
        name: column.name().to_owned(),
        kind: column.decl_type().unwrap_or_default().to_ascii_lowercase(),
    };
    statement.columns().map(column).collect()
}

/// The values of a row.
pub(super) fn row(row: &Found<'_>, columns: &[Column]) -> rusqlite::Result<Row> {
    columns.iter().enumerate().map(|(index, column)| Ok(found(row.get_ref(index)?, &column.kind))).collect()
}

/// A value as it was found in a column that was declared so.
fn found(value: ValueRef<'_>, kind: &str) -> Value {
    let is = |words: [&str; 2]| words.iter().any(|word| kind.starts_with(word));
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(value @ (0 | 1)) if is(["boolean", "bool"]) => Value::Boolean(value == 1),
        ValueRef::Integer(value) if is(["decimal", "numeric"]) => Value::Decimal(value.to_string()),
        ValueRef::Integer(value) => Value::Integer(value),
        ValueRef::Real(value) if is(["decimal", "numeric"]) => Value::Decimal(value.to_string()),
        ValueRef::Real(value) => Value::Float(value),
        ValueRef::Text(text) => match String::from_utf8(text.to_vec()) {
            Ok(text) if is(["timestamp", "datetime"]) => instant(&text).map_or(Value::Text(text), Value::Timestamp),
            Ok(text) => Value::Text(text),
            Err(error) => Value::Bytes(error.into_bytes()),
        },
        ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec()),
    }
}

fn instant_text(micros: i64) -> Result<String, SqlError> {
    let text = OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000)
        .ok()
        .and_then(|instant| instant.format(INSTANT).ok());
    text.ok_or_else(|| SqlError::Statement(Problem::new("22008", "a timestamp lies beyond the years 0 to 9999")))
}

/// Microseconds since 1970, of an instant as it is kept or as SQLite's own functions write it.
fn instant(text: &str) -> Option<i64> {
    let mut text = text.replacen(' ', "T", 1);
    if !text.contains('T') {
        text.push_str("T00:00:00");
    }
    let has_offset = text.ends_with(['Z', 'z']) || text.rfind(['+', '-']) > text.find('T');
    if !has_offset {
        text.push('Z');
    }
    let instant = OffsetDateTime::parse(&text, &Rfc3339).ok()?.to_offset(UtcOffset::UTC);
    i64::try_from(instant.unix_timestamp_nanos().div_euclid(1_000)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_read_as_they_are_written() {
        for micros in [0, 1, -1, 1_795_451_400_123_456, -62_135_596_800_000_000, 253_402_300_799_999_999] {
            let text = instant_text(micros).expect("it is within the years");
            assert_eq!(instant(&text), Some(micros), "{text}");
        }
        assert!(instant_text(i64::MAX).is_err());
        assert_eq!(instant("2026-11-23 16:30:00"), Some(1_795_451_400_000_000));
        assert_eq!(instant("2026-11-23"), Some(1_795_392_000_000_000));
        assert_eq!(instant("2026-11-23T17:30:00+01:00"), Some(1_795_451_400_000_000));
        for other in ["", "now", "12:30", "2026-13-01"] {
            assert_eq!(instant(other), None, "{other}");
        }
    }
}
