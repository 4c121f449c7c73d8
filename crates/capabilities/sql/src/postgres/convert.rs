//! This is how values go to a PostgreSQL server and come from it.
//!
//! They go as text, which the server reads for whatever it needs there: an integer is good for a `numeric` or a `boolean`, a text
//! for a date, a UUID or an enumeration. They come in their binary form, and are told by their type.

use std::error::Error;

use bytes::BytesMut;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{Date, OffsetDateTime, Time};
use tokio_postgres::types::{Format, FromSql, IsNull, Kind, ToSql, Type};

use crate::database::{Problem, SqlError};
use crate::value::{Column, Row, Value};

use super::numeric;

/// From 1970 to 2000, where the server's time begins, in microseconds.
const MILLENNIUM: i64 = 946_684_800_000_000;
/// The Julian day of 2000-01-01.
const MILLENNIUM_DAY: i32 = 2_451_545;
const INSTANT: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");
const DAY: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]");
const TIME: &[BorrowedFormatItem<'_>] = format_description!("[hour]:[minute]:[second].[subsecond digits:6]");

/// A value that does not go, or does not come.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Unfit {
    /// Bytes where the statement has none.
    #[error("bytes are given where the statement takes {0}")]
    NotBytes(String),
    /// An instant that has no text.
    #[error("a timestamp lies beyond the years 0 to 9999")]
    Instant,
    /// A type that no value is made for.
    #[error("a value of the type {0} cannot be read: ask for it as text (column::text)")]
    Type(String),
}

impl From<Unfit> for SqlError {
    fn from(unfit: Unfit) -> Self {
        match &unfit {
            Unfit::NotBytes(_) => Self::Statement(Problem::new("42804", unfit.to_string())),
            Unfit::Instant => Self::Statement(Problem::new("22008", unfit.to_string())),
            Unfit::Type(_) => Self::Unsupported(unfit.to_string()),
        }
    }
}

impl ToSql for Value {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Null => return Ok(IsNull::Yes),
            Self::Boolean(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
            Self::Integer(value) => out.extend_from_slice(value.to_string().as_bytes()),
            Self::Float(value) => out.extend_from_slice(value.to_string().as_bytes()),
            Self::Decimal(text) | Self::Text(text) => out.extend_from_slice(text.as_bytes()),
            Self::Bytes(bytes) if *ty == Type::BYTEA => out.extend_from_slice(bytes),
            Self::Bytes(_) => return Err(Unfit::NotBytes(ty.name().into()).into()),
            Self::Timestamp(micros) => out.extend_from_slice(instant(*micros).ok_or(Unfit::Instant)?.as_bytes()),
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn to_sql_checked(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        self.to_sql(ty, out)
    }

    fn encode_format(&self, _: &Type) -> Format {
        if matches!(self, Self::Bytes(_)) { Format::Binary } else { Format::Text }
    }
}

impl<'a> FromSql<'a> for Value {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        let unfit = || Unfit::Type(ty.name().to_owned());
        Ok(match *ty {
            Type::BOOL => Self::Boolean(bool::from_sql(ty, raw)?),
            Type::INT2 => Self::Integer(i16::from_sql(ty, raw)?.into()),
            Type::INT4 => Self::Integer(i32::from_sql(ty, raw)?.into()),
            Type::INT8 => Self::Integer(i64::from_sql(ty, raw)?),
            Type::OID => Self::Integer(u32::from_sql(ty, raw)?.into()),
            Type::FLOAT4 => Self::Float(f32::from_sql(ty, raw)?.into()),
            Type::FLOAT8 => Self::Float(f64::from_sql(ty, raw)?),
            Type::NUMERIC => Self::Decimal(numeric::text(raw).ok_or_else(unfit)?),
            Type::BYTEA => Self::Bytes(raw.to_vec()),
            Type::TIMESTAMP | Type::TIMESTAMPTZ => timestamp(i64::from_be_bytes(raw.try_into()?)),
            Type::DATE => day(i32::from_be_bytes(raw.try_into()?)).ok_or_else(unfit)?,
            Type::TIME => time(i64::from_be_bytes(raw.try_into()?)).ok_or_else(unfit)?,
            Type::UUID => Self::Text(uuid(raw.try_into()?)),
            Type::VOID => Self::Null,
            // One byte tells the version of what follows.
            Type::JSONB => Self::Text(String::from_utf8(raw.get(1..).ok_or_else(unfit)?.to_vec())?),
            Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN | Type::XML | Type::JSON => {
                text(raw)?
            }
            _ if matches!(ty.kind(), Kind::Enum(_)) || ty.name() == "citext" => text(raw)?,
            _ => return Err(unfit().into()),
        })
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self::Null)
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// A column with its type.
pub(super) fn column(column: &tokio_postgres::Column) -> Column {
    Column { name: column.name().to_owned(), kind: column.type_().name().to_owned() }
}

/// The values of a row.
pub(super) fn row(row: &tokio_postgres::Row) -> Result<Row, SqlError> {
    (0..row.len())
        .map(|index| {
            row.try_get(index).map_err(|error| match error.source().and_then(|source| source.downcast_ref::<Unfit>()) {
                Some(unfit) => unfit.clone().into(),
                None => SqlError::Unsupported(Unfit::Type(row.columns()[index].type_().name().to_owned()).to_string()),
            })
        })
        .collect()
}

fn text(raw: &[u8]) -> Result<Value, Box<dyn Error + Sync + Send>> {
    Ok(Value::Text(String::from_utf8(raw.to_vec())?))
}

/// An instant, of microseconds since 2000. The ends of their range stand for the infinities.
fn timestamp(micros: i64) -> Value {
    match micros {
        i64::MAX => Value::Text("infinity".into()),
        i64::MIN => Value::Text("-infinity".into()),
        micros => Value::Timestamp(micros.saturating_add(MILLENNIUM)),
    }
}

fn instant(micros: i64) -> Option<String> {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000).ok()?.format(INSTANT).ok()
}

/// A day, of days since 2000.
fn day(days: i32) -> Option<Value> {
    match days {
        i32::MAX => Some(Value::Text("infinity".into())),
        i32::MIN => Some(Value::Text("-infinity".into())),
        days => {
            let day = Date::from_julian_day(MILLENNIUM_DAY.checked_add(days)?).ok().filter(|day| day.year() > 0)?;
            day.format(DAY).ok().map(Value::Text)
        }
    }
}

/// A time of the day, of microseconds since midnight.
fn time(micros: i64) -> Option<Value> {
    let (seconds, micros) = (u32::try_from(micros / 1_000_000).ok()?, u32::try_from(micros % 1_000_000).ok()?);
    if seconds == 86_400 {
        return Some(Value::Text("24:00:00.000000".into()));
    }
    let part = |value: u32| u8::try_from(value).ok();
    let time =
        Time::from_hms_micro(part(seconds / 3_600)?, part(seconds / 60 % 60)?, part(seconds % 60)?, micros).ok()?;
    time.format(TIME).ok().map(Value::Text)
}

pub(crate) fn uuid(bytes: [u8; 16]) -> String {
    let digits = format!("{:032x}", u128::from_be_bytes(bytes));
    let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    parts.join("-")
}
