//! This is how the contract's values come from the server: in their binary form, each by its type.
//!
//! The forms are those of the `…_send` functions in PostgreSQL's source, `src/backend/utils/adt`.

use std::net::{Ipv4Addr, Ipv6Addr};

use time::{Duration, PrimitiveDateTime, macros::datetime};
use tokio_postgres::types::{FromSql, Kind, Type};

use super::types::{
    Date, HashableF64, MacAddressEui48, MacAddressEui64, Offset, PgValue, Point, Time, TimeTz, Timestamp, TimestampTz,
};
use crate::database::SqlError;
use crate::postgres::{Unfit, numeric_text};

type BoxError = Box<dyn std::error::Error + Sync + Send>;

/// Where the server's time begins.
const MILLENNIUM: PrimitiveDateTime = datetime!(2000-01-01 0:00);

/// The values of a row, and about how many bytes they take.
pub(super) fn row(row: &tokio_postgres::Row) -> Result<(Vec<PgValue>, usize), SqlError> {
    let unfit = |index: usize| SqlError::from(Unfit::Type(row.columns()[index].type_().name().to_owned()));
    let value = |index| row.try_get::<_, PgValue>(index).map_err(|_unfit| unfit(index));
    let values: Vec<PgValue> = (0..row.len()).map(value).collect::<Result<_, _>>()?;
    Ok((values, row.raw_size_bytes() + row.len() * size_of::<PgValue>()))
}

/// An element of an array, as it is.
struct Raw<'a>(&'a [u8]);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, BoxError> {
        Ok(Self(raw))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

impl<'a> FromSql<'a> for PgValue {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, BoxError> {
        match ty.kind() {
            Kind::Array(element) => array(ty, element, raw),
            _ => one(ty, raw),
        }
    }

    fn from_sql_null(_: &Type) -> Result<Self, BoxError> {
        Ok(Self::Null)
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

fn one(ty: &Type, raw: &[u8]) -> Result<PgValue, BoxError> {
    use PgValue as V;
    Ok(match *ty {
        Type::BOOL => V::Bool(bool::from_sql(ty, raw)?),
        Type::INT2 => V::Int2(i16::from_sql(ty, raw)?),
        Type::INT4 => V::Int4(i32::from_sql(ty, raw)?),
        Type::INT8 => V::Int8(i64::from_sql(ty, raw)?),
        Type::OID => V::Int8(u32::from_sql(ty, raw)?.into()),
        Type::FLOAT4 => V::Float4(parts(f32::from_sql(ty, raw)?.into())),
        Type::FLOAT8 => V::Float8(parts(f64::from_sql(ty, raw)?)),
        Type::NUMERIC => V::Numeric(numeric_text(raw).ok_or("it is no number")?),
        Type::MONEY => V::Money(i64::from_sql(&Type::INT8, raw)?.to_string()),
        Type::BYTEA => V::Bytea(raw.to_vec()),
        Type::BPCHAR => V::Char((u32::try_from(raw.len())?, raw.to_vec())),
        Type::VARCHAR => V::Varchar((None, raw.to_vec())),
        Type::TEXT | Type::UNKNOWN => V::Text(text(raw)?),
        Type::NAME => V::Name(text(raw)?),
        Type::XML => V::Xml(text(raw)?),
        Type::JSON => V::Json(text(raw)?),
        // One byte tells the version of what follows.
        Type::JSONB => V::Jsonb(text(raw.get(1..).ok_or("it is empty")?)?),
        Type::UUID => V::Uuid(uuid(raw.try_into()?)),
        Type::BIT => V::Bit(bits(raw)?),
        Type::VARBIT => bits(raw).map(|(length, bytes)| V::Varbit((Some(length), bytes)))?,
        Type::INET => V::Inet(network(raw)?),
        Type::CIDR => V::Cidr(network(raw)?),
        Type::MACADDR => V::Macaddr(MacAddressEui48 { bytes: <[u8; 6]>::try_from(raw)?.into() }),
        Type::MACADDR8 => V::Macaddr8(MacAddressEui64 { bytes: <[u8; 8]>::try_from(raw)?.into() }),
        Type::POINT => V::Point(exactly::<1>(raw)?[0]),
        Type::BOX => exactly::<2>(raw).map(|[upper, lower]| V::Box((lower, upper)))?,
        Type::LSEG => exactly::<2>(raw).map(|[start, end]| V::Lseg((start, end)))?,
        Type::CIRCLE => {
            let (center, radius) = raw.split_at_checked(16).ok_or("it is too short")?;
            V::Circle((exactly::<1>(center)?[0], parts(f64::from_sql(&Type::FLOAT8, radius)?)))
        }
        // One byte tells whether it is closed, and four how many points follow.
        Type::PATH => V::Path(points(raw.get(5..).ok_or("it is too short")?)?),
        Type::POLYGON => V::Polygon(points(raw.get(4..).ok_or("it is too short")?)?),
        Type::DATE => V::Date(date(i32::from_sql(&Type::INT4, raw)?)?),
        Type::TIME => V::Time(time(i64::from_sql(&Type::INT8, raw)?)?),
        Type::TIMETZ => V::TimeTz(time_tz(raw)?),
        Type::TIMESTAMP => V::Timestamp(timestamp(i64::from_sql(&Type::INT8, raw)?)?),
        Type::TIMESTAMPTZ => {
            let timestamp = timestamp(i64::from_sql(&Type::INT8, raw)?)?;
            V::TimestampTz(TimestampTz { timestamp, offset: Offset::EasternHemisphereSecs(0) })
        }
        Type::PG_LSN => V::PgLsn(u64::from_be_bytes(raw.try_into()?)),
        Type::VOID => V::Null,
        _ if matches!(ty.kind(), Kind::Enum(_)) || ty.name() == "citext" => V::Text(text(raw)?),
        _ => return Err(Unfit::Type(ty.name().to_owned()).into()),
    })
}

/// All elements of an array, each with what it becomes; none of them may be nothing, for which the contract has no place.
fn array(ty: &Type, element: &Type, raw: &[u8]) -> Result<PgValue, BoxError> {
    use PgValue as V;
    let elements = Vec::<Raw<'_>>::from_sql(ty, raw)?;
    let values: Vec<V> = elements.iter().map(|element_raw| one(element, element_raw.0)).collect::<Result<_, _>>()?;
    macro_rules! gathered {
        ($($element:ident in $array:ident),* $(,)?) => {
            match values.first() {
                $(Some(V::$element(_)) => V::$array(values.into_iter().filter_map(|value| {
                    if let V::$element(value) = value { Some(value) } else { None }
                }).collect()),)*
                None => V::TextArray(Vec::new()),
                Some(_) => return Err(Unfit::Type(ty.name().to_owned()).into()),
            }
        };
    }
    Ok(gathered! {
        Bool in BoolArray, Int2 in Int2Array, Int4 in Int4Array, Int8 in Int8Array, Float4 in Float4Array, Float8 in Float8Array,
        Numeric in NumericArray, Money in MoneyArray, Bytea in ByteaArray, Char in CharArray, Varchar in VarcharArray,
        Text in TextArray, Name in NameArray, Xml in XmlArray, Json in JsonArray, Jsonb in JsonbArray, Uuid in UuidArray,
        Bit in BitArray, Varbit in VarbitArray, Inet in InetArray, Cidr in CidrArray, Macaddr in MacaddrArray,
        Macaddr8 in Macaddr8Array, Point in PointArray, Box in BoxArray, Lseg in LsegArray, Circle in CircleArray,
        Path in PathArray, Polygon in PolygonArray, Date in DateArray, Time in TimeArray, TimeTz in TimeTzArray,
        Timestamp in TimestampArray, TimestampTz in TimestampTzArray, PgLsn in PgLsnArray,
    })
}

fn text(raw: &[u8]) -> Result<String, BoxError> {
    Ok(String::from_utf8(raw.to_vec())?)
}

/// A number in its parts (IEEE 754): what is subnormal has the lowest exponent and no hidden bit.
fn parts(number: f64) -> HashableF64 {
    let bits = number.to_bits();
    let exponent = i16::try_from(bits >> 52 & 0x7ff).unwrap_or(0);
    let fraction = bits & 0xf_ffff_ffff_ffff;
    let mantissa = if exponent == 0 { fraction << 1 } else { fraction | 0x10_0000_0000_0000 };
    (mantissa, exponent - 1075, if number.is_sign_negative() { -1 } else { 1 })
}

fn points(raw: &[u8]) -> Result<Vec<Point>, BoxError> {
    let number = |bytes: &[u8]| f64::from_sql(&Type::FLOAT8, bytes).map(parts);
    let point = |bytes: &[u8]| Ok((number(&bytes[..8])?, number(&bytes[8..])?));
    if !raw.len().is_multiple_of(16) {
        return Err("it is cut off".into());
    }
    raw.chunks_exact(16).map(point).collect()
}

fn exactly<const N: usize>(raw: &[u8]) -> Result<[Point; N], BoxError> {
    points(raw)?.try_into().map_err(|_points| "it has another number of points".into())
}

/// How many bits, and the bytes that they are in.
fn bits(raw: &[u8]) -> Result<(u32, Vec<u8>), BoxError> {
    let (length, bytes) = raw.split_first_chunk().ok_or("it is too short")?;
    Ok((u32::from_be_bytes(*length), bytes.to_vec()))
}

/// An address with its network: family, bits of the network, whether it is one, length, and the bytes of the address.
fn network(raw: &[u8]) -> Result<String, BoxError> {
    let ([_, bits, is_network, _], address) = raw.split_first_chunk().ok_or("it is too short")?;
    let (address, all) = match address.len() {
        4 => (Ipv4Addr::from(<[u8; 4]>::try_from(address)?).to_string(), 32),
        16 => (Ipv6Addr::from(<[u8; 16]>::try_from(address)?).to_string(), 128),
        _ => return Err("it is of no family".into()),
    };
    Ok(if *bits == all && *is_network == 0 { address } else { format!("{address}/{bits}") })
}

fn date(days: i32) -> Result<Date, BoxError> {
    match days {
        i32::MAX => Ok(Date::PositiveInfinity),
        i32::MIN => Ok(Date::NegativeInfinity),
        days => {
            let day = MILLENNIUM.checked_add(Duration::days(days.into())).ok_or("it is too far away")?;
            Ok(Date::Ymd((day.year(), u8::from(day.month()).into(), day.day().into())))
        }
    }
}

fn time(micros: i64) -> Result<Time, BoxError> {
    let micros = u64::try_from(micros)?;
    let part = |value: u64| u32::try_from(value);
    let seconds = micros / 1_000_000;
    Ok(Time {
        hour: part(seconds / 3600)?,
        min: part(seconds / 60 % 60)?,
        sec: part(seconds % 60)?,
        micro: part(micros % 1_000_000)?,
    })
}

/// A time, and how many seconds it is behind UTC.
fn time_tz(raw: &[u8]) -> Result<TimeTz, BoxError> {
    let (micros, behind) = raw.split_first_chunk().ok_or("it is too short")?;
    let behind = i32::from_sql(&Type::INT4, behind)?;
    let (sign, offset) = (if behind > 0 { '-' } else { '+' }, behind.unsigned_abs());
    let timesonze = format!("{sign}{:02}:{:02}:{:02}", offset / 3600, offset / 60 % 60, offset % 60);
    Ok(TimeTz { timesonze, time: time(i64::from_be_bytes(*micros))? })
}

fn timestamp(micros: i64) -> Result<Timestamp, BoxError> {
    let midnight = Time { hour: 0, min: 0, sec: 0, micro: 0 };
    match micros {
        i64::MAX => Ok(Timestamp { date: Date::PositiveInfinity, time: midnight }),
        i64::MIN => Ok(Timestamp { date: Date::NegativeInfinity, time: midnight }),
        micros => {
            let day = i32::try_from(micros.div_euclid(86_400_000_000))?;
            Ok(Timestamp { date: date(day)?, time: time(micros.rem_euclid(86_400_000_000))? })
        }
    }
}

fn uuid(bytes: [u8; 16]) -> String {
    crate::postgres::uuid_text(bytes)
}
