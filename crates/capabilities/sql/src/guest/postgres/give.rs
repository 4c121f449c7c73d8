//! This is how the contract's values go to the server: as the text that PostgreSQL reads for their type, which is good for a column of
//! that type and of many others (PostgreSQL's manual, chapter 8, "Data Types").

use super::types::{
    Date, HashableF64, Interval, Lexeme, LexemeWeight, Offset, PgValue, Point, Time, Timestamp, TimestampTz,
};
use crate::value::Value;

/// A parameter.
pub(super) fn value(value: &PgValue) -> Value {
    use PgValue as V;
    match value {
        V::Null => Value::Null,
        V::BigInt(n) | V::Int8(n) | V::BigSerial(n) | V::Serial8(n) | V::TxidSnapshot(n) => Value::Integer(*n),
        V::Integer(n) | V::Int(n) | V::Int4(n) => Value::Integer((*n).into()),
        V::SmallInt(n) | V::Int2(n) | V::SmallSerial(n) | V::Serial2(n) => Value::Integer((*n).into()),
        V::Serial(n) | V::Serial4(n) => Value::Integer((*n).into()),
        V::Bool(value) | V::Boolean(value) => Value::Boolean(*value),
        V::Double(n) | V::Float8(n) | V::Real(n) | V::Float4(n) => Value::Float(number(n)),
        V::Numeric(text) | V::Decimal(text) | V::Money(text) => Value::Decimal(text.clone()),
        V::Bytea(bytes) => Value::Bytes(bytes.clone()),
        V::Char((_, bytes)) | V::Varchar((_, bytes)) => characters(bytes),
        V::Cidr(text) | V::Inet(text) | V::Json(text) | V::Jsonb(text) | V::Name(text) | V::Text(text) => {
            Value::Text(text.clone())
        }
        V::Xml(text) | V::TsQuery(text) | V::Uuid(text) => Value::Text(text.clone()),
        other => Value::Text(structured(other)),
    }
}

/// What consists of several.
fn structured(value: &PgValue) -> String {
    use PgValue as V;
    match value {
        V::Bit((length, bytes)) => bits(Some(*length), bytes),
        V::BitVarying((length, bytes)) | V::Varbit((length, bytes)) => bits(*length, bytes),
        V::Macaddr(address) => mac(&<[u8; 6]>::from(address.bytes)),
        V::Macaddr8(address) => mac(&<[u8; 8]>::from(address.bytes)),
        V::Box((a, b)) => points("(", &[*a, *b], ")"),
        V::Line((a, b)) | V::Lseg((a, b)) => points("[", &[*a, *b], "]"),
        V::Circle((center, radius)) => format!("<{},{}>", point(center), number(radius)),
        V::Path(all) => points("[", all, "]"),
        V::Polygon(all) => points("(", all, ")"),
        V::Point(it) => point(it),
        V::Date(it) => date(it),
        V::Interval(it) => days(it),
        V::Time(it) => time(it),
        V::TimeTz(it) => format!("{}{}", time(&it.time), it.timesonze),
        V::Timestamp(it) => timestamp(it),
        V::TimestampTz(it) => timestamp_tz(it),
        V::PgLsn(number) => lsn(*number),
        V::PgSnapshot((xmin, xmax, running)) => {
            let running: Vec<_> = running.iter().map(ToString::to_string).collect();
            format!("{xmin}:{xmax}:{}", running.join(","))
        }
        V::TsVector(lexemes) => lexemes.iter().map(lexeme).collect::<Vec<_>>().join(" "),
        V::Hstore(pairs) => pairs.iter().map(pair).collect::<Vec<_>>().join(", "),
        V::Int2Vector(all) => all.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        // The one type whose text has a comma between its parts, and so another divider between its elements.
        V::BoxArray(_) => in_braces(&elements(value), ";"),
        array => in_braces(&elements(array), ","),
    }
}

/// The elements of an array.
fn elements(value: &PgValue) -> Vec<String> {
    use PgValue as V;
    fn each<T>(all: &[T], text: impl Fn(&T) -> String) -> Vec<String> {
        all.iter().map(text).collect()
    }
    match value {
        V::Int8Array(all) => each(all, ToString::to_string),
        V::Int4Array(all) => each(all, ToString::to_string),
        V::Int2Array(all) => each(all, ToString::to_string),
        V::BoolArray(all) => each(all, ToString::to_string),
        V::Float8Array(all) | V::Float4Array(all) => each(all, |it| number(it).to_string()),
        V::NumericArray(all) | V::MoneyArray(all) | V::CidrArray(all) | V::InetArray(all) => all.clone(),
        V::JsonArray(all) | V::JsonbArray(all) | V::NameArray(all) | V::TextArray(all) => all.clone(),
        V::XmlArray(all) | V::UuidArray(all) => all.clone(),
        V::Int2VectorArray(all) => each(all, |it| structured(&V::Int2Vector(it.clone()))),
        V::BitArray(all) => each(all, |(length, bytes)| bits(Some(*length), bytes)),
        V::VarbitArray(all) => each(all, |(length, bytes)| bits(*length, bytes)),
        V::ByteaArray(all) => each(all, |bytes| hex(bytes)),
        V::CharArray(all) => each(all, |(_, bytes)| String::from_utf8_lossy(bytes).into_owned()),
        V::VarcharArray(all) => each(all, |(_, bytes)| String::from_utf8_lossy(bytes).into_owned()),
        V::MacaddrArray(all) => each(all, |it| structured(&V::Macaddr(*it))),
        V::Macaddr8Array(all) => each(all, |it| structured(&V::Macaddr8(*it))),
        V::BoxArray(all) => each(all, |it| structured(&V::Box(*it))),
        V::CircleArray(all) => each(all, |it| structured(&V::Circle(*it))),
        V::LineArray(all) | V::LsegArray(all) => each(all, |it| structured(&V::Lseg(*it))),
        V::PathArray(all) => each(all, |it| points("[", it, "]")),
        V::PointArray(all) => each(all, point),
        V::PolygonArray(all) => each(all, |it| points("(", it, ")")),
        V::DateArray(all) => each(all, date),
        V::IntervalArray(all) => each(all, days),
        V::TimeArray(all) => each(all, time),
        V::TimeTzArray(all) => each(all, |it| format!("{}{}", time(&it.time), it.timesonze)),
        V::TimestampArray(all) => each(all, timestamp),
        V::TimestampTzArray(all) => each(all, timestamp_tz),
        V::PgLsnArray(all) => each(all, |it| lsn(*it)),
        _ => Vec::new(),
    }
}

/// An array as it is written: every element in quotes, so that none is taken for anything else.
fn in_braces(elements: &[String], divider: &str) -> String {
    format!("{{{}}}", elements.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(divider))
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn characters(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => Value::Text(text.to_owned()),
        // The server says what is wrong with them.
        Err(_) => Value::Bytes(bytes.to_vec()),
    }
}

/// A number from its parts.
fn number((mantissa, exponent, sign): &HashableF64) -> f64 {
    // Rounds as the parts were made, by splitting a number: they fit.
    #[expect(clippy::cast_precision_loss, reason = "a mantissa has 53 bits")]
    let magnitude = match (*exponent, *mantissa) {
        // The highest exponent stands for what is no finite number.
        (972, 0x10_0000_0000_0000) => f64::INFINITY,
        (972, _) => f64::NAN,
        // In two steps, for numbers that are smaller than the smallest power of 2.
        (exponent, mantissa) => {
            mantissa as f64
                * 2_f64.powi(i32::from(exponent) / 2)
                * 2_f64.powi(i32::from(exponent) - i32::from(exponent) / 2)
        }
    };
    f64::from(*sign) * magnitude
}

/// Bits from the highest of each byte on, as many as there are where it is not said.
fn bits(length: Option<u32>, bytes: &[u8]) -> String {
    let all = bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| if byte >> bit & 1 == 1 { '1' } else { '0' }));
    let length = length.and_then(|length| usize::try_from(length).ok()).unwrap_or(usize::MAX);
    all.take(length).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold("\\x".to_owned(), |mut text, byte| {
        text.push_str(&format!("{byte:02x}"));
        text
    })
}

fn mac(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

fn point((x, y): &Point) -> String {
    format!("({},{})", number(x), number(y))
}

fn points(open: &str, all: &[Point], close: &str) -> String {
    format!("{open}{}{close}", all.iter().map(point).collect::<Vec<_>>().join(","))
}

fn date(date: &Date) -> String {
    match date {
        Date::PositiveInfinity => "infinity".into(),
        Date::NegativeInfinity => "-infinity".into(),
        // There is no year 0: the one before 1 is 1 BC.
        Date::Ymd((year, month, day)) if *year < 1 => format!("{:04}-{month:02}-{day:02} BC", 1 - i64::from(*year)),
        Date::Ymd((year, month, day)) => format!("{year:04}-{month:02}-{day:02}"),
    }
}

/// A range of days.
fn days(interval: &Interval) -> String {
    let open = if interval.start_inclusive { '[' } else { '(' };
    let close = if interval.end_inclusive { ']' } else { ')' };
    format!("{open}{},{}{close}", date(&interval.start), date(&interval.end))
}

fn time(time: &Time) -> String {
    format!("{:02}:{:02}:{:02}.{:06}", time.hour, time.min, time.sec, time.micro)
}

fn timestamp(it: &Timestamp) -> String {
    match it.date {
        Date::PositiveInfinity | Date::NegativeInfinity => date(&it.date),
        // The mark of the years before 1 comes last.
        Date::Ymd((year, ..)) if year < 1 => date(&it.date).replace(" BC", &format!(" {} BC", time(&it.time))),
        Date::Ymd(_) => format!("{} {}", date(&it.date), time(&it.time)),
    }
}

fn timestamp_tz(it: &TimestampTz) -> String {
    let (sign, seconds) = match it.offset {
        Offset::EasternHemisphereSecs(seconds) => ('+', seconds.unsigned_abs()),
        Offset::WesternHemisphereSecs(seconds) => ('-', seconds.unsigned_abs()),
    };
    let offset = format!("{sign}{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    let text = timestamp(&it.timestamp);
    match text.strip_suffix(" BC") {
        Some(text) => format!("{text}{offset} BC"),
        None if text.ends_with("infinity") => text,
        None => text + &offset,
    }
}

fn lsn(number: u64) -> String {
    format!("{:X}/{:X}", number >> 32, number & 0xffff_ffff)
}

fn lexeme(lexeme: &Lexeme) -> String {
    let word = format!("'{}'", lexeme.data.replace('\\', "\\\\").replace('\'', "''"));
    let weight = match lexeme.weight {
        Some(LexemeWeight::A) => "A",
        Some(LexemeWeight::B) => "B",
        Some(LexemeWeight::C) => "C",
        Some(LexemeWeight::D) | None => "",
    };
    match lexeme.position {
        Some(position) => format!("{word}:{position}{weight}"),
        None => word,
    }
}

fn pair((key, value): &(String, Option<String>)) -> String {
    format!("{}=>{}", quoted(key), value.as_ref().map_or("NULL".into(), |value| quoted(value)))
}
