//! Goal: what is written is read again as the same value. Method: arbitrary types, and for each arbitrary values of it. Types
//! of components cannot be made by hand, so each is a component in text with an import of that type.

use proptest::prelude::*;
use wasmtime::Engine;
use wasmtime::component::{Component, Val, types::ComponentItem};

use super::*;

/// A type in words that can be made arbitrarily, unlike [`Type`].
#[derive(Debug, Clone)]
enum Shape {
    Simple(&'static str),
    List(Box<Shape>),
    Option(Box<Shape>),
    Result(Option<Box<Shape>>, Option<Box<Shape>>),
    Tuple(Vec<Shape>),
    Record(Vec<Shape>),
    Variant(Vec<Option<Shape>>),
    Enum(usize),
    Flags(usize),
}

/// Names that a component may use and that WAVE might take for its own. In alphabetical order, which is how WAVE reads flags.
const NAMES: [&str; 8] = ["URL", "a", "b-c", "inf", "none", "ok", "some", "true"];

impl Shape {
    /// Adds the definitions that this type needs, and gives the name of the last: composed types have to be imported by name.
    fn define(&self, text: &mut String, count: &mut usize) -> String {
        let named = |position: usize| NAMES[position % NAMES.len()];
        let definition = match self {
            Self::Simple(name) => return (*name).to_owned(),
            Self::List(inner) => format!("(list {})", inner.define(text, count)),
            Self::Option(inner) => format!("(option {})", inner.define(text, count)),
            Self::Result(ok, err) => {
                let ok = ok.as_ref().map(|ok| ok.define(text, count)).unwrap_or_default();
                let err = err.as_ref().map(|err| format!("(error {})", err.define(text, count))).unwrap_or_default();
                format!("(result {ok} {err})")
            }
            Self::Tuple(inner) => {
                let inner: Vec<_> = inner.iter().map(|inner| inner.define(text, count)).collect();
                format!("(tuple {})", inner.join(" "))
            }
            Self::Record(inner) => {
                let fields = inner
                    .iter()
                    .enumerate()
                    .map(|(at, inner)| format!("(field \"{}\" {})", named(at), inner.define(text, count)));
                format!("(record {})", fields.collect::<String>())
            }
            Self::Variant(cases) => {
                let cases = cases.iter().enumerate().map(|(at, payload)| {
                    let payload = payload.as_ref().map(|payload| payload.define(text, count)).unwrap_or_default();
                    format!("(case \"{}\" {payload})", named(at))
                });
                format!("(variant {})", cases.collect::<String>())
            }
            Self::Enum(cases) => format!("(enum {})", quoted(*cases)),
            Self::Flags(cases) => format!("(flags {})", quoted(*cases)),
        };
        *count += 1;
        text.push_str(&format!("(type $d{count} {definition})(import \"t{count}\" (type $t{count} (eq $d{count})))\n"));
        format!("$t{count}")
    }

    fn to_type(&self, engine: &Engine) -> Type {
        let (mut text, mut count) = (String::new(), 0);
        let last = self.define(&mut text, &mut count);
        let text = format!("(component {text} (import \"f\" (func (param \"x\" {last}))))");
        let component = Component::new(engine, wat::parse_str(&text).expect(&text)).expect(&text);
        let ty = component.component_type();
        let function = ty.get_import(engine, "f").expect("the import above").ty;
        let ComponentItem::ComponentFunc(function) = function else { panic!("a function") };
        function.params().next().expect("one parameter").1
    }

    fn values(&self) -> BoxedStrategy<Val> {
        let boxed = |value: Val| Box::new(value);
        match self {
            Self::Simple(name) => simple(name),
            Self::List(inner) => prop::collection::vec(inner.values(), 0..4).prop_map(Val::List).boxed(),
            Self::Option(inner) => {
                prop::option::of(inner.values()).prop_map(move |some| Val::Option(some.map(boxed))).boxed()
            }
            Self::Result(ok, err) => {
                let ok = maybe(ok.as_deref()).prop_map(|ok| Val::Result(Ok(ok)));
                let err = maybe(err.as_deref()).prop_map(|err| Val::Result(Err(err)));
                prop_oneof![ok, err].boxed()
            }
            Self::Tuple(inner) => {
                let values: Vec<_> = inner.iter().map(Self::values).collect();
                values.prop_map(Val::Tuple).boxed()
            }
            Self::Record(inner) => {
                let values: Vec<_> = inner.iter().map(Self::values).collect();
                let named = |values: Vec<Val>| NAMES.iter().map(|name| (*name).to_owned()).zip(values).collect();
                values.prop_map(move |values| Val::Record(named(values))).boxed()
            }
            Self::Variant(cases) => {
                let cases: Vec<_> = cases.iter().map(|payload| maybe(payload.as_ref()).boxed()).enumerate().collect();
                let cases = cases.into_iter().map(|(at, payload)| {
                    payload.prop_map(move |payload| Val::Variant(NAMES[at].to_owned(), payload)).boxed()
                });
                prop::strategy::Union::new(cases).boxed()
            }
            Self::Enum(cases) => (0..*cases).prop_map(|case| Val::Enum(NAMES[case].to_owned())).boxed(),
            Self::Flags(names) => {
                let set = prop::sample::subsequence(NAMES[..*names].to_vec(), 0..=*names);
                set.prop_map(|set| Val::Flags(set.into_iter().map(ToOwned::to_owned).collect())).boxed()
            }
        }
    }
}

fn quoted(count: usize) -> String {
    NAMES[..count].iter().map(|name| format!("\"{name}\" ")).collect()
}

fn maybe(shape: Option<&Shape>) -> BoxedStrategy<Option<Box<Val>>> {
    match shape {
        Some(shape) => shape.values().prop_map(|value| Some(Box::new(value))).boxed(),
        None => Just(None).boxed(),
    }
}

fn simple(name: &str) -> BoxedStrategy<Val> {
    match name {
        "bool" => any::<bool>().prop_map(Val::Bool).boxed(),
        "s8" => any::<i8>().prop_map(Val::S8).boxed(),
        "u8" => any::<u8>().prop_map(Val::U8).boxed(),
        "s16" => any::<i16>().prop_map(Val::S16).boxed(),
        "u16" => any::<u16>().prop_map(Val::U16).boxed(),
        "s32" => any::<i32>().prop_map(Val::S32).boxed(),
        "u32" => any::<u32>().prop_map(Val::U32).boxed(),
        "s64" => any::<i64>().prop_map(Val::S64).boxed(),
        "u64" => any::<u64>().prop_map(Val::U64).boxed(),
        "float32" => any::<u32>().prop_map(|bits| Val::Float32(f32::from_bits(bits))).boxed(),
        "float64" => any::<u64>().prop_map(|bits| Val::Float64(f64::from_bits(bits))).boxed(),
        "char" => any::<char>().prop_map(Val::Char).boxed(),
        _ => any::<String>().prop_map(Val::String).boxed(),
    }
}

fn shapes() -> impl Strategy<Value = Shape> {
    let names = ["bool", "s8", "u8", "s16", "u16", "s32", "u32", "s64", "u64", "float32", "float64", "char", "string"];
    let leaf = prop_oneof![
        4 => prop::sample::select(names.to_vec()).prop_map(Shape::Simple),
        1 => (1..NAMES.len()).prop_map(Shape::Enum),
        1 => (1..NAMES.len()).prop_map(Shape::Flags),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let some = inner.clone().prop_map(Box::new);
        prop_oneof![
            some.clone().prop_map(Shape::List),
            some.clone().prop_map(Shape::Option),
            (prop::option::of(some.clone()), prop::option::of(some)).prop_map(|(ok, err)| Shape::Result(ok, err)),
            prop::collection::vec(inner.clone(), 1..4).prop_map(Shape::Tuple),
            prop::collection::vec(inner.clone(), 1..4).prop_map(Shape::Record),
            prop::collection::vec(prop::option::of(inner), 1..4).prop_map(Shape::Variant),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn a_value_survives_json_and_wave(
        (shape, values) in shapes().prop_flat_map(|shape| {
            let values = prop::collection::vec(shape.values(), 4);
            (Just(shape), values)
        })
    ) {
        let ty = shape.to_type(&Engine::default());
        for value in values {
            let json = to_json(&value).to_string();
            let parsed = serde_json::from_str(&json).expect("what was printed");
            let read = from_json(&ty, &parsed).map_err(|error| TestCaseError::fail(format!("{json}: {error}")))?;
            prop_assert_eq!(&read, &value, "{}", json);
            let wave = to_wave(&value);
            let read = from_wave(&ty, &wave).map_err(|error| TestCaseError::fail(format!("{wave}: {error}")))?;
            prop_assert_eq!(&read, &value, "{}", wave);
        }
    }

    #[test]
    fn an_example_is_a_value_of_its_type(shape in shapes()) {
        let ty = shape.to_type(&Engine::default());
        if let Some(text) = example(&ty) {
            prop_assert!(from_wave(&ty, &text).is_ok(), "{} for {}", text, TypeText(&ty));
        }
    }
}

fn typed(shape: &Shape) -> Type {
    shape.to_type(&Engine::default())
}

fn json_of(shape: &Shape, json: &str) -> String {
    let value = from_json(&typed(shape), &serde_json::from_str(json).expect("a test's own text"));
    value.map_or_else(|error| error.to_string(), |value| to_wave(&value))
}

#[test]
fn wrong_json_says_where_and_what() {
    let record = Shape::Record(vec![Shape::List(Box::new(Shape::Simple("u8"))), Shape::Simple("char")]);
    assert_eq!(json_of(&record, r#"{"URL": [1, 2], "a": "x"}"#), "{URL: [1, 2], a: 'x'}");
    assert_eq!(json_of(&record, r#"{"URL": [1, 256]}"#), "at .URL[1] it wants u8, and was given 256");
    assert_eq!(json_of(&record, r#"{"URL": []}"#), "wants record { URL: list<u8>, a: char }, and was given no field a");
    let nested = Shape::Option(Box::new(Shape::Option(Box::new(Shape::Simple("u8")))));
    assert_eq!(json_of(&nested, "null"), "none");
    assert_eq!(json_of(&nested, r#"{"some": null}"#), "some(none)");
    assert_eq!(json_of(&nested, r#"{"some": 1}"#), "some(some(1))");
    assert_eq!(json_of(&nested, "1"), "wants option<option<u8>>, and was given 1");
    assert_eq!(json_of(&Shape::Simple("float32"), "1e39"), "wants f32, and was given 1e+39");
    assert_eq!(json_of(&Shape::Simple("u64"), "18446744073709551615"), "18446744073709551615");
    assert_eq!(json_of(&Shape::Flags(3), r#"["b-c", "URL"]"#), "{URL, b-c}");
}

#[test]
fn a_type_is_written_as_wit_writes_it() {
    let said = |shape: &Shape| TypeText(&typed(shape)).to_string();
    let error = Some(Box::new(Shape::Simple("string")));
    assert_eq!(said(&Shape::Result(None, error.clone())), "result<_, string>");
    assert_eq!(said(&Shape::Result(error, None)), "result<string>");
    assert_eq!(said(&Shape::Result(None, None)), "result");
    assert_eq!(said(&Shape::Variant(vec![Some(Shape::Simple("u8")), None])), "variant { URL(u8), a }");
    let wide = Shape::Tuple(vec![Shape::Flags(8); 20]);
    assert!(said(&wide).len() < 410 && said(&wide).ends_with('…'));
}
