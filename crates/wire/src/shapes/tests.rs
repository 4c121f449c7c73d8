//! Goal: what is laid out is read again as the same value, and bytes of anybody are values or an error at no more cost than
//! allowed. Method: arbitrary shapes, and for each arbitrary values or bytes. The bytes of the protocol's own examples beside it.

use proptest::prelude::*;
use wasmtime::component::Val;

use super::*;

const ENOUGH: ByteSize = ByteSize::mib(1);

fn shapes(shapes: impl Into<Vec<Shape>>) -> Shapes {
    Shapes::new(shapes.into()).expect("they can travel")
}

fn hex(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).expect("hex")).collect()
}

fn text(text: &str) -> Val {
    Val::String(text.into())
}

fn boxed<T>(value: T) -> Box<T> {
    Box::new(value)
}

/// The type of what wasmCloud's key-value store answers.
fn got() -> Shapes {
    let error = Shape::Variant(vec![
        ("no-such-store".into(), None),
        ("access-denied".into(), None),
        ("other".into(), Some(Shape::String)),
    ]);
    let value = Shape::Option(boxed(Shape::List(boxed(Shape::U8))));
    shapes([Shape::Result { ok: Some(boxed(value)), err: Some(boxed(error)) }])
}

#[test]
fn values_have_the_bytes_that_were_captured_from_wasmcloud() {
    let ask = shapes([Shape::String, Shape::String]);
    let some = Val::List(b"value".map(Val::U8).into());
    let ok = |value: Option<Val>| Val::Result(Ok(Some(boxed(Val::Option(value.map(boxed))))));
    let other = Val::Variant("other".into(), Some(boxed(text("boom"))));
    let vectors = [
        (&ask, vec![text("bucket"), text("k1")], "06 6275636b6574 02 6b31"),
        (&ask, vec![text("bucket"), text("missing")], "06 6275636b6574 07 6d697373696e67"),
        (&got(), vec![ok(Some(some))], "00 01 05 76616c7565"),
        (&got(), vec![ok(None)], "00 00"),
        (&got(), vec![Val::Result(Err(Some(boxed(other))))], "01 02 04 626f6f6d"),
    ];
    for (shapes, values, bytes) in vectors {
        assert_eq!(shapes.encode(&values).as_deref(), Ok(&*hex(bytes)));
        assert_eq!(shapes.decode(&hex(bytes), ENOUGH), Ok(values));
    }
}

#[test]
fn numbers_have_as_few_bytes_as_they_need() {
    let check = |shape: Shape, value: Val, bytes: &str| {
        let shapes = shapes([shape]);
        assert_eq!(shapes.encode(std::slice::from_ref(&value)).as_deref(), Ok(&*hex(bytes)), "{value:?}");
        assert_eq!(shapes.decode(&hex(bytes), ENOUGH), Ok(vec![value]));
    };
    check(Shape::U16, Val::U16(200), "c801");
    check(Shape::U32, Val::U32(u32::MAX), "ffffffff0f");
    check(Shape::U64, Val::U64(u64::MAX), "ffffffffffffffffff01");
    check(Shape::S16, Val::S16(i16::MIN), "80807e");
    check(Shape::S32, Val::S32(-1), "7f");
    check(Shape::S32, Val::S32(64), "c000");
    check(Shape::S64, Val::S64(i64::MIN), "8080808080808080807f");
    check(Shape::S8, Val::S8(-1), "ff");
    check(Shape::F32, Val::Float32(1.5), "0000c03f");
    check(Shape::Char, Val::Char('ß'), "c39f");
    let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun", "day", "night"].map(ToOwned::to_owned).to_vec();
    check(Shape::Flags(days), Val::Flags(vec!["mon".into(), "wed".into(), "night".into()]), "0501");
}

#[test]
fn bytes_that_are_no_value_say_why() {
    use DecodeError::{Incomplete, NoSuchCase, Overflow, Text, TooLarge, Trailing};
    let colours = || Shape::Enum(vec!["red".into(), "green".into()]);
    let cases = [
        (Shape::U16, "ffff04", Overflow),
        (Shape::U32, "ffffffff1f", Overflow),
        (Shape::U32, "808080808000", Overflow),
        (Shape::U64, "ffffffffffffffffff02", Overflow),
        (Shape::S32, "ffffffff4f", Overflow),
        (Shape::S64, "ffffffffffffffffff3f", Overflow),
        (Shape::U32, "80", Incomplete),
        (Shape::F64, "00000000000000", Incomplete),
        (Shape::Bool, "02", NoSuchCase { case: 2 }),
        (Shape::Option(boxed(Shape::Bool)), "07", NoSuchCase { case: 7 }),
        (colours(), "02", NoSuchCase { case: 2 }),
        (colours(), "ffffffff0f", NoSuchCase { case: u32::MAX }),
        (Shape::Flags(vec!["a".into()]), "02", NoSuchCase { case: 1 }),
        (Shape::String, "02c328", Text),
        (Shape::String, "03eda080", Text),
        (Shape::Char, "c0af", Text),
        (Shape::Char, "80", Text),
        (Shape::Char, "eda080", Text),
        (Shape::Char, "f0", Incomplete),
        (Shape::String, "ffffffff0f61", Incomplete),
        (Shape::List(boxed(Shape::U8)), "ffffffff0f61", Incomplete),
        (Shape::Bool, "0100ff", Trailing { count: 2 }),
        (Shape::List(boxed(Shape::U8)), &format!("8080 04{}", "00".repeat(1 << 16)), TooLarge),
    ];
    for (shape, bytes, error) in cases {
        let decoded = shapes([shape.clone()]).decode(&hex(bytes), ByteSize::kib(512));
        assert_eq!(decoded, Err(error), "{shape:?} {bytes:.20}");
    }
}

#[test]
fn values_of_another_type_are_not_laid_out() {
    let record = Shape::Record(vec![("a".into(), Shape::Bool)]);
    let wrong = |name: &str, value| Val::Record(vec![(name.into(), value)]);
    let shapes = shapes([record]);
    let error = |number| Err(EncodeError { number });
    assert_eq!(shapes.encode(&[wrong("b", Val::Bool(true))]), error(0));
    assert_eq!(shapes.encode(&[wrong("a", Val::U8(1))]), error(0));
    assert_eq!(shapes.encode(&[]), error(0));
    assert_eq!(shapes.encode(&[wrong("a", Val::Bool(true)), Val::Bool(true)]), error(1));
}

#[test]
fn what_has_no_value_or_lies_too_deep_cannot_travel() {
    let deep = |depth| (0..depth).fold(Shape::Bool, |inner, _| Shape::Option(boxed(inner)));
    assert!(Shapes::new(vec![deep(64)]).is_ok());
    let refused = [deep(65), Shape::List(boxed(Shape::Tuple(Vec::new()))), Shape::Enum(Vec::new())];
    for shape in refused {
        assert!(Shapes::new(vec![shape.clone()]).is_err(), "{shape:?}");
    }
}

#[test]
fn a_function_of_a_component_has_its_shapes_or_says_what_cannot_travel() {
    let signature = |ty: &str, definitions: &str| {
        let text = format!("(component {definitions} (import \"f\" (func (param \"x\" {ty}) (result bool))))");
        let engine = wasmtime::Engine::default();
        let component = wasmtime::component::Component::new(&engine, wat::parse_str(&text).expect(&text)).expect(&text);
        let function = component.component_type();
        let function = function.get_import(&engine, "f").expect("the import above").ty;
        let wasmtime::component::types::ComponentItem::ComponentFunc(function) = function else { panic!("a function") };
        Signature::of(&function)
    };
    let there = Signature {
        params: shapes([Shape::List(boxed(Shape::Tuple(vec![Shape::String, Shape::F64])))]),
        results: shapes([Shape::Bool]),
    };
    // Of types, only simple ones need no name of their own in the text of a component.
    assert_eq!(signature("$l", "(type $t (tuple string float64)) (type $l (list $t))"), Ok(there));
    let resource = "(import \"r\" (type $r (sub resource)))";
    assert_eq!(signature("(own $r)", resource), Err(Unsupported { what: "a resource" }));
    assert_eq!(
        signature("$o", &format!("{resource} (type $b (borrow $r)) (type $o (option $b))")),
        Err(Unsupported { what: "a resource" })
    );
}

const NAMES: [&str; 9] = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];

fn names(count: usize) -> Vec<String> {
    NAMES[..count].iter().map(|name| (*name).to_owned()).collect()
}

fn shape() -> BoxedStrategy<Shape> {
    let number = [
        Shape::Bool,
        Shape::S8,
        Shape::U8,
        Shape::S16,
        Shape::U16,
        Shape::S32,
        Shape::U32,
        Shape::S64,
        Shape::U64,
        Shape::F32,
        Shape::F64,
        Shape::Char,
        Shape::String,
    ];
    let names_of = |range: std::ops::RangeInclusive<usize>| range.prop_map(names);
    let leaf = prop_oneof![
        8 => prop::sample::select(number.to_vec()),
        1 => names_of(1..=9).prop_map(Shape::Enum),
        1 => names_of(1..=9).prop_map(Shape::Flags),
    ];
    let named = |inner: Vec<_>| names(9).into_iter().zip(inner).collect::<Vec<_>>();
    leaf.prop_recursive(4, 24, 4, move |inner| {
        let several = prop::collection::vec(inner.clone(), 1..4);
        let maybe = prop::option::of(inner.clone());
        let arm = prop::option::of(inner.clone().prop_map(boxed));
        prop_oneof![
            inner.clone().prop_map(|inner| Shape::List(boxed(inner))),
            inner.prop_map(|inner| Shape::Option(boxed(inner))),
            several.clone().prop_map(Shape::Tuple),
            several.prop_map(move |inner| Shape::Record(named(inner))),
            prop::collection::vec(maybe, 1..4)
                .prop_map(|inner| Shape::Variant(names(9).into_iter().zip(inner).collect())),
            (arm.clone(), arm).prop_map(|(ok, err)| Shape::Result { ok, err }),
        ]
    })
    .boxed()
}

fn value(shape: &Shape) -> BoxedStrategy<Val> {
    let payload = |shape: Option<&Shape>| match shape {
        Some(shape) => value(shape).prop_map(|value| Some(boxed(value))).boxed(),
        None => Just(None).boxed(),
    };
    let all = |shapes: Vec<&Shape>| shapes.into_iter().map(value).collect::<Vec<_>>();
    match shape {
        Shape::Bool => any::<bool>().prop_map(Val::Bool).boxed(),
        Shape::S8 => any::<i8>().prop_map(Val::S8).boxed(),
        Shape::U8 => any::<u8>().prop_map(Val::U8).boxed(),
        Shape::S16 => any::<i16>().prop_map(Val::S16).boxed(),
        Shape::U16 => any::<u16>().prop_map(Val::U16).boxed(),
        Shape::S32 => any::<i32>().prop_map(Val::S32).boxed(),
        Shape::U32 => any::<u32>().prop_map(Val::U32).boxed(),
        Shape::S64 => any::<i64>().prop_map(Val::S64).boxed(),
        Shape::U64 => any::<u64>().prop_map(Val::U64).boxed(),
        Shape::F32 => any::<u32>().prop_map(|bits| Val::Float32(f32::from_bits(bits))).boxed(),
        Shape::F64 => any::<u64>().prop_map(|bits| Val::Float64(f64::from_bits(bits))).boxed(),
        Shape::Char => any::<char>().prop_map(Val::Char).boxed(),
        Shape::String => any::<String>().prop_map(Val::String).boxed(),
        Shape::List(inner) => prop::collection::vec(value(inner), 0..5).prop_map(Val::List).boxed(),
        Shape::Option(inner) => prop::option::of(value(inner)).prop_map(|some| Val::Option(some.map(boxed))).boxed(),
        Shape::Tuple(inner) => all(inner.iter().collect()).prop_map(Val::Tuple).boxed(),
        Shape::Record(fields) => {
            let names: Vec<String> = fields.iter().map(|(name, _)| name.clone()).collect();
            let values = all(fields.iter().map(|(_, inner)| inner).collect());
            values.prop_map(move |values| Val::Record(names.iter().cloned().zip(values).collect())).boxed()
        }
        Shape::Variant(cases) => {
            let cases = cases.iter().map(|(name, inner)| {
                let name = name.clone();
                payload(inner.as_ref()).prop_map(move |payload| Val::Variant(name.clone(), payload)).boxed()
            });
            prop::strategy::Union::new(cases).boxed()
        }
        Shape::Enum(names) => prop::sample::select(names.clone()).prop_map(Val::Enum).boxed(),
        Shape::Result { ok, err } => {
            let (ok, err) = (payload(ok.as_deref()), payload(err.as_deref()));
            prop_oneof![ok.prop_map(|ok| Val::Result(Ok(ok))), err.prop_map(|err| Val::Result(Err(err)))].boxed()
        }
        Shape::Flags(names) => prop::sample::subsequence(names.clone(), 0..=names.len()).prop_map(Val::Flags).boxed(),
    }
}

fn with_value(shape: Shape) -> impl Strategy<Value = (Shape, Val)> {
    value(&shape).prop_map(move |value| (shape.clone(), value))
}

proptest! {
    #[test]
    fn what_is_laid_out_is_read_as_the_same((shape, value) in shape().prop_flat_map(with_value)) {
        let shapes = shapes([shape, Shape::U8]);
        let values = vec![value, Val::U8(7)];
        let bytes = shapes.encode(&values).expect("it is of this shape");
        prop_assert_eq!(shapes.decode(&bytes, ENOUGH), Ok(values));
        for end in 0..bytes.len() {
            prop_assert_eq!(shapes.decode(&bytes[..end], ENOUGH), Err(DecodeError::Incomplete));
        }
    }

    #[test]
    fn any_bytes_are_values_that_lay_out_again_or_an_error(shape in shape(), bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let shapes = shapes([shape]);
        if let Ok(values) = shapes.decode(&bytes, ENOUGH) {
            let again = shapes.encode(&values).expect("it was read by this shape");
            prop_assert_eq!(shapes.decode(&again, ENOUGH), Ok(values));
        }
    }
}
