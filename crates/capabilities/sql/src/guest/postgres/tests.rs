//! Every kind of value goes to a server and comes back; what cannot, says why.

use std::sync::Arc;

use capability::conformance::{link, run, state};
use capability::{OpenLink, Place};
use testkit::Postgres as Server;

use super::types::{
    Date, HashableF64, Interval, Lexeme, LexemeWeight, MacAddressEui48, MacAddressEui64, Offset, Time, TimeTz,
    Timestamp, TimestampTz,
};
use super::*;
use crate::Sql;
use crate::database::Database;
use crate::postgres::Postgres;
use crate::suite::{Fresh, HOME, class, connection, postgres_options};

fn way(server: &Server) -> Way {
    let connected = HOME.block_on(Postgres::connect(&postgres_options(&server.url())));
    let database: Arc<dyn Database> = Arc::new(connected.expect("the server is up"));
    let connection = connection("shop", &[link(database)], "default").unwrap_or_else(|_| panic!("the link is there"));
    Way { link: connection.link }
}

/// Of two links the one leads to a file, which says so to who speaks to PostgreSQL alone.
#[test]
fn a_query_follows_the_link_that_was_chosen() {
    let (file, server) = (Fresh::sqlite(), Fresh::postgres());
    let named = OpenLink { name: "books".parse().expect("a name"), ..link(server.database.clone()) };
    let links = [link(file.database.clone()), named];
    let mut state = state(&Sql::new(Place { folder: "nowhere".into() }), "shop", &links);
    run(async {
        let asked = async |state: &State| match Way::of(state) {
            Ok(way) => way.query("select 1 as one", &[]).await.map(|rows| rows.len()).map_err(class),
            Err(failure) => Err(class(failure)),
        };
        assert_eq!(asked(&state).await, Err("unsupported".into()));
        state.choose(INTERFACE, "books");
        assert_eq!(asked(&state).await, Ok(1));
        state.choose(INTERFACE, State::DEFAULT_NAME);
        assert_eq!(asked(&state).await, Err("unsupported".into()));
    });
}

/// 1.5, as its parts.
const ONE_AND_A_HALF: HashableF64 = (0x18_0000_0000_0000, -52, 1);
const MINUS_TWO: HashableF64 = (0x10_0000_0000_0000, -51, -1);
const POINT: (HashableF64, HashableF64) = (ONE_AND_A_HALF, MINUS_TWO);
const DAY: Date = Date::Ymd((2026, 11, 23));
const BEFORE: Date = Date::Ymd((-43, 3, 15));
const TIME: Time = Time { hour: 16, min: 30, sec: 5, micro: 250 };

fn instant(date: Date, offset: i32) -> TimestampTz {
    TimestampTz { timestamp: Timestamp { date, time: TIME }, offset: Offset::EasternHemisphereSecs(offset) }
}

fn words(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// What a value becomes that is given for this type.
async fn back(way: &Way, ty: &str, value: PgValue) -> Result<PgValue, QueryError> {
    let rows = way.query(&format!("select $1::{ty} as value"), &[value]).await?;
    let [row] = rows.try_into().expect("one row");
    let [entry] = row.try_into().expect("one column");
    assert_eq!(entry.column_name, "value");
    Ok(entry.value)
}

fn plain() -> Vec<(&'static str, PgValue)> {
    use PgValue as V;
    let bytes = || vec![0, 1, 255];
    let quotes = || words(&["", "a", "\"", "\\", "'", "{}", ",", "null", " ", "ä\n"]);
    vec![
        ("bool", V::Bool(true)),
        ("bool[]", V::BoolArray(vec![true, false])),
        ("int2", V::Int2(-7)),
        ("int2[]", V::Int2Array(vec![1, i16::MIN])),
        ("int4", V::Int4(i32::MIN)),
        ("int4[]", V::Int4Array(vec![1, 2])),
        ("int8", V::Int8(i64::MAX)),
        ("int8[]", V::Int8Array(vec![i64::MIN])),
        ("float4", V::Float4(ONE_AND_A_HALF)),
        ("float4[]", V::Float4Array(vec![ONE_AND_A_HALF, MINUS_TWO])),
        ("float8", V::Float8(MINUS_TWO)),
        ("float8", V::Float8((2, -1075, 1))),
        ("float8", V::Float8((0x10_0000_0000_0000, 972, -1))),
        ("float8", V::Float8((0x18_0000_0000_0000, 972, 1))),
        ("float8[]", V::Float8Array(vec![MINUS_TWO])),
        ("numeric", V::Numeric("-12.50".into())),
        ("numeric[]", V::NumericArray(words(&["0.00001", "NaN"]))),
        ("bytea", V::Bytea(bytes())),
        ("bytea[]", V::ByteaArray(vec![bytes(), Vec::new()])),
        ("char(3)", V::Char((3, b"x  ".to_vec()))),
        ("char(2)[]", V::CharArray(vec![(2, b"ab".to_vec())])),
        ("varchar", V::Varchar((None, b"x'".to_vec()))),
        ("varchar[]", V::VarcharArray(vec![(None, b"x".to_vec())])),
        ("text", V::Text("'; drop table x; --".into())),
        ("text[]", V::TextArray(quotes())),
        ("name", V::Name("x".into())),
        ("name[]", V::NameArray(words(&["x", "y"]))),
        ("json", V::Json("{\"a\": [1, \"\\\"\"]}".into())),
        ("json[]", V::JsonArray(words(&["{\"a\": 1}", "[]"]))),
        ("jsonb", V::Jsonb("{\"a\": 1}".into())),
        ("jsonb[]", V::JsonbArray(words(&["1", "\"x\""]))),
        ("uuid", V::Uuid("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11".into())),
        ("uuid[]", V::UuidArray(words(&["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"]))),
        ("bit(10)", V::Bit((10, vec![0b1010_0000, 0b0100_0000]))),
        ("bit(2)[]", V::BitArray(vec![(2, vec![0b1000_0000])])),
        ("varbit", V::Varbit((Some(3), vec![0b1110_0000]))),
        ("varbit[]", V::VarbitArray(vec![(Some(1), vec![0]), (Some(8), vec![255])])),
    ]
}

fn structured() -> Vec<(&'static str, PgValue)> {
    use PgValue as V;
    vec![
        ("inet", V::Inet("10.0.0.1/24".into())),
        ("inet", V::Inet("::1".into())),
        ("inet[]", V::InetArray(words(&["127.0.0.1", "fe80::/10"]))),
        ("cidr", V::Cidr("10.0.0.0/8".into())),
        ("cidr[]", V::CidrArray(words(&["10.0.0.0/8"]))),
        ("macaddr", V::Macaddr(MacAddressEui48 { bytes: (8, 0, 43, 1, 2, 255) })),
        ("macaddr[]", V::MacaddrArray(vec![MacAddressEui48 { bytes: (8, 0, 43, 1, 2, 3) }])),
        ("macaddr8", V::Macaddr8(MacAddressEui64 { bytes: (8, 0, 43, 1, 2, 3, 4, 5) })),
        ("macaddr8[]", V::Macaddr8Array(vec![MacAddressEui64 { bytes: (8, 0, 43, 1, 2, 3, 4, 5) }])),
        ("point", V::Point(POINT)),
        ("point[]", V::PointArray(vec![POINT, POINT])),
        ("lseg", V::Lseg((POINT, POINT))),
        ("lseg[]", V::LsegArray(vec![(POINT, POINT), (POINT, POINT)])),
        ("box", V::Box((POINT, POINT))),
        ("box[]", V::BoxArray(vec![(POINT, POINT), (POINT, POINT)])),
        ("circle", V::Circle((POINT, ONE_AND_A_HALF))),
        ("circle[]", V::CircleArray(vec![(POINT, ONE_AND_A_HALF)])),
        ("path", V::Path(vec![POINT, POINT])),
        ("path[]", V::PathArray(vec![vec![POINT], vec![POINT, POINT]])),
        ("polygon", V::Polygon(vec![POINT, POINT, POINT])),
        ("polygon[]", V::PolygonArray(vec![vec![POINT, POINT]])),
        ("date", V::Date(DAY)),
        ("date", V::Date(BEFORE)),
        ("date[]", V::DateArray(vec![DAY, Date::PositiveInfinity, Date::NegativeInfinity])),
        ("time", V::Time(TIME)),
        ("time[]", V::TimeArray(vec![TIME])),
        ("timetz", V::TimeTz(TimeTz { timesonze: "-05:30:00".into(), time: TIME })),
        ("timetz[]", V::TimeTzArray(vec![TimeTz { timesonze: "+01:00:00".into(), time: TIME }])),
        ("timestamp", V::Timestamp(Timestamp { date: DAY, time: TIME })),
        ("timestamp", V::Timestamp(Timestamp { date: BEFORE, time: TIME })),
        ("timestamp[]", V::TimestampArray(vec![Timestamp { date: DAY, time: TIME }])),
        ("timestamptz", V::TimestampTz(instant(DAY, 0))),
        ("timestamptz", V::TimestampTz(instant(BEFORE, 0))),
        ("timestamptz[]", V::TimestampTzArray(vec![instant(DAY, 0)])),
        ("pg_lsn", V::PgLsn(0x16_B374_D848)),
        ("pg_lsn[]", V::PgLsnArray(vec![0, u64::MAX])),
        ("int4", V::Null),
    ]
}

#[test]
fn values_come_back_as_they_went() {
    let server = Server::start();
    let way = way(&server);
    run(async {
        for (ty, value) in plain().into_iter().chain(structured()) {
            let expected = format!("{value:?}");
            let back = back(&way, ty, value).await.unwrap_or_else(|error| panic!("{ty}: {error:?}"));
            assert_eq!(format!("{back:?}"), expected, "{ty}");
        }
    });
}

/// What comes back otherwise, since the contract has several words for a type, or the server none for a value.
#[test]
fn each_kind_of_value_is_taken() {
    use PgValue as V;
    let server = Server::start();
    let way = way(&server);
    let range = Interval { start: DAY, start_inclusive: true, end: Date::Ymd((2026, 11, 30)), end_inclusive: false };
    let lexeme = |position, weight| Lexeme { position, weight, data: "it's".into() };
    let western = TimestampTz { offset: Offset::WesternHemisphereSecs(3600), ..instant(DAY, 0) };
    run(async {
        for (ty, value, text) in [
            ("int8", V::BigInt(7), "7"),
            ("int8", V::BigSerial(7), "7"),
            ("int8", V::Serial8(7), "7"),
            ("bool", V::Boolean(false), "false"),
            ("float8", V::Double(ONE_AND_A_HALF), "1.5"),
            ("float4", V::Real(MINUS_TWO), "-2"),
            ("int4", V::Integer(7), "7"),
            ("int4", V::Int(7), "7"),
            ("int4", V::Serial(7), "7"),
            ("int4", V::Serial4(7), "7"),
            ("int2", V::SmallInt(7), "7"),
            ("int2", V::SmallSerial(7), "7"),
            ("int2", V::Serial2(7), "7"),
            ("numeric", V::Decimal("1.20".into()), "1.20"),
            ("money", V::Money("12.50".into()), "$12.50"),
            ("money[]", V::MoneyArray(words(&["1"])), "{$1.00}"),
            ("varbit", V::BitVarying((None, vec![1])), "00000001"),
            ("line", V::Line((POINT, ((0, 0, 1), (0, 0, 1)))), "{-1.3333333333333333,-1,0}"),
            ("daterange", V::Interval(range), "[2026-11-23,2026-11-30)"),
            ("daterange[]", V::IntervalArray(vec![range]), "{\"[2026-11-23,2026-11-30)\"}"),
            ("timestamptz", V::TimestampTz(western), "2026-11-23 17:30:05.00025+00"),
            ("int2vector", V::Int2Vector(vec![1, 2]), "1 2"),
            ("int2vector[]", V::Int2VectorArray(vec![vec![1, 2]]), "{\"1 2\"}"),
            ("pg_snapshot", V::PgSnapshot((10, 20, vec![10, 14])), "10:20:10,14"),
            ("tsquery", V::TsQuery("a & b".into()), "'a' & 'b'"),
            ("tsvector", V::TsVector(vec![lexeme(Some(3), Some(LexemeWeight::A))]), "'it''s':3A"),
            ("tsvector", V::TsVector(vec![lexeme(None, None)]), "'it''s'"),
        ] {
            let outcome = back(&way, &format!("{ty}::text"), value).await;
            match outcome.unwrap_or_else(|error| panic!("{ty}: {error:?}")) {
                V::Text(found) => assert_eq!(found, text, "{ty}"),
                other => panic!("{ty}: {other:?}"),
            }
        }
    });
}

#[test]
fn what_goes_wrong_is_told_apart() {
    let server = Server::start();
    let way = way(&server);
    run(async {
        way.batch("create table pair (name text primary key, value int); insert into pair values ('a', 1)")
            .await
            .unwrap_or_else(|failure| panic!("{:?}", QueryError::from(failure)));
        let text = |text: &str| PgValue::Text(text.into());
        for (statement, params, said) in [
            ("selec 1", vec![], "InvalidQuery"),
            ("select * from missing", vec![], "InvalidQuery"),
            ("begin", vec![], "InvalidQuery"),
            ("select $1::int", vec![text("x")], "InvalidParams"),
            ("select $1::int", vec![], "InvalidParams"),
            ("select $1::text", vec![PgValue::Bytea(vec![1])], "InvalidParams"),
            ("insert into pair values ('a', 1)", vec![], "Unexpected"),
            ("select interval '1 day'", vec![], "InvalidQuery"),
            ("select array[1, null]", vec![], "InvalidQuery"),
            ("select repeat('x', 100000) from generate_series(1, 100)", vec![], "Unexpected"),
        ] {
            let error = way.query(statement, &params).await.map_err(QueryError::from).expect_err(statement);
            assert!(format!("{error:?}").starts_with(&format!("QueryError::{said}")), "{statement}: {error:?}");
        }
        let count = way.execute("update pair set value = value + $1", &[PgValue::Int4(1)]).await;
        assert_eq!(count.ok(), Some(1));
        assert!(way.prepare("selec").await.is_err() && way.prepare("select $1::int").await.is_ok());
        // A batch that begins something and does not end it leaves nothing.
        assert!(way.batch("begin; update pair set value = 99; set search_path to nowhere").await.is_ok());
        let rows = way.query("select value from pair", &[]).await.unwrap_or_else(|_| panic!("it is there"));
        assert_eq!(format!("{:?}", rows[0][0].value), "PgValue::Int4(2)");
    });
}
